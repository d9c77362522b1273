//! Between the contract's words and the engine's.

use stillpoint_core::{Error, ErrorKind, Result, SnapshotId, Timestamp};
use stillpoint_repository::{Id, Timestamp as Stored};

/// The engine's form of a time.
pub(crate) fn to_stored(time: Timestamp) -> Stored {
    let millis = time.as_millis();
    let nanoseconds = u32::try_from(millis.rem_euclid(1000) * 1_000_000).unwrap_or_default();
    Stored::new(millis.div_euclid(1000), nanoseconds)
}

/// The contract's form of a time, cut to the millisecond.
pub(super) fn from_stored(time: Stored) -> Timestamp {
    let millis = i64::from(time.nanoseconds / 1_000_000);
    Timestamp::from_millis(time.seconds.saturating_mul(1000).saturating_add(millis))
}

/// The engine's id of a snapshot.
///
/// # Errors
/// `NotFound` where the text is no id of a repository snapshot: there can be none of that name.
pub(super) fn snapshot_id(id: &SnapshotId) -> Result<Id> {
    id.as_str()
        .parse()
        .map_err(|_not_hexadecimal| Error::new(ErrorKind::NotFound, format!("there is no snapshot {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_millisecond_both_ways() {
        for millis in [-1_500, -1, 0, 1, 1_700_000_000_123] {
            let time = Timestamp::from_millis(millis);
            assert_eq!(from_stored(to_stored(time)), time);
        }
        assert_eq!(to_stored(Timestamp::from_millis(-1)), Stored::new(-1, 999_000_000));
    }

    #[test]
    fn text_that_is_no_id_names_no_snapshot() {
        let odd = SnapshotId::new("../etc").unwrap();
        assert_eq!(snapshot_id(&odd).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
