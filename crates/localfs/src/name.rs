//! Which names may become path components.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::error::{Error, Result};

/// The longest component Linux file systems accept, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// The deepest tree that is captured or restored, in components.
pub const DEPTH_MAX: usize = 4096;

/// Why a name cannot be a path component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// The name has no bytes.
    #[error("a name must not be empty")]
    Empty,
    /// The name is longer than [`NAME_BYTES_MAX`].
    #[error("a name must not be longer than 255 bytes")]
    TooLong,
    /// The name contains a slash.
    #[error("a name must not contain '/'")]
    Slash,
    /// The name contains a NUL byte.
    #[error("a name must not contain NUL")]
    Nul,
    /// The name is `.` or `..`.
    #[error("a name must not be '.' or '..'")]
    Relative,
    /// The path has more components than [`DEPTH_MAX`].
    #[error("a path must not be deeper than 4096 names")]
    TooDeep,
    /// The path is absolute or has `.`, `..` or empty components.
    #[error("a path must be relative and made of plain names")]
    NotPlain,
}

/// Accepts `name` as one path component.
///
/// # Errors
/// The reason it cannot be one. Any other byte string is a legal name, valid UTF-8 or not.
pub fn validate_name(name: &OsStr) -> std::result::Result<(), InvalidName> {
    let bytes = name.as_bytes();
    match bytes {
        [] => Err(InvalidName::Empty),
        b"." | b".." => Err(InvalidName::Relative),
        _ if bytes.len() > NAME_BYTES_MAX => Err(InvalidName::TooLong),
        _ if bytes.contains(&b'/') => Err(InvalidName::Slash),
        _ if bytes.contains(&0) => Err(InvalidName::Nul),
        _ => Ok(()),
    }
}

/// Accepts `path` as a relative path below a root; the empty path is the root itself.
///
/// # Errors
/// [`Error::InvalidName`] for absolute paths, `.` and `..` anywhere, bad components and excessive depth.
pub fn validate_path(path: &Path) -> Result<()> {
    let invalid = |source| Error::InvalidName { path: path.to_path_buf(), source };
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    // `Path` quietly drops inner `.` and doubled slashes; the raw bytes are what the kernel would see.
    for part in path.as_os_str().as_bytes().split(|byte| *byte == b'/') {
        validate_name(OsStr::from_bytes(part)).map_err(|source| match source {
            InvalidName::Empty => invalid(InvalidName::NotPlain),
            other => invalid(other),
        })?;
    }
    let mut depth = 0;
    for component in path.components() {
        depth += 1;
        if !matches!(component, Component::Normal(_)) {
            return Err(invalid(InvalidName::NotPlain));
        }
    }
    if depth > DEPTH_MAX { Err(invalid(InvalidName::TooDeep)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_but_slash_nul_and_dots_make_a_name() {
        for good in [&b"a"[..], b"...", b" ", b"\n", b"\xff\xfe", b"-rf", b"..a", &[b'x'; 255]] {
            assert_eq!(validate_name(OsStr::from_bytes(good)), Ok(()), "{good:?}");
        }
        for (bad, reason) in [
            (&b""[..], InvalidName::Empty),
            (b".", InvalidName::Relative),
            (b"..", InvalidName::Relative),
            (b"a/b", InvalidName::Slash),
            (b"/", InvalidName::Slash),
            (b"a\0b", InvalidName::Nul),
            (&[b'x'; 256], InvalidName::TooLong),
        ] {
            assert_eq!(validate_name(OsStr::from_bytes(bad)), Err(reason), "{bad:?}");
        }
    }

    #[test]
    fn paths_are_plain_relative_and_bounded_in_depth() {
        let deepest = vec!["d"; DEPTH_MAX].join("/");
        for good in ["", "a", "a/b/c", "a\nb", deepest.as_str()] {
            assert!(validate_path(Path::new(good)).is_ok(), "{good:?}");
        }
        let too_deep = vec!["d"; DEPTH_MAX + 1].join("/");
        for bad in ["/", "/a", "a/../b", "..", "a/./b", "./a", "a//b", "a/", "a\0", too_deep.as_str()] {
            assert!(validate_path(Path::new(bad)).is_err(), "{bad:?}");
        }
    }
}
