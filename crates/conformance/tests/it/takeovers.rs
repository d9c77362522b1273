//! Whoever takes a backup over is not disturbed by what its predecessor still had under way.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_conformance::crash::{CrashPoint, Fuse, FusedWorkspace, Moment};
use stillpoint_conformance::sim::{LEASE_TTL, SimConfig, SimKind, SimWorkspace, SimWorld, SkewedClock};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A workspace that was held still by a process which did not live to hear so, and its hold.
async fn left_behind() -> (SimWorld, QuiesceId) {
    let files = ("home", SimKind::FileSystem, 20 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    let fuse = Arc::new(Fuse::new(Some(CrashPoint::new(0, Moment::After))));
    let mortal = FusedWorkspace::new(world.workspace.clone(), Arc::clone(&fuse));
    let first = on(&world, Arc::new(mortal));
    first.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    fuse.blows().await;
    let hold = world.workspace.held_by().unwrap();
    drop(first);
    world.pass(LEASE_TTL + MINUTE).await;
    (world, hold)
}

fn on(world: &SimWorld, workspace: Arc<dyn Workspace>) -> LocalOrchestrator {
    let provider = Arc::new(world.cloud.provider("sim".parse().unwrap()));
    world.orchestrator_on(world.catalog.clone(), provider, workspace, world.provisioner.clone()).unwrap()
}

/// The set is as consistent as it says: it was captured within one hold that lasted.
fn assert_held(world: &SimWorld, backup: &BackupRecord) {
    assert_eq!((backup.state, backup.consistency), (BackupState::Completed, Consistency::Application));
    let held = world.workspace.holds().pop().unwrap();
    let captured = backup.components[0].captured.unwrap();
    assert!(held.from <= captured.from && captured.to <= held.until.unwrap(), "{held:?} {captured:?}");
    let services: Vec<_> = world.workspace.services().into_iter().collect();
    let prior = [("jupyter".into(), true), ("scheduler".into(), true), ("trainer".into(), false)];
    assert_eq!(services, prior, "what was stopped before the backup stays stopped");
}

/// A process that is cut off from the catalog lets its workspace go for as long as it can, and that call may be on its way
/// for longer than its lease lasts.
#[tokio::test(start_paused = true)]
async fn a_resume_that_arrives_late_lets_nobody_elses_hold_go() {
    let (world, hold) = left_behind().await;
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    world.pass(5 * MINUTE).await;
    assert_eq!(second.status(&"op-1".parse().unwrap()).await.unwrap().operation.step, "capturing");

    world.workspace.resume(&OpContext::new(Arc::clone(&world.clock)), &hold).await.unwrap();
    assert!(
        world.workspace.held_by().is_some(),
        "services write into a capture that relies on their being stopped"
    );
    let status = world.finish(&second, &"op-1".parse().unwrap()).await.unwrap();
    let backup = status.backup.unwrap();
    assert_held(&world, &backup);
    let held: Duration =
        world.workspace.holds().iter().map(|hold| hold.until.unwrap().since(hold.from)).sum();
    assert!(
        backup.downtime >= held,
        "the hold that was given up is downtime, too: {:?} {held:?}",
        backup.downtime
    );
}

/// A workspace on which the predecessor's quiesce takes hold only after it was let go.
#[derive(Debug)]
struct TakesHoldLate {
    inner: Arc<SimWorkspace>,
    late: QuiesceId,
}

#[async_trait]
impl Workspace for TakesHoldLate {
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
        self.inner.quiesce(cx, id, options).await
    }
    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()> {
        self.inner.resume(cx, id).await?;
        if *id == self.late && self.inner.holds().len() == 1 {
            self.inner.quiesce(cx, id, &QuiesceOptions::new(Duration::from_secs(24 * 3600))).await?;
        }
        Ok(())
    }
    async fn hold(&self, cx: &OpContext) -> Result<Option<HoldInfo>> {
        self.inner.hold(cx).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiesce_that_arrives_late_does_not_stand_in_its_successors_way() {
    let (world, late) = left_behind().await;
    let second = on(&world, Arc::new(TakesHoldLate { inner: world.workspace.clone(), late }));
    second.recover().await.unwrap();
    let status = world.finish(&second, &"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(world.workspace.holds().len(), 3);
    assert_held(&world, &status.backup.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_or_ahead_loses_no_lease_and_no_time() {
    for by in [-24 * 3_600_000, 24 * 3_600_000] {
        let files = ("home", SimKind::FileSystem, 100 * GB, 10_000);
        let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
        let clock = SkewedClock::new(Arc::clone(&world.clock), 0).jumping(Duration::from_secs(300), by);
        let provider = Arc::new(world.cloud.provider("sim".parse().unwrap()));
        let (catalog, workspace) = (world.catalog.clone(), world.workspace.clone());
        let set = world
            .orchestrator_under(Arc::new(clock), catalog, provider, workspace, world.provisioner.clone())
            .unwrap();
        set.submit(Request::Backup(world.backup("op").unwrap())).await.unwrap();
        world.pass(Duration::from_secs(300) + 3 * LEASE_TTL).await;
        let other = world.orchestrator().unwrap();
        assert_eq!(other.recover().await.unwrap(), [], "{by}: its lease is renewed as before");
        let status = world.finish(&set, &"op".parse().unwrap()).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{by}: {:?}", status.operation.issues);
        let took = status.backup.unwrap().downtime;
        assert!(took < Duration::from_secs(3 * 3600), "{by}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_a_detached_operation_follows_it_where_its_driver_is_gone() {
    let files = ("home", SimKind::FileSystem, 600 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op").unwrap();
    request.timeout = Some(Duration::from_secs(600));
    first.submit(Request::Backup(request)).await.unwrap();
    let id = "op".parse().unwrap();
    assert_eq!(first.wait(&id).await.unwrap().operation.state, OperationState::Detached);
    drop(first);
    world.pass(LEASE_TTL + Duration::from_secs(1)).await;
    let second = world.orchestrator().unwrap();
    assert_eq!(world.finish(&second, &id).await.unwrap().operation.state, OperationState::Partial);
}

/// Whoever lacks what an operation needs would only fail it: it is left to those who have that, in any state.
#[tokio::test(start_paused = true)]
async fn an_operation_is_left_alone_by_whoever_lacks_its_provider() {
    for (before, step) in [(Duration::ZERO, "inspecting"), (MINUTE, "capturing")] {
        let files = ("home", SimKind::FileSystem, 20 * GB, 10_000);
        let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
        let first = world.orchestrator().unwrap();
        first.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
        world.pass(before).await;
        drop(first);
        world.pass(LEASE_TTL).await;
        let lacking = LocalOrchestrator::builder(world.catalog.clone())
            .clock(Arc::clone(&world.clock))
            .holder(Holder::new("sim-host", "lacking"))
            .lease_ttl(LEASE_TTL)
            .workspace(world.workspace.clone())
            .build();
        let left = lacking.status(&"op-1".parse().unwrap()).await.unwrap();
        assert_eq!(left.operation.step, step);
        assert!(lacking.recover().await.unwrap().is_empty());
        world.pass(MINUTE).await;
        assert_eq!(lacking.status(&"op-1".parse().unwrap()).await.unwrap(), left);

        let able = world.orchestrator().unwrap();
        assert_eq!(able.recover().await.unwrap().len(), 1);
        let status = world.finish(&able, &"op-1".parse().unwrap()).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    }
}

/// What is to be stopped is stopped at last, also where nobody has what it was begun with any more.
#[tokio::test(start_paused = true)]
async fn what_is_to_be_stopped_and_nobody_can_drive_is_ended_by_anybody() {
    let files = ("home", SimKind::FileSystem, 20 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    let id: OperationId = "op-1".parse().unwrap();
    let record =
        OperationRecord::submitted(Request::Backup(world.backup("op-1").unwrap()), world.clock.now());
    world.catalog.create_operation(&record, &Holder::new("sim-host", "gone"), LEASE_TTL).await.unwrap();
    let lacking = LocalOrchestrator::builder(world.catalog.clone())
        .clock(Arc::clone(&world.clock))
        .holder(Holder::new("sim-host", "lacking"))
        .lease_ttl(LEASE_TTL)
        .build();
    lacking.cancel(&id).await.unwrap();
    let status = lacking.wait(&id).await.unwrap();
    assert!(status.operation.state.is_terminal(), "{:?}", status.operation);
    assert!(world.clock.now().since(record.started_at) > 3 * LEASE_TTL, "others have their time to come");
}

/// A backup that holds its workspace still and whose host is away, and a host without the workspace on which it is cancelled.
async fn cancelled_elsewhere() -> (SimWorld, LocalOrchestrator) {
    let files = ("home", SimKind::FileSystem, 2000 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    world.workspace.disable_switch();
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(60 * MINUTE);
    first.submit(Request::Backup(request)).await.unwrap();
    world.pass(5 * MINUTE).await;
    assert!(world.workspace.held_by().is_some());
    drop(first);
    let lacking = LocalOrchestrator::builder(world.catalog.clone())
        .clock(Arc::clone(&world.clock))
        .holder(Holder::new("sim-host", "lacking"))
        .lease_ttl(LEASE_TTL)
        .build();
    lacking.cancel(&"op-1".parse().unwrap()).await.unwrap();
    (world, lacking)
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_left_to_a_host_that_can_let_it_go() {
    let (world, lacking) = cancelled_elsewhere().await;
    for _ in 0..30 {
        world.pass(MINUTE).await;
        assert_eq!(lacking.recover().await.unwrap(), [], "its services would stand still");
    }
    let back = world.orchestrator().unwrap();
    back.recover().await.unwrap();
    let status = world.finish(&back, &"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Cancelled);
    assert_eq!(world.workspace.held_by(), None);
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_nobody_can_let_go_is_told_soon_after_the_deadline() {
    let (world, lacking) = cancelled_elsewhere().await;
    let ended = lacking.wait(&"op-1".parse().unwrap()).await.unwrap().operation;
    assert!(ended.issues.iter().any(|issue| issue.kind == "still-held"), "{:?}", ended.issues);
    let late = ended.finished_at.unwrap().since(ended.deadline);
    assert!(world.clock.now() >= ended.deadline && late < 20 * MINUTE, "{late:?}");
}

/// Jobs of a provider that nobody has any more stand in nobody's way for longer than it takes to say so, and to give them up.
#[tokio::test(start_paused = true)]
async fn a_detached_backup_that_nobody_can_follow_is_named_and_given_up_on_request() {
    let files = ("home", SimKind::FileSystem, 2000 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(10 * MINUTE);
    first.submit(Request::Backup(request)).await.unwrap();
    world.pass(15 * MINUTE).await;
    let detached = first.status(&"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(detached.operation.state, OperationState::Detached);
    drop(first);
    world.pass(LEASE_TTL * 10).await;

    // The workspace was moved to another provider meanwhile.
    let home = Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home");
    let provider = memory::MemoryProvider::new("memory".parse().unwrap());
    provider.write("/home", "notes.txt", b"here now");
    let moved = memory::MemoryWorkspace::new(Definition::new("ws".parse().unwrap()), vec![home]);
    let lacking = LocalOrchestrator::builder(world.catalog.clone())
        .clock(Arc::clone(&world.clock))
        .holder(Holder::new("sim-host", "lacking"))
        .lease_ttl(LEASE_TTL)
        .workspace(Arc::new(moved))
        .provider(Arc::new(provider))
        .build();
    let refused = world.run(&lacking, Request::Backup(world.backup("op-2").unwrap())).await.unwrap();
    let error = refused.operation.error.unwrap();
    assert_eq!(error.kind, ErrorKind::Busy, "{error:?}");
    for named in ["op-1", "provider sim", "cancel"] {
        assert!(error.message.contains(named), "{error}");
    }

    let id: OperationId = "op-1".parse().unwrap();
    lacking.cancel(&id).await.unwrap();
    let begun = world.clock.now();
    let given_up = lacking.wait(&id).await.unwrap().operation;
    assert!(world.clock.now().since(begun) < 10 * MINUTE, "nobody waits a day for what nobody can see");
    assert_eq!(given_up.state, OperationState::Cancelled, "{given_up:?}");
    let job = world.cloud.jobs()[0].id.to_string();
    let told = |issue: &Issue| issue.kind == "not-undone" && issue.message.contains(&job);
    assert!(given_up.issues.iter().any(told), "{:?}", given_up.issues);
    let next = world.run(&lacking, Request::Backup(world.backup("op-3").unwrap())).await.unwrap();
    assert_eq!(next.operation.state, OperationState::Completed, "{:?}", next.operation);
}
