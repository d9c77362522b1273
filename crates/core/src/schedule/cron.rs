//! Cron expressions and zones: the only place that knows `croner`, which sees our time library through its trait.

use std::cmp::Ordering;
use std::time::Duration;

use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};
use croner::{CivilDate, CivilDateTime, CivilTime, Cron, CronDateTime, Resolution, Weekday};
use jiff::SignedDuration;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};

/// The expression of five fields that `text` is.
pub(super) fn parse(text: &str) -> Result<Cron> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
    parser.parse(text).map_err(|error| {
        let message = format!("{text:?} is not a cron expression of five fields: {error}");
        Error::new(ErrorKind::InvalidInput, message)
    })
}

/// The zone of that IANA name.
pub(super) fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|error| {
        Error::new(ErrorKind::InvalidInput, format!("{name:?} is not a time zone")).with_source(error)
    })
}

/// The first time after `after` that fits; `None` where none ever does.
pub(super) fn next(cron: &Cron, after: Timestamp, zone: &TimeZone) -> Result<Option<Timestamp>> {
    found(cron.find_next_occurrence(&local(after, zone), false))
}

/// The last time up to `until` that fits.
pub(super) fn previous(cron: &Cron, until: Timestamp, zone: &TimeZone) -> Result<Option<Timestamp>> {
    found(cron.find_previous_occurrence(&local(until, zone), true))
}

/// How long the closest two of the first `runs` runs after `after` are apart; `None` where there are no two.
pub(super) fn least_apart(
    cron: &Cron,
    after: Timestamp,
    zone: &TimeZone,
    runs: usize,
) -> Result<Option<Duration>> {
    let (mut least, mut last) = (None::<Duration>, None::<Timestamp>);
    for _ in 0..runs {
        let Some(run) = next(cron, last.unwrap_or(after), zone)? else { break };
        if let Some(last) = last {
            let apart = run.since(last);
            least = Some(least.map_or(apart, |least| least.min(apart)));
        }
        last = Some(run);
    }
    Ok(least)
}

fn found(answer: std::result::Result<Local, CronError>) -> Result<Option<Timestamp>> {
    match answer {
        Ok(local) => Ok(Some(Timestamp::from_millis(local.at.as_millisecond()))),
        Err(CronError::TimeSearchLimitExceeded) => Ok(None),
        Err(error) => {
            Err(Error::new(ErrorKind::InvalidInput, format!("the cron expression fits no time: {error}")))
        }
    }
}

/// The second in which `time` lies, in `zone`.
fn local(time: Timestamp, zone: &TimeZone) -> Local {
    let second = Timestamp::from_millis(time.as_millis().div_euclid(1000) * 1000);
    Local { at: second.instant(), zone: zone.clone() }
}

/// A wall-clock time as `croner` asks for it.
#[derive(Clone, Debug)]
struct Local {
    at: jiff::Timestamp,
    zone: TimeZone,
}

impl Local {
    fn exact(
        &self,
        time: std::result::Result<jiff::Timestamp, jiff::Error>,
    ) -> std::result::Result<Self, CronError> {
        let at = time.map_err(|_out_of_range| CronError::InvalidTime)?;
        Ok(Self { at, zone: self.zone.clone() })
    }
}

impl CronDateTime for Local {
    fn to_civil(&self) -> CivilDateTime {
        let here = self.zone.to_datetime(self.at);
        let (date, time) = (here.date(), here.time());
        CivilDateTime::new(
            CivilDate::from_parts_unchecked(date.year().into(), unsigned(date.month()), unsigned(date.day())),
            CivilTime::from_parts_unchecked(
                unsigned(time.hour()),
                unsigned(time.minute()),
                unsigned(time.second()),
            ),
        )
    }

    fn civil_weekday(&self) -> Weekday {
        let weekday = self.zone.to_datetime(self.at).date().weekday();
        Weekday::from_days_from_sunday(unsigned(weekday.to_sunday_zero_offset()))
    }

    fn resolve_civil(&self, civil: CivilDateTime) -> std::result::Result<Resolution<Self>, CronError> {
        let ambiguous = self.zone.to_ambiguous_timestamp(datetime(civil)?);
        Ok(match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { .. } => Resolution::Single(self.exact(ambiguous.compatible())?),
            AmbiguousOffset::Fold { .. } => {
                let later = self.exact(ambiguous.later())?;
                Resolution::Ambiguous(self.exact(ambiguous.earlier())?, later)
            }
            AmbiguousOffset::Gap { .. } => Resolution::Gap,
        })
    }

    fn checked_add_seconds(&self, seconds: i64) -> Option<Self> {
        let at = self.at.checked_add(SignedDuration::from_secs(seconds)).ok()?;
        Some(Self { at, zone: self.zone.clone() })
    }

    fn cmp_instant(&self, other: &Self) -> Ordering {
        self.at.cmp(&other.at)
    }
}

fn datetime(civil: CivilDateTime) -> std::result::Result<jiff::civil::DateTime, CronError> {
    let small = |part: u32| i8::try_from(part).map_err(|_out_of_range| CronError::InvalidDate);
    let year = i16::try_from(civil.year()).map_err(|_out_of_range| CronError::InvalidDate)?;
    let (month, day) = (small(civil.month())?, small(civil.day())?);
    let (hour, minute, second) = (small(civil.hour())?, small(civil.minute())?, small(civil.second())?);
    jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0)
        .map_err(|_out_of_range| CronError::InvalidDate)
}

/// A part of a date or time, which is never negative.
fn unsigned(part: i8) -> u32 {
    u32::from(part.unsigned_abs())
}
