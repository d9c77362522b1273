//! A process that ends in order leaves nothing frozen, and whoever goes on claims nothing of a hold that fell.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_conformance::sim::{SimConfig, SimKind, SimWorkspace, SimWorld};
use stillpoint_core::decide::Machine;
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A workspace that cannot let itself go, so that nobody else does it either.
fn world() -> SimWorld {
    let files = ("home", SimKind::FileSystem, 100 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    world.workspace.disable_switch();
    world
}

async fn holding(world: &SimWorld) -> LocalOrchestrator {
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(Request::Backup(world.backup("op").unwrap())).await.unwrap();
    world.pass(5 * MINUTE).await;
    assert!(world.workspace.held_by().is_some());
    orchestrator
}

fn id() -> OperationId {
    "op".parse().unwrap()
}

fn assert_services_are_back(world: &SimWorld) {
    assert_eq!(world.workspace.held_by(), None);
    let services: Vec<_> = world.workspace.services().into_iter().collect();
    let prior = [("jupyter".into(), true), ("scheduler".into(), true), ("trainer".into(), false)];
    assert_eq!(services, prior, "what was stopped before the backup stays stopped");
}

#[tokio::test(start_paused = true)]
async fn an_orderly_stop_lets_go_and_the_backup_goes_on_from_where_it_was() {
    let world = world();
    let first = holding(&world).await;
    let begun = world.clock.now();
    let left = first.hand_over().await.unwrap();
    assert_eq!((left.operations, left.still_held), (vec![id()], vec![]));
    assert_services_are_back(&world);
    assert!(world.clock.now().since(begun) < Duration::from_secs(5));
    let stored = world.catalog.operation(&id()).await.unwrap().unwrap();
    assert_eq!((stored.operation.state, stored.lease.live), (OperationState::Running, false));

    let second = world.orchestrator().unwrap();
    assert_eq!(second.recover().await.unwrap(), [id()], "nobody waits for a lease to run out");
    let status = world.finish(&second, &id()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    let backup = status.backup.unwrap();
    assert_eq!(backup.consistency, Consistency::Fuzzy, "services ran while most of it was captured");
    assert!(status.operation.warnings.iter().any(|warning| warning.contains("claims nothing")));
    assert_eq!(world.workspace.holds().len(), 1, "no second hold under a capture that had begun");
    assert_eq!(world.cloud.jobs().len(), 1, "the job that ran was followed");
    assert!(backup.downtime < 6 * MINUTE, "{:?}", backup.downtime);
}

#[tokio::test(start_paused = true)]
async fn a_lone_host_that_comes_back_after_a_day_finds_services_that_ran_meanwhile() {
    let world = world();
    let first = holding(&world).await;
    first.hand_over().await.unwrap();
    drop(first);
    world.pass(24 * 60 * MINUTE).await;
    assert_services_are_back(&world);
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    world.finish(&second, &id()).await.unwrap();
    let held = &world.workspace.holds()[0];
    assert!(held.until.unwrap().since(held.from) < 6 * MINUTE);
}

/// A workspace that needs this long to stop its services, or a minute to start them.
#[derive(Debug)]
struct Slow {
    inner: Arc<SimWorkspace>,
    quiesce: Duration,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Workspace for Slow {
    fn id(&self) -> &WorkspaceId {
        self.inner.id()
    }
    async fn definition(&self, cx: &OpContext) -> Result<Definition> {
        self.inner.definition(cx).await
    }
    async fn inventory(&self, cx: &OpContext) -> Result<Vec<Component>> {
        self.inner.inventory(cx).await
    }
    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        self.clock.sleep(self.quiesce).await;
        self.inner.quiesce(cx, id, options).await
    }
    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()> {
        self.inner.resume(cx, id).await
    }
    async fn hold(&self, cx: &OpContext) -> Result<Option<HoldInfo>> {
        self.inner.hold(cx).await
    }
}

/// A process that is told to end while its quiesce, which takes `takes`, is under way.
async fn stopped_while_quiescing(takes: Duration) -> SimWorld {
    let world = world();
    let clock = Arc::clone(&world.clock);
    let slow = Arc::new(Slow { inner: world.workspace.clone(), quiesce: takes, clock });
    let provider = Arc::new(world.cloud.provider("sim".parse().unwrap()));
    let first =
        world.orchestrator_on(world.catalog.clone(), provider, slow, world.provisioner.clone()).unwrap();
    first.submit(Request::Backup(world.backup("op").unwrap())).await.unwrap();
    world.pass(Duration::from_secs(5)).await;
    assert_eq!(world.workspace.holds().len(), 0, "it is still being held still");
    let left = first.hand_over().await.unwrap();
    assert_eq!((left.operations, left.still_held), (vec![id()], vec![]));
    world
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_nothing_was_captured_under_is_let_go_and_taken_anew() {
    // Shorter than letting go waits for it, and longer.
    for takes in [Duration::from_secs(15), Duration::from_secs(45)] {
        let world = stopped_while_quiescing(takes).await;
        assert_services_are_back(&world);
        world.pass(60 * MINUTE).await;
        assert_eq!(world.cloud.jobs().len(), 0, "whoever leaves begins nothing");
        let second = world.orchestrator().unwrap();
        second.recover().await.unwrap();
        let status = world.finish(&second, &id()).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
        let backup = status.backup.unwrap();
        assert_eq!(backup.consistency, Consistency::Application, "{:?}", status.operation.warnings);
        let holds = world.workspace.holds();
        assert_eq!(holds.len(), 2);
        let captured = backup.components[0].captured.unwrap();
        assert!(holds[1].from <= captured.from && captured.to <= holds[1].until.unwrap());
        let held: Duration = holds.iter().map(|hold| hold.until.unwrap().since(hold.from)).sum();
        let most = held + takes + MINUTE;
        assert!((held..most).contains(&backup.downtime), "not the hour between: {:?}", backup.downtime);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_let_go_in_time_is_said_and_left_to_others() {
    let world = world();
    let first = holding(&world).await;
    world.workspace.fail_resume(1000);
    let begun = world.clock.now();
    let left = first.hand_over().await.unwrap();
    assert!(world.clock.now().since(begun) <= 2 * MINUTE, "{:?}", world.clock.now().since(begun));
    assert_eq!((left.operations, left.still_held), (vec![id()], vec![world.workspace_id()]));
    world.workspace.fail_resume(0);
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    world.pass(MINUTE).await;
    assert_services_are_back(&world);
    let status = world.finish(&second, &id()).await.unwrap();
    assert_eq!(status.backup.unwrap().consistency, Consistency::Fuzzy);
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_holds_nothing_still_or_any_more_is_left_as_it_stands() {
    let volume = ("db", SimKind::Volume, 100 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[volume]).unwrap();
    let first = world.orchestrator().unwrap();
    first.submit(Request::Backup(world.backup("op").unwrap())).await.unwrap();
    world.pass(5 * MINUTE).await;
    assert_eq!(world.workspace.held_by(), None, "its instant is over");
    assert_eq!(first.hand_over().await.unwrap().operations, [id()]);
    let Machine::Backup(machine) = world.catalog.operation(&id()).await.unwrap().unwrap().operation.machine
    else {
        panic!("it is a backup");
    };
    assert!(!machine.members[0].run.outlasted_hold);
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    let status = world.finish(&second, &id()).await.unwrap();
    assert_eq!(status.backup.unwrap().consistency, Consistency::Application);
    assert_eq!(first.hand_over().await.unwrap(), HandedOver::default(), "again changes nothing");
}
