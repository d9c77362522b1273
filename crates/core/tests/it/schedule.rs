//! When the next run is due: clock changes, missed runs, blackouts, jitter.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::time::Duration;

use proptest::prelude::*;
use stillpoint_core::{
    Blackout, Cadence, Due, GRACE_DEFAULT, Next, Schedule, ScheduleRecord, Timestamp, Weekday, WhenMissed,
    next_run,
};

const HOUR: Duration = Duration::from_secs(3600);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn cron(expression: &str, zone: &str) -> Schedule {
    Schedule::new(Cadence::cron(expression).unwrap()).in_zone(zone).unwrap()
}

fn every(interval: Duration) -> Schedule {
    Schedule::new(Cadence::every(interval).unwrap())
}

fn next(schedule: &Schedule, anchor: Timestamp, now: Timestamp) -> Next {
    next_run(schedule, &"ada".parse().unwrap(), anchor, now).unwrap()
}

/// The runs from `from` on, each begun exactly when it is due.
fn runs(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
    let (mut anchor, mut begun) = (at(from), Vec::new());
    for _ in 0..count {
        let found = next(schedule, anchor, anchor);
        assert_eq!(found.missed, None);
        let due = found.due.unwrap();
        begun.push(due.at.to_string().replace(":00.000Z", "Z"));
        anchor = due.anchor;
    }
    begun
}

#[test]
fn a_time_that_a_clock_change_leaves_out_is_met_right_after_the_gap() {
    // Berlin goes from 02:00 to 03:00 on 2026-03-29, which is 01:00Z.
    let nightly = cron("30 2 * * *", "Europe/Berlin");
    let begun = runs(&nightly, "2026-03-27T12:00:00Z", 3);
    assert_eq!(begun, ["2026-03-28T01:30Z", "2026-03-29T01:00Z", "2026-03-30T00:30Z"]);
}

#[test]
fn a_time_that_a_clock_change_repeats_is_met_once() {
    // Berlin goes from 03:00 back to 02:00 on 2026-10-25.
    let nightly = cron("30 2 * * *", "Europe/Berlin");
    let begun = runs(&nightly, "2026-10-24T12:00:00Z", 3);
    assert_eq!(begun, ["2026-10-25T00:30Z", "2026-10-26T01:30Z", "2026-10-27T01:30Z"]);
}

#[test]
fn an_hourly_run_goes_on_through_clock_changes() {
    let hourly = cron("0 * * * *", "Europe/Berlin");
    let spring = runs(&hourly, "2026-03-28T23:30:00Z", 4);
    assert_eq!(spring, ["2026-03-29T00:00Z", "2026-03-29T01:00Z", "2026-03-29T02:00Z", "2026-03-29T03:00Z"]);
    let autumn = runs(&hourly, "2026-10-24T23:30:00Z", 4);
    assert_eq!(autumn, ["2026-10-25T00:00Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z", "2026-10-25T03:00Z"]);
}

#[test]
fn an_interval_does_not_know_clock_changes() {
    let mut schedule = every(7 * HOUR);
    schedule.zone = "America/New_York".into();
    let begun = runs(&schedule, "2026-03-08T00:00:00Z", 3);
    assert_eq!(begun, ["2026-03-08T07:00Z", "2026-03-08T14:00Z", "2026-03-08T21:00Z"]);
}

#[test]
fn missed_runs_are_caught_up_with_once() {
    let hourly = cron("0 * * * *", "UTC");
    let found = next(&hourly, at("2026-11-25T08:00:00Z"), at("2026-11-25T12:30:00Z"));
    let missed = found.missed.unwrap();
    assert_eq!(
        (missed.first, missed.last, missed.runs),
        (at("2026-11-25T09:00:00Z"), at("2026-11-25T12:00:00Z"), 4)
    );
    let due = found.due.unwrap();
    assert_eq!((due.nominal, due.at), (at("2026-11-25T12:00:00Z"), at("2026-11-25T12:30:00Z")));
    let after = next(&hourly, due.anchor, at("2026-11-25T12:31:00Z"));
    assert_eq!((after.missed, after.due.unwrap().at), (None, at("2026-11-25T13:00:00Z")));
}

#[test]
fn a_run_within_its_grace_is_not_missed() {
    let hourly = cron("0 * * * *", "UTC");
    let now = at("2026-11-25T12:00:00Z").after(GRACE_DEFAULT);
    let found = next(&hourly, at("2026-11-25T08:00:00Z"), now);
    assert_eq!(found.missed.unwrap().runs, 3, "nine, ten and eleven; twelve is only a little late");
    assert_eq!(found.due.unwrap().at, at("2026-11-25T12:00:00Z"));
}

#[test]
fn missed_runs_can_be_left_out() {
    let mut hourly = cron("0 * * * *", "UTC");
    hourly.when_missed = WhenMissed::Skip;
    let found = next(&hourly, at("2026-11-25T08:00:00Z"), at("2026-11-25T12:30:00Z"));
    assert_eq!(found.missed.unwrap().runs, 4);
    assert_eq!(found.due.unwrap().at, at("2026-11-25T13:00:00Z"));
}

#[test]
fn an_interval_is_counted_from_the_run_that_was_caught_up_with() {
    let found = next(&every(12 * HOUR), at("2026-11-20T00:00:00Z"), at("2026-11-25T13:00:00Z"));
    let due = found.due.unwrap();
    assert_eq!((due.nominal, found.missed.unwrap().runs), (at("2026-11-25T12:00:00Z"), 11));
    let after = next(&every(12 * HOUR), due.anchor, at("2026-11-25T13:01:00Z")).due.unwrap();
    assert_eq!(after.at, at("2026-11-26T01:00:00Z"));
}

#[test]
fn runs_that_a_blackout_postpones_are_one_run_at_its_end() {
    let mut hourly = cron("0 * * * *", "UTC");
    hourly.blackouts = vec![Blackout::daily("09:00".parse().unwrap(), "17:30".parse().unwrap())];
    let begun = runs(&hourly, "2026-11-25T07:30:00Z", 4);
    assert_eq!(begun, ["2026-11-25T08:00Z", "2026-11-25T17:30Z", "2026-11-25T18:00Z", "2026-11-25T19:00Z"]);
}

#[test]
fn a_paused_schedule_and_one_without_a_free_moment_have_nothing_due() {
    let now = at("2026-11-25T08:00:00Z");
    let mut schedule = every(HOUR);
    schedule.paused = true;
    assert_eq!(next(&schedule, now, now), Next::default());
    schedule.paused = false;
    schedule.blackouts = vec![Blackout::daily("12:00".parse().unwrap(), "12:00".parse().unwrap())];
    assert_eq!(next(&schedule, now, now).due, None);
    assert_eq!(next(&cron("0 0 30 2 *", "UTC"), now, now).due, None, "there is no 30th of February");
}

#[test]
fn a_pause_misses_nothing() {
    let request = stillpoint_core::BackupRequest::new("x".parse().unwrap(), "ada".parse().unwrap());
    let mut record =
        ScheduleRecord::new("s".parse().unwrap(), every(HOUR), request, at("2026-11-25T08:00:00Z"));
    record.pause();
    record.unpause(at("2026-11-25T20:15:00Z"));
    let found = next(&record.schedule, record.anchor, at("2026-11-25T20:15:00Z"));
    assert_eq!((found.missed, found.due.unwrap().at), (None, at("2026-11-25T21:15:00Z")));
}

fn nightly_record(schedule: Schedule) -> ScheduleRecord {
    let request = stillpoint_core::BackupRequest::new("x".parse().unwrap(), "ada".parse().unwrap());
    ScheduleRecord::new("s".parse().unwrap(), schedule, request, at("2026-11-25T08:00:00Z"))
}

#[test]
fn a_schedule_that_is_set_again_keeps_its_next_run_unless_its_times_change() {
    let mut record = nightly_record(every(12 * HOUR));
    let request = record.request.clone();
    let due = |record: &ScheduleRecord, now| next(&record.schedule, record.anchor, now).due.unwrap().at;
    for hour in 9..20 {
        let now = at(&format!("2026-11-25T{hour:02}:00:00Z"));
        let mut same = every(12 * HOUR);
        (same.grace, same.alarm_after) = (HOUR, Some(48 * HOUR));
        record.change(same, request.clone(), now);
        assert_eq!(due(&record, now), at("2026-11-25T20:00:00Z"), "set again at {now}");
    }
    assert_eq!(record.schedule.alarm_after, Some(48 * HOUR));
    let now = at("2026-11-25T19:30:00Z");
    record.change(every(HOUR), request.clone(), now);
    assert_eq!(due(&record, now), at("2026-11-25T20:30:00Z"), "other times are counted from now");
    record.pause();
    record.change(every(HOUR), request, at("2026-11-26T00:10:00Z"));
    assert_eq!(
        due(&record, at("2026-11-26T00:10:00Z")),
        at("2026-11-26T01:10:00Z"),
        "a pause misses nothing"
    );
}

#[test]
fn what_was_never_backed_up_has_its_first_run_at_once() {
    let now = at("2026-11-25T08:00:00Z");
    let mut record = nightly_record(every(12 * HOUR));
    record.begin_at_once();
    let found = next(&record.schedule, record.anchor, now);
    assert_eq!((found.missed, found.due.unwrap().at), (None, now));
    let after = next(&record.schedule, found.due.unwrap().anchor, now).due.unwrap();
    assert_eq!(after.at, at("2026-11-25T20:00:00Z"));
    let mut nightly = nightly_record(cron("30 2 * * *", "UTC"));
    nightly.begin_at_once();
    assert_eq!(next(&nightly.schedule, nightly.anchor, now).due.unwrap().at, at("2026-11-26T02:30:00Z"));
}

#[test]
fn a_schedule_that_can_never_have_a_run_is_refused() {
    let never = cron("30 2 31 2 *", "Europe/Berlin").check().unwrap_err();
    assert!(never.to_string().contains("no run would ever begin"), "{never}");
    cron("0 0 29 2 *", "UTC").check().unwrap();
}

#[test]
fn blackouts_that_leave_no_time_for_a_run_are_refused() {
    let daily = |from: &str, to: &str| Blackout::daily(from.parse().unwrap(), to.parse().unwrap());
    let with = |blackouts: &[Blackout], jitter: Duration| {
        let mut schedule = cron("30 2 * * *", "Europe/Berlin");
        (schedule.blackouts, schedule.jitter) = (blackouts.to_vec(), jitter);
        schedule.check()
    };
    let half = Duration::from_secs(1800);
    for (blackouts, jitter) in [
        (vec![daily("00:00", "00:00")], Duration::ZERO),
        (vec![daily("08:00", "20:00"), daily("20:00", "08:00")], Duration::ZERO),
        (vec![daily("08:00", "07:45")], half),
    ] {
        let refused = with(&blackouts, jitter).unwrap_err();
        assert!(refused.to_string().contains("the blackouts leave no time"), "{refused}");
    }
    with(&[daily("08:00", "07:45")], Duration::ZERO).unwrap();
    with(&[daily("08:00", "07:00")], half).unwrap();
}

#[test]
fn a_host_limits_how_close_runs_may_be() {
    let six_hours = 6 * HOUR;
    for close in [every(HOUR), cron("0 */5 * * *", "UTC"), cron("0 2,3 * * 1", "Asia/Kathmandu")] {
        let refused = close.check_apart(six_hours).unwrap_err();
        assert!(refused.to_string().contains("the limit here is 6h"), "{refused}");
        close.check_apart(HOUR).unwrap();
    }
    for far in [every(six_hours), cron("0 */6 * * *", "UTC"), cron("@yearly", "UTC")] {
        far.check_apart(six_hours).unwrap();
    }
}

#[test]
fn nonsense_is_refused_with_words() {
    for bad in ["", "* * * *", "61 * * * *", "* * * * * *", "a b c d e"] {
        assert!(Cadence::cron(bad).unwrap_err().to_string().contains("cron"), "{bad:?}");
    }
    assert!(Cadence::every(Duration::from_secs(1)).is_err());
    assert!(every(HOUR).in_zone("Europe/Atlantis").is_err());
    let mut many = every(HOUR);
    let noon: stillpoint_core::TimeOfDay = "12:00".parse().unwrap();
    many.blackouts = vec![Blackout::daily(noon, noon); 65];
    assert!(many.check().is_err());
}

const ZONES: [&str; 5] =
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];

prop_compose! {
    fn schedules()(
        zone in 0..ZONES.len(),
        cadence in prop_oneof![
            (60_u64..200_000).prop_map(|seconds| Cadence::every(Duration::from_secs(seconds)).unwrap()),
            (0_u8..60, 0_u8..24).prop_map(|(m, h)| Cadence::cron(&format!("{m} {h} * * *")).unwrap()),
            (0_u8..60).prop_map(|m| Cadence::cron(&format!("{m} * * * *")).unwrap()),
            (1_u8..29, 0_u8..7).prop_map(|(d, w)| Cadence::cron(&format!("15 3 {d} * {w}")).unwrap()),
        ],
        jitter in 0_u64..7200,
        windows in prop::collection::vec((0_u8..24, 0_u8..60, 0_u8..24, 0_u8..60, any::<bool>()), 0..3),
        skip in any::<bool>(),
    ) -> Schedule {
        let mut schedule = Schedule::new(cadence).in_zone(ZONES[zone]).unwrap();
        schedule.jitter = Duration::from_secs(jitter);
        if skip {
            schedule.when_missed = WhenMissed::Skip;
        }
        for (h, m, to_h, to_m, monday) in windows {
            let (from, to) = (format!("{h:02}:{m:02}").parse().unwrap(), format!("{to_h:02}:{to_m:02}").parse().unwrap());
            let days = if monday { vec![Weekday::Monday] } else { Vec::new() };
            let mut window = Blackout::daily(from, to);
            if let Blackout::Daily { days: these, .. } = &mut window {
                *these = days;
            }
            schedule.blackouts.push(window);
        }
        schedule
    }
}

/// Whether a run may begin at `time`, told by a run of a schedule of single minutes that has nothing but the windows.
fn is_free(schedule: &Schedule, time: Timestamp) -> bool {
    let minute = Timestamp::from_millis(time.as_millis() - 60_000);
    let mut probe = every(Duration::from_secs(60)).in_zone(&schedule.zone).unwrap();
    probe.blackouts.clone_from(&schedule.blackouts);
    next(&probe, minute, minute).due.is_some_and(|due| due.at == time)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Over days of a scheduler that sleeps and wakes as it likes: no run twice, none inside a blackout, none before its
    /// time, the same answer for the same question, and time always brings the next one.
    #[test]
    fn every_run_is_begun_once_and_outside_of_blackouts(
        schedule in schedules(),
        start in 1_750_000_000_000_i64..1_850_000_000_000,
        naps in prop::collection::vec(1_u64..400_000, 1..20),
    ) {
        let mut now = Timestamp::from_millis(start);
        let (mut anchor, mut last) = (now, None::<Due>);
        for nap in naps {
            let found = next(&schedule, anchor, now);
            prop_assert_eq!(&found, &next(&schedule, anchor, now));
            let Some(due) = found.due else { return Ok(()) };
            prop_assert!(is_free(&schedule, due.at), "{} is inside a window", due.at);
            prop_assert!(due.at >= due.nominal && due.anchor > anchor, "{due:?} after {anchor}");
            prop_assert!(last.is_none_or(|last| last.nominal < due.nominal), "{last:?} and {due:?}");
            if let Some(missed) = found.missed {
                prop_assert!(missed.first > anchor && missed.last <= now && missed.runs > 0);
                prop_assert!(now.since(missed.first) > schedule.grace);
            }
            if due.at <= now {
                prop_assert!(now.since(due.at) <= schedule.grace, "a late run is caught up with now: {due:?}");
                (anchor, last) = (due.anchor, Some(due));
            } else {
                // Asked again at its time, a run is due: this one, or a newer one that stands for it.
                let then = next(&schedule, anchor, due.at).due;
                prop_assert!(then.is_some_and(|then| then.nominal >= due.nominal && then.at <= due.at), "{then:?}");
            }
            now = now.after(Duration::from_secs(nap));
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// A nightly run has one run for each day, whatever the zone's clock does.
    #[test]
    fn a_nightly_run_is_begun_once_a_day(zone in 0..ZONES.len(), hour in 0_u8..24, minute in 0_u8..60, start in 1_750_000_000_000_i64..1_900_000_000_000) {
        let nightly = cron(&format!("{minute} {hour} * * *"), ZONES[zone]);
        let mut anchor = Timestamp::from_millis(start);
        for _ in 0..200 {
            let due = next(&nightly, anchor, anchor).due.unwrap();
            let gap = due.nominal.since(anchor);
            prop_assert!(gap <= 25 * HOUR + HOUR / 2, "{gap:?} before {}", due.nominal);
            prop_assert!(anchor.as_millis() == start || gap >= 22 * HOUR + HOUR / 2, "{gap:?} before {}", due.nominal);
            anchor = due.anchor;
        }
    }
}
