//! Where a catalog lives: its address, its directory and its file.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use stillpoint_core::{Error, ErrorKind, Result};

#[cfg(feature = "postgres")]
const KNOWN: &str = "sqlite:PATH or postgres://USER@HOST/DATABASE";
#[cfg(not(feature = "postgres"))]
const KNOWN: &str = "sqlite:PATH";

/// Reads `sqlite:PATH` or `sqlite://PATH` and answers the absolute path. The path is taken as it stands: nothing in
/// it is decoded.
pub(super) fn parse(url: &str) -> Result<PathBuf> {
    let wrong = |message: String| Error::new(ErrorKind::InvalidConfig, message);
    let path = url.strip_prefix("sqlite:").ok_or_else(|| {
        let scheme = url.split(':').next().unwrap_or_default();
        wrong(format!("a catalog of kind {scheme:?} is not known here; write {KNOWN}"))
    })?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" || path.ends_with('/') {
        return Err(wrong(format!("{url:?} names no file; write sqlite:PATH")));
    }
    std::path::absolute(path).map_err(|error| unusable(Path::new(path), error))
}

/// Makes the directory (mode 0700) and an empty file (mode 0600) where they are missing, and proves that the file can
/// be written. SQLite takes an empty file for an empty database, so a crash right after this leaves nothing to repair.
pub(super) fn prepare(path: &Path) -> Result<()> {
    if let Some(parent) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.map_err(|error| unusable(path, error))?;
    }
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    opened.map(drop).map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::PermissionDenied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::QuotaExceeded,
        _ => ErrorKind::InvalidConfig,
    };
    let message = format!("the catalog {} cannot be opened for writing: {error}", path.display());
    Error::new(kind, message).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_a_file_and_nothing_in_it_is_decoded() {
        assert_eq!(parse("sqlite:/var/lib/a b%20?.db").unwrap(), Path::new("/var/lib/a b%20?.db"));
        assert_eq!(parse("sqlite:///var/lib/catalog.db").unwrap(), Path::new("/var/lib/catalog.db"));
        assert!(parse("sqlite:catalog.db").unwrap().is_absolute());
    }

    #[test]
    fn an_address_that_names_no_file_is_refused() {
        for bad in
            ["", "catalog.db", "postgres://db/catalog", "sqlite:", "sqlite::memory:", "sqlite:/var/lib/"]
        {
            assert_eq!(parse(bad).unwrap_err().kind(), ErrorKind::InvalidConfig, "{bad:?}");
        }
    }

    #[test]
    fn a_refused_address_is_not_repeated_because_it_may_hold_a_password() {
        let error = parse("postgres://ada:secret@db/catalog").unwrap_err();
        assert!(!error.to_string_chain().contains("secret"), "{error}");
    }
}
