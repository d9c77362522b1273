//! The story of the source documents: 600 GB take ten hours, the administrator allows two.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_conformance::sim::{SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

fn world() -> SimWorld {
    let config = SimConfig::with(|config| {
        config.bytes_per_second = 600 * GB / (10 * 3600);
        config.start_window = 24 * HOUR;
        config.needs_base = true;
    });
    SimWorld::new(config, &[("home", SimKind::FileSystem, 600 * GB, 10_000)]).unwrap()
}

fn op(name: &str) -> OperationId {
    name.parse().unwrap()
}

fn request(world: &SimWorld, id: &str) -> Request {
    let mut request = world.backup(id).unwrap();
    request.timeout = Some(2 * HOUR);
    Request::Backup(request)
}

fn held(world: &SimWorld, hold: usize) -> Duration {
    let hold = &world.workspace.holds()[hold];
    hold.until.unwrap().since(hold.from)
}

/// What must be true of the first operation, whoever brought it to its end.
async fn the_first_one_came_late(world: &SimWorld) {
    let away = held(world, 0);
    assert!(away <= 2 * HOUR + MINUTE, "services were away for {away:?}");
    let job = &world.cloud.jobs()[0];
    let ran = job.ended_at.unwrap().since(job.created_at);
    assert!((10 * HOUR..11 * HOUR).contains(&ran), "the job ran to its own end: {ran:?}");
    let first = world.catalog.operation(&op("op-1")).await.unwrap().unwrap().operation;
    assert_eq!(first.state, OperationState::Partial);
    let backup = world.catalog.backup(&first.backup.unwrap()).await.unwrap().unwrap().backup;
    assert_eq!(backup.components[0].state, ComponentState::Late, "it joins no consistent set");
    assert_eq!(backup.consistency, Consistency::Fuzzy);
    assert!(backup.components[0].verified.is_some(), "but it can be built on");
}

/// The second backup takes minutes, is complete, and builds on what the first one captured too late.
async fn the_second_one_is_short(world: &SimWorld, second: &OperationStatus, begun: Timestamp) {
    assert_eq!(second.operation.state, OperationState::Completed, "{:?}", second.operation);
    let took = second.operation.finished_at.unwrap().since(begun);
    assert!(took < 20 * MINUTE, "it moves only what changed: {took:?}");
    assert!(held(world, 1) < 20 * MINUTE, "{:?}", held(world, 1));
    let jobs = world.cloud.jobs();
    assert_eq!(jobs.len(), 2);
    assert!(jobs[1].bytes < 2 * GB, "{jobs:?}");
    let backup = second.backup.as_ref().unwrap();
    assert_eq!(backup.parent, Some(BackupId::of(&op("op-1"))));
    assert_eq!(backup.consistency, Consistency::Application);
    assert_eq!(world.catalog.latest_good(None).await.unwrap().unwrap().id, backup.id);
}

#[tokio::test(start_paused = true)]
async fn services_are_back_in_time_the_copy_ends_and_the_next_backup_is_short() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(request(&world, "op-1")).await.unwrap();
    let status = orchestrator.wait(&op("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Detached);
    assert_eq!(world.workspace.held_by(), None);
    assert!(world.clock.now().since(status.operation.started_at) < 2 * HOUR + 2 * MINUTE);
    world.finish(&orchestrator, &op("op-1")).await.unwrap();
    the_first_one_came_late(&world).await;
    let begun = world.clock.now();
    let second = world.run(&orchestrator, request(&world, "op-2")).await.unwrap();
    the_second_one_is_short(&world, &second, begun).await;
}

/// The process dies after `lived`, and nobody is there for a day.
async fn nobody_is_there_for_a_day(lived: Duration) {
    let world = world();
    let first = world.orchestrator().unwrap();
    first.submit(request(&world, "op-1")).await.unwrap();
    world.pass(lived).await;
    drop(first);
    world.pass(24 * HOUR).await;
    assert_eq!(world.workspace.held_by(), None, "the workspace let itself go");
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    world.finish(&second, &op("op-1")).await.unwrap();
    the_first_one_came_late(&world).await;
    let begun = world.clock.now();
    let status = world.run(&second, request(&world, "op-2")).await.unwrap();
    the_second_one_is_short(&world, &status, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_before_the_deadline_changes_nothing_of_it() {
    nobody_is_there_for_a_day(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_after_the_deadline_changes_nothing_of_it() {
    nobody_is_there_for_a_day(5 * HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_backup_follows_detached_jobs_that_nobody_follows() {
    let world = world();
    let first = world.orchestrator().unwrap();
    first.submit(request(&world, "op-1")).await.unwrap();
    first.wait(&op("op-1")).await.unwrap();
    drop(first);
    world.pass(24 * HOUR).await;
    let second = world.orchestrator().unwrap();
    let begun = world.clock.now();
    let status = world.run(&second, request(&world, "op-2")).await.unwrap();
    the_first_one_came_late(&world).await;
    the_second_one_is_short(&world, &status, begun).await;
}

#[tokio::test(start_paused = true)]
async fn a_second_backup_waits_for_detached_jobs_without_holding_the_workspace_still() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(request(&world, "op-1")).await.unwrap();
    orchestrator.wait(&op("op-1")).await.unwrap();
    let mut patient = world.backup("op-2").unwrap();
    patient.timeout = Some(12 * HOUR);
    orchestrator.submit(Request::Backup(patient)).await.unwrap();
    world.pass(HOUR).await;
    let waiting = orchestrator.status(&op("op-2")).await.unwrap();
    assert_eq!(waiting.operation.step, "waiting");
    assert_eq!(world.workspace.held_by(), None, "nothing is held still for a job that could not run");
    let status = world.finish(&orchestrator, &op("op-2")).await.unwrap();
    the_first_one_came_late(&world).await;
    let ended = world.cloud.jobs()[0].ended_at.unwrap();
    the_second_one_is_short(&world, &status, ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_backup_whose_deadline_passes_while_it_waits_for_detached_jobs_says_for_whose() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(request(&world, "op-1")).await.unwrap();
    orchestrator.wait(&op("op-1")).await.unwrap();
    let status = world.run(&orchestrator, request(&world, "op-2")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    let error = status.operation.error.unwrap();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert!(error.message.contains("op-1"), "{error}");
    assert_eq!(world.workspace.holds().len(), 1, "its own hold never began");
}
