//! Waiting for something that another thread or process does.

use std::time::{Duration, Instant};

pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "test support waits for and measures real processes")]
    Instant::now()
}

/// Polls `holds` every few milliseconds until it is true or `limit` has passed; says which.
pub fn eventually(limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = now();
    loop {
        if holds() {
            return true;
        }
        if start.elapsed() >= limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
