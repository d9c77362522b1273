//! Requests for a restore that end by themselves.
//!
//! This machine's clock counts, when the restore would be begun; one that was begun before goes on. What was once found to
//! be over is noted on the volume, so that a clock that is set back later does not bring it to life.

use std::fs;
use std::io;
use std::path::PathBuf;

use stillpoint_core::{Error, ErrorKind, Result, Timestamp};
use stillpoint_repository::Id;

use super::once::{Wanted, write_durably};
use crate::settings::DataDir;

/// Whether a request still counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Validity {
    /// It counts.
    Open,
    /// It is over, which shows now for the first time on this volume.
    Over,
    /// It is over, as an earlier run had found.
    KnownToBeOver,
}

/// Tells whether the request counts at `now`: up to its end, which does not belong to it. One that is over is noted before
/// the answer is given.
///
/// # Errors
/// `PermissionDenied` where the note cannot be read or written; nothing is to be restored then.
pub(super) fn validity(
    data_dir: &DataDir,
    wanted: &Wanted,
    instance: &str,
    now: Timestamp,
) -> Result<Validity> {
    let Some(until) = wanted.until() else { return Ok(Validity::Open) };
    let note = note(data_dir, wanted, instance, until);
    let refused = |error: io::Error| {
        let message = format!("the note {} about a request that is over cannot be used", note.display());
        Error::new(ErrorKind::PermissionDenied, message).with_source(error)
    };
    if note.try_exists().map_err(refused)? {
        return Ok(Validity::KnownToBeOver);
    }
    if now < until {
        return Ok(Validity::Open);
    }
    fs::create_dir_all(data_dir.expired_requests()).map_err(refused)?;
    write_durably(&note, format!("{} until {until}", wanted.point()).as_bytes()).map_err(refused)?;
    Ok(Validity::Over)
}

/// The note about one request. Another end makes another request.
fn note(data_dir: &DataDir, wanted: &Wanted, instance: &str, until: Timestamp) -> PathBuf {
    let text = format!("{}\0{}\0{instance}\0{until}", wanted.workspace(), wanted.time());
    data_dir.expired_requests().join(Id::of(text.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(Duration::from_secs(seconds))
    }

    fn until(seconds: u64) -> Wanted {
        Wanted::new(at(0), Some(at(seconds)), "ada/lab")
    }

    #[test]
    fn a_request_counts_up_to_its_end_and_never_again() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::at(dir.path());
        let ask = |wanted: &Wanted, now: Timestamp| validity(&data_dir, wanted, "volume", now).unwrap();
        assert_eq!(ask(&Wanted::new(at(0), None, "ada/lab"), at(u64::from(u32::MAX))), Validity::Open);
        let wanted = until(100);
        assert_eq!(ask(&wanted, at(99)), Validity::Open);
        assert_eq!(ask(&wanted, at(100)), Validity::Over, "the end itself does not belong to it");
        assert_eq!(ask(&wanted, at(200)), Validity::KnownToBeOver);
        assert_eq!(ask(&wanted, at(50)), Validity::KnownToBeOver, "the clock was set back");
        assert_eq!(ask(&until(300), at(200)), Validity::Open, "another end is another request");
        let other = Wanted::new(at(1), Some(at(100)), "ada/lab");
        assert_eq!(ask(&other, at(50)), Validity::Open, "another point is another request");
    }

    #[test]
    fn a_request_of_which_nothing_can_be_noted_is_not_answered() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "not a directory").unwrap();
        let refused = validity(&DataDir::at(&file), &until(100), "volume", at(100)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    }
}
