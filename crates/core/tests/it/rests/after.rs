//! What goes on after a rest: under whoever takes over, before services stand still again, and where time runs out.

use super::*;

#[test]
fn what_was_taken_back_begins_with_whoever_takes_over() {
    let mut story = Story::unanswered();
    story.turn(&Event::Leaving);
    story.answer(Step::Resume, Ok(Outcome::Done));
    story.turn(&Event::Recovered);
    story.answer(Step::Resume, Ok(Outcome::Done));
    assert!(story.is_due(&Step::Quiesce), "{:?}", story.machine());
    story.answer(Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)));
    assert!(story.is_due(&Step::Start("logs".parse().unwrap())), "{:?}", story.machine());
    let outlasted = story.machine().members.iter().map(|member| member.run.outlasted_hold);
    assert_eq!(
        outlasted.collect::<Vec<_>>(),
        [true, false],
        "the start that was cut short may have been heard"
    );
}

#[test]
fn what_was_only_refused_begins_under_a_hold_of_whoever_takes_over() {
    let mut story = Story::begun(DAY);
    while story.at < 200 || !story.last.effects.is_empty() {
        story.step(&mut |_, _| Err(ErrorKind::RateLimited), &mut |_, _| panic!("nothing runs"));
    }
    assert!(story.stands_held());
    story.turn(&Event::Leaving);
    story.answer(Step::Resume, Ok(Outcome::Done));
    story.turn(&Event::Recovered);
    assert_eq!(story.machine().hold, Hold::Renewing, "nothing was captured, so nothing has to be late");
}

impl Story {
    /// Both jobs are queued outside and a rest is over: the workspace was asked to hold still again.
    fn returning() -> Self {
        let mut story = Self::begun(DAY);
        while story.holds.len() != 1 || !story.is_due(&Step::Quiesce) {
            assert!(story.step(&mut |_, id| Ok(job(id)), &mut |_, _| status(JobState::Queued)));
        }
        story
    }

    fn polled(&mut self, id: &str, status: JobStatus) {
        self.answer(Step::Poll(id.parse().unwrap()), Ok(Outcome::Polled(Box::new(status))));
    }
}

#[test]
fn a_job_that_begins_while_services_stop_again_is_late_and_they_run_again_at_once() {
    let mut story = Story::returning();
    story.polled("db", status(JobState::Running));
    assert!(story.machine().members.iter().all(|member| member.late), "{:?}", story.machine());
    story.answer(Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)));
    assert!(story.is_due(&Step::Resume), "{:?}", story.machine());
    story.answer(Step::Resume, Ok(Outcome::Done));
    assert!(!story.is_due(&Step::Quiesce) && story.machine().stopping.is_none(), "{:?}", story.machine());
}

#[test]
fn a_job_that_is_lost_while_services_stop_again_is_begun_once_they_stand() {
    for gone in [JobState::Lost, JobState::Expired] {
        let mut story = Story::returning();
        story.polled("db", status(gone));
        story.at += 5;
        story.turn(&Event::Tick);
        let start = Step::Start("db".parse().unwrap());
        assert!(!story.is_due(&start), "{:?}", story.machine());
        story.answer(Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)));
        assert!(story.is_due(&start), "{:?}", story.machine());
    }
}

#[test]
fn what_may_have_begun_before_the_hold_stood_claims_nothing_of_it_whatever_the_clock_outside_says() {
    use Consistency::{Application, Fuzzy};
    for (begins, looks, claim) in [(50, 2, Fuzzy), (70, 0, Fuzzy), (70, 1, Fuzzy), (70, 2, Application)] {
        let mut story = Story::returning();
        let asked = story.at;
        story.at += 60;
        story.answer(Step::Quiesce, Ok(Outcome::Quiesced(Application)));
        for _ in 0..looks {
            story.polled("db", status(JobState::Queued));
            story.polled("logs", status(JobState::Queued));
        }
        story.at += 60;
        for id in ["db", "logs"] {
            let mut captured = status(JobState::Succeeded);
            captured.captured = Some(CaptureWindow::new(time(asked + begins), time(asked + 80)));
            captured.snapshot =
                Some(SnapshotRef::new("cloud".parse().unwrap(), SnapshotId::new(id).unwrap()));
            story.polled(id, captured);
        }
        story.answer(Step::Resume, Ok(Outcome::Done));
        for id in ["db", "logs"] {
            let good = Outcome::Verified(Verification::new(Depth::Sized, Vec::new()));
            story.answer(Step::Verify(id.parse().unwrap()), Ok(good));
        }
        let found = story.machine().record.as_ref().unwrap().consistency;
        assert_eq!(found, claim, "seen {looks} times in its queue, begun after {begins} s");
    }
}

#[test]
fn a_search_for_a_job_that_is_gone_begins_none_before_services_stand() {
    let mut story = Story::returning();
    let (search, start) = (Step::Start("db".parse().unwrap()), "db".parse().unwrap());
    story.answer(Step::Poll(start), Err(ErrorKind::NotFound));
    assert!(story.is_due(&search), "it is looked for: {:?}", story.last.effects);
    story.answer(search.clone(), Ok(Outcome::Found(Vec::new())));
    story.at += 5;
    story.turn(&Event::Tick);
    assert!(!story.is_due(&search), "{:?}", story.machine().members);
    story.answer(Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)));
    let begun = |effect: &Effect| matches!(effect, Effect::Start(request) if request.key().component().as_str() == "db");
    assert!(story.last.effects.iter().any(begun), "{:?}", story.last.effects);
}

#[test]
fn a_search_that_comes_to_nothing_holds_no_services_for_long() {
    let mut story = Story::returning();
    story.answer(Step::Poll("db".parse().unwrap()), Err(ErrorKind::NotFound));
    story.answer(Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)));
    let held = story.at;
    while story.stands_held() && story.at < held + 3600 {
        let likely = ["job-1", "job-2"].map(|id| {
            let job = JobRef::new("cloud".parse().unwrap(), id.parse().unwrap());
            Candidate::new(job, Evidence::Likely)
        });
        story.at += 20;
        if story.is_due(&Step::Start("db".parse().unwrap())) {
            story.answer(Step::Start("db".parse().unwrap()), Ok(Outcome::Found(likely.into())));
        }
        story.polled("logs", status(JobState::Queued));
    }
    assert!(story.at <= held + 16 * 60, "services stood for {} s", story.at - held);
}

#[test]
fn a_rest_that_is_over_lasts_until_the_backup_has_its_place_again() {
    let mut story = Story::begun(DAY);
    while !story.is_due(&Step::Admit) {
        assert!(story.step(&mut |_, _| Err(ErrorKind::Busy), &mut |_, _| panic!("nothing runs")));
    }
    assert_eq!((story.holds.len(), story.last.record.step.as_str()), (1, "resting"));
    story.at += 3600;
    story.turn(&Event::Tick);
    assert!(story.is_due(&Step::Admit) && !story.is_due(&Step::Quiesce), "{:?}", story.last.effects);
    story.answer(Step::Admit, Err(ErrorKind::Busy));
    assert!(!story.is_due(&Step::Admit), "too many wait, so it comes again later");
    story.at += 61;
    story.turn(&Event::Tick);
    story.turn(&Event::Recovered);
    assert!(story.is_due(&Step::Admit), "also after a takeover: {:?}", story.last.effects);
    story.answer(Step::Admit, Ok(Outcome::Done));
    assert!(story.is_due(&Step::Quiesce), "{:?}", story.last.effects);
    assert!(story.machine().hold_count.lasted < minutes(6), "waiting is not holding");

    let mut story = Story::begun(DAY);
    while !story.is_due(&Step::Admit) {
        assert!(story.step(&mut |_, _| Err(ErrorKind::Busy), &mut |_, _| panic!("nothing runs")));
    }
    story.turn(&Event::CancelRequested);
    assert_eq!(story.last.record.state, OperationState::Cancelled, "a stop waits for no place");
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

#[test]
fn no_rest_is_taken_where_no_time_is_left_to_hold_still_after_it() {
    for (queued, most, holds) in [(false, 12, 2), (false, 20, 3), (true, 20, 1), (true, 40, 2)] {
        let mut story = Story::asked_for(DAY, |request| request.hold_at_most = Some(minutes(most)));
        let mut start = |_, id: &str| if queued { Ok(job(id)) } else { Err(ErrorKind::RateLimited) };
        while story.at < 4 * 3600 {
            assert!(story.step(&mut start, &mut |_, _| status(JobState::Queued)));
        }
        assert_eq!((story.holds.len(), story.machine().stopping), (holds, None), "{:?}", story.holds);
        assert!(story.machine().members.iter().all(|member| member.late), "{:?}", story.machine());
    }
}

#[test]
fn what_a_slow_hold_after_a_rest_leaves_no_time_for_is_captured_late_where_jobs_may_run_on() {
    for policy in [OnDeadline::Detach, OnDeadline::Extend, OnDeadline::Cancel] {
        let mut story = Story::asked_for(DAY, |request| {
            request.hold_at_most = Some(minutes(12));
            request.on_deadline = policy;
        });
        while story.holds.len() != 1 || !story.is_due(&Step::Quiesce) {
            assert!(story.step(&mut |_, _| Err(ErrorKind::Busy), &mut |_, _| panic!("nothing runs")));
        }
        story.at += 8 * 60;
        story.turn(&Event::Tick);
        let begun = story.is_due(&Step::Start("db".parse().unwrap()));
        assert_eq!(begun, policy != OnDeadline::Cancel, "{:?}", story.machine());
        assert!(story.machine().members.iter().all(|member| member.late == begun || !begun));
        story.answer(Step::Resume, Ok(Outcome::Done));
        story.answer(Step::Quiesce, Ok(Outcome::Quiesced(Consistency::Application)));
        story.answer(Step::Resume, Ok(Outcome::Done));
        assert_eq!(story.last.record.state == OperationState::Failed, !begun, "{:?}", story.last.record);
    }
}
