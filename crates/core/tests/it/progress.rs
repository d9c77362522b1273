//! Progress of a component never goes back, whatever its provider says.

use stillpoint_core::decide::{Decision, Event, Outcome, Step, decide};
use stillpoint_core::*;

fn done(decision: &Decision, step: Step, outcome: Outcome, second: i64) -> Decision {
    decide(&decision.record, &Event::Done(step, Ok(outcome)), Timestamp::from_millis(second * 1000))
}

fn polled(state: JobState, bytes: u64, files: u64) -> Outcome {
    let mut status = JobStatus::new(state);
    status.progress = Progress::new(bytes, files).of(Some(200), None);
    Outcome::Polled(Box::new(status))
}

#[test]
fn what_was_reached_stays_reached_when_a_poll_or_a_new_attempt_tells_less() {
    let home: ComponentId = "home".parse().unwrap();
    let component = Component::new(home.clone(), "disk", "cloud".parse().unwrap(), "disk-1");
    let plan =
        Plan::new(Definition::new("ada".parse().unwrap()), vec![PlannedComponent::new(component)], None);
    let job = JobRef::new("cloud".parse().unwrap(), "job-1".parse().unwrap());
    let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
    let start = Timestamp::from_millis(0);
    let begun = decide(&OperationRecord::submitted(Request::Backup(request), start), &Event::Begun, start);
    let planned = done(&begun, Step::Inspect, Outcome::Planned(Box::new(plan)), 1);
    let held = done(&planned, Step::Quiesce, Outcome::Quiesced(Consistency::Application), 2);
    let mut now = done(&held, Step::Start(home.clone()), Outcome::Started(job.clone()), 3);
    let mut seen = Vec::new();
    let told = [
        polled(JobState::Running, 100, 7),
        polled(JobState::Running, 40, 9),
        polled(JobState::Expired, 0, 0),
    ];
    for (second, outcome) in (4..).zip(told) {
        now = done(&now, Step::Poll(home.clone()), outcome, second);
        seen.push(now.record.components()[0].clone());
    }
    now = done(&now, Step::Start(home.clone()), Outcome::Started(job), 10);
    now = done(&now, Step::Poll(home), polled(JobState::Running, 20, 1), 11);
    seen.push(now.record.components()[0].clone());
    let reached: Vec<_> = seen.iter().map(|one| (one.progress.bytes_done, one.progress.files_done)).collect();
    assert_eq!(reached, [(100, 7), (100, 9), (100, 9), (100, 9)]);
    assert_eq!(seen[3].last_advance, Some(Timestamp::from_millis(5000)), "nothing was added since");
    assert_eq!(
        now.record.progress,
        Progress::new(100, 9).of(Some(200), None),
        "the whole is the sum of its parts"
    );
    assert_eq!(seen[0].expected_end, Some(Timestamp::from_millis(6000)), "half of it took two seconds");
}
