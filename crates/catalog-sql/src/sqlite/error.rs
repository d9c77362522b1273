//! What the database reports, in the words of the contract.

use std::path::Path;

use sqlx::error::DatabaseError;
use stillpoint_core::{Error, ErrorKind, Retry};

/// SQLite's primary result codes (<https://www.sqlite.org/rescode.html>).
mod code {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const NOTADB: i32 = 26;
    /// The file that readers and writers share cannot grow, which takes a place on the disk also where only reading is
    /// meant (<https://www.sqlite.org/rescode.html#ioerr_shmsize>).
    pub(super) const IOERR_SHMSIZE: i32 = IOERR | (19 << 8);
}

/// The error of the contract for an error of the database. Nothing changed, unless [`unsettled`] says otherwise.
pub(super) fn fault(error: sqlx::Error) -> Error {
    let (kind, message) = match &error {
        sqlx::Error::Database(database) => reported(database.as_ref()),
        sqlx::Error::PoolTimedOut => {
            (ErrorKind::Unavailable, "the catalog is busy with other work of this process; try again later")
        }
        sqlx::Error::PoolClosed => (ErrorKind::Unavailable, "the catalog was closed"),
        sqlx::Error::Io(_) => {
            (ErrorKind::Unavailable, "the catalog's file cannot be reached; check its disk")
        }
        _ => (ErrorKind::Unexpected, "the catalog's database answered something unforeseen; report this"),
    };
    let fault = Error::new(kind, message).with_source(error);
    if message.ends_with("closed") { fault.with_retry(Retry::Never) } else { fault }
}

/// The error of a commit that may or may not have reached the disk: unless the database says that it was locked, the
/// caller must look before it repeats.
pub(super) fn unsettled(error: sqlx::Error) -> Error {
    let settled = is_busy(&error);
    let fault = fault(error);
    if settled { fault } else { fault.maybe_applied() }
}

/// The error of opening `path`.
pub(super) fn unopened(path: &Path, error: sqlx::Error) -> Error {
    if primary_code(&error) == Some(code::NOTADB) {
        let message = format!("{} is not a Stillpoint catalog, nor any SQLite database", path.display());
        return Error::new(ErrorKind::InvalidConfig, message).with_source(error);
    }
    let is_full = error.as_database_error().is_some_and(is_full);
    let fault = match path.parent().filter(|_| is_full) {
        Some(folder) => {
            let message = format!(
                "no space is left in {}, which the catalog needs also where it is only read; free some there, then run the \
                 same command again",
                folder.display()
            );
            Error::new(ErrorKind::QuotaExceeded, message).with_source(error)
        }
        None => fault(error),
    };
    fault.with("catalog", path.display())
}

/// Whether another connection held a lock for longer than the busy timeout.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(code::BUSY | code::LOCKED))
}

fn reported(error: &dyn DatabaseError) -> (ErrorKind, &'static str) {
    // Every other uniqueness rule is one that its statements expect to meet.
    if error.is_unique_violation() {
        return (ErrorKind::Busy, "another operation is active on this workspace");
    }
    if is_full(error) {
        return (ErrorKind::QuotaExceeded, "the disk of the catalog is full; free some space");
    }
    match primary(error) {
        Some(code::BUSY | code::LOCKED) => (
            ErrorKind::Unavailable,
            "the catalog is locked by another process; wait until it is done, or stop it",
        ),
        Some(code::CORRUPT | code::NOTADB) => (
            ErrorKind::Corrupt,
            "the catalog's file is damaged; move it away, then restore or rebuild the catalog",
        ),
        Some(code::READONLY | code::CANTOPEN | code::PERM) => (
            ErrorKind::PermissionDenied,
            "the catalog cannot be written; its file and its directory must belong to this user",
        ),
        Some(code::IOERR) => (ErrorKind::Unavailable, "the disk of the catalog failed; check it"),
        _ => (ErrorKind::Unexpected, "the catalog's database refused a statement; report this"),
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error().and_then(primary)
}

/// Whether the disk takes no more. SQLite says `FULL` for its files of data alone.
fn is_full(error: &dyn DatabaseError) -> bool {
    extended(error).is_some_and(says_full)
}

fn says_full(extended: i32) -> bool {
    extended & 0xff == code::FULL || extended == code::IOERR_SHMSIZE
}

/// The primary code is the low byte of the extended one.
fn primary(error: &dyn DatabaseError) -> Option<i32> {
    extended(error).map(|extended| extended & 0xff)
}

fn extended(error: &dyn DatabaseError) -> Option<i32> {
    error.code()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_known_also_where_it_is_told_as_a_failure_of_the_disk() {
        assert!(says_full(13) && says_full(4874));
        assert!(
            !says_full(code::IOERR) && !says_full(code::IOERR | (3 << 8)),
            "a disk that cannot be written"
        );
    }
}
