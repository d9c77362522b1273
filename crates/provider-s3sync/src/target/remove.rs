//! Removing what a failed restore made.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use stillpoint_core::{Error, ErrorKind, OperationId, Result};

use super::mark::{self, Met};
use crate::error::from_io;

/// Levels descended into at once, each with a descriptor of its own. What lies deeper is moved up first, so that no
/// depth of a tree exhausts the descriptors or the stack.
const LEVELS_AT_ONCE: usize = 64;

/// The beginning of the names of subtrees that were moved up.
const MOVED_UP: &str = ".stillpoint-discard-";

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
    empty_root(&root).map_err(failed)?;
    if mark.met == Met::Missing {
        return std::fs::remove_dir(path).map_err(|error| from_io(error, "remove", path));
    }
    mark::clear(path)
}

/// Removes everything inside a directory, through descriptors.
fn empty_root(root: &OwnedFd) -> rustix::io::Result<()> {
    let mut moved = 0;
    // Each round removes all there is but the subtrees it moved up, which are 64 levels lower than before.
    while !entries(root)?.is_empty() {
        empty(root, root, LEVELS_AT_ONCE, &mut moved)?;
    }
    Ok(())
}

fn empty(root: &OwnedFd, directory: &OwnedFd, levels: usize, moved: &mut u64) -> rustix::io::Result<()> {
    for (name, kind) in entries(directory)? {
        let is_directory = match kind {
            FileType::Directory => true,
            FileType::Unknown => {
                let stat = rustix::fs::statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            _ => false,
        };
        if !is_directory {
            rustix::fs::unlinkat(directory, &name, AtFlags::empty())?;
            continue;
        }
        let inner = open_for_removal(directory, &name)?;
        match levels.checked_sub(1) {
            Some(levels) => {
                empty(root, &inner, levels, moved)?;
                rustix::fs::unlinkat(directory, &name, AtFlags::REMOVEDIR)?;
            }
            None => move_up(root, directory, &name, moved)?,
        }
    }
    Ok(())
}

/// Moves the directory `name` to the root of the tree that is being removed, under a name that is free there.
fn move_up(root: &OwnedFd, parent: &OwnedFd, name: &CString, moved: &mut u64) -> rustix::io::Result<()> {
    loop {
        let above = format!("{MOVED_UP}{moved}");
        *moved += 1;
        match rustix::fs::renameat_with(parent, name, root, above.as_str(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            // Where the flag is unknown, a directory still replaces nothing but an empty directory.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                match rustix::fs::renameat(parent, name, root, above.as_str()) {
                    Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                    done => return done,
                }
            }
            done => return done,
        }
    }
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

    #[test]
    fn a_tree_deeper_than_the_descriptors_suffice_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { path: dir.path().join("new"), restore: "r".into() };
        let mine: OperationId = "mine".parse().unwrap();
        claim(&place, &mine).unwrap();
        let mut level = rustix::fs::open(&place.path, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..2000 {
            rustix::fs::mkdirat(&level, "d", Mode::RWXU).unwrap();
            rustix::fs::symlinkat("/", &level, "up").unwrap();
            level = rustix::fs::openat(&level, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        drop(level);
        fs::create_dir(place.path.join(".stillpoint-discard-0")).unwrap();
        // A limit for this process that holding a descriptor for each level would exceed.
        let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        limit.current = limit.current.map(|current| current.min(512));
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        discard(&place.path, Some(&mine)).unwrap();
        assert!(!place.path.exists());
    }
}
