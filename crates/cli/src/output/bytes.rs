//! Numbers for people.

use std::fmt;
use std::time::Duration;

/// A number of bytes, shown with a binary unit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return write!(f, "{} B", self.0);
        }
        let mut unit = 0;
        let mut whole = self.0;
        let mut rest = 0;
        while whole >= 1024 && unit < UNITS.len() {
            rest = whole % 1024;
            whole /= 1024;
            unit += 1;
        }
        let tenth = rest * 10 / 1024;
        write!(f, "{whole}.{tenth} {}", UNITS[unit - 1])
    }
}

/// A span of time, shown with at most two units.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..60 => write!(f, "{seconds}.{} s", self.0.subsec_millis() / 100),
            60..3600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            3600..86_400 => write!(f, "{} h {} min", seconds / 3600, seconds % 3600 / 60),
            _ => write!(f, "{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
        }
    }
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
        assert_eq!(shown(u64::MAX), "15.9 EiB");
    }

    #[test]
    fn spans_carry_two_units() {
        let shown = |millis| Span(Duration::from_millis(millis)).to_string();
        assert_eq!(shown(1_250), "1.2 s");
        assert_eq!(shown(61_000), "1 min 1 s");
        assert_eq!(shown(2 * 3_600_000 + 120_000), "2 h 2 min");
        assert_eq!(shown(50 * 3_600_000), "2 d 2 h");
    }
}
