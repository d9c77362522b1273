//! Numbers and times as people read them.

use std::time::Duration;

use maud::{Markup, html};
use stillpoint_core::Timestamp;

pub(crate) use crate::text::{Bytes, Span, copy_place};

/// How long services were held still.
pub(crate) fn downtime(span: Duration) -> String {
    if span.is_zero() { "none".to_owned() } else { Span(span).to_string() }
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
    fn times_are_near_and_exact() {
        let time: Timestamp = "2026-11-26T02:48:09Z".parse().unwrap();
        assert_eq!(minute(time), "2026-11-26 02:48");
        assert_eq!(second(time), "2026-11-26 02:48:09");
        assert_eq!(distance(time, time.after(Duration::from_secs(3 * 3600))), "3 h ago");
        assert_eq!(distance(time.after(Duration::from_secs(90)), time), "in 1 min");
    }
}
