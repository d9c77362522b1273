//! Waiting until a change would be seen.
//!
//! A file system stamps changes with a clock that moves on every few milliseconds. Two changes within one such tick
//! leave the same time behind, so a file that was changed in the tick in which it is opened could change once more
//! while it is read, and nothing would tell.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::metadata::Timestamp;

/// The longest tick of Linux, which has 100 to 1000 of them in a second.
const TICK: Duration = Duration::from_millis(10);

/// The longest of file systems whose times have no fraction of a second: FAT counts in steps of two.
const COARSE_TICK: Duration = Duration::from_secs(2);

/// Returns once a change made now would get a later time than `changed`, and says whether that had to be waited for.
///
/// A time long past or far ahead is not waited for: ahead of the clock is what a clock that was set back left behind.
pub(super) fn wait_until_past(changed: Timestamp) -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is compared with the time the system itself has written"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let Some(left) = left(changed, now) else { return false };
    thread::sleep(left);
    true
}

/// How long the tick of a change lasts at `now`, if it is not over.
fn left(changed: Timestamp, now: Duration) -> Option<Duration> {
    let tick = if changed.nanoseconds == 0 { COARSE_TICK } else { TICK };
    let left = since_epoch(changed)?.saturating_add(tick).saturating_sub(now);
    (!left.is_zero() && left <= tick * 2).then_some(left)
}

fn since_epoch(time: Timestamp) -> Option<Duration> {
    Some(Duration::new(u64::try_from(time.seconds).ok()?, time.nanoseconds))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::*;

    fn changed(path: &Path) -> Timestamp {
        let stat = fs::metadata(path).unwrap();
        Timestamp { seconds: stat.ctime(), nanoseconds: u32::try_from(stat.ctime_nsec()).unwrap() }
    }

    #[test]
    fn the_next_change_after_the_wait_has_a_later_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"x").unwrap();
        let before = changed(&path);
        assert!(wait_until_past(before), "it was changed this very moment");
        fs::write(&path, b"y").unwrap();
        assert!(changed(&path) > before);
    }

    #[test]
    fn where_times_are_whole_seconds_a_change_within_the_same_ones_is_waited_for() {
        let (whole, fine) = (Timestamp::new(1_000, 0), Timestamp::new(1_000, 900_000_000));
        let now = Duration::from_millis(1_000_905);
        assert_eq!(left(whole, now), Some(Duration::from_millis(1095)));
        assert_eq!(left(fine, now), Some(Duration::from_millis(5)));
        assert_eq!(left(whole, Duration::from_secs(1_002)), None);
        assert_eq!(left(whole, Duration::from_secs(900)), None);
    }

    #[test]
    fn times_long_past_and_far_ahead_are_not_waited_for() {
        for seconds in [i64::MIN, -1, 0, 1_000_000_000, 100_000_000_000, i64::MAX] {
            assert!(!wait_until_past(Timestamp { seconds, nanoseconds: 5 }));
        }
    }
}
