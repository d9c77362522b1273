//! When the next run is due: a pure function of schedule, workspace, the last run and the time.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Cadence, Schedule, WhenMissed, cron};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::WorkspaceId;

/// Missed runs are counted up to this.
pub const MISSED_COUNT_MAX: u32 = 1000;
/// Windows that follow each other without a gap are left behind up to this many; after that no time is free.
const WINDOWS_MAX: u32 = 1000;

/// What is due next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Next {
    /// The run to begin; `None` where none ever is, or the schedule is paused.
    pub due: Option<Due>,
    /// The runs that were missed since the last one.
    pub missed: Option<MissedRuns>,
}

/// A run to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Due {
    /// The time the cadence names. It identifies the run: whoever begins it, it is one operation.
    pub nominal: Timestamp,
    /// When to begin: the nominal time, the workspace's share of the jitter later, and outside every blackout.
    pub at: Timestamp,
    /// From here the run after it is counted.
    pub anchor: Timestamp,
}

/// Runs that nobody was there to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MissedRuns {
    /// The nominal time of the first.
    pub first: Timestamp,
    /// The nominal time of the last.
    pub last: Timestamp,
    /// How many, up to [`MISSED_COUNT_MAX`].
    pub runs: u32,
}

/// What is due next for `workspace`, counted from `anchor`: the [`Due::anchor`] of the last run, or the time from which
/// the schedule holds.
///
/// - It reads no clock and draws no chance: equal arguments have equal answers, on every machine.
/// - A run postponed by a blackout stands for all that the same blackout postponed.
/// - However many runs were missed, at most one is caught up with.
///
/// ```
/// use stillpoint_core::{Cadence, Schedule, Timestamp, next_run};
///
/// let schedule = Schedule::new(Cadence::cron("30 2 * * *")?).in_zone("Europe/Berlin")?;
/// let monday: Timestamp = "2026-11-23T12:00:00Z".parse()?;
/// let due = next_run(&schedule, &"ada".parse()?, monday, monday)?.due.unwrap();
/// assert_eq!(due.at, "2026-11-24T01:30:00Z".parse()?);
/// # Ok::<(), stillpoint_core::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` for a schedule that cannot be followed ([`Schedule::check`]).
pub fn next_run(
    schedule: &Schedule,
    workspace: &WorkspaceId,
    anchor: Timestamp,
    now: Timestamp,
) -> Result<Next> {
    if schedule.paused {
        return Ok(Next::default());
    }
    let rule = Rule::new(schedule, workspace)?;
    let Some(first) = rule.after(anchor)? else { return Ok(Next::default()) };
    let Some(due) = rule.settle(first, anchor)? else { return Ok(Next::default()) };
    if now <= due.at.after(schedule.grace) {
        return Ok(Next { due: Some(due), missed: None });
    }
    let last = rule.last_begun(anchor, now)?.unwrap_or(first);
    let late = rule.begins(last).is_some_and(|at| now > at.after(schedule.grace));
    let missed =
        rule.missed(first, if late { last } else { Timestamp::from_millis(last.as_millis() - 1) })?;
    let due = match (late, schedule.when_missed) {
        (false, _) => rule.settle(last, anchor)?,
        (true, WhenMissed::RunOnce) => rule.catch_up(last, anchor, now)?,
        (true, WhenMissed::Skip) => match rule.after(last)? {
            Some(following) => rule.settle(following, last)?,
            None => None,
        },
    };
    Ok(Next { due, missed })
}

/// Whether any time from `from` on is outside the blackouts, whatever part of the jitter a workspace has.
///
/// # Errors
/// `InvalidInput` for a schedule that cannot be followed.
pub(super) fn is_ever_free(schedule: &Schedule, from: Timestamp) -> Result<bool> {
    let zone = cron::zone(&schedule.zone)?;
    let free = |offset| Rule { schedule, cron: None, zone: zone.clone(), offset }.free(from).is_some();
    Ok(free(Duration::ZERO) && free(schedule.jitter))
}

/// A schedule made ready: the expression parsed, the zone found, the workspace's share of the jitter drawn.
struct Rule<'a> {
    schedule: &'a Schedule,
    cron: Option<::croner::Cron>,
    zone: TimeZone,
    offset: Duration,
}

impl<'a> Rule<'a> {
    fn new(schedule: &'a Schedule, workspace: &WorkspaceId) -> Result<Self> {
        schedule.check_form()?;
        let cron = match &schedule.cadence {
            Cadence::Cron { expression } => Some(cron::parse(expression)?),
            Cadence::Interval { .. } => None,
        };
        let offset = share(schedule.jitter, workspace);
        Ok(Self { schedule, cron, zone: cron::zone(&schedule.zone)?, offset })
    }

    /// The first nominal time after `anchor`.
    fn after(&self, anchor: Timestamp) -> Result<Option<Timestamp>> {
        match (&self.cron, &self.schedule.cadence) {
            (Some(cron), _) => cron::next(cron, anchor, &self.zone),
            (None, Cadence::Interval { every }) => Ok(Some(anchor.after(*every))),
            (None, Cadence::Cron { .. }) => Ok(None),
        }
    }

    /// The last nominal time after `anchor` and up to `until`.
    fn last_until(&self, anchor: Timestamp, until: Timestamp) -> Result<Option<Timestamp>> {
        let found = match (&self.cron, &self.schedule.cadence) {
            (Some(cron), _) => cron::previous(cron, until, &self.zone)?,
            (None, Cadence::Interval { every }) => {
                let every = every.as_millis().max(1);
                let whole = until.since(anchor).as_millis() / every * every;
                Some(anchor.after(Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX))))
            }
            (None, Cadence::Cron { .. }) => None,
        };
        Ok(found.filter(|found| *found > anchor && *found <= until))
    }

    /// The last nominal time after `anchor` whose run should have begun by `now`.
    fn last_begun(&self, anchor: Timestamp, now: Timestamp) -> Result<Option<Timestamp>> {
        let mut until = before(now, self.offset);
        for _ in 0..WINDOWS_MAX {
            let Some(last) = self.last_until(anchor, until)? else { return Ok(None) };
            if self.begins(last).is_some_and(|at| at <= now) {
                return Ok(Some(last));
            }
            // A blackout holds it back: look before it.
            until = Timestamp::from_millis(last.as_millis() - 1);
        }
        Ok(None)
    }

    /// When the run of this nominal time begins.
    fn begins(&self, nominal: Timestamp) -> Option<Timestamp> {
        self.free(nominal.after(self.offset))
    }

    /// The first time from `time` on that no blackout covers.
    fn free(&self, time: Timestamp) -> Option<Timestamp> {
        let mut free = time;
        for _ in 0..WINDOWS_MAX {
            match self.covered_until(free) {
                Some(end) => free = end.after(self.offset),
                None => return Some(free),
            }
        }
        None
    }

    /// The end of the longest blackout that covers `time`.
    fn covered_until(&self, time: Timestamp) -> Option<Timestamp> {
        self.schedule.blackouts.iter().filter_map(|window| window.covers(time, &self.zone)).max()
    }

    /// The run of `nominal`. Where a blackout postpones it, the next run that begins before it would stands for it, else
    /// the last one that was postponed as well: otherwise that run would begin first and make this one late.
    fn settle(&self, nominal: Timestamp, anchor: Timestamp) -> Result<Option<Due>> {
        let Some(at) = self.begins(nominal) else { return Ok(None) };
        let mut run = nominal;
        for _ in 0..WINDOWS_MAX {
            let begins = run.after(self.offset);
            let Some(end) = self.covered_until(begins) else {
                return Ok(Some(Due { nominal: run, at: begins, anchor: run }));
            };
            let covered = Timestamp::from_millis(before(end, self.offset).as_millis() - 1);
            let following = self.after(self.last_until(anchor, covered)?.unwrap_or(anchor))?;
            match following.filter(|following| *following > run && following.after(self.offset) < at) {
                Some(following) => run = following,
                None => break,
            }
        }
        let last = self.last_until(anchor, before(at, self.offset))?.unwrap_or(nominal).max(nominal);
        Ok(Some(Due { nominal: last, at, anchor: last }))
    }

    /// The run that stands for all that were missed up to `last`. An interval is counted from when it begins.
    fn catch_up(&self, last: Timestamp, anchor: Timestamp, now: Timestamp) -> Result<Option<Due>> {
        let Some(at) = self.free(now) else { return Ok(None) };
        let nominal = self.last_until(anchor, before(at, self.offset))?.unwrap_or(last).max(last);
        let anchor = if matches!(self.schedule.cadence, Cadence::Interval { .. }) { at } else { nominal };
        Ok(Some(Due { nominal, at, anchor }))
    }

    /// The runs from `first` to `last` that should have begun; none where `last` comes before `first`.
    fn missed(&self, first: Timestamp, last: Timestamp) -> Result<Option<MissedRuns>> {
        let (mut runs, mut newest, mut next) = (0, first, Some(first));
        while let Some(run) = next.filter(|run| *run <= last && runs < MISSED_COUNT_MAX) {
            (runs, newest) = (runs + 1, run);
            next = self.after(run)?;
        }
        if runs == MISSED_COUNT_MAX {
            newest = last;
        }
        Ok((runs > 0).then_some(MissedRuns { first, last: newest, runs }))
    }
}

fn before(time: Timestamp, duration: Duration) -> Timestamp {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_sub(millis))
}

/// The part of `jitter` that belongs to `workspace`, in whole seconds: always the same one.
fn share(jitter: Duration, workspace: &WorkspaceId) -> Duration {
    let digest = crate::id::digest(&["jitter", workspace.as_str()]);
    let number = u64::from_str_radix(digest.get(..15).unwrap_or_default(), 16).unwrap_or(0);
    Duration::from_secs(number % (jitter.as_secs().saturating_add(1)))
}
