//! What can go wrong with a local file, with the path and the operation named.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::name::InvalidName;

/// The result of every fallible function of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The system operation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// Opening a file or directory.
    Open,
    /// Listing a directory.
    List,
    /// Reading an entry's metadata.
    Stat,
    /// Reading file content.
    Read,
    /// Reading a symbolic link's target.
    ReadLink,
    /// Reading extended attributes.
    ReadAttributes,
    /// Creating an entry.
    Create,
    /// Writing file content.
    Write,
    /// Setting mode, owner, times or extended attributes.
    SetAttributes,
    /// Moving a complete entry to its final name.
    Publish,
    /// Removing an entry.
    Remove,
    /// Flushing to stable storage.
    Sync,
    /// Taking the lock that keeps two runs out of one target.
    Lock,
}

impl Operation {
    const fn verb(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::List => "list",
            Self::Stat => "stat",
            Self::Read => "read",
            Self::ReadLink => "read the link",
            Self::ReadAttributes => "read the extended attributes of",
            Self::Create => "create",
            Self::Write => "write",
            Self::SetAttributes => "set the attributes of",
            Self::Publish => "put in place",
            Self::Remove => "remove",
            Self::Sync => "flush",
            Self::Lock => "lock",
        }
    }
}

/// A failure at one path.
///
/// Paths below a root are relative to it and are shown quoted and escaped, so a name cannot forge a log line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation.
    #[error("cannot {} {path:?}", operation.verb())]
    Io {
        /// What was attempted.
        operation: Operation,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A name is not a valid single path component, or a path is too deep.
    #[error("the name {path:?} is not acceptable")]
    InvalidName {
        /// The offending path.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidName,
    },
    /// The entry is of another kind, or another inode, than it was when it was listed.
    #[error("{path:?} was replaced by something else while it was captured")]
    Replaced {
        /// The entry.
        path: PathBuf,
    },
    /// The path exists and is not a directory.
    #[error("{path:?} is not a directory")]
    NotADirectory {
        /// The path.
        path: PathBuf,
    },
    /// A directory has more entries than are looked at.
    #[error("{path:?} has more than {most} entries; spread them over more directories, or exclude it")]
    TooManyEntries {
        /// The directory.
        path: PathBuf,
        /// As many are looked at.
        most: usize,
    },
    /// A restore target holds entries and merging was not asked for.
    #[error("the target {path:?} is not empty")]
    TargetNotEmpty {
        /// The target directory.
        path: PathBuf,
    },
    /// Another, unfinished restore has left its marker in the target.
    #[error("the target {path:?} holds the unfinished restore {id}")]
    TargetHeld {
        /// The target directory.
        path: PathBuf,
        /// The other operation's id.
        id: String,
    },
    /// A run of the same operation is working in the target at this moment.
    #[error("another run of restore {id} is working in {path:?}")]
    TargetBusy {
        /// The target directory.
        path: PathBuf,
        /// The operation's id.
        id: String,
    },
    /// The final name is taken by an entry this restore may not replace.
    #[error("{path:?} already exists")]
    AlreadyExists {
        /// The final name.
        path: PathBuf,
    },
    /// What stands at the final name was changed after the restore began that would replace it.
    #[error(
        "{path:?} was changed after the restore began, and stays as it is; once this restore has ended, the same restore \
         again replaces it"
    )]
    WrittenSince {
        /// The final name.
        path: PathBuf,
    },
    /// Another name of a file belongs where something is mounted that does not hold the file.
    #[error(
        "{path:?} is another name of {original:?}, and something is mounted between them: copy the file there, or \
         restore into a directory without mounts"
    )]
    OtherFileSystem {
        /// The name that cannot be made.
        path: PathBuf,
        /// The name that stands.
        original: PathBuf,
    },
    /// An operation id cannot be part of a file name.
    #[error("the restore id {id:?} must be 1 to 200 letters, digits, '-', '_' or '.'")]
    InvalidRestoreId {
        /// The id.
        id: String,
    },
    /// An exclusion pattern cannot be understood.
    #[error("the exclusion pattern {pattern:?} is not valid: {reason}")]
    InvalidPattern {
        /// The pattern as written.
        pattern: String,
        /// The parser's words.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(operation: Operation, path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: path.into(), source: source.into() }
    }

    /// The path the failure is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::InvalidName { path, .. }
            | Self::Replaced { path }
            | Self::NotADirectory { path }
            | Self::TooManyEntries { path, .. }
            | Self::TargetNotEmpty { path }
            | Self::TargetHeld { path, .. }
            | Self::TargetBusy { path, .. }
            | Self::AlreadyExists { path }
            | Self::WrittenSince { path }
            | Self::OtherFileSystem { path, .. } => Some(path),
            Self::InvalidRestoreId { .. } | Self::InvalidPattern { .. } => None,
        }
    }

    /// Whether the file system is full or a quota is used up; nothing further can be written.
    pub fn is_storage_full(&self) -> bool {
        self.has_errno(&[Errno::NOSPC, Errno::DQUOT])
    }

    /// Whether the process may not do what it tried.
    pub fn is_permission_denied(&self) -> bool {
        self.has_errno(&[Errno::ACCESS, Errno::PERM])
    }

    /// Whether the entry is gone.
    pub fn is_not_found(&self) -> bool {
        self.has_errno(&[Errno::NOENT])
    }

    /// Whether no directory stands at the path any more, but nothing, a link or a file.
    pub fn is_no_directory(&self) -> bool {
        self.has_errno(&[Errno::NOENT, Errno::NOTDIR, Errno::LOOP])
    }

    /// Whether a file server no longer knows what was opened: another machine removed it, or the whole mount is stale.
    pub fn is_stale(&self) -> bool {
        self.has_errno(&[Errno::STALE])
    }

    fn has_errno(&self, wanted: &[Errno]) -> bool {
        let Self::Io { source, .. } = self else {
            return false;
        };
        Errno::from_io_error(source).is_some_and(|errno| wanted.contains(&errno))
    }
}

/// Looks at something by its name, once more where it is stale ([`Error::is_stale`]): under its name it is gone then, as on a
/// local file system, or another one, and where the whole mount is stale it is that again.
///
/// # Errors
/// What the last look met.
pub fn again_if_stale<T>(mut look: impl FnMut() -> Result<T>) -> Result<T> {
    match look() {
        Err(error) if error.is_stale() => look(),
        looked => looked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stale_is_looked_at_once_more_and_may_be_gone() {
        let after = |answers: &[Errno]| {
            let mut answers = answers.iter();
            let look = || Err::<(), _>(Error::io(Operation::List, "caches", *answers.next().unwrap()));
            let error = again_if_stale(look).unwrap_err();
            (error.is_stale(), error.is_not_found(), answers.count())
        };
        assert_eq!(after(&[Errno::STALE, Errno::NOENT, Errno::IO]), (false, true, 1));
        assert_eq!(after(&[Errno::STALE, Errno::STALE, Errno::IO]), (true, false, 1));
        assert_eq!(after(&[Errno::NOENT, Errno::IO]), (false, true, 1));
    }
}
