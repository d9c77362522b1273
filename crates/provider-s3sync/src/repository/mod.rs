//! The repository layout: each backup of a directory is one snapshot in a restic-format repository.

mod backup;
mod convert;
mod entries;
mod journal;
mod records;
mod restore;
mod snapshot;
mod source;
mod tags;
mod verify;

pub(crate) use backup::{found_job, run as back_up};
pub(crate) use journal::Journal;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use records::parse as parse_record;
pub(crate) use records::{delete_record, put_record, records};
pub(crate) use restore::run as restore;
pub(crate) use snapshot::{RepositorySnapshot, delete};
pub use source::RepositorySource;
