//! Removing what a failed restore made.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, StatxFlags};
use rustix::io::Errno;
use stillpoint_core::{Error, ErrorKind, OperationId, Result};
use stillpoint_localfs::RESTORE_MARKER_PREFIX;

use super::mark::{self, Met, Moment, moment};
use crate::error::from_io;

/// Levels descended into at once, each with a descriptor of its own. What lies deeper is moved up first, so that no
/// depth of a tree exhausts the descriptors or the stack.
const LEVELS_AT_ONCE: usize = 64;

/// The beginning of the names of subtrees that were moved up.
const MOVED_UP: &str = ".stillpoint-discard-";

/// Removes the tree at `path` if it carries the mark of `operation`; a directory that the restore had found empty
/// stays, empty again. Absent is a success. No link is followed and no other file system entered, and what somebody else
/// wrote there since the restore began stays: a restored entry has its own time before it has its name, so a time
/// between the restore's beginning and now is somebody else's. So is what was born before, as everything moved here
/// was. What was copied here under an old time cannot be told from what was restored, and goes.
///
/// # Errors
/// `PermissionDenied` where it does not carry the mark, where something of others stays, or the system refuses.
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
    let stat = rustix::fs::fstat(&root).map_err(failed)?;
    let since = mark.made.zip(moment(stat.st_ctime, stat.st_ctime_nsec));
    let mut removal = Removal { root: &root, device: stat.st_dev, since, moved: 0, kept: 0 };
    removal.run().map_err(failed)?;
    if removal.kept > 0 {
        let message = format!(
            "{path:?} holds {} entries that were written by others since the restore began, or lie on another file \
             system; they stay",
            removal.kept
        );
        return Err(Error::new(ErrorKind::PermissionDenied, message));
    }
    if mark.met == Met::Missing {
        return std::fs::remove_dir(path).map_err(|error| from_io(error, "remove", path));
    }
    mark::clear(path)
}

/// The removal of everything inside a directory, through descriptors.
struct Removal<'a> {
    root: &'a OwnedFd,
    /// The file system of the root.
    device: u64,
    /// When the restore began, and now, where the first is known.
    since: Option<(Moment, Moment)>,
    /// Subtrees that were moved up.
    moved: u64,
    /// Entries that are not the restore's.
    kept: u64,
}

impl Removal<'_> {
    fn run(&mut self) -> rustix::io::Result<()> {
        // What a restore had not finished has no time of its own yet.
        for name in entries(self.root)? {
            if name.to_bytes().starts_with(RESTORE_MARKER_PREFIX.as_bytes()) {
                let since = self.since.take();
                self.entry(self.root, &name, LEVELS_AT_ONCE)?;
                self.since = since;
            }
        }
        // Each round removes all there is but the subtrees it moved up, which are 64 levels lower than before.
        loop {
            let moved = self.moved;
            self.kept = 0;
            self.inside(self.root, LEVELS_AT_ONCE)?;
            if self.moved == moved {
                return Ok(());
            }
        }
    }

    fn inside(&mut self, directory: &OwnedFd, levels: usize) -> rustix::io::Result<()> {
        entries(directory)?.iter().try_for_each(|name| self.entry(directory, name, levels))
    }

    fn entry(&mut self, directory: &OwnedFd, name: &CString, levels: usize) -> rustix::io::Result<()> {
        let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let time = moment(stat.st_mtime, stat.st_mtime_nsec);
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let foreign = self.since.is_some_and(|(began, now)| {
            let written = time.is_some_and(|time| began < time && time <= now);
            !is_directory && (written || birth(directory, name).is_some_and(|born| born < began))
        });
        if stat.st_dev != self.device || foreign {
            self.kept += 1;
            return Ok(());
        }
        if !is_directory {
            return rustix::fs::unlinkat(directory, name, AtFlags::empty());
        }
        let inner = open_for_removal(directory, name)?;
        let Some(levels) = levels.checked_sub(1) else {
            return move_up(self.root, directory, name, &mut self.moved);
        };
        let kept = self.kept;
        self.inside(&inner, levels)?;
        match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if self.kept > kept => Ok(()),
            removed => removed,
        }
    }
}

/// When an entry was made, where the file system knows.
fn birth(directory: &OwnedFd, name: &CString) -> Option<Moment> {
    let stat = rustix::fs::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BTIME).ok()?;
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    known.then(|| moment(stat.stx_btime.tv_sec, stat.stx_btime.tv_nsec)).flatten()
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

fn entries(directory: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            entries.push(entry.file_name().to_owned());
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
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{Timespec, Timestamps};

    use super::*;
    use crate::target::{Place, place::claim};

    /// Gives an entry a time as a restore does.
    fn restored(directory: impl AsFd, name: &str) {
        let long_ago = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
        let times = Timestamps { last_access: long_ago, last_modification: long_ago };
        rustix::fs::utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }

    fn restored_at(path: &Path) {
        restored(rustix::fs::CWD, path.to_str().unwrap());
    }

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
        restored_at(&place.path.join("a/b/file"));
        restored_at(&place.path.join("link"));
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
        restored_at(&place.path.join("file"));
        discard(&place.path, Some(&mine)).unwrap();
        assert_eq!(fs::read_dir(&place.path).unwrap().count(), 0);
        assert_eq!(discard(&place.path, Some(&mine)).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }

    #[test]
    fn what_was_written_since_the_restore_began_stays_and_the_rest_goes() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { path: dir.path().join("new"), restore: "r".into() };
        let mine: OperationId = "mine".parse().unwrap();
        claim(&place, &mine).unwrap();
        for path in ["a/restored", "b/restored", "b/of-the-user", ".stillpoint-restore-r/7"] {
            fs::create_dir_all(place.path.join(path).parent().unwrap()).unwrap();
            fs::write(place.path.join(path), path).unwrap();
        }
        restored_at(&place.path.join("a/restored"));
        restored_at(&place.path.join("b/restored"));
        // The clock of the file system has moved on since the claim.
        while fs::write(place.path.join("b/of-the-user"), "work").is_ok()
            && mark::read(&place.path).unwrap().unwrap().made.unwrap()
                >= time(&place.path.join("b/of-the-user"))
        {}
        let refused = discard(&place.path, Some(&mine)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
        let names =
            |path: &Path| fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        assert_eq!(
            (names(&place.path), names(&place.path.join("b"))),
            (vec![OsString::from("b")], vec![OsString::from("of-the-user")])
        );
        fs::remove_file(place.path.join("b/of-the-user")).unwrap();
        discard(&place.path, Some(&mine)).unwrap();
        assert!(!place.path.exists());
    }

    #[test]
    fn what_was_moved_there_with_its_old_time_stays() {
        let dir = tempfile::tempdir().unwrap();
        let thesis = dir.path().join("thesis");
        fs::write(&thesis, "the only copy").unwrap();
        restored_at(&thesis);
        let place = Place { path: dir.path().join("new"), restore: "r".into() };
        let mine: OperationId = "mine".parse().unwrap();
        // The clock of the file system has moved on since the thesis was begun.
        let clock = dir.path().join("clock");
        while fs::write(&clock, "x").is_ok() && time(&clock) <= born(&thesis) {}
        claim(&place, &mine).unwrap();
        fs::create_dir(place.path.join("a")).unwrap();
        fs::write(place.path.join("a/restored"), "x").unwrap();
        restored_at(&place.path.join("a/restored"));
        fs::rename(&thesis, place.path.join("a/thesis")).unwrap();
        let refused = discard(&place.path, Some(&mine)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied, "{refused}");
        assert_eq!(fs::read(place.path.join("a/thesis")).unwrap(), b"the only copy");
        assert!(!place.path.join("a/restored").exists());
    }

    fn born(path: &Path) -> Moment {
        let folder = rustix::fs::open(path.parent().unwrap(), OFlags::DIRECTORY, Mode::empty()).unwrap();
        birth(&folder, &CString::new(path.file_name().unwrap().as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_file_system_that_is_mounted_inside_stays() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place { path: dir.path().join("new"), restore: "r".into() };
        let mine: OperationId = "mine".parse().unwrap();
        claim(&place, &mine).unwrap();
        let inside = place.path.join("mounted");
        fs::create_dir(&inside).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        if rustix::mount::mount("none", &inside, "tmpfs", flags, None::<&std::ffi::CStr>).is_err() {
            // Only root may mount; root's run proves this.
            assert!(!rustix::process::geteuid().is_root());
            return;
        }
        fs::write(inside.join("precious"), "x").unwrap();
        restored_at(&inside.join("precious"));
        let refused = discard(&place.path, Some(&mine));
        let kept = inside.join("precious").exists();
        rustix::mount::unmount(&inside, rustix::mount::UnmountFlags::DETACH).unwrap();
        assert!(kept && refused.is_err(), "{refused:?}");
    }

    fn time(path: &Path) -> Moment {
        let stat = rustix::fs::stat(path).unwrap();
        moment(stat.st_mtime, stat.st_mtime_nsec).unwrap()
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
            restored(&level, "up");
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
