//! The clocks of operations, given and forecast; calls that never answer.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fate, Fault, FaultPlan, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const VERBS: [&str; 3] = ["provision", "attach", "activate"];

fn op(name: &str) -> OperationId {
    name.parse().unwrap()
}

fn target() -> WorkspaceId {
    "ws-2".parse().unwrap()
}

/// A world whose workspace was backed up by operation `backup`.
async fn backed_up() -> (SimWorld, LocalOrchestrator) {
    backed_up_in(SimConfig::default()).await
}

async fn backed_up_in(config: SimConfig) -> (SimWorld, LocalOrchestrator) {
    let volume = ("data", SimKind::Volume, 20 * GB, 20_000);
    let files = ("home", SimKind::FileSystem, 10 * GB, 10_000);
    let world = SimWorld::new(config, &[volume, files]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    (world, orchestrator)
}

fn restored(world: &SimWorld) -> usize {
    world.cloud.resources().into_iter().filter(|found| found.restored).count()
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_that_hangs_is_not_waited_for_without_end() {
    // What was restored has its hour whatever the deadline; before that nothing is lost.
    for (verb, more) in VERBS.into_iter().zip([Duration::ZERO, HOUR, HOUR]) {
        let (world, orchestrator) = backed_up().await;
        world.provisioner.hang(verb, None);
        let mut request = world.restore("restore", "backup", "ws-2").unwrap();
        request.timeout = Some(HOUR);
        let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Failed, "{verb}");
        assert_eq!(status.operation.error.unwrap().kind, ErrorKind::DeadlineExceeded, "{verb}");
        let took = status.operation.finished_at.unwrap().since(status.operation.started_at);
        assert!(took >= HOUR && took < HOUR + more + 5 * MINUTE, "{verb}: {took:?}");
        assert_eq!(restored(&world), 0, "{verb}: what it made is gone");
        assert!(!world.provisioner.exists(&target()), "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_restored_is_not_lost_to_a_step_that_meets_the_deadline() {
    let restore = async |timeout, slow| {
        let (world, orchestrator) = backed_up().await;
        world.provisioner.slow("attach", slow);
        let mut request = world.restore("restore", "backup", "ws-2").unwrap();
        request.timeout = Some(timeout);
        world.run(&orchestrator, Request::Restore(request)).await.unwrap().operation
    };
    let usual = restore(24 * HOUR, Duration::ZERO).await;
    let took = usual.finished_at.unwrap().since(usual.started_at);
    let late = restore(took + MINUTE, 10 * MINUTE).await;
    assert_eq!(late.state, OperationState::Completed, "{:?}", late.error);
    assert!(late.finished_at.unwrap() > late.deadline, "its last step began just before the deadline");
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_is_born_after_its_restore_gave_up_is_discarded_as_well() {
    let (world, orchestrator) = backed_up().await;
    world.provisioner.hang("provision", Some(HOUR + MINUTE));
    let mut request = world.restore("restore", "backup", "ws-2").unwrap();
    request.timeout = Some(HOUR);
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    world.pass(HOUR).await;
    assert!(!world.provisioner.exists(&target()), "{:?}", status.operation);
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_is_cancelled_while_the_control_plane_hangs_ends_soon() {
    for verb in VERBS {
        let (world, orchestrator) = backed_up().await;
        world.provisioner.hang(verb, None);
        orchestrator
            .submit(Request::Restore(world.restore("restore", "backup", "ws-2").unwrap()))
            .await
            .unwrap();
        world.pass(HOUR).await;
        orchestrator.cancel(&op("restore")).await.unwrap();
        let asked = world.clock.now();
        let status = world.finish(&orchestrator, &op("restore")).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Cancelled, "{verb}");
        let took = status.operation.finished_at.unwrap().since(asked);
        assert!(took < 5 * MINUTE, "{verb}: {took:?}");
        assert_eq!(restored(&world), 0, "{verb}");
        assert!(!world.provisioner.exists(&target()), "{verb}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_restore_is_detached_by_its_stall_clock_and_followed_to_its_end() {
    let (world, orchestrator) = backed_up().await;
    let slow = Fate::normal().delayed(6 * HOUR);
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, slow));
    let mut request = world.restore("restore", "backup", "ws-2").unwrap();
    request.stall_timeout = Some(HOUR / 2);
    let begun = world.clock.now();
    orchestrator.submit(Request::Restore(request)).await.unwrap();
    let status = orchestrator.wait(&op("restore")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Detached);
    assert!(world.clock.now().since(begun) < 2 * HOUR, "not the twelve hours of the deadline");
    let status = world.finish(&orchestrator, &op("restore")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert!(world.provisioner.is_active(&target()));
}

#[tokio::test(start_paused = true)]
async fn what_was_restored_and_never_gets_ready_is_given_up_an_hour_after_the_deadline() {
    for (keep, left) in [(false, 0), (true, 2)] {
        let never = SimConfig::with(|config| {
            (config.ready_after, config.collect_after) = (1000 * HOUR, None);
        });
        let (world, orchestrator) = backed_up_in(never).await;
        let mut request = world.restore("restore", "backup", "ws-2").unwrap();
        request.timeout = Some(2 * HOUR);
        request.on_failure = if keep { OnFailure::Keep } else { OnFailure::Discard };
        orchestrator.submit(Request::Restore(request)).await.unwrap();
        world.pass(2 * HOUR + MINUTE).await;
        let late = orchestrator.status(&op("restore")).await.unwrap().operation;
        assert_eq!(late.state, OperationState::Detached, "whoever waited knows at the deadline");
        let status = world.finish(&orchestrator, &op("restore")).await.unwrap();
        let error = status.operation.error.unwrap();
        assert_eq!(
            (status.operation.state, error.kind),
            (OperationState::Failed, ErrorKind::DeadlineExceeded)
        );
        assert!(error.message.contains("data as "), "{error}");
        let took = status.operation.finished_at.unwrap().since(status.operation.started_at);
        assert!(took >= 3 * HOUR && took < 3 * HOUR + 10 * MINUTE, "{took:?}");
        assert_eq!((restored(&world), world.provisioner.exists(&target())), (left, keep));
        let ledger = world.catalog.ledger(&op("restore")).await.unwrap();
        assert!(ledger.len() < 1500, "{} lines for three hours of looking", ledger.len());
    }
}

#[tokio::test(start_paused = true)]
async fn what_gets_ready_soon_after_the_deadline_is_attached() {
    let slow = SimConfig::with(|config| (config.ready_after, config.collect_after) = (3 * HOUR, None));
    let (world, orchestrator) = backed_up_in(slow).await;
    let mut request = world.restore("restore", "backup", "ws-2").unwrap();
    request.timeout = Some(2 * HOUR + 30 * MINUTE);
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    let status = match status.operation.state {
        OperationState::Detached => world.finish(&orchestrator, &op("restore")).await.unwrap(),
        _ => status,
    };
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
}

#[tokio::test(start_paused = true)]
async fn services_come_back_when_the_longest_hold_is_used_up_whatever_the_deadline() {
    let files = ("home", SimKind::FileSystem, 100 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.hold_at_most = Some(15 * MINUTE);
    request.timeout = Some(12 * HOUR);
    let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    let hold = &world.workspace.holds()[0];
    assert_eq!(hold.budget, 15 * MINUTE, "the workspace knows it, too");
    assert!(hold.until.unwrap().since(hold.from) <= 15 * MINUTE + Duration::from_secs(5), "{hold:?}");
    let backup = status.backup.unwrap();
    assert_eq!(backup.components[0].state, ComponentState::Late);
    assert_eq!(backup.consistency, Consistency::Fuzzy);
    let told = backup.quiesced.unwrap();
    assert_eq!(told.to.since(told.from), backup.downtime);
    assert!(told.from <= hold.from && hold.until.unwrap() <= told.to, "{told:?} {hold:?}");
}

#[tokio::test(start_paused = true)]
async fn with_the_policy_to_extend_a_used_up_hold_claims_nothing() {
    let files = ("home", SimKind::FileSystem, 100 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.hold_at_most = Some(15 * MINUTE);
    request.on_deadline = OnDeadline::Extend;
    let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(status.backup.unwrap().consistency, Consistency::Fuzzy);
}

#[tokio::test(start_paused = true)]
async fn without_any_knowledge_the_deadline_is_twelve_hours_and_there_is_no_stall_clock() {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 10 * GB, 0)]).unwrap();
    let late = Fate::normal().delayed(7 * HOUR);
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, late));
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    let operation = status.operation;
    assert_eq!(operation.deadline.since(operation.started_at), 12 * HOUR);
    assert_eq!(
        operation.state,
        OperationState::Partial,
        "seven hours in a queue make it late: {operation:?}"
    );
    let stalled = |warning: &String| warning.contains("nothing moved for");
    assert!(!operation.warnings.iter().any(stalled), "{:?}", operation.warnings);
}

#[tokio::test(start_paused = true)]
async fn two_terabytes_get_the_time_that_their_provider_usually_needs() {
    let config = SimConfig::with(|config| config.states_sizes = true);
    let world = SimWorld::new(config, &[("home", SimKind::FileSystem, 2000 * GB, 10_000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    let operation = status.operation;
    let took = operation.finished_at.unwrap().since(operation.started_at);
    assert!(took > 24 * HOUR, "the default would have been too short: {took:?}");
    assert_eq!(operation.state, OperationState::Completed, "{operation:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restore_of_much_gets_more_time_than_one_of_little() {
    for (size, hours) in [(10, 12..13), (3_000, 24..25 * 7)] {
        let world =
            SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, size * GB, 10_000)]).unwrap();
        let orchestrator = world.orchestrator().unwrap();
        world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
        let request = world.restore("restore", "backup", "ws-2").unwrap();
        let plan = orchestrator.plan_restore(&request).await.unwrap();
        assert!(plan.outlook.forecast.is_some(), "it is said before anything is done");
        let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
        let given = status.operation.deadline.since(status.operation.started_at).as_secs() / 3600;
        assert!(hours.contains(&given), "{given} hours for {size} GB");
    }
}

#[tokio::test(start_paused = true)]
async fn the_clocks_of_the_next_backup_follow_from_what_the_last_one_took() {
    let config = SimConfig::with(|config| config.needs_base = true);
    let world = SimWorld::new(config, &[("home", SimKind::FileSystem, 150 * GB, 10_000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let first = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    let took = first.backup.unwrap().components[0].took.unwrap();
    assert!(took > HOUR && took < 3 * HOUR, "{took:?}");

    let stuck = Fate::normal().delayed(7 * HOUR);
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 2, stuck));
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-2").unwrap())).await.unwrap();
    let deadline = status.operation.deadline.since(status.operation.started_at);
    assert!(deadline >= took * 4 && deadline < took * 4 + MINUTE, "{deadline:?}");
    for hold in &world.workspace.holds()[1..] {
        let away = hold.until.unwrap().since(hold.from);
        assert!(away < MINUTE * 16, "nobody is held still for what stands in a queue: {away:?}");
    }
    let stalled = |warning: &String| warning.contains("nothing moved for");
    assert!(status.operation.warnings.iter().any(stalled), "{:?}", status.operation.warnings);
    assert_eq!(status.operation.state, OperationState::Partial);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_never_answers_is_one_whose_answer_was_lost() {
    for call in [Call::Preflight, Call::Start, Call::Poll, Call::Read, Call::PutRecord] {
        let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, GB, 0)]).unwrap();
        world.cloud.set_faults(FaultPlan::none().call(call, 1, Fault::Silent));
        let orchestrator = world.orchestrator().unwrap();
        let mut request = world.backup("op-1").unwrap();
        // Before anything is begun, the deadline alone bounds the looking.
        request.timeout = (call == Call::Preflight).then_some(HOUR);
        let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
        let took = status.operation.finished_at.unwrap().since(status.operation.started_at);
        assert!(took < 3 * HOUR, "{call:?}: {took:?}");
        assert_eq!(world.workspace.held_by(), None, "{call:?}");
        if call == Call::Preflight {
            assert_eq!(status.operation.state, OperationState::Failed, "nothing was begun");
        } else {
            assert_eq!(status.operation.state, OperationState::Completed, "{call:?}: {:?}", status.operation);
            assert_eq!(world.cloud.jobs().len(), 1, "{call:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_job_that_never_ends_is_given_up_after_a_month_and_listed() {
    let day = HOUR * 24;
    let config = SimConfig::with(|config| config.poll_after = HOUR);
    let world = SimWorld::new(config, &[("home", SimKind::FileSystem, 30 * GB, 0)]).unwrap();
    let endless = Fate::normal().slower(10_000);
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, endless));
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(HOUR);
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    world.pass(29 * day).await;
    let followed = orchestrator.status(&op("op-1")).await.unwrap().operation;
    assert_eq!(followed.state, OperationState::Detached);
    world.pass(2 * day).await;
    let ended = orchestrator.status(&op("op-1")).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Failed);
    let error = ended.error.unwrap();
    assert_eq!(error.kind, ErrorKind::NeedsAttention);
    assert!(error.message.contains(world.cloud.jobs()[0].id.as_str()), "it names the job: {error}");
    assert_eq!(world.workspace.holds().len(), 2, "one of them was in vain, while the job stood in the queue");
    assert_eq!(world.workspace.held_by(), None);
}
