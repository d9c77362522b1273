//! The only module that reads the system clock.

use std::time::SystemTime;

use crate::time::Timestamp;

/// The wall-clock time now. Used for the time stamps the format demands and for the age of locks.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
