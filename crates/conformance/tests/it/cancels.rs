//! Cancelling in every phase: things are brought in order, and what cannot be undone is said.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fate, Fault, FaultPlan, LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn world_with(config: SimConfig) -> SimWorld {
    let volume = ("data", SimKind::Volume, 60 * GB, 20_000);
    SimWorld::new(config, &[volume, ("home", SimKind::FileSystem, 30 * GB, 10_000)]).unwrap()
}

fn world() -> SimWorld {
    world_with(SimConfig::default())
}

fn op() -> OperationId {
    "op-1".parse().unwrap()
}

/// Submits a backup and cancels it after some time.
async fn cancelled_after(world: &SimWorld, time: Duration) -> OperationStatus {
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    world.pass(time).await;
    orchestrator.cancel(&op()).await.unwrap();
    world.finish(&orchestrator, &op()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_backup_cancelled_in_any_phase_leaves_nothing_behind() {
    let millis = [0, 50, 200, 400, 500, 1_000, 10_000, 25_000, 120_000, 1_200_000, 2_000_000, 2_600_000];
    for time in millis.map(Duration::from_millis) {
        let world = world();
        let status = cancelled_after(&world, time).await;
        assert_eq!(
            status.operation.state,
            OperationState::Cancelled,
            "after {time:?}: {:?}",
            status.operation
        );
        assert_eq!(status.operation.error.unwrap().kind, ErrorKind::Cancelled);
        assert_eq!(world.workspace.held_by(), None, "after {time:?}");
        assert_eq!(world.cloud.snapshots(), [], "after {time:?}: {:?}", world.cloud.jobs());
        assert!(world.cloud.jobs().iter().all(|job| job.ended_at.is_some()), "after {time:?}");
        assert_eq!(status.backup, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_be_stopped_is_followed_and_its_snapshot_removed() {
    let config = SimConfig::with(|config| config.cancels_backups = false);
    let world = world_with(config);
    let status = cancelled_after(&world, 10 * MINUTE).await;
    assert_eq!(status.operation.state, OperationState::Cancelled);
    let hold = &world.workspace.holds()[0];
    assert!(hold.until.unwrap().since(hold.from) < 11 * MINUTE, "services do not wait for the jobs");
    assert!(world.cloud.jobs().iter().all(|job| job.word == "succeeded"));
    assert_eq!(world.cloud.snapshots(), []);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_cannot_be_removed_is_itemised() {
    let config = SimConfig::with(|config| config.cancels_backups = false);
    let world = world_with(config);
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    world.pass(10 * MINUTE).await;
    for snapshot in world.cloud.snapshots() {
        world.cloud.keep_on_delete(&snapshot.id);
    }
    orchestrator.cancel(&op()).await.unwrap();
    let status = world.finish(&orchestrator, &op()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Cancelled);
    assert_eq!(world.cloud.snapshots().len(), 1);
    let issue = &status.operation.issues[0];
    assert_eq!((issue.kind.as_str(), issue.item.as_str()), ("not-undone", "data"));
    assert!(issue.message.contains("role"), "{issue:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_while_a_lost_start_is_looked_for_leaves_no_job_behind() {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 30 * GB, 0)]).unwrap();
    // Each try of the start is lost although it was done, and the search finds no ear for a while.
    let mut faults = FaultPlan::none();
    for nth in 1..=5 {
        faults = faults.call(Call::Start, nth, Fault::LostAfter);
    }
    for nth in 1..=20 {
        faults = faults.call(Call::Find, nth, Fault::Unavailable);
    }
    world.cloud.set_faults(faults);
    let status = cancelled_after(&world, Duration::from_secs(30)).await;
    assert_eq!(status.operation.state, OperationState::Cancelled);
    assert_eq!(world.cloud.jobs().len(), 1);
    assert!(
        world.cloud.jobs()[0].ended_at.is_some(),
        "the job was not left to itself: {:?}",
        world.cloud.jobs()
    );
    assert_eq!(world.cloud.snapshots(), []);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_search_that_finds_nothing_starts_nothing() {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 30 * GB, 0)]).unwrap();
    let faults =
        (1..=5).fold(FaultPlan::none(), |faults, nth| faults.call(Call::Start, nth, Fault::LostBefore));
    world.cloud.set_faults(faults);
    let status = cancelled_after(&world, Duration::from_secs(10)).await;
    assert_eq!(status.operation.state, OperationState::Cancelled);
    assert_eq!(world.cloud.jobs(), []);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_only_looks_like_ours_is_never_stopped() {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 30 * GB, 0)]).unwrap();
    let faults =
        (1..=5).fold(FaultPlan::none(), |faults, nth| faults.call(Call::Start, nth, Fault::LostBefore));
    world.cloud.set_faults(faults);
    let stranger = world.cloud.stranger_starts("arn-home", 60 * MINUTE, true).unwrap();
    let status = cancelled_after(&world, 5 * MINUTE).await;
    assert_eq!(status.operation.state, OperationState::Cancelled);
    let jobs = world.cloud.jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!((&jobs[0].id, jobs[0].word.as_str()), (&stranger, "succeeded"));
    assert_eq!(world.cloud.snapshots().len(), 1, "and its snapshot is not deleted either");
}

#[tokio::test(start_paused = true)]
async fn cancelling_an_ended_operation_changes_nothing() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    orchestrator.cancel(&op()).await.unwrap();
    world.pass(10 * MINUTE).await;
    assert_eq!(orchestrator.status(&op()).await.unwrap().operation.state, OperationState::Completed);
    assert_eq!(world.cloud.snapshots().len(), 2);
    let unknown = orchestrator.cancel(&"nobody".parse().unwrap()).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_restore_cancelled_in_any_phase_leaves_nothing_behind() {
    let seconds = [0, 1, 2, 30, 600, 1500, 3010, 3017, 3023];
    for (stoppable, after) in [true, false].into_iter().flat_map(|can| seconds.map(|after| (can, after))) {
        let world = world_with(SimConfig::with(|config| config.cancels_restores = stoppable));
        let orchestrator = world.orchestrator().unwrap();
        world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
        let request = world.restore("op-1", "backup", "ws-2").unwrap();
        orchestrator.submit(Request::Restore(request)).await.unwrap();
        world.pass(Duration::from_secs(after)).await;
        orchestrator.cancel(&op()).await.unwrap();
        let status = world.finish(&orchestrator, &op()).await.unwrap();
        assert_eq!(
            status.operation.state,
            OperationState::Cancelled,
            "after {after} s: {:?}",
            status.operation
        );
        assert_eq!(status.operation.issues, [], "after {after} s");
        assert!(world.cloud.resources().iter().all(|resource| !resource.restored), "after {after} s");
        assert!(!world.provisioner.exists(&"ws-2".parse().unwrap()), "after {after} s");
        assert!(world.cloud.jobs().iter().all(|job| job.ended_at.is_some()), "after {after} s");
        assert_eq!(world.cloud.snapshots().len(), 2, "the backup is as it was");
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_backup_can_be_cancelled_and_twice_is_once() {
    let world = world();
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(10 * MINUTE);
    first.submit(Request::Backup(request)).await.unwrap();
    assert_eq!(first.wait(&op()).await.unwrap().operation.state, OperationState::Detached);
    first.cancel(&op()).await.unwrap();
    first.cancel(&op()).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    drop(first);
    world.pass(2 * LEASE_TTL).await;
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    second.cancel(&op()).await.unwrap();
    let status = world.finish(&second, &op()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Cancelled);
    assert_eq!(world.cloud.snapshots(), []);
    assert!(world.cloud.jobs().iter().all(|job| job.ended_at.is_some()), "{:?}", world.cloud.jobs());
    assert_eq!(world.workspace.holds().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_neither_stops_nor_ends_is_itemised_after_a_day() {
    let world = world_with(SimConfig::with(|config| config.cancels_backups = false));
    let endless = Fate::normal().slower(1000);
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, endless));
    let status = cancelled_after(&world, 10 * MINUTE).await;
    assert_eq!(status.operation.state, OperationState::Cancelled);
    let took = status.operation.finished_at.unwrap().since(status.operation.started_at);
    assert!(took < 25 * 60 * MINUTE, "{took:?}");
    let [issue] = &status.operation.issues[..] else { panic!("{:?}", status.operation.issues) };
    assert_eq!((issue.kind.as_str(), issue.item.as_str()), ("not-undone", "home"));
    let job = world.cloud.jobs().into_iter().find(|job| job.ended_at.is_none()).unwrap();
    assert!(issue.message.contains(job.id.as_str()), "it names the job: {issue:?}");
    let hold = &world.workspace.holds()[0];
    assert!(hold.until.unwrap().since(hold.from) < 11 * MINUTE, "services do not wait for it");
}

#[tokio::test(start_paused = true)]
async fn an_undone_restore_discards_only_what_carries_its_own_mark() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    world.provisioner.hang("activate", None);
    let request = world.restore("op-1", "backup", "ws-2").unwrap();
    orchestrator.submit(Request::Restore(request)).await.unwrap();
    world.pass(2 * 60 * MINUTE).await;
    let restored = || world.cloud.resources().into_iter().filter(|found| found.restored);
    let taken = restored().next().unwrap().name;
    world.cloud.mark(&taken, "somebody-else");
    orchestrator.cancel(&op()).await.unwrap();
    let status = world.finish(&orchestrator, &op()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Cancelled);
    assert_eq!(restored().map(|found| found.name).collect::<Vec<_>>(), [taken]);
    let [issue] = &status.operation.issues[..] else { panic!("{:?}", status.operation.issues) };
    assert_eq!(issue.kind, "not-undone");
    assert!(!world.provisioner.exists(&"ws-2".parse().unwrap()), "all the rest is undone");
}
