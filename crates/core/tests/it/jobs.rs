//! The life of one job: which one is ours, since when, and what its end says.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step fails the test")]

use stillpoint_core::decide::{
    Decision, Effect, Event, JobEnd, JobRun, JobStep, Machine, Outcome, Step, decide,
};
use stillpoint_core::*;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

fn db() -> ComponentId {
    "db".parse().unwrap()
}

fn job(id: &str) -> JobRef {
    JobRef::new("cloud".parse().unwrap(), JobId::new(id).unwrap())
}

/// A backup of one volume whose one job is to be started.
fn starting() -> Decision {
    let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    let record = OperationRecord::submitted(Request::Backup(request), time(0));
    let begun = decide(&record, &Event::Begun, time(0));
    let component = Component::new(db(), "disk", "cloud".parse().unwrap(), "vol-1");
    let plan =
        Plan::new(Definition::new("ada".parse().unwrap()), vec![PlannedComponent::new(component)], None);
    let planned = done(&begun, Step::Inspect, Ok(Outcome::Planned(Box::new(plan))), time(1));
    let held = done(&planned, Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)), time(2));
    assert!(matches!(held.effects[..], [Effect::Start(_)]), "{:?}", held.effects);
    held
}

fn done(last: &Decision, step: Step, result: Result<Outcome, ErrorRecord>, at: Timestamp) -> Decision {
    decide(&last.record, &Event::Done(step, result), at)
}

fn answer_start(last: &Decision, result: Result<Outcome, Error>, at: i64) -> Decision {
    done(last, Step::Start(db()), result.map_err(|error| error.record()), time(at))
}

fn poll(last: &Decision, result: Result<JobState, ErrorKind>, at: i64) -> Decision {
    let status = |state| Outcome::Polled(Box::new(JobStatus::new(state)));
    let result = result.map(status).map_err(|kind| Error::new(kind, "no").record());
    done(last, Step::Poll(db()), result, time(at))
}

fn run(decision: &Decision) -> &JobRun {
    match &decision.record.machine {
        Machine::Backup(backup) => &backup.members[0].run,
        other => panic!("{other:?}"),
    }
}

fn found(id: &str, evidence: Evidence) -> Result<Outcome, Error> {
    Ok(Outcome::Found(vec![Candidate::new(job(id), evidence)]))
}

fn lost_answer() -> Result<Outcome, Error> {
    Err(Error::new(ErrorKind::Unavailable, "no answer").maybe_applied())
}

/// A backup that follows a job of which nothing proves that it is its own.
fn following_a_likely_job() -> Decision {
    let lost = answer_start(&starting(), lost_answer(), 3);
    let likely = answer_start(&lost, found("job-1", Evidence::Likely), 4);
    assert!(run(&likely).unproven);
    likely
}

/// What a backup with a timeout of four hours does with a plan in which somebody else's job holds the volume.
fn planned_behind_a_job(waivers: &[&str]) -> (OperationRecord, Plan) {
    let mut request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    request.timeout = Some(std::time::Duration::from_secs(4 * 3600));
    request.waivers = waivers.iter().map(|name| (*name).to_owned()).collect();
    let record = OperationRecord::submitted(Request::Backup(request), time(0));
    let mut planned = PlannedComponent::new(Component::new(db(), "disk", "cloud".parse().unwrap(), "vol-1"));
    planned.findings.push(Finding::new(RESOURCE_BUSY, Severity::Warning, "job-9 holds vol-1"));
    let plan = Plan::new(Definition::new("ada".parse().unwrap()), vec![planned], None);
    (decide(&record, &Event::Begun, time(0)).record, plan)
}

#[test]
fn nothing_is_held_still_behind_a_job_of_somebody_else_while_there_is_time_to_wait() {
    let (mut record, plan) = planned_behind_a_job(&[]);
    let answer = Ok(Outcome::Planned(Box::new(plan)));
    for at in [1, 61, 3599] {
        let waits = decide(&record, &Event::Done(Step::Inspect, answer.clone()), time(at));
        assert!(waits.effects.is_empty() && waits.wake_at.is_some(), "{:?}", waits.effects);
        assert_eq!((waits.record.step.as_str(), waits.record.warnings.len()), ("waiting", 0));
        let looks = decide(&waits.record, &Event::Tick, time(at + 60));
        assert!(matches!(looks.effects[..], [Effect::InspectWorkspace]), "{:?}", looks.effects);
        record = looks.record;
    }
    let goes_on = decide(&record, &Event::Done(Step::Inspect, answer), time(3661));
    assert!(matches!(goes_on.effects[..], [Effect::Quiesce { .. }]), "{:?}", goes_on.effects);
    assert!(goes_on.record.warnings[0].contains("job-9"), "{:?}", goes_on.record.warnings);
}

#[test]
fn whoever_waives_the_check_does_not_wait() {
    let (record, plan) = planned_behind_a_job(&[RESOURCE_BUSY]);
    let planned = Event::Done(Step::Inspect, Ok(Outcome::Planned(Box::new(plan))));
    let goes_on = decide(&record, &planned, time(1));
    assert!(matches!(goes_on.effects[..], [Effect::Quiesce { .. }]), "{:?}", goes_on.effects);
}

#[test]
fn what_is_started_after_a_wait_is_looked_for_since_the_end_of_that_wait() {
    let busy = answer_start(&starting(), Err(Error::new(ErrorKind::Busy, "a job runs")), 3);
    let again = decide(&busy.record, &Event::Tick, time(240));
    assert!(matches!(again.effects[..], [Effect::Start(_)]), "{:?}", again.effects);
    let lost = answer_start(&again, lost_answer(), 245);
    let [Effect::Find { since, .. }] = &lost.effects[..] else { panic!("{:?}", lost.effects) };
    assert_eq!(*since, time(240));
}

#[test]
fn a_job_that_is_proven_at_last_can_be_stopped() {
    let likely = following_a_likely_job();
    let gone = poll(&likely, Err(ErrorKind::NotFound), 5);
    let proven = answer_start(&gone, found("job-2", Evidence::Proven), 6);
    let cancelled = decide(&proven.record, &Event::CancelRequested, time(7));
    let asks =
        |effect: &Effect| matches!(effect, Effect::CancelJob { job: asked, .. } if *asked == job("job-2"));
    assert!(cancelled.effects.iter().any(asks), "{:?}", cancelled.effects);
}

#[test]
fn how_somebody_elses_job_ends_says_nothing_about_ours() {
    let failed = JobState::Failed(Error::new(ErrorKind::PermissionDenied, "not allowed").record());
    for end in [failed, JobState::Cancelled, JobState::Expired, JobState::Lost] {
        let ended = poll(&following_a_likely_job(), Ok(end.clone()), 5);
        let looks = matches!(ended.effects[..], [Effect::Find { .. }]);
        assert!(looks && run(&ended).status.is_none(), "{end:?}: {:?}", ended.effects);
        assert_eq!(run(&ended).request.key().attempt(), 1, "{end:?}");
    }
}

#[test]
fn a_job_that_expires_after_the_cancel_has_no_successor() {
    let started = answer_start(&starting(), Ok(Outcome::Started(job("job-1"))), 3);
    let expired = poll(&started, Ok(JobState::Expired), 4);
    assert!(matches!(run(&expired).step, JobStep::Waiting { .. }), "{:?}", run(&expired).step);
    let cancelled = decide(&expired.record, &Event::CancelRequested, time(4));
    assert_eq!(run(&cancelled).step, JobStep::Ended(JobEnd::Cancelled));
}

#[test]
fn what_was_told_of_a_job_that_is_not_there_does_not_let_the_workspace_go() {
    let started = answer_start(&starting(), Ok(Outcome::Started(job("job-1"))), 3);
    let gone = poll(&started, Err(ErrorKind::NotFound), 4);
    assert!(run(&gone).status.is_none());
    let likely = following_a_likely_job();
    let mut captured = JobStatus::new(JobState::Running);
    captured.issues.push(Issue::new("message", "db", "somebody else's"));
    let seen = done(&likely, Step::Poll(db()), Ok(Outcome::Polled(Box::new(captured))), time(5));
    assert!(run(&seen).status.is_some());
    let gone = poll(&seen, Err(ErrorKind::NotFound), 6);
    assert!(run(&gone).status.is_none(), "its issues are not ours");
}

#[test]
fn jobs_that_are_never_found_again_are_not_started_for_ever() {
    let mut last = starting();
    let mut starts = 0;
    for round in 0..20 {
        let at = 10 * (round + 1);
        if !matches!(last.effects[..], [Effect::Start(_)]) {
            break;
        }
        starts += 1;
        let started = answer_start(&last, Ok(Outcome::Started(job("job-1"))), at);
        let gone = poll(&started, Err(ErrorKind::NotFound), at + 1);
        let none = answer_start(&gone, Ok(Outcome::Found(Vec::new())), at + 2);
        last = decide(&none.record, &Event::Tick, time(at + 3));
    }
    assert_eq!(starts, 3);
    let JobStep::Ended(JobEnd::Failed(error)) = &run(&last).step else { panic!("{:?}", run(&last).step) };
    assert_eq!(error.kind, ErrorKind::NeedsAttention);
}

#[test]
fn what_a_stopped_job_left_is_deleted_and_named_where_it_stays() {
    let left = SnapshotRef::new("cloud".parse().unwrap(), SnapshotId::new("snap-1").unwrap());
    let mut status = JobStatus::new(JobState::Cancelled);
    status.snapshot = Some(left.clone());
    let started = answer_start(&starting(), Ok(Outcome::Started(job("job-1"))), 3);
    let cancelled = decide(&started.record, &Event::CancelRequested, time(4));
    let asked =
        done(&cancelled, Step::CancelJob(db()), Ok(Outcome::CancelAsked(CancelOutcome::Requested)), time(5));
    let stopped = done(&asked, Step::Poll(db()), Ok(Outcome::Polled(Box::new(status))), time(6));
    let resumed = done(&stopped, Step::Resume, Ok(Outcome::Done), time(7));
    let deletes =
        |effect: &Effect| matches!(effect, Effect::DeleteSnapshot { snapshot, .. } if *snapshot == left);
    assert!(resumed.effects.iter().any(deletes), "{:?}", resumed.effects);
    let deleted = |state| done(&resumed, Step::Delete(db()), Ok(Outcome::Deleted(state)), time(8)).record;
    let gone = deleted(DeleteState::Gone);
    assert!(gone.state == OperationState::Cancelled && gone.issues.is_empty(), "{gone:?}");
    let kept = deleted(DeleteState::Stuck { reason: "no role".into() });
    assert_eq!((kept.state, kept.issues[0].kind.as_str()), (OperationState::Cancelled, "not-undone"));
}

#[test]
fn a_job_that_could_not_be_looked_for_to_the_end_is_left_to_a_person() {
    let mut last = answer_start(&starting(), lost_answer(), 3);
    while !run(&last).has_ended() {
        let refused = Error::new(ErrorKind::Busy, "a job was found that may be ours");
        last = answer_start(&last, Err(refused), 4);
    }
    let JobStep::Ended(JobEnd::Failed(error)) = &run(&last).step else { panic!("{:?}", run(&last)) };
    assert_eq!(error.kind, ErrorKind::NeedsAttention, "it may run all the same");
    let cancelled = decide(&last.record, &Event::CancelRequested, time(5));
    let resumed = done(&cancelled, Step::Resume, Ok(Outcome::Done), time(6)).record;
    assert!(resumed.issues.iter().any(|issue| issue.kind == "not-undone"), "{resumed:?}");
}

#[test]
fn a_job_that_cannot_be_looked_for_since_its_provider_is_not_here_is_given_up_by_whoever_cancels() {
    let lost = answer_start(&starting(), lost_answer(), 3);
    let stopping = decide(&lost.record, &Event::CancelRequested, time(4));
    let unknown = Error::new(ErrorKind::InvalidConfig, "no provider cloud").with("unregistered", "cloud");
    let given_up = answer_start(&stopping, Err(unknown), 5);
    let JobStep::Ended(JobEnd::Failed(error)) = &run(&given_up).step else { panic!("{:?}", run(&given_up)) };
    assert_eq!(error.kind, ErrorKind::NeedsAttention);
}

#[test]
fn a_likely_job_that_ended_without_a_result_is_not_followed_for_ever() {
    let failed = || JobState::Failed(Error::new(ErrorKind::Unexpected, "by chance").record());
    let mut last = following_a_likely_job();
    let mut calls = 0;
    for attempt in 1..=3 {
        last = poll(&last, Ok(failed()), calls);
        // It stays in the list, and nothing else is there.
        while matches!(last.effects[..], [Effect::Find { .. }]) {
            assert_eq!(run(&last).request.key().attempt(), attempt, "ours may not be listed yet");
            calls += 1;
            assert!(calls < 100, "it is looked for without end");
            let both = (1..=attempt).map(|nth| Candidate::new(job(&format!("job-{nth}")), Evidence::Likely));
            last = answer_start(&last, Ok(Outcome::Found(both.collect())), calls);
        }
        if attempt < 3 {
            last = decide(&last.record, &Event::Tick, time(calls));
            assert!(matches!(last.effects[..], [Effect::Start(_)]), "{:?}", last.effects);
            last = answer_start(&last, lost_answer(), calls);
            last = answer_start(&last, found(&format!("job-{}", attempt + 1), Evidence::Likely), calls);
        }
    }
    assert!(calls > 30, "each is looked for long enough to be listed: {calls}");
    let JobStep::Ended(JobEnd::Failed(error)) = &run(&last).step else { panic!("{:?}", run(&last).step) };
    assert!(error.message.contains("ended without a result"), "{error}");
}
