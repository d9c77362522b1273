//! What was restored and does not get ready at once is not thrown away for that.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fault, FaultPlan, LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);

/// A restore with four hours of time, of which the first `refusals` looks at what it made are answered so.
async fn refused(kind: ErrorKind, refusals: u64) -> (SimWorld, LocalOrchestrator, OperationId) {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 20 * GB, 1000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    let refuse = |plan: FaultPlan, nth| plan.call(Call::FinishRestore, nth, Fault::Refused(kind));
    world.cloud.set_faults((1..=refusals).fold(FaultPlan::none(), refuse));
    let mut restore = world.restore("restore", "backup", "ws-2").unwrap();
    restore.timeout = Some(4 * HOUR);
    let id = restore.id.clone();
    orchestrator.submit(Request::Restore(restore)).await.unwrap();
    (world, orchestrator, id)
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_waits_for_a_person_keeps_no_place_from_others() {
    let (world, first, id) = refused(ErrorKind::NeedsAttention, 10_000).await;
    first.hand_over().await.unwrap();
    let orchestrator = LocalOrchestrator::builder(world.catalog.clone())
        .clock(Arc::clone(&world.clock))
        .lease_ttl(LEASE_TTL)
        .provider(Arc::new(world.cloud.provider("sim".parse().unwrap())))
        .workspace(world.workspace.clone())
        .provisioner("sim", world.provisioner.clone())
        .operation_limits(OperationLimits::new(Some(1), Some(1)))
        .build();
    assert_eq!(orchestrator.recover().await.unwrap(), std::slice::from_ref(&id));
    let backup = world.backup("beside").unwrap();
    let beside = backup.id.clone();
    orchestrator.submit(Request::Backup(backup)).await.unwrap();
    world.pass(3 * HOUR).await;
    let states = [&beside, &id].map(|id| orchestrator.status(id));
    let [beside, restore] = futures::future::join_all(states).await.try_into().unwrap();
    assert_eq!(beside.unwrap().operation.state, OperationState::Completed);
    assert_eq!(restore.unwrap().operation.step, "filling");
}

fn restored(world: &SimWorld) -> usize {
    world.cloud.resources().into_iter().filter(|found| found.restored).count()
}

#[tokio::test(start_paused = true)]
async fn what_a_person_puts_right_within_the_time_lets_the_restore_go_on() {
    for kind in [
        ErrorKind::NeedsAttention,
        ErrorKind::PermissionDenied,
        ErrorKind::InvalidInput,
        ErrorKind::Unexpected,
    ] {
        let (world, orchestrator, id) = refused(kind, 40).await;
        let ended = world.finish(&orchestrator, &id).await.unwrap().operation;
        assert_eq!(ended.state, OperationState::Completed, "{ended:?}");
        let told = ended.warnings.iter().filter(|warning| warning.contains("not ready yet"));
        assert_eq!(told.count(), 1, "{:?}", ended.warnings);
        assert_eq!(restored(&world), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_is_kept_when_none_comes_and_what_cannot_be_put_right_is_undone() {
    let (world, orchestrator, id) = refused(ErrorKind::NeedsAttention, 10_000).await;
    let ended = world.finish(&orchestrator, &id).await.unwrap().operation;
    let error = ended.error.unwrap();
    assert_eq!((ended.state, error.kind), (OperationState::Failed, ErrorKind::DeadlineExceeded), "{error}");
    assert!(error.message.contains("the cloud refuses"), "{error}");
    assert_eq!(restored(&world), 1, "somebody else may use it already");
    assert!(ended.issues.iter().any(|issue| issue.message.contains("was kept")), "{:?}", ended.issues);

    for (kind, time) in
        [(ErrorKind::NotFound, HOUR), (ErrorKind::Corrupt, HOUR), (ErrorKind::PermissionDenied, 6 * HOUR)]
    {
        let (world, orchestrator, id) = refused(kind, 10_000).await;
        let began = world.clock.now();
        let ended = world.finish(&orchestrator, &id).await.unwrap().operation;
        assert_eq!((ended.state, restored(&world)), (OperationState::Failed, 0), "{ended:?}");
        assert!(world.clock.now().since(began) < time, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_is_kept_whatever_the_last_look_meets_and_each_trouble_is_told_once() {
    let (world, orchestrator, id) = refused(ErrorKind::NeedsAttention, 10_000).await;
    let plan = (1..=10_000).fold(FaultPlan::none(), |plan, nth| {
        let kind = match nth {
            1..=20 if nth % 2 == 0 => ErrorKind::Busy,
            1..=20 => ErrorKind::NeedsAttention,
            _ => ErrorKind::RateLimited,
        };
        plan.call(Call::FinishRestore, nth, Fault::Refused(kind))
    });
    world.cloud.set_faults(plan);
    let ended = world.finish(&orchestrator, &id).await.unwrap().operation;
    assert_eq!((ended.state, restored(&world)), (OperationState::Failed, 1), "{ended:?}");
    let told = ended.warnings.iter().filter(|warning| warning.contains("not ready yet"));
    assert_eq!(told.count(), 3, "{:?}", ended.warnings);
    for item in ["home", "workspace"] {
        let kept = ended.issues.iter().any(|issue| issue.kind == "not-undone" && issue.item == item);
        assert!(kept, "{item}: {:?}", ended.issues);
    }
}
