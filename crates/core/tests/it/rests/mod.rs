//! Services that are stopped while nothing is captured run again, and are stopped again before the next try.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed step fails the test")]

mod after;

use std::time::Duration;

use stillpoint_core::decide::{BackupMachine, Decision, Effect, Event, Hold, Machine, Outcome, Step, decide};
use stillpoint_core::*;

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

/// A backup of two volumes that is driven second by second, and what happens to its services meanwhile.
struct Story {
    last: Decision,
    at: i64,
    /// What the workspace answers when it is held still.
    level: Consistency,
    /// When the services were stopped and started again.
    holds: Vec<(i64, Option<i64>)>,
    /// When a start was tried, and for which volume.
    starts: Vec<(i64, String)>,
}

impl Story {
    fn begun(timeout: Duration) -> Self {
        Self::asked_for(timeout, |_| {})
    }

    fn asked_for(timeout: Duration, ask: impl FnOnce(&mut BackupRequest)) -> Self {
        let mut request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
        request.timeout = Some(timeout);
        ask(&mut request);
        let record = OperationRecord::submitted(Request::Backup(request), time(0));
        let begun = decide(&record, &Event::Begun, time(0));
        let planned = |id: &str| {
            let cloud = "cloud".parse().unwrap();
            PlannedComponent::new(Component::new(id.parse().unwrap(), "disk", cloud, format!("vol-{id}")))
        };
        let definition = Definition::new("ada".parse().unwrap());
        let plan = Plan::new(definition, vec![planned("db"), planned("logs")], None);
        let event = Event::Done(Step::Inspect, Ok(Outcome::Planned(Box::new(plan))));
        let last = decide(&begun.record, &event, time(0));
        Self { last, at: 0, level: Consistency::Application, holds: Vec::new(), starts: Vec::new() }
    }

    fn machine(&self) -> &BackupMachine {
        match &self.last.record.machine {
            Machine::Backup(backup) => backup,
            other => panic!("{other:?}"),
        }
    }

    fn turn(&mut self, event: &Event) {
        self.last = decide(&self.last.record, event, time(self.at));
    }

    fn answer(&mut self, step: Step, result: Result<Outcome, ErrorKind>) {
        self.turn(&Event::Done(step, result.map_err(|kind| Error::new(kind, "not now").record())));
    }

    /// Does what is due, or waits until something is; `start` answers starts and `poll` polls. Answers whether it goes on.
    fn step(
        &mut self,
        start: &mut dyn FnMut(i64, &str) -> Result<Outcome, ErrorKind>,
        poll: &mut dyn FnMut(i64, &str) -> JobStatus,
    ) -> bool {
        let effects = &self.last.effects;
        let polls = |effect: &&Effect| matches!(effect, Effect::Poll { .. });
        let turn = usize::try_from(self.at).unwrap() / 20 % effects.len().max(1);
        let Some(effect) = effects.iter().find(|effect| !polls(effect)).or(effects.get(turn)).cloned() else {
            let Some(at) = self.last.wake_at.filter(|_| !self.last.record.state.is_terminal()) else {
                return false;
            };
            assert!(at > time(self.at), "it would turn for ever: {:?}", self.machine());
            self.at = i64::try_from(at.since(time(0)).as_secs()).unwrap() + 1;
            self.turn(&Event::Tick);
            return true;
        };
        match effect {
            Effect::Admit { .. } => self.answer(Step::Admit, Ok(Outcome::Done)),
            Effect::Quiesce { .. } => {
                self.holds.push((self.at, None));
                self.answer(Step::Quiesce, Ok(Outcome::Quiesced(self.level)));
            }
            Effect::Resume { .. } => {
                self.holds.last_mut().unwrap().1 = Some(self.at);
                self.answer(Step::Resume, Ok(Outcome::Done));
            }
            Effect::Start(request) => {
                let id = request.key().component().clone();
                self.starts.push((self.at, id.to_string()));
                let answer = start(self.at, id.as_str());
                self.answer(Step::Start(id), answer);
            }
            Effect::Poll { component, after, .. } => {
                self.at += i64::try_from(after.as_secs()).unwrap().max(20);
                let status = poll(self.at, component.as_str());
                self.answer(Step::Poll(component), Ok(Outcome::Polled(Box::new(status))));
            }
            other => panic!("{other:?}"),
        }
        true
    }

    /// The minutes for which services were stopped, each time.
    fn minutes(&self) -> Vec<i64> {
        self.holds.iter().map(|(from, to)| (to.unwrap() - from + 30) / 60).collect()
    }

    /// The minutes for which they ran in between.
    fn between(&self) -> Vec<i64> {
        self.holds.windows(2).map(|two| (two[1].0 - two[0].1.unwrap() + 30) / 60).collect()
    }

    fn stands_held(&self) -> bool {
        matches!(self.machine().hold, Hold::Held(_))
    }
}

fn job(id: &str) -> Outcome {
    Outcome::Started(JobRef::new("cloud".parse().unwrap(), format!("job-{id}").parse().unwrap()))
}

fn status(state: JobState) -> JobStatus {
    JobStatus::new(state)
}

const DAY: Duration = Duration::from_secs(24 * 3600);
const KINDS: [ErrorKind; 3] = [ErrorKind::Busy, ErrorKind::RateLimited, ErrorKind::Unavailable];

#[test]
fn services_run_between_three_tries_whatever_refuses_the_starts_and_then_what_is_captured_is_late() {
    for kind in KINDS {
        let mut story = Story::begun(DAY);
        while story.at < 3 * 3600 {
            assert!(story.step(&mut |_, _| Err(kind), &mut |_, _| panic!("nothing runs")));
        }
        assert_eq!(story.minutes(), [5, 5, 5, 5], "{kind:?}: {:?}", story.holds);
        assert_eq!(story.between(), [15, 30, 60], "{kind:?}: {:?}", story.holds);
        let warnings = &story.last.record.warnings;
        assert_eq!(warnings.iter().filter(|said| said.contains("no job began")).count(), 3, "{warnings:?}");
        assert!(story.machine().members.iter().all(|member| member.late), "{:?}", story.machine());
        let held = |at: i64| story.holds.iter().any(|(from, to)| *from <= at && at <= to.unwrap());
        let last = story.holds[3].1.unwrap();
        assert!(story.starts.iter().all(|(at, _)| held(*at) || *at >= last), "{:?}", story.starts);
        assert!(story.starts.last().unwrap().0 > 3 * 3600 - 120, "and it is tried on");
    }
}

#[test]
fn where_the_deadline_leaves_no_time_for_a_rest_it_goes_on_as_before() {
    let mut story = Story::begun(Duration::from_secs(24 * 60));
    while story.at < 20 * 60 {
        assert!(story.step(&mut |_, _| Err(ErrorKind::Busy), &mut |_, _| panic!("nothing runs")));
    }
    assert_eq!(story.minutes(), [5]);
    assert!(story.starts.last().unwrap().0 > 18 * 60, "it is tried on with the services running");
}

#[test]
fn what_begins_under_a_later_hold_is_not_late() {
    let mut story = Story::begun(DAY);
    let mut start = |at, id: &str| if at > 2 * 3600 { Ok(job(id)) } else { Err(ErrorKind::RateLimited) };
    let mut poll = |_, _: &str| status(JobState::Running);
    while story.machine().members.iter().any(|member| member.run.status.is_none()) {
        assert!(story.step(&mut start, &mut poll));
    }
    assert_eq!((story.minutes_of_ended(), story.holds.len()), (vec![5, 5, 5], 4), "{:?}", story.holds);
    assert!(story.machine().members.iter().all(|member| !member.late && !member.run.outlasted_hold));
}

impl Story {
    fn minutes_of_ended(&self) -> Vec<i64> {
        self.holds.iter().filter_map(|(from, to)| Some((to.as_ref()? - from + 30) / 60)).collect()
    }
}

#[test]
fn a_job_at_work_is_waited_for_whatever_the_other_one_does() {
    let mut story = Story::begun(DAY);
    let mut start = |_, id: &str| if id == "db" { Ok(job(id)) } else { Err(ErrorKind::RateLimited) };
    let mut poll = |_, _: &str| status(JobState::Running);
    while story.at < 3600 {
        assert!(story.step(&mut start, &mut poll));
    }
    assert!(story.stands_held() && story.holds.len() == 1, "{:?}", story.holds);
}

#[test]
fn a_job_that_waits_outside_holds_nobody_for_more_than_a_quarter_of_an_hour() {
    let mut story = Story::begun(DAY);
    let mut start = |_, id: &str| Ok(job(id));
    let mut poll = |_, _: &str| status(JobState::Queued);
    while story.at < 4 * 3600 {
        assert!(story.step(&mut start, &mut poll));
    }
    assert_eq!(story.starts.len(), 2, "none is begun twice");
    assert!(story.minutes().iter().all(|minutes| (15..=16).contains(minutes)), "{:?}", story.holds);
    assert_eq!(story.between(), [15, 30, 60]);
}

#[test]
fn a_job_that_begins_while_services_run_is_late_and_nothing_is_stopped_again() {
    let mut story = Story::begun(DAY);
    let mut start = |_, id: &str| Ok(job(id));
    let mut poll = |at: i64, _: &str| status(if at > 20 * 60 { JobState::Running } else { JobState::Queued });
    while story.at < 2 * 3600 {
        assert!(story.step(&mut start, &mut poll));
    }
    assert_eq!(story.holds.len(), 1, "{:?}", story.holds);
    assert!(story.machine().members.iter().all(|member| member.late && member.run.outlasted_hold));
}

#[test]
fn a_start_under_way_is_heard_before_services_run_again() {
    let mut story = Story::unanswered();
    story.answer(Step::Start("db".parse().unwrap()), Ok(job("db")));
    assert!(story.stands_held(), "it began, so the hold is worth it");
    let logs = |effect: &Effect| effect.step() == Step::Start("logs".parse().unwrap());
    assert!(story.last.effects.iter().any(logs), "and the other one has its turn: {:?}", story.last.effects);
}

#[test]
fn whoever_takes_over_while_services_run_waits_as_long_and_holds_still_once() {
    let mut story = Story::begun(DAY);
    let refused = |_: i64, _: &str| Err(ErrorKind::Busy);
    while story.holds.first().is_none_or(|hold| hold.1.is_none()) {
        story.step(&mut refused.clone(), &mut |_, _| panic!("nothing runs"));
    }
    let stored = serde_json::to_string(&story.last.record).unwrap();
    story.last.record = serde_json::from_str(&stored).unwrap();
    story.turn(&Event::Recovered);
    assert!(story.last.effects.is_empty(), "{:?}", story.last.effects);
    while story.holds.len() < 2 {
        story.step(&mut refused.clone(), &mut |_, _| panic!("nothing runs"));
    }
    assert_eq!(story.between(), [15]);
}

#[test]
fn a_stop_while_services_run_ends_the_backup() {
    let mut story = Story::begun(DAY);
    while story.holds.first().is_none_or(|hold| hold.1.is_none()) {
        story.step(&mut |_, _| Err(ErrorKind::Busy), &mut |_, _| panic!("nothing runs"));
    }
    story.turn(&Event::CancelRequested);
    assert_eq!(story.last.record.state, OperationState::Cancelled);
}

#[test]
fn where_nothing_is_held_still_nothing_rests_and_nothing_is_late() {
    for queued in [true, false] {
        let mut story = Story::begun(DAY);
        story.level = Consistency::Fuzzy;
        let mut start =
            |at, id: &str| if queued || at > 40 * 60 { Ok(job(id)) } else { Err(ErrorKind::RateLimited) };
        let state = |at| if at > 50 * 60 { JobState::Running } else { JobState::Queued };
        let mut poll = |at, _: &str| status(state(at));
        while story.at < 3600 {
            assert!(story.step(&mut start, &mut poll));
        }
        assert_eq!(story.holds.len(), 1, "{:?}", story.holds);
        assert!(story.machine().members.iter().all(|member| !member.late), "{:?}", story.machine());
    }
}

#[test]
fn a_rest_does_not_count_as_standing_still() {
    let mut story =
        Story::asked_for(DAY, |request| request.stall_timeout = Some(Duration::from_secs(20 * 60)));
    let mut start = |_, id: &str| Ok(job(id));
    let mut poll = |at, _: &str| status(if at > 25 * 60 { JobState::Running } else { JobState::Queued });
    while story.at < 40 * 60 {
        assert!(story.step(&mut start, &mut poll));
    }
    assert_eq!((story.holds.len(), story.machine().stopping), (1, None), "{:?}", story.last.record.warnings);
}

impl Story {
    /// One start hangs, and the other job was taken back until its answer is in.
    fn unanswered() -> Self {
        let mut story = Self::begun(DAY);
        while story.at < 290 {
            story.step(&mut |_, _| Err(ErrorKind::RateLimited), &mut |_, _| panic!("nothing runs"));
        }
        let mut waiting = 0;
        while story.at < 400 && story.stands_held() {
            let logs = Step::Start("logs".parse().unwrap());
            if story.is_due(&logs) {
                story.answer(logs, Err(ErrorKind::RateLimited));
            } else {
                story.at += 5;
                story.turn(&Event::Tick);
            }
            waiting += 1;
        }
        assert!(waiting > 3 && story.stands_held(), "{:?}", story.machine().members);
        story
    }

    fn is_due(&self, step: &Step) -> bool {
        self.last.effects.iter().any(|effect| effect.step() == *step)
    }
}
