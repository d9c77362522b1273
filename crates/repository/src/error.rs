//! The one error type of this crate: what went wrong, which object it concerns, and what to do about it.

use std::error::Error as StdError;
use std::fmt;

use crate::time::Timestamp;

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Source of an error, kept for logs.
pub(crate) type Source = Box<dyn StdError + Send + Sync + 'static>;

/// What a caller can do about an [`Error`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object, snapshot or record does not exist.
    NotFound,
    /// Something with this name exists and was not to be overwritten.
    AlreadyExists,
    /// The place exists (or is empty) but holds no repository.
    NoRepository,
    /// No key of the repository opens with the given credentials.
    WrongPassword,
    /// A short identifier fits several snapshots.
    Ambiguous {
        /// The identifiers that fit, at most a few dozen.
        candidates: Vec<String>,
    },
    /// Another process holds a lock that excludes ours.
    Locked {
        /// User and process that hold the lock.
        by: String,
        /// Host the holder runs on.
        host: String,
        /// When the lock was taken or last refreshed.
        since: Timestamp,
    },
    /// Another run of the same work is still alive; it, or a later try, will end it.
    Busy,
    /// Stored bytes are damaged, missing or not what their name promises.
    Corrupt {
        /// The damaged object, as a key inside the repository.
        object: String,
    },
    /// The store cannot be reached or keeps failing; trying again later may help.
    Unavailable,
    /// The store or file system refuses access.
    PermissionDenied,
    /// The store has no room left.
    NoSpace,
    /// The operation was cancelled, or its runtime is shutting down.
    Cancelled,
    /// An argument is unusable.
    InvalidInput,
    /// The repository or store needs something this version does not do.
    Unsupported,
    /// Any other failure of input or output.
    Io,
}

/// An error of the repository engine.
///
/// Displays as one sentence for a person. The cause, if any, is the [`source`](StdError::source).
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), source: None }) }
    }

    pub(crate) fn corrupt(object: impl Into<String>, message: impl fmt::Display) -> Self {
        let object = object.into();
        let message = format!("{object} is damaged: {message}");
        Self::new(ErrorKind::Corrupt { object }, message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    pub(crate) fn cancelled(source: impl Into<Source>) -> Self {
        Self::new(ErrorKind::Cancelled, "the operation was cancelled before it finished").with_source(source)
    }

    pub(crate) fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> &ErrorKind {
        &self.inner.kind
    }

    /// True when the same call may succeed later without anybody changing anything but the weather.
    pub fn is_transient(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::Unavailable)
    }

    /// A copy for a second waiter on the same failure; the source is reduced to its text.
    pub(crate) fn duplicate(&self) -> Self {
        let copy = Self::new(self.inner.kind.clone(), self.inner.message.clone());
        match &self.inner.source {
            Some(source) => copy.with_source(source.to_string()),
            None => copy,
        }
    }

    /// Maps a failed file operation on `object`.
    pub(crate) fn from_io(source: std::io::Error, what: impl fmt::Display) -> Self {
        use std::io::ErrorKind as Io;
        let (kind, hint) = match source.kind() {
            Io::NotFound => (ErrorKind::NotFound, "it does not exist"),
            Io::AlreadyExists => (ErrorKind::AlreadyExists, "it already exists"),
            Io::PermissionDenied | Io::ReadOnlyFilesystem => {
                (ErrorKind::PermissionDenied, "access is denied; check owner and mode")
            }
            Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => {
                (ErrorKind::NoSpace, "no space is left; free some and run the same command again")
            }
            Io::NotADirectory => (ErrorKind::InvalidInput, "a part of the path is not a directory"),
            _ => (ErrorKind::Io, "the operating system reports an error"),
        };
        let message = format!("{what}: {hint}");
        Self::new(kind, message).with_source(source)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_from_other_failures() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = Error::from_io(full, "cannot write pack 12");
        assert_eq!(error.kind(), &ErrorKind::NoSpace);
        assert!(error.to_string().contains("run the same command again"));
        assert!(error.source().is_some());
    }

    #[test]
    fn an_error_stays_small_on_the_stack() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
