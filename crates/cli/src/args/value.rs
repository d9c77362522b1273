//! Values that people write: spans of time and parts of a whole.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;
use std::time::Duration;

use stillpoint_core::{BackupSort, Blackout, Cadence, Error, Schedule, Weekday};
use stillpoint_provider_s3sync::{Space, Store};

/// The longest span of time that anything takes: a hundred years, as over the API.
const LONGEST: Duration = Duration::from_secs(36_600 * 86_400);

/// Reads `12h`, `90d`, `1h30m`, `45s`, `500ms`, `2w`, or `1y` for 365 days.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("`{text}` is not a span of time; write 45s, 30m, 12h, 90d, 2w, 1y or 1h30m");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let unit_millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 7 * 86_400_000,
            "y" => 365 * 86_400_000,
            _ => return Err(refused()),
        };
        let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_millis));
        let part = Duration::from_millis(millis.ok_or_else(refused)?);
        total = total.checked_add(part).ok_or_else(refused)?;
        rest = tail;
    }
    match total {
        Duration::ZERO => Err(refused()),
        longer if longer > LONGEST => {
            Err(format!("`{text}` is longer than a hundred years, the most there is"))
        }
        total => Ok(total),
    }
}

/// Reads `22:00-06:00`, or `sat,sun 08:00-20:00` for some days of the week.
pub(crate) fn blackout(text: &str) -> Result<Blackout, String> {
    let refused = || {
        format!(
            "`{text}` is not a window; write 22:00-06:00, or 'sat,sun 08:00-20:00' for some days of the week"
        )
    };
    let (days, window) = text.trim().rsplit_once(' ').unwrap_or(("", text.trim()));
    let (from, to) = window.split_once('-').ok_or_else(refused)?;
    let time = |text: &str| text.trim().parse().map_err(|_e: Error| refused());
    let day = |name: &str| match name.trim().to_ascii_lowercase().as_str() {
        "mon" => Ok(Weekday::Monday),
        "tue" => Ok(Weekday::Tuesday),
        "wed" => Ok(Weekday::Wednesday),
        "thu" => Ok(Weekday::Thursday),
        "fri" => Ok(Weekday::Friday),
        "sat" => Ok(Weekday::Saturday),
        "sun" => Ok(Weekday::Sunday),
        _ => Err(refused()),
    };
    let days = days.split(',').filter(|_| !days.is_empty()).map(day).collect::<Result<_, _>>()?;
    Ok(Blackout::Daily { days, from: time(from)?, to: time(to)? })
}

/// As [`duration`], or `0s` for at once.
pub(crate) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s" | "0m" | "0h" | "0d") { Ok(Duration::ZERO) } else { duration(text) }
}

/// Reads bytes per second: `500K`, `2M`, `1G` or a plain number, in powers of 1,024.
pub(crate) fn rate(text: &str) -> Result<NonZeroU64, String> {
    let refused = || format!("`{text}` is not a rate; write bytes per second as 500K, 2M or 1G");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_bytes = match unit {
        "" => 1_u64,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return Err(refused()),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_bytes));
    bytes.and_then(NonZeroU64::new).ok_or_else(refused)
}

/// A part of the stored data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subset {
    /// One of so many equal parts, a different one each time.
    AnyOf(u8),
    /// This part of so many, counted from 1.
    Part(u8, u8),
}

impl FromStr for Subset {
    type Err = String;

    /// Reads `5%` or `2/7`.
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is not a part of the data; write 5% or 2/7");
        if let Some((part, parts)) = text.split_once('/') {
            let (part, parts) =
                (part.parse().map_err(|_e| refused())?, parts.parse().map_err(|_e| refused())?);
            return if (1..=parts).contains(&part) { Ok(Self::Part(part, parts)) } else { Err(refused()) };
        }
        let percent: f64 =
            text.strip_suffix('%').and_then(|number| number.parse().ok()).ok_or_else(refused)?;
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(refused());
        }
        // As many parts as fit, so that one of them is at least the share that was asked for; the format allows
        // for no more than 255.
        let parts = (1..=u8::MAX).rev().find(|parts| f64::from(*parts) * percent <= 100.0).unwrap_or(1);
        Ok(Self::AnyOf(parts))
    }
}

/// Where files are stored; an empty text is none, as in a file of settings that leaves it open.
pub(crate) fn store(text: &str) -> Result<String, String> {
    // In a store of each space, names take the place of these.
    let one = text.replace("{user}", "user").replace("{space}", "space");
    match text.is_empty() {
        true => Ok(String::new()),
        false => Store::check_url(&one).map(|()| text.to_owned()).map_err(|error| error.to_string()),
    }
}

/// The name of a user.
pub(crate) fn user(text: &str) -> Result<String, String> {
    named(text, Space::new(text, "space"))
}

/// The name of a space.
pub(crate) fn space(text: &str) -> Result<String, String> {
    named(text, Space::new("user", text))
}

fn named(text: &str, space: stillpoint_core::Result<Space>) -> Result<String, String> {
    let refused = |_| format!("`{text}` is no plain name of a folder, or one that is reserved");
    space.map(|_| text.to_owned()).map_err(refused)
}

/// A span of time from one run of a schedule to the next.
pub(crate) fn every(text: &str) -> Result<Duration, String> {
    let span = duration(text)?;
    Cadence::every(span).map(|_| span).map_err(|error| error.to_string())
}

/// The five fields of cron, or a word for them.
pub(crate) fn cron(text: &str) -> Result<String, String> {
    Cadence::cron(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// The IANA name of a zone.
pub(crate) fn zone(text: &str) -> Result<String, String> {
    let in_zone = Cadence::cron("@daily").and_then(|daily| Schedule::new(daily).in_zone(text));
    in_zone.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// What a list of backups is sorted by, and whether upwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sort {
    pub(crate) by: BackupSort,
    pub(crate) upwards: bool,
}

impl FromStr for Sort {
    type Err = String;

    /// Reads `size`, or `-size` for downwards.
    fn from_str(text: &str) -> Result<Self, String> {
        let (word, upwards) = text.strip_prefix('-').map_or((text, true), |word| (word, false));
        word.parse().map(|by| Self { by, upwards }).map_err(|error: Error| error.to_string())
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.upwards { "" } else { "-" }, self.by.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_in_every_unit() {
        assert_eq!(duration("12h"), Ok(Duration::from_secs(12 * 3600)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2y"), Ok(Duration::from_secs(730 * 86_400)));
        assert_eq!(duration("36600d"), Ok(LONGEST));
        assert_eq!(duration_or_zero("0s"), Ok(Duration::ZERO));
        for bad in [
            "",
            "12",
            "h",
            "-3h",
            "0s",
            "3 h",
            "5mo",
            "99999999d",
            "99999999999999999999d",
            "18446744073709551615w",
        ] {
            assert!(duration(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn rates_are_read_in_powers_of_1024() {
        for (text, bytes) in [("1", 1), ("500K", 500 << 10), ("2M", 2 << 20), ("3GiB", 3 << 30)] {
            assert_eq!(rate(text).map(NonZeroU64::get), Ok(bytes), "{text}");
        }
        for bad in
            ["", "0", "0M", "K", "-1", "1.5M", "1T", "1 M", "99999999999999999999", "18446744073709551615K"]
        {
            assert!(rate(bad).is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn an_order_is_upwards_unless_a_minus_stands_before_it() {
        assert_eq!("size".parse(), Ok(Sort { by: BackupSort::Size, upwards: true }));
        assert_eq!("-size".parse::<Sort>().unwrap().to_string(), "-size");
        for bad in ["", "-", "--size", "colour"] {
            assert!(bad.parse::<Sort>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn a_share_becomes_one_of_equal_parts_at_least_as_large() {
        assert_eq!("5%".parse(), Ok(Subset::AnyOf(20)));
        assert_eq!("100%".parse(), Ok(Subset::AnyOf(1)));
        assert_eq!("40%".parse(), Ok(Subset::AnyOf(2)));
        assert_eq!("0.01%".parse(), Ok(Subset::AnyOf(255)));
        assert_eq!("2/7".parse(), Ok(Subset::Part(2, 7)));
        for bad in ["", "0%", "101%", "8/7", "0/7", "x", "5", "NaN%"] {
            assert!(bad.parse::<Subset>().is_err(), "{bad:?} must be refused");
        }
    }
}
