//! Properties of the pure core over random stories: whatever happens in whatever order, it stays sane.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

use proptest::prelude::*;
use stillpoint_core::decide::{Decision, Effect, Event, Hold, Machine, Outcome, Step, decide};
use stillpoint_core::*;

/// What a random story may answer to an effect.
#[derive(Clone, Debug)]
enum Answer {
    Good,
    Retryable,
    Lost,
    Permanent,
    JobFails,
    JobIssues,
    JobLost,
    JobExpires,
    JobRuns,
}

fn answers() -> impl Strategy<Value = Vec<(u8, Answer)>> {
    let answer = prop_oneof![
        6 => Just(Answer::Good),
        1 => Just(Answer::Retryable),
        1 => Just(Answer::Lost),
        1 => Just(Answer::Permanent),
        1 => Just(Answer::JobFails),
        1 => Just(Answer::JobIssues),
        1 => Just(Answer::JobLost),
        1 => Just(Answer::JobExpires),
        2 => Just(Answer::JobRuns),
    ];
    proptest::collection::vec((any::<u8>(), answer), 1..60)
}

fn plan() -> Plan {
    let component =
        |name: &str| Component::new(name.parse().unwrap(), "disk", "cloud".parse().unwrap(), name);
    let excluded = component("nfs").excluded("external");
    let mut all = [component("db"), component("files"), excluded].map(PlannedComponent::new);
    all[0].guarded = true;
    let mut definition = Definition::new("ada".parse().unwrap());
    definition.source_tags = [("keep".to_owned(), "true".to_owned())].into();
    Plan::new(definition, all.into(), None)
}

fn job_ref(id: &ComponentId) -> JobRef {
    JobRef::new("cloud".parse().unwrap(), JobId::new(format!("job-{id}")).unwrap())
}

fn status(id: &ComponentId, state: JobState, now: Timestamp) -> JobStatus {
    let mut status = JobStatus::new(state);
    if matches!(status.state, JobState::Succeeded | JobState::SucceededWithIssues) {
        let snapshot = SnapshotId::new(format!("snap-{id}")).unwrap();
        status.snapshot = Some(SnapshotRef::new("cloud".parse().unwrap(), snapshot));
        status.captured = Some(CaptureWindow::new(now, now));
    }
    status
}

fn good(effect: &Effect, answer: &Answer, now: Timestamp) -> Outcome {
    match effect {
        Effect::InspectWorkspace => Outcome::Planned(Box::new(plan())),
        Effect::Guard { .. } => Outcome::Guarded(Tags::new()),
        Effect::Quiesce { .. } => Outcome::Quiesced(Consistency::Application),
        Effect::Start(request) => Outcome::Started(job_ref(request.key().component())),
        Effect::Find { request, .. } => match answer {
            Answer::JobRuns => Outcome::Found(vec![]),
            _ => Outcome::Found(vec![Candidate::new(job_ref(request.key().component()), Evidence::Proven)]),
        },
        Effect::Poll { component, .. } => {
            let state = match answer {
                Answer::JobFails => {
                    JobState::Failed(Error::new(ErrorKind::PermissionDenied, "no right").record())
                }
                Answer::JobIssues => JobState::SucceededWithIssues,
                Answer::JobLost => JobState::Lost,
                Answer::JobExpires => JobState::Expired,
                Answer::JobRuns => JobState::Running,
                _ => JobState::Succeeded,
            };
            Outcome::Polled(Box::new(status(component, state, now)))
        }
        Effect::CancelJob { .. } => Outcome::CancelAsked(CancelOutcome::Requested),
        Effect::Verify { .. } => Outcome::Verified(Verification::new(Depth::Sized, vec![])),
        Effect::DeleteSnapshot { .. } => Outcome::Deleted(DeleteState::Gone),
        _ => Outcome::Done,
    }
}

fn respond(effect: &Effect, answer: &Answer, now: Timestamp) -> Event {
    let error = |kind| Err(Error::new(kind, "as told").record());
    let result = match answer {
        Answer::Retryable => error(ErrorKind::Unavailable),
        Answer::Lost => Err(Error::new(ErrorKind::Unavailable, "no reply").maybe_applied().record()),
        Answer::Permanent => error(ErrorKind::PermissionDenied),
        other => Ok(good(effect, other, now)),
    };
    Event::Done(effect.step(), result)
}

/// What the world outside must think of the workspace: a quiesce that was due may have been carried out, and only
/// a resume that answered undoes it. So it is with the guard of its source.
#[derive(Debug, Default)]
struct Outside {
    may_be_frozen: bool,
    may_be_guarded: bool,
    /// What the catalog was given, which may be before the operation ends.
    sealed: Option<BackupRecord>,
}

impl Outside {
    fn sees(&mut self, decision: &Decision) {
        self.sealed = decision.put_backup.clone().or(self.sealed.take());
        self.may_be_frozen |= decision.effects.iter().any(|effect| matches!(effect, Effect::Quiesce { .. }));
        self.may_be_guarded |= decision.effects.iter().any(|effect| matches!(effect, Effect::Guard { .. }));
    }

    fn hears(&mut self, event: &Event) {
        if matches!(event, Event::Done(Step::Resume, Ok(_))) {
            self.may_be_frozen = false;
        }
        if matches!(event, Event::Done(Step::Unguard(_), Ok(_))) {
            self.may_be_guarded = false;
        }
    }
}

fn check(decision: &Decision, outside: &mut Outside) -> Result<(), TestCaseError> {
    let record = &decision.record;
    outside.sees(decision);
    let mut steps: Vec<Step> = decision.effects.iter().map(Effect::step).collect();
    steps.sort();
    let unique = steps.len();
    steps.dedup();
    prop_assert_eq!(unique, steps.len(), "no two effects of one step are due at once");
    let text = serde_json::to_string(record).unwrap();
    prop_assert_eq!(
        &serde_json::from_str::<OperationRecord>(&text).unwrap(),
        record,
        "what is stored reads back"
    );
    let guarding = steps.iter().any(|step| matches!(step, Step::Guard(_)));
    let others = steps.iter().any(|step| matches!(step, Step::Quiesce | Step::Start(_) | Step::Unguard(_)));
    prop_assert!(!guarding || !others, "a guard comes first: {:?}", steps);
    if record.state.is_terminal() {
        let left = record.warnings.iter().any(|warning| warning.contains("could not be removed"));
        prop_assert!(!outside.may_be_guarded || left, "ended while a source may be guarded");
        prop_assert!(decision.effects.is_empty() && decision.wake_at.is_none());
        let needs_attention =
            record.error.as_ref().is_some_and(|error| error.kind == ErrorKind::NeedsAttention);
        prop_assert!(
            !outside.may_be_frozen || needs_attention,
            "ended while the workspace may be held still"
        );
        prop_assert_eq!(record.finished_at.is_some(), true);
    } else {
        prop_assert!(!decision.effects.is_empty() || decision.wake_at.is_some(), "stuck: {:?}", record);
    }
    if let Machine::Backup(backup) = &record.machine
        && backup.stopping.is_some()
    {
        prop_assert!(!matches!(backup.hold, Hold::Held(_)), "wound up, and yet the workspace is held still");
    }
    if record.state == OperationState::Completed {
        let sealed = outside.sealed.as_ref().unwrap();
        prop_assert_eq!(sealed.state, BackupState::Completed);
        for component in sealed.components.iter().filter(|c| c.component.protection == Protection::Protected)
        {
            prop_assert!(component.snapshot.is_some() && component.verified.is_some());
            prop_assert!(component.issues.is_empty());
        }
    }
    Ok(())
}

/// A driver that leaves lets go and hears what is under way, in any order; then somebody goes on.
fn left(
    mut decision: Decision,
    outside: &mut Outside,
    now: &mut Timestamp,
) -> Result<Decision, TestCaseError> {
    let mut quiesces = decision.effects.iter().any(|effect| effect.step() == Step::Quiesce);
    decision = decide(&decision.record, &Event::Leaving, *now);
    for _ in 0..8 {
        let mut due = decision.effects.iter();
        let wanted: &[Step] = if quiesces { &[Step::Resume, Step::Quiesce] } else { &[Step::Resume] };
        let Some(effect) = due.find(|effect| wanted.contains(&effect.step())).cloned() else { break };
        quiesces &= effect.step() != Step::Quiesce;
        outside.may_be_frozen |= effect.step() == Step::Quiesce;
        let event = respond(&effect, &Answer::Good, *now);
        outside.hears(&event);
        *now = now.after(std::time::Duration::from_secs(1));
        decision = decide(&decision.record, &event, *now);
    }
    prop_assert!(
        !outside.may_be_frozen || decision.record.state.is_terminal(),
        "left frozen: {:?}",
        decision.record
    );
    *now = now.after(std::time::Duration::from_secs(60));
    Ok(decide(&decision.record, &Event::Recovered, *now))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn an_orderly_end_lets_go_and_whoever_goes_on_comes_to_an_end(story in answers(), leave_at in 0usize..40) {
        let start = Timestamp::from_millis(0);
        let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
        let record = OperationRecord::submitted(Request::Backup(request), start);
        let (mut now, mut outside) = (start, Outside::default());
        let mut decision = decide(&record, &Event::Begun, now);
        check(&decision, &mut outside)?;
        for turn in 0..2000 {
            if decision.record.state.is_terminal() {
                return Ok(());
            }
            now = now.after(std::time::Duration::from_secs(3));
            if turn == leave_at {
                decision = left(decision, &mut outside, &mut now)?;
            } else if decision.effects.is_empty() {
                now = decision.wake_at.unwrap_or(now).max(now);
                decision = decide(&decision.record, &Event::Tick, now);
            } else {
                let (pick, answer) = story.get(turn).cloned().unwrap_or((0, Answer::Good));
                let effect = &decision.effects[usize::from(pick) % decision.effects.len()];
                let event = respond(effect, &answer, now);
                outside.hears(&event);
                decision = decide(&decision.record, &event, now);
            }
            check(&decision, &mut outside)?;
        }
        prop_assert!(false, "it never ended: {:?}", decision.record);
    }

    #[test]
    fn no_story_of_a_backup_ends_badly(
        story in answers(), cancel_at in 0usize..80, crash_at in 0usize..80, policy in 0u8..3,
    ) {
        let start = Timestamp::from_millis(0);
        let mut request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
        request.timeout = Some(std::time::Duration::from_secs(600));
        request.on_deadline = [OnDeadline::Detach, OnDeadline::Cancel, OnDeadline::Extend][usize::from(policy)];
        let record = OperationRecord::submitted(Request::Backup(request), start);
        let mut now = start;
        let mut outside = Outside::default();
        let mut decision = decide(&record, &Event::Begun, now);
        check(&decision, &mut outside)?;
        // After the told part of the story everything goes well, so it must come to an end.
        for turn in 0..2000 {
            if decision.record.state.is_terminal() {
                return Ok(());
            }
            now = now.after(std::time::Duration::from_secs(3));
            let (pick, answer) = story.get(turn).cloned().unwrap_or((0, Answer::Good));
            let event = if turn == cancel_at {
                Event::CancelRequested
            } else if turn == crash_at {
                Event::Recovered
            } else if decision.effects.is_empty() {
                now = decision.wake_at.unwrap_or(now).max(now);
                Event::Tick
            } else {
                respond(&decision.effects[usize::from(pick) % decision.effects.len()], &answer, now)
            };
            outside.hears(&event);
            decision = decide(&decision.record, &event, now);
            check(&decision, &mut outside)?;
        }
        prop_assert!(false, "it never ended: {:?}", decision.record);
    }
}
