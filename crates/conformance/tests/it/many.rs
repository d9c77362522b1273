//! Several submitters and several orchestrators on one catalog, under virtual time.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_conformance::sim::{LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn world() -> SimWorld {
    let volume = ("data", SimKind::Volume, 20 * GB, 20_000);
    SimWorld::new(SimConfig::default(), &[volume, ("home", SimKind::FileSystem, 10 * GB, 10_000)]).unwrap()
}

fn op(name: &str) -> OperationId {
    name.parse().unwrap()
}

/// The trace without what differs between processes.
fn trace(world: &SimWorld) -> Vec<String> {
    world.cloud.journal().iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_id_submitted_many_times_is_one_operation() {
    let world = world();
    let (one, two) = (world.orchestrator().unwrap(), world.orchestrator().unwrap());
    for orchestrator in [&one, &two, &one, &two] {
        let request = Request::Backup(world.backup("op-1").unwrap());
        assert_eq!(orchestrator.submit(request).await.unwrap().operation.id, op("op-1"));
        world.pass(MINUTE).await;
    }
    let status = world.finish(&two, &op("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    assert_eq!(world.cloud.jobs().len(), 2);
    let again = two.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(again.operation.state, OperationState::Completed, "an ended operation answers its end");
    assert_eq!(world.cloud.jobs().len(), 2);
    assert_eq!(world.workspace.holds().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_busy_workspace_is_refused_with_who_and_since_when() {
    let world = world();
    let (one, two) = (world.orchestrator().unwrap(), world.orchestrator().unwrap());
    one.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    world.pass(MINUTE).await;
    let error = two.submit(Request::Backup(world.backup("op-2").unwrap())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(error.context("operation"), Some("op-1"));
    assert!(matches!(error.retry(), Retry::After { delay_ms: 1.. }), "it comes free by and by: {error:?}");
    assert!(error.to_string().contains("process 0 on sim-host since"), "{error}");
    let mut attach = world.backup("op-3").unwrap();
    attach.when_busy = WhenBusy::Attach;
    assert_eq!(two.submit(Request::Backup(attach)).await.unwrap().operation.id, op("op-1"));
    world.finish(&one, &op("op-1")).await.unwrap();
    let status = world.run(&two, Request::Backup(world.backup("op-2").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "the next one gets its turn");
}

#[tokio::test(start_paused = true)]
async fn another_process_takes_over_when_the_lease_runs_out_and_starts_no_second_job() {
    for died_after in [0, 1, 5, 30, 300, 900].map(Duration::from_secs) {
        let world = world();
        let first = world.orchestrator().unwrap();
        first.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
        world.pass(died_after).await;
        drop(first);
        let second = world.orchestrator().unwrap();
        assert_eq!(second.recover().await.unwrap(), [], "the lease of the dead one still runs");
        world.pass(LEASE_TTL + Duration::from_secs(1)).await;
        assert_eq!(second.recover().await.unwrap(), [op("op-1")], "died after {died_after:?}");
        assert_eq!(second.recover().await.unwrap(), [], "taken over once");
        let status = world.finish(&second, &op("op-1")).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "died after {died_after:?}");
        assert_eq!(world.cloud.jobs().len(), 2, "died after {died_after:?}");
        assert_eq!(world.workspace.holds().len(), 1);
        assert_eq!(world.workspace.held_by(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn two_live_orchestrators_never_drive_one_operation_together() {
    let world = world();
    let (one, two) = (world.orchestrator().unwrap(), world.orchestrator().unwrap());
    one.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    for _ in 0..20 {
        world.pass(MINUTE).await;
        assert_eq!(two.recover().await.unwrap(), [], "the lease is renewed while its holder lives");
    }
    world.finish(&two, &op("op-1")).await.unwrap();
    assert_eq!(world.cloud.jobs().len(), 2);
    assert!(trace(&world).iter().all(|line| !line.contains(" p1 ")), "the second process called nothing");
}

#[tokio::test(start_paused = true)]
async fn a_cancel_from_another_process_reaches_the_one_that_drives() {
    let world = world();
    let (one, two) = (world.orchestrator().unwrap(), world.orchestrator().unwrap());
    one.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    world.pass(5 * MINUTE).await;
    two.cancel(&op("op-1")).await.unwrap();
    let status = world.finish(&one, &op("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Cancelled);
    assert_eq!(world.cloud.snapshots(), []);
}

#[tokio::test(start_paused = true)]
async fn a_detached_operation_is_followed_by_whoever_recovers_it() {
    let config = SimConfig::with(|config| config.bytes_per_second = 100_000);
    let world = SimWorld::new(config, &[("home", SimKind::FileSystem, 2 * GB, 10)]).unwrap();
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(60 * MINUTE);
    first.submit(Request::Backup(request)).await.unwrap();
    assert_eq!(first.wait(&op("op-1")).await.unwrap().operation.state, OperationState::Detached);
    drop(first);
    world.pass(2 * LEASE_TTL).await;
    let second = world.orchestrator().unwrap();
    assert_eq!(second.recover().await.unwrap(), [op("op-1")]);
    let status = world.finish(&second, &op("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Partial);
    assert_eq!(status.backup.unwrap().components[0].state, ComponentState::Late);
    assert_eq!(world.cloud.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_lets_itself_go_when_nobody_comes_and_the_record_does_not_hide_it() {
    let world =
        SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 100 * GB, 10_000)]).unwrap();
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(60 * MINUTE);
    first.submit(Request::Backup(request)).await.unwrap();
    world.pass(5 * MINUTE).await;
    drop(first);
    world.pass(24 * 60 * MINUTE).await;
    assert_eq!(world.workspace.held_by(), None, "the budget of the hold is the time to the deadline");
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    let status = world.finish(&second, &op("op-1")).await.unwrap();
    assert!(world.cloud.snapshots().iter().any(|snapshot| !snapshot.still), "services wrote during the copy");
    assert_eq!(status.operation.state, OperationState::Partial);
    assert_eq!(status.backup.unwrap().consistency, Consistency::Fuzzy);
}

#[test]
fn equal_runs_have_equal_traces() {
    let run = || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = world();
            let orchestrator = world.orchestrator().unwrap();
            world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
            let request = world.restore("restore", "op-1", "ws-2").unwrap();
            world.run(&orchestrator, Request::Restore(request)).await.unwrap();
            trace(&world)
        })
    };
    let first = run();
    assert!(first.len() > 50);
    for _ in 0..5 {
        assert_eq!(run(), first);
    }
}
