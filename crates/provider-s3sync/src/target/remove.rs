//! Removing what a failed restore made.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use stillpoint_core::{Error, ErrorKind, OperationId, Result};

use super::mark::{self, Met};
use crate::error::from_io;

/// Deeper trees than a restore writes are not descended into.
const DEPTH_MAX: usize = 4096;

/// Removes the tree at `path` if it carries the mark of `operation`; a directory that the restore had found empty
/// stays, empty again. Absent is a success. No link is followed.
///
/// # Errors
/// `PermissionDenied` where it does not carry the mark, or the system refuses.
pub(crate) fn discard(path: &Path, operation: Option<&OperationId>) -> Result<()> {
    if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
        return Ok(());
    }
    let mark = mark::read(path)?.filter(|mark| operation.is_some_and(|own| own.as_str() == mark.operation));
    let Some(mark) = mark else {
        let message = format!("{path:?} does not carry the mark of this restore and stays as it is");
        return Err(Error::new(ErrorKind::PermissionDenied, message));
    };
    if mark.met == Met::Unfinished {
        let message = format!("{path:?} was taken up again and may hold files of others; it stays as it is");
        return Err(Error::new(ErrorKind::PermissionDenied, message));
    }
    let failed = |error: Errno| from_io(error.into(), "remove", path);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?;
    rustix::fs::fchmod(&root, Mode::RWXU).map_err(failed)?;
    empty(root, DEPTH_MAX).map_err(failed)?;
    if mark.met == Met::Missing {
        return std::fs::remove_dir(path).map_err(|error| from_io(error, "remove", path));
    }
    mark::clear(path)
}

/// Removes everything inside a directory, through descriptors.
fn empty(directory: OwnedFd, depth: usize) -> rustix::io::Result<()> {
    for (name, kind) in entries(&directory)? {
        let is_directory = match kind {
            FileType::Directory => true,
            FileType::Unknown => {
                let stat = rustix::fs::statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            _ => false,
        };
        if is_directory {
            let inner = open_for_removal(&directory, &name)?;
            empty(inner, depth.checked_sub(1).ok_or(Errno::LOOP)?)?;
            rustix::fs::unlinkat(&directory, &name, AtFlags::REMOVEDIR)?;
        } else {
            rustix::fs::unlinkat(&directory, &name, AtFlags::empty())?;
        }
    }
    Ok(())
}

fn entries(directory: &OwnedFd) -> rustix::io::Result<Vec<(CString, FileType)>> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            entries.push((entry.file_name().to_owned(), entry.file_type()));
        }
    }
    Ok(entries)
}

/// Opens a directory, after giving its owner every right to it: it may have been restored without.
fn open_for_removal(parent: &OwnedFd, name: &CString) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = rustix::fs::openat(parent, name, flags | OFlags::PATH, Mode::empty())?;
    let own = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&handle.as_fd()));
    rustix::fs::chmod(OsStr::from_bytes(own.as_bytes()), Mode::RWXU)?;
    rustix::fs::openat(parent, name, flags | OFlags::RDONLY, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::target::{Place, place::claim};

    #[test]
    fn only_the_marking_operation_removes_a_tree_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "x").unwrap();
        let place = Place { path: dir.path().join("new"), restore: "r".into() };
        let (mine, theirs): (OperationId, OperationId) = ("mine".parse().unwrap(), "theirs".parse().unwrap());
        claim(&place, &mine).unwrap();
        fs::create_dir_all(place.path.join("a/b")).unwrap();
        fs::write(place.path.join("a/b/file"), "x").unwrap();
        symlink(&outside, place.path.join("link")).unwrap();
        fs::set_permissions(place.path.join("a/b"), fs::Permissions::from_mode(0o000)).unwrap();
        for other in [None, Some(&theirs)] {
            assert_eq!(discard(&place.path, other).unwrap_err().kind(), ErrorKind::PermissionDenied);
        }
        assert!(place.path.join("a").exists());
        discard(&place.path, Some(&mine)).unwrap();
        discard(&place.path, Some(&mine)).unwrap();
        assert!(!place.path.exists() && outside.join("kept").exists());
    }

    #[test]
    fn a_directory_that_was_found_empty_stays_empty() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { path: dir.path().to_path_buf(), restore: "r".into() };
        let mine: OperationId = "mine".parse().unwrap();
        claim(&place, &mine).unwrap();
        fs::write(place.path.join("file"), "x").unwrap();
        discard(&place.path, Some(&mine)).unwrap();
        assert_eq!(fs::read_dir(&place.path).unwrap().count(), 0);
        assert_eq!(discard(&place.path, Some(&mine)).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
