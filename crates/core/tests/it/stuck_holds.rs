//! A workspace that cannot be let go calls a person, and takes nothing along of what was captured.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use stillpoint_core::decide::{Decision, Effect, Event, Outcome, Step, decide};
use stillpoint_core::*;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn id() -> ComponentId {
    "db".parse().unwrap()
}

fn snapshot() -> SnapshotRef {
    SnapshotRef::new("cloud".parse().unwrap(), "snap-1".parse().unwrap())
}

fn after(before: &Decision, step: Step, outcome: Outcome, at: i64) -> Decision {
    decide(&before.record, &Event::Done(step, Ok(outcome)), time(at))
}

/// A backup that holds its workspace still.
fn held() -> Decision {
    let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    let record = OperationRecord::submitted(Request::Backup(request), time(0));
    let begun = decide(&record, &Event::Begun, time(0));
    let component = Component::new(id(), "disk", "cloud".parse().unwrap(), "vol-1");
    let plan =
        Plan::new(Definition::new("ada".parse().unwrap()), vec![PlannedComponent::new(component)], None);
    let planned = after(&begun, Step::Inspect, Outcome::Planned(Box::new(plan)), 1);
    assert!(matches!(planned.effects[..], [Effect::Quiesce { .. }]), "{:?}", planned.effects);
    after(&planned, Step::Quiesce, Outcome::Quiesced(Consistency::Application), 2)
}

/// Every try to let it go is refused for good; answers what is decided after the last one, and when.
fn never_resumed(mut decision: Decision, mut at: i64) -> (Decision, i64) {
    let refused = Error::new(ErrorKind::NeedsAttention, "a service does not start any more").record();
    for _ in 0..100 {
        if !decision.effects.iter().any(|effect| matches!(effect, Effect::Resume { .. })) {
            break;
        }
        decision = decide(&decision.record, &Event::Done(Step::Resume, Err(refused.clone())), time(at));
        at += 1000;
        if !decision.record.state.is_terminal() {
            decision = decide(&decision.record, &Event::Tick, time(at));
        }
    }
    (decision, at)
}

fn still_held(issues: &[Issue]) -> bool {
    issues
        .iter()
        .any(|issue| issue.kind == "still-held" && issue.message.contains("a service does not start"))
}

fn captured() -> Decision {
    let job = JobRef::new("cloud".parse().unwrap(), "job-1".parse().unwrap());
    let runs = after(&held(), Step::Start(id()), Outcome::Started(job), 3);
    let mut status = JobStatus::new(JobState::Succeeded);
    status.snapshot = Some(snapshot());
    status.captured = Some(CaptureWindow::new(time(3), time(4)));
    after(&runs, Step::Poll(id()), Outcome::Polled(Box::new(status)), 5)
}

#[test]
fn what_was_captured_is_catalogued_as_a_partial_backup_that_says_so() {
    let (stuck, at) = never_resumed(captured(), 6);
    assert_eq!(stuck.record.state, OperationState::Running, "a snapshot is there that nobody knows of");
    assert!(matches!(stuck.effects[..], [Effect::Verify { .. }]), "{:?}", stuck.effects);
    // Whoever takes it over goes on from there.
    let stuck = decide(&stuck.record, &Event::Recovered, time(at));
    let good = Outcome::Verified(Verification::new(Depth::Sized, Vec::new()));
    let sealed = after(&stuck, Step::Verify(id()), good, at + 1);
    assert!(matches!(sealed.effects[..], [Effect::WriteRecord(_)]), "{:?}", sealed.effects);
    let ended = after(&sealed, Step::WriteRecord, Outcome::Done, at + 2);

    let backup = ended.put_backup.unwrap();
    assert_eq!((backup.state, &backup.components[0].snapshot), (BackupState::Partial, &Some(snapshot())));
    assert_eq!(backup.components[0].verified, Some(Depth::Sized), "it is a base for the next backup");
    assert_eq!(backup.consistency, Consistency::Application, "it was captured while nobody wrote");
    assert!(backup.downtime > std::time::Duration::from_secs(1000), "{:?}", backup.downtime);
    let record = ended.record;
    assert_eq!((record.state, record.backup), (OperationState::Partial, Some(backup.id)));
    assert!(still_held(&record.issues), "{:?}", record.issues);
    assert_eq!(record.error.unwrap().kind, ErrorKind::NeedsAttention);
}

#[test]
fn a_cancelled_backup_deletes_what_was_captured_and_says_that_the_workspace_is_held() {
    let cancelled = decide(&captured().record, &Event::CancelRequested, time(6));
    let (stuck, at) = never_resumed(cancelled, 7);
    assert!(matches!(stuck.effects[..], [Effect::DeleteSnapshot { .. }]), "{:?}", stuck.effects);
    let ended = after(&stuck, Step::Delete(id()), Outcome::Deleted(DeleteState::Gone), at).record;
    assert_eq!(ended.state, OperationState::Cancelled);
    assert!(still_held(&ended.issues), "{:?}", ended.issues);
}

#[test]
fn where_nothing_was_captured_the_backup_fails_with_the_reason() {
    let job = JobRef::new("cloud".parse().unwrap(), "job-1".parse().unwrap());
    let runs = after(&held(), Step::Start(id()), Outcome::Started(job), 3);
    let status = JobStatus::new(JobState::Failed(Error::new(ErrorKind::PermissionDenied, "no").record()));
    let failed = after(&runs, Step::Poll(id()), Outcome::Polled(Box::new(status)), 5);
    let (ended, _) = never_resumed(failed, 6);
    assert_eq!(ended.record.state, OperationState::Failed);
    assert_eq!(ended.record.error.unwrap().kind, ErrorKind::NeedsAttention);
}

#[tokio::test]
async fn a_watchdog_with_a_catalog_lets_go_what_an_ended_operation_left_and_nothing_else() {
    let hour = std::time::Duration::from_secs(3600);
    let cx = OpContext::background();
    let catalog: std::sync::Arc<dyn Catalog> = std::sync::Arc::new(memory::MemoryCatalog::new());
    let (ada, id): (WorkspaceId, OperationId) = ("ada".parse().unwrap(), "op-1".parse().unwrap());
    let workspace = memory::MemoryWorkspace::new(Definition::new(ada.clone()), vec![]);
    let hold = QuiesceId::of(&id);
    let driver = OpContext::background().for_operation(id.clone(), 1);
    workspace.quiesce(&driver, &hold, &QuiesceOptions::new(hour)).await.unwrap();
    let plain = Watchdog::new(cx.clock().clone());
    let knowing = plain.clone().with_catalog(catalog.clone());
    let held = |watched: Watched| matches!(watched, Watched::Held(_));
    assert!(held(knowing.look(&workspace).await.unwrap()), "its operation may be another catalog's");

    let begin = async |request: Request| {
        let record = OperationRecord::submitted(request, cx.clock().now());
        let holder = Holder::new("host", "process");
        match catalog.create_operation(&record, &holder, hour).await.unwrap() {
            Creation::Created(lease) => (record, lease),
            other => unreachable!("{other:?}"),
        }
    };
    let backup = |id: &str| Request::Backup(BackupRequest::new(id.parse().unwrap(), ada.clone()));
    let (mut record, lease) = begin(backup("op-1")).await;
    assert!(held(knowing.look(&workspace).await.unwrap()), "it is under way");
    record.state = OperationState::Failed;
    catalog.commit(&lease, &OperationChange::new(&record)).await.unwrap();
    let (mut next, lease) = begin(backup("op-2")).await;
    let decide::Machine::Backup(machine) = &mut next.machine else { unreachable!() };
    machine.hold = decide::Hold::Quiescing;
    catalog.commit(&lease, &OperationChange::new(&next)).await.unwrap();
    assert!(held(knowing.look(&workspace).await.unwrap()), "the next one sees to it");
    next.state = OperationState::Failed;
    catalog.commit(&lease, &OperationChange::new(&next)).await.unwrap();
    assert!(held(plain.look(&workspace).await.unwrap()), "without a catalog it waits for the hold's budget");
    begin(backup("op-3")).await;
    assert!(
        matches!(knowing.look(&workspace).await.unwrap(), Watched::Released(_)),
        "one that waits for hours keeps no services standing"
    );
    assert_eq!(knowing.look(&workspace).await.unwrap(), Watched::Free);
}

#[tokio::test]
async fn an_overdue_hold_is_let_go_whatever_else_is_under_way() {
    let cx = OpContext::background();
    let catalog: std::sync::Arc<dyn Catalog> = std::sync::Arc::new(memory::MemoryCatalog::new());
    let ada: WorkspaceId = "ada".parse().unwrap();
    let workspace = memory::MemoryWorkspace::new(Definition::new(ada.clone()), vec![]);
    let (ended, ttl): (OperationId, _) = ("op-1".parse().unwrap(), std::time::Duration::from_secs(60));
    for (id, state) in [("op-1", OperationState::Partial), ("op-2", OperationState::Running)] {
        let request = Request::Backup(BackupRequest::new(id.parse().unwrap(), ada.clone()));
        let mut record = OperationRecord::submitted(request, cx.clock().now());
        record.state = state;
        catalog.create_operation(&record, &Holder::new("host", "process"), ttl).await.unwrap();
    }
    let driver = OpContext::background().for_operation(ended.clone(), 1);
    let options = QuiesceOptions::new(std::time::Duration::ZERO);
    workspace.quiesce(&driver, &QuiesceId::of(&ended), &options).await.unwrap();
    let watchdog =
        Watchdog::new(cx.clock().clone()).with_catalog(catalog).with_grace(std::time::Duration::ZERO);
    assert!(matches!(watchdog.look(&workspace).await.unwrap(), Watched::Released(_)));
}
