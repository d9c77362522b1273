//! The repository layout: each backup of a directory is one snapshot in a restic-format repository.

mod backup;
mod convert;
mod entries;
mod journal;
mod layout;
mod made;
mod records;
mod restore;
mod snapshot;
mod source;
mod tags;
mod verify;

pub(crate) use backup::is_whole;
pub(crate) use convert::to_stored;
pub(crate) use journal::{Journal, reference, store_of};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use records::parse as parse_record;
pub(crate) use records::{has_record, put_record, record_of, take};
pub(crate) use snapshot::RepositorySnapshot;
pub use source::RepositorySource;
pub(crate) use tags::{INCOMPLETE, of_job as tags_of};
