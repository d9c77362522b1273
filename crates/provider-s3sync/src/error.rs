//! From the engine's errors to the contract's.
//!
//! Failures that concern the repository as a whole carry the context pair `repository`, whose value is `missing`,
//! `locked`, `wrong-password` or `unreachable`; a host can choose its exit code by it.

use std::path::Path;

use stillpoint_core::{Error, ErrorKind, Retry};
use stillpoint_repository::ErrorKind as Stored;

/// The name of the context pair that says what is wrong with the repository as a whole: `missing`, `locked`,
/// `wrong-password` or `unreachable`.
pub const REPOSITORY: &str = "repository";

/// The contract's error for a failure of the repository engine, for hosts that also use the engine directly.
pub fn from_repository(error: stillpoint_repository::Error) -> Error {
    let message = error.to_string();
    let plain = |kind| Error::new(kind, message.clone());
    let mapped = match error.kind() {
        Stored::NotFound => plain(ErrorKind::NotFound),
        Stored::AlreadyExists => plain(ErrorKind::AlreadyExists),
        Stored::NoRepository => plain(ErrorKind::NotFound).with(REPOSITORY, "missing"),
        Stored::WrongPassword => plain(ErrorKind::Unauthenticated).with(REPOSITORY, "wrong-password"),
        Stored::Ambiguous { .. } | Stored::InvalidInput => plain(ErrorKind::InvalidInput),
        Stored::Locked { by, host, .. } => {
            plain(ErrorKind::Busy).with(REPOSITORY, "locked").with("holder", format!("{by}@{host}"))
        }
        Stored::Busy => plain(ErrorKind::Busy),
        Stored::Corrupt { object } => plain(ErrorKind::Corrupt).with("object", object),
        Stored::Unavailable => plain(ErrorKind::Unavailable).with(REPOSITORY, "unreachable"),
        Stored::PermissionDenied => plain(ErrorKind::PermissionDenied),
        Stored::NoSpace => plain(ErrorKind::QuotaExceeded),
        Stored::Cancelled => plain(ErrorKind::Cancelled),
        Stored::Unsupported => plain(ErrorKind::Unsupported),
        // The operating system refused for a reason that waiting does not cure.
        Stored::Io => plain(ErrorKind::Unavailable).with_retry(Retry::Never),
        _ => plain(ErrorKind::Unexpected),
    };
    mapped.with_source(error)
}

/// The contract's error for a failed operation on a local file.
pub(crate) fn from_io(error: std::io::Error, action: &str, path: &Path) -> Error {
    use std::io::ErrorKind as Io;
    let kind = match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::AlreadyExists => ErrorKind::AlreadyExists,
        Io::NotADirectory | Io::InvalidInput => ErrorKind::InvalidInput,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        Io::StorageFull | Io::QuotaExceeded => ErrorKind::QuotaExceeded,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, format!("cannot {action} {path:?}")).with_retry(Retry::Never).with_source(error)
}

/// The contract's error for a task that ended without an answer, as at the shutdown of its runtime.
pub(crate) fn from_join(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Unexpected, "a task of this process ended without an answer").with_source(error)
}

/// Runs work that may block away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(from_join)?
}

#[cfg(test)]
mod tests {
    use stillpoint_repository::{Credentials, Origin, Repository, Store};

    use super::*;

    #[tokio::test]
    async fn a_missing_repository_and_a_wrong_password_are_told_apart_by_context() {
        let store = Store::memory();
        let key = |digit: &str| Credentials::machine_key(digit.repeat(40)).unwrap();
        let missing = Repository::open(store.clone(), &key("1"), Origin::default()).await.unwrap_err();
        let missing = from_repository(missing);
        assert_eq!((missing.kind(), missing.context(REPOSITORY)), (ErrorKind::NotFound, Some("missing")));
        Repository::init(store.clone(), &key("1"), Origin::default()).await.unwrap();
        let wrong = from_repository(Repository::open(store, &key("2"), Origin::default()).await.unwrap_err());
        assert_eq!(wrong.kind(), ErrorKind::Unauthenticated);
        assert_eq!(wrong.context(REPOSITORY), Some("wrong-password"));
    }
}
