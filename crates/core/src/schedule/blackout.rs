//! Windows in which no run begins.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind};

/// A window in which no run begins. It begins at its first instant and ends before its last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Blackout {
    /// Each day, or each of these days of the week, by the wall clock of the schedule's zone.
    Daily {
        /// The days on which it begins; empty for all.
        days: Vec<Weekday>,
        /// When it begins.
        from: TimeOfDay,
        /// When it ends: on the next day where this is not later than `from`, so a whole day where both are one time.
        to: TimeOfDay,
    },
    /// Once.
    Span {
        /// When it begins.
        from: Timestamp,
        /// When it ends.
        to: Timestamp,
    },
}

impl Blackout {
    /// Each day from `from` to `to`.
    pub fn daily(from: TimeOfDay, to: TimeOfDay) -> Self {
        Self::Daily { days: Vec::new(), from, to }
    }

    /// When the window around `time` ends; `None` where `time` is outside.
    pub(super) fn covers(&self, time: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Span { from, to } => (*from <= time && time < *to).then_some(*to),
            Self::Daily { days, from, to } => {
                let today = zone.to_datetime(time.instant()).date();
                let began = [Some(today), today.yesterday().ok()];
                let windows = began
                    .into_iter()
                    .flatten()
                    .filter(|day| days.is_empty() || days.contains(&weekday(*day)));
                windows
                    .filter_map(|day| {
                        let last = if to > from { day } else { day.tomorrow().ok()? };
                        Some((from.on(day, zone)?, to.on(last, zone)?))
                    })
                    .filter(|(begin, end)| *begin <= time && time < *end)
                    .map(|(_, end)| end)
                    .max()
            }
        }
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a week has seven days")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

fn weekday(date: Date) -> Weekday {
    match date.weekday() {
        jiff::civil::Weekday::Monday => Weekday::Monday,
        jiff::civil::Weekday::Tuesday => Weekday::Tuesday,
        jiff::civil::Weekday::Wednesday => Weekday::Wednesday,
        jiff::civil::Weekday::Thursday => Weekday::Thursday,
        jiff::civil::Weekday::Friday => Weekday::Friday,
        jiff::civil::Weekday::Saturday => Weekday::Saturday,
        jiff::civil::Weekday::Sunday => Weekday::Sunday,
    }
}

/// A time on the wall clock, to the minute; written `22:30`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    hour: i8,
    minute: i8,
}

impl TimeOfDay {
    /// When the wall clock shows it on `day`: right after a gap that leaves it out, as a cadence has it, and the first time
    /// where it is repeated.
    fn on(self, day: Date, zone: &TimeZone) -> Option<Timestamp> {
        let shown = zone.to_ambiguous_timestamp(day.at(self.hour, self.minute, 0, 0));
        let time = match shown.offset() {
            AmbiguousOffset::Gap { .. } => zone.following(shown.earlier().ok()?).next()?.timestamp(),
            _ => shown.compatible().ok()?,
        };
        Some(Timestamp::from_millis(time.as_millisecond()))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl FromStr for TimeOfDay {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once(':').and_then(|(hour, minute)| {
            let two = |digits: &str| {
                let plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
                plain.then(|| digits.parse::<i8>().ok()).flatten()
            };
            let (hour, minute) = (two(hour)?, two(minute)?);
            ((0..24).contains(&hour) && (0..60).contains(&minute)).then_some(Self { hour, minute })
        });
        parts.ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("{text:?} is not a time of day; write 22:30"))
        })
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = Error;
    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn times_of_day_read_back_as_they_print() {
        for text in ["00:00", "09:05", "23:59"] {
            assert_eq!(text.parse::<TimeOfDay>().unwrap().to_string(), text);
        }
        for bad in ["", "9:05", "24:00", "12:60", "12", "+1:00", "-1:00"] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_window_that_ends_in_a_gap_of_the_clock_ends_right_after_it() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let window = |from: &str, to: &str| Blackout::daily(from.parse().unwrap(), to.parse().unwrap());
        let three = Some(at("2027-03-28T01:00:00Z"));
        assert_eq!(window("01:30", "02:30").covers(at("2027-03-28T00:45:00Z"), &zone), three);
        assert_eq!(window("01:30", "03:00").covers(at("2027-03-28T00:45:00Z"), &zone), three);
        let begun_in_it = window("02:30", "04:00");
        assert_eq!(begun_in_it.covers(at("2027-03-28T00:59:00Z"), &zone), None);
        assert_eq!(begun_in_it.covers(at("2027-03-28T01:00:00Z"), &zone), Some(at("2027-03-28T02:00:00Z")));
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let friday = vec![Weekday::Friday];
        let night =
            Blackout::Daily { days: friday, from: "22:00".parse().unwrap(), to: "06:00".parse().unwrap() };
        let utc = TimeZone::UTC;
        assert_eq!(night.covers(at("2026-11-27T23:00:00Z"), &utc), Some(at("2026-11-28T06:00:00Z")));
        assert_eq!(night.covers(at("2026-11-28T05:59:59Z"), &utc), Some(at("2026-11-28T06:00:00Z")));
        assert_eq!(night.covers(at("2026-11-28T06:00:00Z"), &utc), None);
        assert_eq!(night.covers(at("2026-11-28T23:00:00Z"), &utc), None, "that is Saturday");
    }
}
