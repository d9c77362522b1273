//! What an operation could not do to single entries.

use std::error::Error as StdError;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// One entry that is missing from the result, or not what it should be, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Issue {
    /// The entry, relative to the source or target; empty for the root itself.
    pub path: PathBuf,
    /// The sort of trouble.
    pub kind: IssueKind,
    /// The reason, as one sentence.
    pub message: String,
}

/// The sorts of [`Issue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssueKind {
    /// A source entry could not be read; it is not in the snapshot.
    Unreadable,
    /// A source file kept changing while it was read; the snapshot may hold a mixture of its states.
    Torn,
    /// Stored bytes are missing or damaged; the entry was not restored.
    Damaged,
    /// Something else stands in the target under this name and was kept.
    Conflict,
    /// The target file system refused the entry.
    Unwritable,
    /// The source holds no file any more, though the parent snapshot did: its volume may not be mounted.
    Emptied,
    /// The source was removed, replaced or unmounted while it was read: what is stored may be a part of it.
    Displaced,
    /// The entry is of a kind that cannot be stored or restored.
    Unsupported,
    /// A directory or file went away while the source was read; it is in the snapshot only where it was read under another name.
    Vanished,
    /// The format cannot express something of the entry exactly; what is nearest to it was stored.
    Inexact,
}

impl Issue {
    /// What a time of change means that the format cannot write.
    pub fn inexact_time(path: impl Into<PathBuf>) -> Self {
        let message = "its time of change lies outside of the years 0 to 9999, which is all that the format can write: the \
                       nearest time stands in its place";
        Self::new(path, IssueKind::Inexact, message)
    }

    /// What it means that a directory or file is not where it was listed, nor under another name there.
    pub(crate) fn vanished(path: impl Into<PathBuf>) -> Self {
        let message = "it went away while the backup ran: it was removed, or moved to another directory; if it was moved, make \
                       sure that the next backup holds it";
        Self::new(path, IssueKind::Vanished, message)
    }

    pub(crate) fn new(path: impl Into<PathBuf>, kind: IssueKind, message: impl Into<String>) -> Self {
        Self { path: path.into(), kind, message: message.into() }
    }

    /// What a failed read of a source entry means.
    pub(crate) fn unreadable(path: &Path, error: &stillpoint_localfs::Error) -> Self {
        Self::new(path, IssueKind::Unreadable, sentence(error))
    }

    /// What a failed write of a target entry means.
    pub(crate) fn unwritten(path: &Path, error: &stillpoint_localfs::Error) -> Self {
        let kind = match error {
            stillpoint_localfs::Error::AlreadyExists { .. }
            | stillpoint_localfs::Error::WrittenSince { .. } => IssueKind::Conflict,
            stillpoint_localfs::Error::InvalidName { .. } => IssueKind::Unsupported,
            _ => IssueKind::Unwritable,
        };
        Self::new(path, kind, sentence(error))
    }

    /// What a damaged blob means for a file.
    pub(crate) fn damaged(path: &Path, error: &Error) -> Self {
        Self::new(path, IssueKind::Damaged, sentence(error))
    }
}

/// An error and its causes on one line.
fn sentence(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A failure of the local file system that ends the whole operation.
pub(crate) fn fatal(error: stillpoint_localfs::Error) -> Error {
    use stillpoint_localfs::Error as Local;
    let kind = match &error {
        _ if error.is_storage_full() => ErrorKind::NoSpace,
        _ if error.is_permission_denied() => ErrorKind::PermissionDenied,
        _ if error.is_not_found() => ErrorKind::NotFound,
        Local::TargetBusy { .. } => ErrorKind::Busy,
        Local::TargetNotEmpty { .. } | Local::TargetHeld { .. } => ErrorKind::AlreadyExists,
        Local::NotADirectory { .. } | Local::InvalidName { .. } | Local::InvalidPattern { .. } => {
            ErrorKind::InvalidInput
        }
        Local::InvalidRestoreId { .. } => ErrorKind::InvalidInput,
        _ => ErrorKind::Io,
    };
    Error::new(kind, sentence(&error)).with_source(error)
}
