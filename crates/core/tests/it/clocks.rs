//! Clocks that run out at the wrong moment leave no operation that cannot end.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::collections::BTreeMap;

use stillpoint_core::decide::{Decision, Effect, Event, Inspection, Outcome, Step, decide};
use stillpoint_core::*;

const HOUR: i64 = 3600;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn component() -> Component {
    Component::new("db".parse().unwrap(), "disk", "cloud".parse().unwrap(), "vol-1")
}

fn job() -> JobRef {
    JobRef::new("cloud".parse().unwrap(), JobId::new("job-1").unwrap())
}

/// A backup whose workspace was told to hold still and has not answered.
fn quiescing(on_deadline: OnDeadline) -> Decision {
    let mut request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    request.timeout = Some(std::time::Duration::from_secs(3600));
    request.on_deadline = on_deadline;
    let record = OperationRecord::submitted(Request::Backup(request), time(0));
    let begun = decide(&record, &Event::Begun, time(0));
    let plan =
        Plan::new(Definition::new("ada".parse().unwrap()), vec![PlannedComponent::new(component())], None);
    let planned = Event::Done(Step::Inspect, Ok(Outcome::Planned(Box::new(plan))));
    let decision = decide(&begun.record, &planned, time(1));
    assert!(matches!(decision.effects[..], [Effect::Quiesce { .. }]), "{:?}", decision.effects);
    decision
}

fn done(record: &OperationRecord, step: Step, outcome: Outcome, at: Timestamp) -> Decision {
    decide(record, &Event::Done(step, Ok(outcome)), at)
}

#[test]
fn a_workspace_that_holds_still_only_after_the_deadline_ends_its_backup() {
    for policy in [OnDeadline::Detach, OnDeadline::Cancel, OnDeadline::Extend] {
        let waiting = quiescing(policy);
        let expired = decide(&waiting.record, &Event::Tick, time(HOUR));
        let late = Outcome::Quiesced(Consistency::Application);
        let late = done(&expired.record, Step::Quiesce, late, time(HOUR + 1));
        assert!(matches!(late.effects[..], [Effect::Resume { .. }]), "{policy:?} {:?}", late.effects);
        let ended = done(&late.record, Step::Resume, Outcome::Done, time(HOUR + 2));
        assert_eq!(ended.record.state, OperationState::Failed, "{policy:?}");
        assert_eq!(ended.record.error.unwrap().kind, ErrorKind::DeadlineExceeded, "{policy:?}");
    }
}

#[test]
fn a_driver_whose_clock_is_behind_gives_no_hold_its_whole_time_again() {
    let waiting = quiescing(OnDeadline::Detach);
    let held = done(&waiting.record, Step::Quiesce, Outcome::Quiesced(Consistency::Application), time(2));
    let started = done(&held.record, Step::Start("db".parse().unwrap()), Outcome::Started(job()), time(3));
    let still = |record: &OperationRecord, at: Timestamp| {
        let running = Outcome::Polled(Box::new(JobStatus::new(JobState::Running)));
        done(record, Step::Poll("db".parse().unwrap()), running, at)
    };
    // After 50 of its 60 minutes its driver dies; the next one's clock is a day behind.
    let late = still(&started.record, time(50 * 60));
    let behind = |seconds: i64| time(seconds - 24 * HOUR);
    let taken_over = decide(&late.record, &Event::Recovered, behind(50 * 60));
    let holds = |decision: &Decision| !decision.effects.iter().any(|is| matches!(is, Effect::Resume { .. }));
    let wakes = taken_over.wake_at.is_some_and(|at| at <= behind(60 * 60));
    assert!(holds(&taken_over) && wakes, "{:?}", taken_over.wake_at);
    let soon = still(&taken_over.record, behind(59 * 60));
    assert!(holds(&soon), "{:?}", soon.effects);
    let used_up = decide(&soon.record, &Event::Tick, behind(60 * 60));
    assert!(!holds(&used_up), "{:?}", used_up.effects);
}

#[test]
fn a_backup_that_was_detached_long_ago_still_stops_its_jobs_when_it_is_cancelled() {
    let waiting = quiescing(OnDeadline::Detach);
    let held = done(&waiting.record, Step::Quiesce, Outcome::Quiesced(Consistency::Application), time(2));
    assert!(matches!(held.effects[..], [Effect::Start(_)]), "{:?}", held.effects);
    let started = done(&held.record, Step::Start("db".parse().unwrap()), Outcome::Started(job()), time(3));
    let expired = decide(&started.record, &Event::Tick, time(HOUR));
    let detached = done(&expired.record, Step::Resume, Outcome::Done, time(HOUR + 1));
    assert_eq!(detached.record.state, OperationState::Detached);

    let cancelled = decide(&detached.record, &Event::CancelRequested, time(50 * HOUR));
    assert!(!cancelled.record.state.is_terminal(), "{:?}", cancelled.record.state);
    let asks = |effect: &Effect| matches!(effect, Effect::CancelJob { .. });
    assert!(cancelled.effects.iter().any(asks), "{:?}", cancelled.effects);
}

#[test]
fn an_outage_while_the_workspace_is_looked_at_is_waited_out() {
    let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    let record = OperationRecord::submitted(Request::Backup(request), time(0));
    let begun = decide(&record, &Event::Begun, time(0));
    let fails = |kind| Event::Done(Step::Inspect, Err(Error::new(kind, "no").record()));
    let waits = decide(&begun.record, &fails(ErrorKind::Unavailable), time(1));
    assert!(waits.effects.is_empty() && waits.wake_at.is_some(), "{waits:?}");
    let again = decide(&waits.record, &Event::Tick, time(HOUR));
    assert!(matches!(again.effects[..], [Effect::InspectWorkspace]), "{:?}", again.effects);
    let refused = decide(&again.record, &fails(ErrorKind::PermissionDenied), time(HOUR));
    assert_eq!(refused.record.state, OperationState::Failed);
}

#[test]
fn a_cancelled_copy_whose_job_never_ends_says_so_and_ends() {
    let request = CopyRequest::new(
        "op-1".parse().unwrap(),
        "b-1".parse().unwrap(),
        "ada".parse().unwrap(),
        Settings::new(),
    );
    let copying = inspected(Request::Copy(request));
    assert!(matches!(copying.effects[..], [Effect::Start(_)]), "{:?}", copying.effects);
    let db = || "db".parse().unwrap();
    let runs = done(&copying.record, Step::Start(db()), Outcome::Started(job()), time(2));
    let cancelled = decide(&runs.record, &Event::CancelRequested, time(3));
    let asked = Outcome::CancelAsked(CancelOutcome::Requested);
    let mut last = done(&cancelled.record, Step::CancelJob(db()), asked, time(4));
    for hour in 1..=26 {
        let still = Outcome::Polled(Box::new(JobStatus::new(JobState::Running)));
        last = done(&last.record, Step::Poll(db()), still, time(hour * HOUR));
    }
    assert_eq!(last.record.state, OperationState::Cancelled, "{:?}", last.effects);
    assert!(last.record.issues.iter().any(|issue| issue.kind == "not-undone"), "{:?}", last.record.issues);
}

#[test]
fn an_outage_while_a_backup_is_looked_at_is_waited_out() {
    let (id, backup): (OperationId, BackupId) = ("op-1".parse().unwrap(), "b-1".parse().unwrap());
    let restore =
        RestoreRequest::new(id.clone(), backup.clone(), "ada-2".parse().unwrap(), "it", Settings::new());
    let copy = CopyRequest::new(id.clone(), backup.clone(), "ada".parse().unwrap(), Settings::new());
    let verify = VerifyRequest::new(id, backup, "ada".parse().unwrap(), Depth::Sized);
    for request in [Request::Restore(restore), Request::Copy(copy), Request::Verify(verify)] {
        let kind = request.kind();
        let begun = decide(&OperationRecord::submitted(request, time(0)), &Event::Begun, time(0));
        let fails = |kind| Event::Done(Step::Inspect, Err(Error::new(kind, "no").record()));
        let waits = decide(&begun.record, &fails(ErrorKind::Unavailable), time(1));
        assert!(waits.effects.is_empty() && waits.wake_at.is_some(), "{kind} {waits:?}");
        assert_eq!(waits.record.state, OperationState::Running, "{kind}");
        let again = decide(&waits.record, &Event::Tick, time(600));
        assert!(matches!(again.effects[..], [Effect::InspectBackup]), "{kind} {:?}", again.effects);
        let cancelled = decide(&waits.record, &Event::CancelRequested, time(2));
        assert_eq!(cancelled.record.state, OperationState::Cancelled, "{kind}");
        let expired = decide(&waits.record, &Event::Tick, time(100 * HOUR));
        assert_eq!(expired.record.error.unwrap().kind, ErrorKind::DeadlineExceeded, "{kind}");
        let refused = decide(&again.record, &fails(ErrorKind::PermissionDenied), time(601));
        assert_eq!(refused.record.state, OperationState::Failed, "{kind}");
    }
}

/// A backup whose workspace could not be let go at the first try, and when that was.
fn waits_to_resume() -> (Decision, Timestamp) {
    let waiting = quiescing(OnDeadline::Detach);
    let cancelled = decide(&waiting.record, &Event::CancelRequested, time(2));
    let held = done(&cancelled.record, Step::Quiesce, Outcome::Quiesced(Consistency::Application), time(3));
    assert!(matches!(held.effects[..], [Effect::Resume { .. }]), "{:?}", held.effects);
    let refused = Error::new(ErrorKind::Unavailable, "not now").record();
    let waits = decide(&held.record, &Event::Done(Step::Resume, Err(refused)), time(4));
    assert!(waits.effects.is_empty() && waits.wake_at.is_some(), "{waits:?}");
    (waits, time(4))
}

#[test]
fn a_wait_that_a_clock_ahead_has_set_keeps_no_workspace_frozen() {
    let (waits, at) = waits_to_resume();
    for behind in [HOUR, 24 * HOUR] {
        let here = Timestamp::from_millis(at.as_millis() - behind * 1000);
        for event in [Event::Recovered, Event::Tick] {
            let taken = decide(&waits.record, &event, here);
            assert!(matches!(taken.effects[..], [Effect::Resume { .. }]), "{event:?} {:?}", taken.effects);
        }
    }
    let early = decide(&waits.record, &Event::Tick, at);
    assert!(
        early.effects.is_empty(),
        "a wait that the same clock has set is waited out: {:?}",
        early.effects
    );
}

#[test]
fn a_job_that_waits_by_a_clock_ahead_is_begun_at_once() {
    let waiting = quiescing(OnDeadline::Detach);
    let held = done(&waiting.record, Step::Quiesce, Outcome::Quiesced(Consistency::Application), time(2));
    let busy = Error::new(ErrorKind::Busy, "somebody else's job").record();
    let start = Step::Start("db".parse().unwrap());
    let behind = decide(&held.record, &Event::Done(start, Err(busy)), time(3));
    assert!(behind.effects.is_empty(), "{:?}", behind.effects);
    let here = time(3 - HOUR);
    let taken = decide(&behind.record, &Event::Recovered, here);
    assert_eq!(taken.wake_at, Some(here));
    let begun = decide(&taken.record, &Event::Tick, here);
    assert!(matches!(begun.effects[..], [Effect::Start(_)]), "{:?}", begun.effects);
}

#[test]
fn what_outlasted_the_hold_claims_nothing_whatever_the_clouds_clock_says() {
    let waiting = quiescing(OnDeadline::Extend);
    let db = || "db".parse().unwrap();
    let held = done(&waiting.record, Step::Quiesce, Outcome::Quiesced(Consistency::Application), time(2));
    let runs = done(&held.record, Step::Start(db()), Outcome::Started(job()), time(3));
    let expired = decide(&runs.record, &Event::Tick, time(HOUR));
    let free = done(&expired.record, Step::Resume, Outcome::Done, time(HOUR + 1));
    // Captured hours after services came back, by a clock that is behind.
    let mut status = JobStatus::new(JobState::Succeeded);
    status.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), SnapshotId::new("snap-1").unwrap()));
    status.captured = Some(CaptureWindow::new(time(60), time(60)));
    let captured = done(&free.record, Step::Poll(db()), Outcome::Polled(Box::new(status)), time(5 * HOUR));
    let good = Outcome::Verified(Verification::new(Depth::Sized, Vec::new()));
    let sealed = done(&captured.record, Step::Verify(db()), good, time(5 * HOUR + 1));
    let [Effect::WriteRecord(record)] = &sealed.effects[..] else { panic!("{:?}", sealed.effects) };
    assert!(record.consistency < Consistency::Application, "{:?}", record.consistency);
}

/// Nothing changes at a deadline that is past: whoever looked again for it would look without a pause.
fn waits_for_no_past(record: &OperationRecord, at: Timestamp) {
    let looked = decide(record, &Event::Tick, at);
    assert!(!looked.record.state.is_terminal(), "{:?}", looked.record.state);
    assert!(looked.wake_at.is_none_or(|wake| wake > at), "{:?} at {at}", looked.wake_at);
}

#[test]
fn a_backup_that_is_sealed_across_its_deadline_is_not_looked_at_without_a_pause() {
    let waiting = quiescing(OnDeadline::Detach);
    let db = || "db".parse().unwrap();
    let held = done(&waiting.record, Step::Quiesce, Outcome::Quiesced(Consistency::Application), time(2));
    let runs = done(&held.record, Step::Start(db()), Outcome::Started(job()), time(3));
    let mut status = JobStatus::new(JobState::Succeeded);
    status.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), SnapshotId::new("snap-1").unwrap()));
    let captured = done(&runs.record, Step::Poll(db()), Outcome::Polled(Box::new(status)), time(4));
    let free = done(&captured.record, Step::Resume, Outcome::Done, time(5));
    let good = Outcome::Verified(Verification::new(Depth::Sized, Vec::new()));
    let sealed = done(&free.record, Step::Verify(db()), good, time(6));
    assert!(matches!(sealed.effects[..], [Effect::WriteRecord(_)]), "{:?}", sealed.effects);
    waits_for_no_past(&sealed.record, time(2 * HOUR));
}

/// A backup with one snapshot that a provider can reach.
fn original() -> BackupRecord {
    let mut original = BackupRecord::new(
        "b-1".parse().unwrap(),
        "op-0".parse().unwrap(),
        Definition::new("ada".parse().unwrap()),
        time(0),
    );
    let snapshot = SnapshotRef::new("cloud".parse().unwrap(), SnapshotId::new("snap-1").unwrap());
    let mut captured = ComponentRecord::new(component(), ComponentState::Completed);
    captured.snapshot = Some(snapshot);
    original.components.push(captured);
    original
}

/// The decision on what was found when the backup of `request` was looked at.
fn inspected(request: Request) -> Decision {
    let begun = decide(&OperationRecord::submitted(request, time(0)), &Event::Begun, time(0));
    let found = Inspection::new(Some(original()), Vec::new(), BTreeMap::new());
    done(&begun.record, Step::Inspect, Outcome::Inspected(Box::new(found)), time(1))
}

#[test]
fn a_restore_that_is_undone_across_its_deadline_is_not_looked_at_without_a_pause() {
    let mut request = RestoreRequest::new(
        "op-1".parse().unwrap(),
        "b-1".parse().unwrap(),
        "ada-2".parse().unwrap(),
        "it",
        Settings::new(),
    );
    request.timeout = Some(std::time::Duration::from_secs(3600));
    let making = inspected(Request::Restore(request));
    let refused = Error::new(ErrorKind::PermissionDenied, "no").record();
    let undone = decide(&making.record, &Event::Done(Step::Provision, Err(refused)), time(2));
    assert!(matches!(undone.effects[..], [Effect::DiscardWorkspace(_)]), "{:?}", undone.effects);
    waits_for_no_past(&undone.record, time(2 * HOUR));
}

#[test]
fn a_copy_that_is_undone_across_its_deadline_is_not_looked_at_without_a_pause() {
    let ids = ("op-1".parse().unwrap(), "b-1".parse().unwrap(), "ada".parse().unwrap());
    let mut request = CopyRequest::new(ids.0, ids.1, ids.2, Settings::new());
    request.timeout = std::time::Duration::from_secs(3600);
    let copying = inspected(Request::Copy(request));
    let db = || "db".parse().unwrap();
    let runs = done(&copying.record, Step::Start(db()), Outcome::Started(job()), time(2));
    let mut status = JobStatus::new(JobState::Succeeded);
    status.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), SnapshotId::new("snap-2").unwrap()));
    let copied = done(&runs.record, Step::Poll(db()), Outcome::Polled(Box::new(status)), time(3));
    let damaged = Verification::new(Depth::Sized, vec![Issue::new("missing", "a", "it is not there")]);
    let undone = done(&copied.record, Step::Verify(db()), Outcome::Verified(damaged), time(4));
    assert!(matches!(undone.effects[..], [Effect::DeleteSnapshot { .. }]), "{:?}", undone.effects);
    waits_for_no_past(&undone.record, time(2 * HOUR));
}
