//! Overdue holds are let go by whoever is left, even when catalog, lease and provider are gone.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_conformance::sim::{SimConfig, SimKind, SimWorld, SkewedClock};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// A workspace that cannot let itself go, held still for an hour at the most by a process that died.
async fn abandoned() -> SimWorld {
    let files = ("home", SimKind::FileSystem, 600 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    world.workspace.disable_switch();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(HOUR);
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    world.pass(5 * MINUTE).await;
    assert!(world.workspace.held_by().is_some());
    world
}

fn held_for(world: &SimWorld) -> Duration {
    let hold = &world.workspace.holds()[0];
    hold.until.unwrap().since(hold.from)
}

/// An orchestrator on an empty catalog, as after the loss of the real one.
fn without_a_past(world: &SimWorld) -> LocalOrchestrator {
    let catalog = Arc::new(MemoryCatalog::with_clock(Arc::clone(&world.clock)));
    let provider = Arc::new(world.cloud.provider("sim".parse().unwrap()));
    world.orchestrator_on(catalog, provider, world.workspace.clone(), world.provisioner.clone()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_watchdog_needs_nothing_but_the_workspace() {
    let world = abandoned().await;
    let watchdog = Watchdog::new(Arc::clone(&world.clock));
    assert!(matches!(watchdog.look(world.workspace.as_ref()).await.unwrap(), Watched::Held(_)));
    world.pass(56 * MINUTE).await;
    assert!(world.workspace.held_by().is_some(), "nobody is there to let it go");
    world.pass(MINUTE).await;
    assert!(matches!(watchdog.look(world.workspace.as_ref()).await.unwrap(), Watched::Released(_)));
    assert_eq!(world.workspace.held_by(), None);
    let services: Vec<_> = world.workspace.services().into_iter().collect();
    let prior = [("jupyter".into(), true), ("scheduler".into(), true), ("trainer".into(), false)];
    assert_eq!(services, prior, "what was stopped before the backup stays stopped");
}

#[tokio::test(start_paused = true)]
async fn any_instance_lets_go_in_time_also_with_an_empty_catalog() {
    let world = abandoned().await;
    let other = without_a_past(&world);
    assert_eq!(other.recover().await.unwrap(), [], "it knows of no operation");
    world.pass(2 * HOUR).await;
    assert_eq!(world.workspace.held_by(), None);
    assert!(held_for(&world) <= HOUR + 3 * MINUTE, "{:?}", held_for(&world));
}

#[tokio::test(start_paused = true)]
async fn an_overdue_hold_of_nobody_known_does_not_stand_in_the_way_of_the_next_backup() {
    let world = abandoned().await;
    world.pass(2 * HOUR).await;
    let other = without_a_past(&world);
    other.submit(Request::Backup(world.backup("op-2").unwrap())).await.unwrap();
    world.pass(MINUTE).await;
    let hold = other.status(&"op-2".parse().unwrap()).await.unwrap().operation;
    assert_eq!(hold.step, "capturing", "{hold:?}");
    assert_eq!(world.workspace.held_by(), Some(QuiesceId::of(&hold.id)));
}

#[tokio::test(start_paused = true)]
async fn a_hold_of_somebody_else_within_its_budget_is_respected() {
    let world = abandoned().await;
    let other = without_a_past(&world);
    let status = world.run(&other, Request::Backup(world.backup("op-2").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::Busy);
    assert_eq!(world.workspace.holds().len(), 1);
    assert!(world.workspace.held_by().is_some(), "and nobody was let go by mistake");
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_wakes_after_the_watchdog_let_go_claims_nothing() {
    let world = abandoned().await;
    let watchdog = Watchdog::new(Arc::clone(&world.clock));
    world.pass(2 * HOUR).await;
    watchdog.look(world.workspace.as_ref()).await.unwrap();
    let late = world.orchestrator().unwrap();
    late.recover().await.unwrap();
    let status = world.finish(&late, &"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Partial);
    assert_eq!(status.backup.unwrap().consistency, Consistency::Fuzzy);
    assert_eq!(world.workspace.holds().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_keeps_no_workspace_frozen() {
    let world = abandoned().await;
    let set_back = SkewedClock::new(Arc::clone(&world.clock), 0).jumping(10 * MINUTE, -24 * 3_600_000);
    let workspaces = [world.workspace.clone() as Arc<dyn Workspace>];
    let watchdog = Watchdog::new(Arc::new(set_back));
    tokio::select! {
        never = watchdog.look_after(&workspaces) => match never {},
        () = world.pass(2 * HOUR) => {}
    }
    assert!(held_for(&world) <= HOUR + 10 * MINUTE, "{:?}", held_for(&world));
}

#[tokio::test(start_paused = true)]
async fn a_backup_whose_hold_was_let_go_by_a_clock_that_is_ahead_claims_nothing() {
    for ahead in [0, 24 * 3_600_000] {
        let files = ("home", SimKind::FileSystem, 100 * GB, 10_000);
        let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
        let orchestrator = world.orchestrator().unwrap();
        orchestrator.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
        world.pass(5 * MINUTE).await;
        let clock = SkewedClock::new(Arc::clone(&world.clock), ahead);
        let seen = Watchdog::new(Arc::new(clock)).look(world.workspace.as_ref()).await.unwrap();
        assert_eq!(matches!(seen, Watched::Released(_)), ahead > 0, "{seen:?}");
        let status = world.finish(&orchestrator, &"op-1".parse().unwrap()).await.unwrap();
        let claimed = status.backup.unwrap().consistency;
        let level = if ahead == 0 { Consistency::Application } else { Consistency::Fuzzy };
        assert_eq!(claimed, level, "{:?}", status.operation.warnings);
        assert_eq!(status.operation.warnings.is_empty(), ahead == 0, "{:?}", status.operation.warnings);
    }
}

/// A workspace whose answers never come, or end in a panic.
#[derive(Debug)]
struct Broken {
    id: WorkspaceId,
    panics: bool,
}

#[async_trait]
impl Workspace for Broken {
    fn id(&self) -> &WorkspaceId {
        &self.id
    }
    async fn definition(&self, _cx: &OpContext) -> Result<Definition> {
        Ok(Definition::new(self.id.clone()))
    }
    async fn inventory(&self, _cx: &OpContext) -> Result<Vec<Component>> {
        Ok(Vec::new())
    }
    async fn quiesce(&self, _: &OpContext, _: &QuiesceId, _: &QuiesceOptions) -> Result<Consistency> {
        Ok(Consistency::Fuzzy)
    }
    async fn resume(&self, _cx: &OpContext, _id: &QuiesceId) -> Result<()> {
        Ok(())
    }
    async fn hold(&self, _cx: &OpContext) -> Result<Option<HoldInfo>> {
        assert!(!self.panics, "a host's mistake");
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_does_not_answer_or_panics_keeps_no_other_one_frozen() {
    let world = abandoned().await;
    let broken =
        |id: &str, panics| Arc::new(Broken { id: id.parse().unwrap(), panics }) as Arc<dyn Workspace>;
    let workspaces = [broken("silent", false), broken("broken", true), world.workspace.clone()];
    let watchdog = Watchdog::new(Arc::clone(&world.clock));
    let watching = tokio::spawn(async move { match watchdog.look_after(&workspaces).await {} });
    world.pass(Duration::from_secs(4 * 3600)).await;
    assert_eq!(world.workspace.held_by(), None);
    assert!(!watching.is_finished(), "it goes on looking");
    watching.abort();
}
