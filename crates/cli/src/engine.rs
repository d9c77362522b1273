//! The file data plane as this program uses it: how a repository becomes a provider, a directory a workspace, and an
//! engine's error one of the contract.

use std::path::Path;
use std::sync::Arc;

use stillpoint_core::{Error, ErrorKind, Provisioner, Retry, Workspace, WorkspaceResolver};
use stillpoint_provider_s3sync::{
    DirectoryProvisioner, DirectoryWorkspace, RepositorySource, S3SyncProvider,
};
use stillpoint_repository::ErrorKind as Stored;

use crate::exit::REPOSITORY;

/// The name under which restores into a directory find their provisioner.
pub(crate) const PROVISIONER: &str = "directory";

/// The provider on a repository.
pub(crate) fn provider(source: RepositorySource) -> Arc<S3SyncProvider> {
    Arc::new(S3SyncProvider::new(source))
}

/// The provisioner of restores into a directory.
pub(crate) fn provisioner() -> Arc<dyn Provisioner> {
    Arc::new(DirectoryProvisioner::default())
}

/// Makes the workspace of an interrupted operation from what the catalog remembers of it.
pub(crate) fn resolver() -> WorkspaceResolver {
    Arc::new(|_id, record| {
        let workspace = DirectoryWorkspace::from_record(record?).ok()?;
        Some(Arc::new(workspace) as Arc<dyn Workspace>)
    })
}

/// A gitignore pattern that means exactly `path` below `root`; `None` where it does not lie there.
pub(crate) fn pattern_below(root: &Path, path: &Path) -> Option<String> {
    let relative = path.canonicalize().ok()?.strip_prefix(root).ok()?.to_str()?.to_owned();
    if relative.is_empty() {
        return None;
    }
    let mut pattern = String::from("/");
    for character in relative.chars() {
        if matches!(character, '\\' | '*' | '?' | '[' | ']' | '{' | '}' | '!' | '#' | ' ') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    Some(pattern)
}

/// The contract's error for a failure of the repository engine.
pub(crate) fn error(error: stillpoint_repository::Error) -> Error {
    let plain = |kind| Error::new(kind, error.to_string());
    let mapped = match error.kind() {
        Stored::NoRepository => plain(ErrorKind::NotFound).with(REPOSITORY, "missing"),
        Stored::WrongPassword => plain(ErrorKind::Unauthenticated).with(REPOSITORY, "wrong-password"),
        Stored::Locked { by, host, since } => {
            let message = format!("{error} (by {by} on {host}, since {since})");
            Error::new(ErrorKind::Busy, message).with(REPOSITORY, "locked")
        }
        Stored::NotFound => plain(ErrorKind::NotFound),
        Stored::AlreadyExists => plain(ErrorKind::AlreadyExists),
        Stored::Ambiguous { .. } | Stored::InvalidInput => plain(ErrorKind::InvalidInput),
        Stored::Corrupt { object } => plain(ErrorKind::Corrupt).with("object", object),
        Stored::Unavailable => plain(ErrorKind::Unavailable).with(REPOSITORY, "unreachable"),
        Stored::PermissionDenied => plain(ErrorKind::PermissionDenied),
        Stored::NoSpace => plain(ErrorKind::QuotaExceeded),
        Stored::Cancelled => plain(ErrorKind::Cancelled),
        Stored::Unsupported => plain(ErrorKind::Unsupported),
        Stored::Io => plain(ErrorKind::Unavailable).with_retry(Retry::Never),
        _ => plain(ErrorKind::Unexpected),
    };
    mapped.with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_inside_the_source_becomes_an_anchored_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let inside = root.join("a b").join("data");
        std::fs::create_dir_all(&inside).unwrap();
        assert_eq!(pattern_below(&root, &inside).as_deref(), Some("/a\\ b/data"));
        assert_eq!(pattern_below(&inside, &root), None);
        assert_eq!(pattern_below(&root, &root), None);
    }
}
