//! Guards of sources: written before anything else, removed after everything else, and never in the way.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::sync::Arc;

use stillpoint_core::decide::{
    Decision, Effect, Event, GuardStep, Hold, JobStep, Machine, Outcome, Step, decide,
};
use stillpoint_core::memory::{MemoryCatalog, MemoryProvider, MemoryWorkspace};
use stillpoint_core::*;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn id(name: &str) -> ComponentId {
    name.parse().unwrap()
}

fn tags() -> Tags {
    [("do-not-collect".to_owned(), "true".to_owned())].into()
}

fn failed(kind: ErrorKind) -> Result<Outcome, ErrorRecord> {
    Err(Error::new(kind, "no").record())
}

fn done(last: &Decision, step: Step, result: Result<Outcome, ErrorRecord>, at: i64) -> Decision {
    decide(&last.record, &Event::Done(step, result), time(at))
}

fn steps(decision: &Decision) -> Vec<Step> {
    decision.effects.iter().map(Effect::step).collect()
}

fn guard(decision: &Decision, nth: usize) -> GuardStep {
    let Machine::Backup(backup) = &decision.record.machine else { unreachable!() };
    backup.members[nth].guard.step
}

fn hold(decision: &Decision) -> Hold {
    let Machine::Backup(backup) = &decision.record.machine else { unreachable!() };
    backup.hold
}

/// A backup of two volumes, of which the first one's provider guards sources.
fn planned() -> Decision {
    let mut request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    request.timeout = Some(std::time::Duration::from_secs(600));
    let record = OperationRecord::submitted(Request::Backup(request), time(0));
    let begun = decide(&record, &Event::Begun, time(0));
    let component = |name: &str| Component::new(id(name), "disk", "cloud".parse().unwrap(), name);
    let mut components = [component("db"), component("files")].map(PlannedComponent::new);
    components[0].guarded = true;
    let mut definition = Definition::new("ada".parse().unwrap());
    definition.source_tags = tags();
    let plan = Plan::new(definition, components.into(), None);
    done(&begun, Step::Inspect, Ok(Outcome::Planned(Box::new(plan))), 1)
}

fn guarded() -> Decision {
    done(&planned(), Step::Guard(id("db")), Ok(Outcome::Guarded(Tags::new())), 2)
}

/// Both jobs run.
fn running() -> Decision {
    let mut last = done(&guarded(), Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)), 3);
    for name in ["db", "files"] {
        let job = JobRef::new("cloud".parse().unwrap(), JobId::new(name).unwrap());
        last = done(&last, Step::Start(id(name)), Ok(Outcome::Started(job)), 4);
    }
    last
}

fn ends(last: &Decision, name: &str, state: JobState, at: i64) -> Decision {
    done(last, Step::Poll(id(name)), Ok(Outcome::Polled(Box::new(JobStatus::new(state)))), at)
}

#[test]
fn nothing_is_held_still_before_each_guard_is_written() {
    let planned = planned();
    assert_eq!(steps(&planned), [Step::Guard(id("db"))]);
    assert!(matches!(&planned.effects[0], Effect::Guard { tags: asked, .. } if *asked == tags()));
    assert_eq!((hold(&planned), planned.record.step.as_str()), (Hold::Free, "guarding"));
    assert_eq!(planned.effects[0].ledger_action(), Some("guard"));
    let guarded = guarded();
    assert_eq!(steps(&guarded), [Step::Quiesce]);
    assert_eq!(guard(&guarded, 0), GuardStep::Standing);
    assert_eq!(guard(&guarded, 1), GuardStep::None);
}

#[test]
fn what_cannot_be_guarded_is_captured_all_the_same_and_said() {
    let mut last = planned();
    for at in 2..7 {
        last = done(&last, Step::Guard(id("db")), failed(ErrorKind::PermissionDenied), at * 60);
        assert_eq!((steps(&last), hold(&last)), (vec![], Hold::Free));
        assert!(last.wake_at.is_some() && last.record.warnings.is_empty());
        last = decide(&last.record, &Event::Tick, last.wake_at.unwrap());
        assert_eq!(steps(&last), [Step::Guard(id("db"))]);
    }
    let gives_up = done(&last, Step::Guard(id("db")), failed(ErrorKind::PermissionDenied), 500);
    assert_eq!(steps(&gives_up), [Step::Quiesce]);
    assert_eq!(gives_up.record.warnings.len(), 1, "{:?}", gives_up.record.warnings);
    assert_eq!(guard(&gives_up, 0), GuardStep::Standing, "an answer that was lost may have been carried out");
}

#[test]
fn an_outage_of_a_minute_leaves_no_source_unguarded() {
    let mut last = planned();
    let mut now = time(2);
    while now < time(62) {
        let refused = failed(ErrorKind::RateLimited);
        last = decide(&last.record, &Event::Done(Step::Guard(id("db")), refused), now);
        now = last.wake_at.unwrap();
        last = decide(&last.record, &Event::Tick, now);
        assert_eq!((steps(&last), hold(&last)), (vec![Step::Guard(id("db"))], Hold::Free));
    }
    let written = Event::Done(Step::Guard(id("db")), Ok(Outcome::Guarded(Tags::new())));
    assert!(decide(&last.record, &written, now).record.warnings.is_empty());
    // It does not wait without end either.
    while hold(&last) == Hold::Free {
        assert!(now < time(400), "it is still waited at {now}");
        let refused = failed(ErrorKind::RateLimited);
        last = decide(&last.record, &Event::Done(Step::Guard(id("db")), refused), now);
        if hold(&last) == Hold::Free {
            now = last.wake_at.unwrap();
            last = decide(&last.record, &Event::Tick, now);
        }
    }
    assert_eq!(last.record.warnings.len(), 1);
}

#[test]
fn the_tags_of_somebody_else_are_said_once() {
    let kept = || Ok(Outcome::Guarded([("do-not-collect".to_owned(), "never".to_owned())].into()));
    let told = done(&planned(), Step::Guard(id("db")), kept(), 2);
    assert!(told.record.warnings[0].contains("do-not-collect = never"), "{:?}", told.record.warnings);
    let mut record = planned().record;
    record.warnings.clone_from(&told.record.warnings);
    let again = decide(&record, &Event::Done(Step::Guard(id("db")), kept()), time(3));
    assert_eq!(again.record.warnings, told.record.warnings);
}

#[test]
fn a_guard_goes_as_soon_as_its_job_has_ended_whatever_the_others_do() {
    for state in [JobState::Cancelled, JobState::Failed(Error::new(ErrorKind::Unsupported, "no").record())] {
        let ended = ends(&running(), "db", state, 5);
        assert!(steps(&ended).contains(&Step::Unguard(id("db"))), "{:?}", ended.effects);
        let gone = done(&ended, Step::Unguard(id("db")), Ok(Outcome::Done), 6);
        assert_eq!((guard(&gone, 0), steps(&gone)), (GuardStep::Removed, vec![Step::Poll(id("files"))]));
    }
}

#[test]
fn a_detached_job_keeps_its_guard_until_it_has_ended() {
    let late = decide(&running().record, &Event::Tick, time(601));
    let released = done(&late, Step::Resume, Ok(Outcome::Done), 602);
    assert_eq!(released.record.state, OperationState::Detached);
    assert_eq!(guard(&released, 0), GuardStep::Standing);
    let ended = ends(&released, "db", JobState::Cancelled, 9000);
    assert!(steps(&ended).contains(&Step::Unguard(id("db"))), "{:?}", ended.effects);
}

#[test]
fn the_operation_does_not_end_while_a_guard_stands_and_names_one_that_stays() {
    let failed_job = || JobState::Failed(Error::new(ErrorKind::Unsupported, "no").record());
    let mut last = ends(&ends(&running(), "db", failed_job(), 5), "files", failed_job(), 5);
    last = done(&last, Step::Resume, Ok(Outcome::Done), 6);
    for at in 1..6 {
        assert_eq!(steps(&last), [Step::Unguard(id("db"))]);
        let missed = done(&last, Step::Unguard(id("db")), failed(ErrorKind::PermissionDenied), 6 + at);
        assert!(!missed.record.state.is_terminal());
        last = decide(&missed.record, &Event::Tick, missed.wake_at.unwrap());
    }
    let left = done(&last, Step::Unguard(id("db")), failed(ErrorKind::PermissionDenied), 300);
    assert_eq!((left.record.state, guard(&left, 0)), (OperationState::Failed, GuardStep::Left));
    let said = left.record.warnings.last().unwrap();
    assert!(said.contains("stillpoint:guard") && said.contains("reconcile"), "{said}");
}

#[test]
fn a_backup_is_catalogued_while_a_guard_cannot_be_removed_yet() {
    let captured = |last: &Decision, name: &str| {
        let mut status = JobStatus::new(JobState::Succeeded);
        status.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), name.parse().unwrap()));
        status.captured = Some(CaptureWindow::new(time(4), time(5)));
        done(last, Step::Poll(id(name)), Ok(Outcome::Polled(Box::new(status))), 5)
    };
    let mut last = captured(&captured(&running(), "db"), "files");
    last = done(&last, Step::Resume, Ok(Outcome::Done), 6);
    last = done(&last, Step::Unguard(id("db")), failed(ErrorKind::Unavailable), 7);
    for name in ["db", "files"] {
        let good = Ok(Outcome::Verified(Verification::new(Depth::Sized, vec![])));
        last = done(&last, Step::Verify(id(name)), good, 8);
    }
    let sealed = done(&last, Step::WriteRecord, Ok(Outcome::Done), 9);
    let backup = sealed.put_backup.clone().unwrap();
    assert_eq!((backup.state, sealed.record.state), (BackupState::Completed, OperationState::Running));
    assert_eq!(sealed.record.step, "unguarding");
    // Whoever takes it over only removes the guard, and writes nothing over what the catalog has.
    let stored = serde_json::from_str(&serde_json::to_string(&sealed.record).unwrap()).unwrap();
    let taken = decide(&stored, &Event::Recovered, time(100));
    assert_eq!(steps(&taken), [Step::Unguard(id("db"))]);
    let gone = done(&taken, Step::Unguard(id("db")), Ok(Outcome::Done), 101);
    assert_eq!((gone.record.state, gone.record.backup), (OperationState::Completed, Some(backup.id)));
    assert_eq!(gone.put_backup, None);
}

#[test]
fn a_cancel_hears_a_write_out_before_it_removes_what_was_written() {
    for answer in [Ok(Outcome::Guarded(Tags::new())), failed(ErrorKind::Unavailable)] {
        let cancelled = decide(&planned().record, &Event::CancelRequested, time(2));
        assert_eq!(steps(&cancelled), [Step::Guard(id("db"))], "it is still under way");
        let answered = done(&cancelled, Step::Guard(id("db")), answer, 3);
        assert_eq!(steps(&answered), [Step::Unguard(id("db"))]);
        let gone = done(&answered, Step::Unguard(id("db")), Ok(Outcome::Done), 4);
        assert_eq!((gone.record.state, hold(&gone)), (OperationState::Cancelled, Hold::Free));
    }
    let missed = done(&planned(), Step::Guard(id("db")), failed(ErrorKind::Unavailable), 2);
    let cancelled = decide(&missed.record, &Event::CancelRequested, time(2));
    assert_eq!(steps(&cancelled), [Step::Unguard(id("db"))], "nothing is under way that could come after it");
}

#[test]
fn what_a_dead_process_wrote_is_written_again_where_it_is_needed() {
    let again = decide(&planned().record, &Event::Recovered, time(50));
    assert_eq!(steps(&again), [Step::Guard(id("db"))]);
    let cancelled = decide(&planned().record, &Event::CancelRequested, time(2));
    let unneeded = decide(&cancelled.record, &Event::Recovered, time(50));
    assert_eq!(steps(&unneeded), [Step::Unguard(id("db"))]);
}

#[test]
fn the_guard_outlives_a_job_that_turns_out_to_be_somebody_elses() {
    let lost = Err(Error::new(ErrorKind::Unavailable, "no answer").maybe_applied().record());
    let mut last = done(&guarded(), Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)), 3);
    last = done(&last, Step::Start(id("db")), lost, 4);
    let job = JobRef::new("cloud".parse().unwrap(), JobId::new("job-9").unwrap());
    let likely = Outcome::Found(vec![Candidate::new(job, Evidence::Likely)]);
    last = done(&last, Step::Start(id("db")), Ok(likely), 5);
    let mut status = JobStatus::new(JobState::Succeeded);
    status.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), SnapshotId::new("snap-9").unwrap()));
    last = done(&last, Step::Poll(id("db")), Ok(Outcome::Polled(Box::new(status))), 6);
    assert!(!steps(&last).contains(&Step::Unguard(id("db"))), "{:?}", last.effects);
    let mut foreign = Verification::new(Depth::Sized, vec![]);
    foreign.problems.push(Issue::new("foreign", "snap-9", "not ours"));
    last = done(&last, Step::Verify(id("db")), Ok(Outcome::Verified(foreign)), 7);
    let Machine::Backup(backup) = &last.record.machine else { unreachable!() };
    assert_eq!(backup.members[0].run.step, JobStep::Reconciling);
    assert_eq!(guard(&last, 0), GuardStep::Standing);
}

#[test]
fn a_backup_without_source_tags_is_stored_as_it_always_was() {
    let Machine::Backup(backup) = planned().record.machine else { unreachable!() };
    let text = serde_json::to_value(&backup).unwrap();
    assert!(text["members"][0].get("guard").is_some() && text["members"][1].get("guard").is_none());
    let definition = Definition::new("ada".parse().unwrap());
    assert!(serde_json::to_value(&definition).unwrap().get("source_tags").is_none());
}

#[tokio::test]
async fn a_source_has_its_tags_while_it_is_captured_and_its_own_ones_afterwards() {
    let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
    provider.write("/home/ada", "notes.txt", b"first");
    provider.tag("/home/ada", "Name", "home");
    let home = Component::new(id("home"), "directory", "memory".parse().unwrap(), "/home/ada");
    let mut definition = Definition::new("ada".parse().unwrap());
    definition.source_tags = tags();
    let catalog = Arc::new(MemoryCatalog::new());
    let orchestrator = LocalOrchestrator::builder(catalog.clone())
        .holder(Holder::new("test", "one"))
        .provider(provider.clone())
        .workspace(Arc::new(MemoryWorkspace::new(definition, vec![home])))
        .build();
    let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    let outlook = orchestrator.plan(&request).await.unwrap().outlook.unwrap();
    let calls: Vec<_> = outlook.calls.iter().map(|call| call.call.as_str()).collect();
    assert_eq!((calls[0], calls[1], outlook.tags), ("guard", "quiesce", tags()));
    assert!(calls.contains(&"unguard"), "{calls:?}");
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    let status = orchestrator.wait(&"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    assert_eq!(provider.tags("/home/ada").unwrap(), [("Name".to_owned(), "home".to_owned())].into());
    let actions = catalog.ledger(&"op-1".parse().unwrap()).await.unwrap();
    let intents = actions.iter().filter(|entry| entry.kind == LedgerKind::Intent);
    let intents: Vec<_> = intents.map(|entry| entry.action.as_str()).collect();
    let at = |action| intents.iter().position(|intent| *intent == action).unwrap();
    assert!(at("guard") < at("quiesce") && at("start") < at("unguard"), "{intents:?}");
}
