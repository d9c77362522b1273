//! Numbers and times as people read them.

use std::fmt;
use std::time::Duration;

use maud::{Markup, html};
use stillpoint_core::Timestamp;

/// A number of bytes, with a binary unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let power = (63 - self.0.leading_zeros()) / 10;
        let unit = 1_u64 << (10 * power);
        let tenth = (self.0 % unit) / (unit / 10).max(1);
        let name = UNITS[usize::try_from(power).unwrap_or(1) - 1];
        write!(f, "{}.{} {name}", self.0 / unit, tenth.min(9))
    }
}

/// A span of time, with at most two units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let two = |f: &mut fmt::Formatter<'_>, whole: u64, unit: &str, rest: u64, small: &str| {
            if rest == 0 { write!(f, "{whole} {unit}") } else { write!(f, "{whole} {unit} {rest} {small}") }
        };
        match self.0.as_secs() {
            0 if self.0.is_zero() => f.write_str("none"),
            0 => f.write_str("under 1 s"),
            seconds @ 1..60 => write!(f, "{seconds} s"),
            seconds @ 60..3600 => two(f, seconds / 60, "min", seconds % 60, "s"),
            seconds @ 3600..86_400 => two(f, seconds / 3600, "h", seconds % 3600 / 60, "min"),
            seconds => two(f, seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
        }
    }
}

/// A count with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A time to the minute, in UTC: `2026-11-26 02:48`.
pub(crate) fn minute(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{} {}", text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default())
}

/// A time to the second, in UTC.
pub(crate) fn second(time: Timestamp) -> String {
    let text = time.to_string();
    format!("{} {}", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

/// How far away a time is, roughly: `3 h ago`, `in 2 d`.
pub(crate) fn distance(time: Timestamp, now: Timestamp) -> String {
    let (ahead, span) = if time > now { (true, time.since(now)) } else { (false, now.since(time)) };
    let rough = match span.as_secs() {
        0..60 => return if ahead { "in a moment".into() } else { "just now".into() },
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds @ 172_800..5_184_000 => format!("{} d", seconds / 86_400),
        seconds => format!("{} months", seconds / 2_592_000),
    };
    if ahead { format!("in {rough}") } else { format!("{rough} ago") }
}

/// A time as a person looks for it: how far away, and exactly.
pub(crate) fn when(time: Timestamp, now: Timestamp) -> Markup {
    html! {
        time.when datetime=(time) { span.when-far { (distance(time, now)) } " " span.when-exact { (minute(time)) } }
    }
}

/// A time in running text; its exact form to the second stands in the title.
pub(crate) fn moment(time: Timestamp) -> Markup {
    html! { time datetime=(time) title={ (second(time)) " UTC" } { (minute(time)) " UTC" } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_carry_the_largest_fitting_unit() {
        let shown = |bytes| Bytes(bytes).to_string();
        assert_eq!(shown(0), "0 B");
        assert_eq!(shown(1023), "1023 B");
        assert_eq!(shown(1024), "1.0 KiB");
        assert_eq!(shown(1_572_864), "1.5 MiB");
        assert_eq!(shown(1_048_575), "1023.9 KiB");
        assert_eq!(shown(u64::MAX), "15.9 EiB");
    }

    #[test]
    fn spans_carry_at_most_two_units() {
        let shown = |seconds| Span(Duration::from_secs(seconds)).to_string();
        assert_eq!(shown(0), "none");
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(120), "2 min");
        assert_eq!(shown(3_725), "1 h 2 min");
        assert_eq!(shown(90_000), "1 d 1 h");
        assert_eq!(Span(Duration::from_millis(300)).to_string(), "under 1 s");
    }

    #[test]
    fn times_are_near_and_exact() {
        let time: Timestamp = "2026-11-26T02:48:09Z".parse().unwrap();
        assert_eq!(minute(time), "2026-11-26 02:48");
        assert_eq!(second(time), "2026-11-26 02:48:09");
        assert_eq!(distance(time, time.after(Duration::from_secs(3 * 3600))), "3 h ago");
        assert_eq!(distance(time.after(Duration::from_secs(90)), time), "in 1 min");
    }
}
