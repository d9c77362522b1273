//! When a capture outside can have been, whatever the other side's clock says.

use crate::clock::Timestamp;
use crate::provider::CaptureWindow;

/// The window that a job outside told, within what was seen here: it cannot have begun before it was asked for, and what
/// was told `now` to be captured was captured by then. `before` is what came of an earlier answer about the same job.
///
/// Two clocks are never the same, and some tell whole seconds only. Order is what counts, and it is known without them.
pub(super) fn witnessed(
    told: CaptureWindow,
    asked_for: Timestamp,
    now: Timestamp,
    before: Option<CaptureWindow>,
) -> CaptureWindow {
    let latest = before.map_or(now, |before| before.to.min(now)).max(asked_for);
    let from = told.from.clamp(asked_for, latest);
    CaptureWindow::new(from, told.to.clamp(from, latest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(from: i64, to: i64) -> CaptureWindow {
        CaptureWindow::new(Timestamp::from_millis(from), Timestamp::from_millis(to))
    }

    fn seen(told: CaptureWindow, before: Option<CaptureWindow>) -> CaptureWindow {
        witnessed(told, Timestamp::from_millis(1000), Timestamp::from_millis(5000), before)
    }

    #[test]
    fn a_clock_that_differs_moves_no_capture_out_of_what_was_seen() {
        assert_eq!(seen(window(2000, 3000), None), window(2000, 3000), "clocks that agree are believed");
        assert_eq!(seen(window(0, 0), None), window(1000, 1000), "a clock behind, or without fractions");
        assert_eq!(seen(window(4000, 9000), None), window(4000, 5000), "a clock ahead");
        assert_eq!(seen(window(8000, 8000), None), window(5000, 5000), "an instant stays one");
        let before = Some(window(3000, 3000));
        assert_eq!(seen(window(8000, 8000), before), window(3000, 3000), "what was captured stays captured");
        assert_eq!(seen(window(0, 500), Some(window(900, 900))), window(1000, 1000));
    }
}
