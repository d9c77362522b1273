//! Times as AWS's SDK tells them.

use aws_smithy_types::DateTime;
use stillpoint_core::Timestamp;

/// `time` to the millisecond; `None` where it lies beyond all of them.
pub(super) fn timestamp(time: &DateTime) -> Option<Timestamp> {
    time.to_millis().ok().map(Timestamp::from_millis)
}
