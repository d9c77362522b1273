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

/// Returns once a change made now would get a later time than `changed`, and says whether that had to be waited for.
///
/// A time long past or far ahead is not waited for: ahead of the clock is what a clock that was set back left behind.
pub(super) fn wait_until_past(changed: Timestamp) -> bool {
    let Some(changed) = since_epoch(changed) else { return false };
    #[expect(
        clippy::disallowed_methods,
        reason = "it is compared with the time the system itself has written"
    )]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = changed.saturating_add(TICK).saturating_sub(now);
    let young = !left.is_zero() && left <= TICK * 2;
    if young {
        thread::sleep(left);
    }
    young
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
    fn times_long_past_and_far_ahead_are_not_waited_for() {
        for seconds in [i64::MIN, -1, 0, 1_000_000_000, 100_000_000_000, i64::MAX] {
            assert!(!wait_until_past(Timestamp { seconds, nanoseconds: 5 }));
        }
    }
}
