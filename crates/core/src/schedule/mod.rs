//! Schedules: when a workspace is backed up by itself, and what happens when that could not be.
//!
//! When the next run is due is a pure function ([`next_run`]) of the schedule, the last run and the time. What was
//! decided is stored in the catalog, so the next run survives restarts; [`Scheduler`] is the thin driver on top.

mod blackout;
mod cron;
mod event;
mod next;
mod record;
mod scheduler;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use blackout::{Blackout, TimeOfDay, Weekday};
pub use event::{Alarm, ScheduleEvent, ScheduleEventKind};
pub use next::{Due, MISSED_COUNT_MAX, MissedRuns, Next, next_run};
pub use record::{ScheduleQuery, ScheduleRecord, ScheduledRun, StoredSchedule};
pub use scheduler::{Scheduler, Tick};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// The shortest interval between two runs.
pub const INTERVAL_MIN: Duration = Duration::from_secs(60);
/// The most blackout windows of one schedule.
pub const BLACKOUTS_MAX: usize = 64;
/// From here the runs of a cron expression are looked at when it is checked, in milliseconds: a moment like any other.
const LOOKED_AT_FROM: i64 = 1_767_225_600_000;
/// So many of them.
const RUNS_LOOKED_AT: usize = 53;
/// How late a run may begin before it counts as missed, unless the schedule says otherwise.
pub const GRACE_DEFAULT: Duration = Duration::from_secs(10 * 60);

/// When a workspace is backed up by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Schedule {
    /// How runs follow each other.
    pub cadence: Cadence,
    /// The IANA name of the zone whose wall clock counts (`Europe/Berlin`).
    pub zone: String,
    /// Each workspace's runs begin later by its own share of this, always the same one, which spreads the load of many
    /// workspaces with one cadence.
    #[serde(default)]
    pub jitter: Duration,
    /// A run that begins later than this has been missed.
    pub grace: Duration,
    /// What to do about missed runs.
    #[serde(default)]
    pub when_missed: WhenMissed,
    /// What to do when the workspace is still busy.
    #[serde(default)]
    pub overlap: Overlap,
    /// No run begins inside one of these.
    #[serde(default)]
    pub blackouts: Vec<Blackout>,
    /// No run begins at all.
    #[serde(default)]
    pub paused: bool,
    /// Alarm when the newest completed backup is older than this.
    #[serde(default)]
    pub alarm_after: Option<Duration>,
}

impl Schedule {
    /// Runs by `cadence` in UTC, without jitter or blackout; missed ones are caught up with once, and none begins while
    /// the workspace is busy.
    pub fn new(cadence: Cadence) -> Self {
        Self {
            cadence,
            zone: "UTC".into(),
            jitter: Duration::ZERO,
            grace: GRACE_DEFAULT,
            when_missed: WhenMissed::default(),
            overlap: Overlap::default(),
            blackouts: Vec::new(),
            paused: false,
            alarm_after: None,
        }
    }

    /// The same by the wall clock of `zone`, an IANA name.
    ///
    /// # Errors
    /// `InvalidInput` for a zone that nobody knows.
    pub fn in_zone(mut self, zone: &str) -> Result<Self> {
        cron::zone(zone)?;
        zone.clone_into(&mut self.zone);
        Ok(self)
    }

    /// Whether it can be followed and ever has a run: interval, expression, zone, and windows that leave time for one.
    ///
    /// # Errors
    /// `InvalidInput`, with what is wrong.
    pub fn check(&self) -> Result<()> {
        self.check_form()?;
        if let Cadence::Cron { expression } = &self.cadence
            && cron::next(
                &cron::parse(expression)?,
                Timestamp::from_millis(LOOKED_AT_FROM),
                &cron::zone(&self.zone)?,
            )?
            .is_none()
        {
            let message = format!("{expression:?} fits no day of any year; no run would ever begin");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        if !next::is_ever_free(self, Timestamp::from_millis(LOOKED_AT_FROM))? {
            let message = "the blackouts leave no time at which a run could begin, with the jitter of the schedule; no run \
                           would ever begin (a window that ends at the time at which it begins lasts a whole day)";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }

    /// Whether its runs are at least `least` apart by its cadence: a limit that a host sets so that no schedule is felt by
    /// whoever works in the workspace. Of a cron expression so many runs are looked at as a year of weeks has.
    ///
    /// # Errors
    /// `InvalidInput` for one whose runs follow each other faster, or that cannot be followed ([`Schedule::check`]).
    ///
    /// ```
    /// use std::time::Duration;
    /// use stillpoint_core::{Cadence, Schedule};
    ///
    /// let nightly = Schedule::new(Cadence::cron("30 2 * * *")?);
    /// let twice = Schedule::new(Cadence::cron("0 2,4 * * *")?);
    /// let six_hours = Duration::from_secs(6 * 3600);
    /// assert!(nightly.check_apart(six_hours).is_ok());
    /// assert!(twice.check_apart(six_hours).unwrap_err().to_string().contains("2h"));
    /// # Ok::<(), stillpoint_core::Error>(())
    /// ```
    pub fn check_apart(&self, least: Duration) -> Result<()> {
        self.check()?;
        let apart = match &self.cadence {
            Cadence::Interval { every } => Some(*every),
            Cadence::Cron { expression } => cron::least_apart(
                &cron::parse(expression)?,
                Timestamp::from_millis(LOOKED_AT_FROM),
                &cron::zone(&self.zone)?,
                RUNS_LOOKED_AT,
            )?,
        };
        match apart.filter(|apart| *apart < least) {
            None => Ok(()),
            Some(apart) => {
                let (apart, least) = (in_words(apart), in_words(least));
                let message = format!("runs {apart} apart are too close; the limit here is {least}");
                Err(Error::new(ErrorKind::InvalidInput, message))
            }
        }
    }

    /// As [`Schedule::check`], without looking for a run.
    fn check_form(&self) -> Result<()> {
        match &self.cadence {
            Cadence::Interval { every } => Cadence::every(*every).map(drop)?,
            Cadence::Cron { expression } => Cadence::cron(expression).map(drop)?,
        }
        if self.blackouts.len() > BLACKOUTS_MAX {
            let message = format!("{} blackout windows; {BLACKOUTS_MAX} at the most", self.blackouts.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        cron::zone(&self.zone).map(drop)
    }
}

pub(crate) fn in_words(span: Duration) -> String {
    let (hours, minutes, seconds) = (span.as_secs() / 3600, span.as_secs() / 60 % 60, span.as_secs() % 60);
    let parts = [(hours, "h"), (minutes, "min"), (seconds, "s")];
    let words: Vec<_> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, unit)| format!("{count}{unit}")).collect();
    if words.is_empty() { "0s".into() } else { words.join(" ") }
}

/// How runs follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cadence {
    /// Each so long after the one before it.
    Interval {
        /// The time from one run to the next.
        every: Duration,
    },
    /// Whenever the wall clock fits a cron expression of five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`,
    /// `@yearly`. A time that a clock change leaves out is met right after the gap, one that it repeats the first time.
    Cron {
        /// The expression.
        expression: String,
    },
}

impl Cadence {
    /// Each `every` after the one before it.
    ///
    /// # Errors
    /// `InvalidInput` for less than [`INTERVAL_MIN`].
    pub fn every(every: Duration) -> Result<Self> {
        if every < INTERVAL_MIN {
            let message = format!("an interval of {every:?} is too short; {INTERVAL_MIN:?} at the least");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self::Interval { every })
    }

    /// Whenever the wall clock fits `expression`.
    ///
    /// # Errors
    /// `InvalidInput` for what is no expression of five fields.
    pub fn cron(expression: &str) -> Result<Self> {
        cron::parse(expression)?;
        Ok(Self::Cron { expression: expression.to_owned() })
    }
}

/// What to do about runs that were missed because nobody was there to begin them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenMissed {
    /// One run at once stands for all of them.
    #[default]
    RunOnce,
    /// Wait for the next one.
    Skip,
}

/// What to do when a run is due and the workspace is still busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Overlap {
    /// Leave this run out.
    #[default]
    Skip,
    /// Begin it as soon as the workspace is free; at most one waits.
    Queue,
    /// Cancel the running backup, then begin. Restores and deletions are waited for.
    Replace,
}
