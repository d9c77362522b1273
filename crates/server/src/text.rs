//! Sizes, spans of time and places as people read them, on the page and at a terminal.

use std::fmt;
use std::time::Duration;

use serde_json::Value;
use stillpoint_core::Settings;

/// A number of bytes, with the largest binary unit that fits.
///
/// ```
/// assert_eq!(stillpoint_server::text::Bytes(1_572_864).to_string(), "1.5 MiB");
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it wraps a number, and nothing else ever")]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let (mut whole, mut rest, mut unit) = (self.0, 0, 0);
        while whole >= 1024 && unit < UNITS.len() {
            (whole, rest) = (whole / 1024, whole % 1024);
            unit += 1;
        }
        write!(f, "{whole}.{} {}", rest * 10 / 1024, UNITS[unit - 1])
    }
}

/// A span of time, with at most two units.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(stillpoint_server::text::Span(Duration::from_secs(3_725)).to_string(), "1 h 2 min");
/// ```
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "it wraps a duration, and nothing else ever")]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let two = |f: &mut fmt::Formatter<'_>, whole: u64, unit: &str, rest: u64, small: &str| {
            if rest == 0 { write!(f, "{whole} {unit}") } else { write!(f, "{whole} {unit} {rest} {small}") }
        };
        match (self.0.as_secs(), self.0.subsec_millis() / 100) {
            (0, 0) => f.write_str("under 0.1 s"),
            (seconds @ ..60, 0) => write!(f, "{seconds} s"),
            (seconds @ ..60, tenths) => write!(f, "{seconds}.{tenths} s"),
            (seconds @ 60..3600, _) => two(f, seconds / 60, "min", seconds % 60, "s"),
            (seconds @ 3600..86_400, _) => two(f, seconds / 3600, "h", seconds % 3600 / 60, "min"),
            (seconds, _) => two(f, seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
        }
    }
}

/// Where a copy lies, by what was said of its place: `vault far in eu-west-1`. Empty where nothing was.
///
/// ```
/// use stillpoint_core::Settings;
/// use stillpoint_server::text::copy_place;
///
/// let said = Settings::from([("vault".to_owned(), "far".into()), ("region".to_owned(), "eu-west-1".into())]);
/// assert_eq!(copy_place(&said), "vault far in eu-west-1");
/// assert_eq!(copy_place(&Settings::new()), "");
/// ```
pub fn copy_place(copied_to: &Settings) -> String {
    let said = |name: &str| copied_to.get(name).and_then(Value::as_str);
    let vault = said("vault").or_else(|| said("vault_arn")?.rsplit(':').next());
    let words = [("vault", vault), ("in", said("region")), ("of account", said("account"))];
    let words = words.into_iter().filter_map(|(word, name)| Some(format!("{word} {}", name?)));
    words.collect::<Vec<_>>().join(" ")
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
        let shown = |millis| Span(Duration::from_millis(millis)).to_string();
        assert_eq!(shown(0), "under 0.1 s");
        assert_eq!(shown(300), "0.3 s");
        assert_eq!(shown(1_250), "1.2 s");
        assert_eq!(shown(59_000), "59 s");
        assert_eq!(shown(120_000), "2 min");
        assert_eq!(shown(3_725_000), "1 h 2 min");
        assert_eq!(shown(90_000_000), "1 d 1 h");
    }
}
