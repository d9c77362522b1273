//! A directory in which entries are built until they are whole, and the mount it serves: no rename leads to another one.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, StatxFlags};
use rustix::io::Errno;

use super::apply::Handle;
use crate::attributes::{ACL_ACCESS, ACL_DEFAULT};
use crate::beneath;
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};

/// The beginning of the name of the directory in which a restore works inside its target; the operation's id follows.
pub const RESTORE_MARKER_PREFIX: &str = ".stillpoint-restore-";

/// What tells mounts apart, and the volumes within one that are devices of their own. Kernels before 5.8 number no mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mount {
    device: u64,
    number: u64,
}

impl Mount {
    pub(super) fn of(directory: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        let wanted = StatxFlags::TYPE | StatxFlags::MNT_ID;
        let stat = rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, wanted)?;
        let device = rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor);
        let is_numbered = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Ok(Self { device, number: if is_numbered { stat.stx_mnt_id } else { 0 } })
    }
}

/// One such directory. It is locked against other runs of the same restore.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) fd: OwnedFd,
    pub(super) mount: Mount,
    /// User and group that new files in it get.
    pub(super) fresh_owner: (u32, u32),
    /// The directory that it lies in.
    place: OwnedFd,
    path: PathBuf,
    name: OsString,
}

impl Staging {
    /// Makes or takes over the marker of the restore `id` in the directory `place`, which errors call `path`.
    pub(super) fn open(place: &OwnedFd, path: &Path, id: &str) -> Result<Self> {
        let failed = |source| Error::io(Operation::Open, path, source);
        let name = marker_name(id);
        let fd = open_marker(place, path, &name, id)?;
        Ok(Self {
            mount: Mount::of(fd.as_fd()).map_err(|errno| failed(errno.into()))?,
            fresh_owner: probe_owner(&fd, path, &name)?,
            fd,
            place: place.try_clone().map_err(failed)?,
            path: path.to_path_buf(),
            name,
        })
    }

    pub(super) fn discard(&self, staged: &OsStr) -> Result<()> {
        rustix::fs::unlinkat(&self.fd, staged, AtFlags::empty())
            .map_err(|source| Error::io(Operation::Remove, staged, source))
    }

    /// Removes what a killed run left behind, but for `kept`. Everything in the directory is a plain entry of ours.
    pub(super) fn clear(&self, kept: &[&str]) -> Result<()> {
        let list = |source| Error::io(Operation::List, &self.path, source);
        let mut leftovers = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(list)? {
            let name = entry.map_err(list)?.file_name().to_owned();
            let stays = kept.iter().any(|kept| kept.as_bytes() == name.as_bytes());
            if name.as_bytes() != b"." && name.as_bytes() != b".." && !stays {
                leftovers.push(name);
            }
        }
        leftovers.iter().try_for_each(|name| self.discard(OsStr::from_bytes(name.as_bytes())))
    }

    /// Flushes the file system that it serves.
    pub(super) fn sync(&self) -> Result<()> {
        rustix::fs::syncfs(&self.fd).map_err(|source| Error::io(Operation::Sync, &self.path, source))
    }

    /// Removes the directory, which is empty.
    pub(super) fn remove(&self) -> Result<()> {
        rustix::fs::unlinkat(&self.place, &self.name, AtFlags::REMOVEDIR)
            .map_err(|source| Error::io(Operation::Remove, self.path.join(&self.name), source))
    }

    /// Removes the directory with what is in it, and leaves mode and times of the one that it lies in as they are.
    pub(super) fn withdraw(&self) -> Result<()> {
        let failed = |source| Error::io(Operation::Stat, &self.path, source);
        self.clear(&[])?;
        let before = Metadata::of(self.place.as_fd()).map_err(failed)?;
        let is_writable = !make_writable(&self.place, &self.path)?;
        let removed = self.remove();
        let place = Handle::Open(self.place.as_fd(), FileKind::Directory);
        let kept = if is_writable { Ok(()) } else { place.set_mode(Mode::from_raw_mode(before.mode)) };
        if let Err(error) = kept.and_then(|()| place.set_times(before.accessed, before.modified)) {
            tracing::debug!(path = ?self.path, %error, "a directory shows that a restore worked in it");
        }
        removed
    }
}

/// Lets the owner write into a directory whose final mode is set already. Answers whether that changed the mode.
pub(super) fn make_writable(directory: &OwnedFd, path: &Path) -> Result<bool> {
    let failed = |source| Error::io(Operation::SetAttributes, path, source);
    let metadata = Metadata::of(directory.as_fd()).map_err(failed)?;
    if metadata.mode & 0o300 == 0o300 || metadata.uid != rustix::process::geteuid().as_raw() {
        return Ok(false);
    }
    rustix::fs::fchmod(directory, Mode::from_raw_mode(metadata.mode | 0o700)).map_err(failed)?;
    Ok(true)
}

pub(super) fn marker_name(id: &str) -> OsString {
    format!("{RESTORE_MARKER_PREFIX}{id}").into()
}

/// Whether a name is the one of the restore `id`.
pub(super) fn is_marker(name: &OsStr, id: &str) -> bool {
    name.as_bytes().strip_prefix(RESTORE_MARKER_PREFIX.as_bytes()) == Some(id.as_bytes())
}

/// Makes or takes over the marker directory and locks it against other runs of the same restore.
fn open_marker(root: &OwnedFd, path: &Path, marker: &OsStr, id: &str) -> Result<OwnedFd> {
    let failed = |source| Error::io(Operation::Create, path.join(marker), source);
    match rustix::fs::mkdirat(root, marker, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(source) => return Err(failed(source)),
    }
    let staging = beneath::open_directory(root.as_fd(), Path::new(marker)).map_err(failed)?;
    let opened = Metadata::of(staging.as_fd()).map_err(failed)?;
    if !is_ours(opened.uid, rustix::process::geteuid().as_raw(), || probe_owner(&staging, path, marker))? {
        return Err(Error::TargetHeld { path: path.to_path_buf(), id: id.to_owned() });
    }
    let busy = || Error::TargetBusy { path: path.to_path_buf(), id: id.to_owned() };
    match rustix::fs::flock(&staging, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Err(busy()),
        Err(source) => return Err(Error::io(Operation::Lock, path.join(marker), source)),
    }
    // The run that held the lock may have finished and removed the marker between our opening and locking it.
    match Metadata::at(root.as_fd(), marker) {
        Ok(found) if found.same_inode(&opened) => {}
        _ => return Err(busy()),
    }
    rustix::fs::fchmod(&staging, Mode::RWXU).map_err(failed)?;
    // An access list inherited from the target would pass to every file built here.
    for name in [ACL_DEFAULT, ACL_ACCESS] {
        match rustix::fs::fremovexattr(&staging, name) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(source) => return Err(failed(source)),
        }
    }
    Ok(staging)
}

/// Whether a directory of `owner` is of this process: it is `own`, or new entries in the directory get that owner because the
/// file system gives it to whatever is made on it. Whoever may make nothing there did not make the directory.
fn is_ours(owner: u32, own: u32, fresh: impl FnOnce() -> Result<(u32, u32)>) -> Result<bool> {
    if owner == own {
        return Ok(true);
    }
    match fresh() {
        Ok((user, _)) => Ok(user == owner),
        Err(error) if error.is_permission_denied() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Learns the user and group that new files get, which mount options and network file systems may decide.
fn probe_owner(staging: &OwnedFd, path: &Path, marker: &OsStr) -> Result<(u32, u32)> {
    let made = fresh(staging, "owner");
    let metadata = made.map_err(|source| Error::io(Operation::Create, path.join(marker), source))?;
    Ok((metadata.uid, metadata.gid))
}

/// What a file is like that is new in `directory`. It is made under `name`, which is ours, and removed.
pub(super) fn fresh(directory: impl AsFd, name: &str) -> rustix::io::Result<Metadata> {
    match rustix::fs::unlinkat(&directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(source) => return Err(source),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let probe = rustix::fs::openat(&directory, name, flags, Mode::RUSR | Mode::WUSR)?;
    let metadata = Metadata::of(probe.as_fd());
    rustix::fs::unlinkat(&directory, name, AtFlags::empty())?;
    metadata
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_ours_where_the_file_system_gives_one_owner_to_all_that_is_made_on_it() {
        let refused = |errno: Errno| Error::io(Operation::Create, "marker", errno);
        assert!(is_ours(0, 0, || Err(refused(Errno::IO))).unwrap(), "nothing needs to be made");
        // Root behind an access point, or squashed.
        assert!(is_ours(1000, 0, || Ok((1000, 1000))).unwrap());
        // Another user's on a file system that obeys.
        assert!(!is_ours(1000, 0, || Ok((0, 0))).unwrap());
        assert!(!is_ours(1000, 1001, || Err(refused(Errno::ACCESS))).unwrap());
        assert!(is_ours(1000, 0, || Err(refused(Errno::IO))).is_err());
    }
}
