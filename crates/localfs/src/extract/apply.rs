//! Setting attributes through descriptors, and saying what could not be set.

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use super::WarningKind;
use super::compare::{Changes, SET_ID};
use super::target::Target;
use crate::attributes::{Attributes, ExtendedAttribute, descriptor_path};
use crate::metadata::{FileKind, Metadata, Timestamp};

/// An entry whose attributes are set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Handle<'a> {
    /// A file or directory opened for reading or writing.
    Open(BorrowedFd<'a>, FileKind),
    /// A regular file that this process just made, with the user and group that its new files get.
    Fresh(BorrowedFd<'a>, (u32, u32)),
    /// Anything else, held by an `O_PATH` descriptor.
    PathOnly(BorrowedFd<'a>, FileKind),
}

impl Target {
    /// Gives a new entry its attributes.
    pub(super) fn apply(&self, handle: Handle<'_>, path: &Path, wanted: &Attributes) {
        self.carry_out(handle, path, wanted, &wanted.changes_of_new(&self.options));
    }

    /// Gives a file or directory that stands those of its attributes that it lacks. One that has them is not touched, not
    /// even by a call that would change nothing: setting an owner takes set-id bits and capabilities off.
    pub(super) fn settle(&self, fd: BorrowedFd<'_>, kind: FileKind, path: &Path, wanted: &Attributes) {
        let handle = Handle::Open(fd, kind);
        let found = Metadata::of(fd);
        match found.and_then(|found| wanted.changes_of_open(fd, &found, &self.options)) {
            Ok(changes) => self.carry_out(handle, path, wanted, &changes),
            Err(errno) => {
                self.warn(path, WarningKind::AttributeNotSet("user.*".into()), Some(errno));
                self.apply(handle, path, wanted);
            }
        }
    }

    /// Changes owner, extended attributes, mode and times, in this order: a change of owner clears the set-id bits, and a
    /// read-only mode would forbid setting `user.*` attributes.
    fn carry_out(&self, handle: Handle<'_>, path: &Path, wanted: &Attributes, changes: &Changes<'_>) {
        let owned = !changes.owner || self.apply_owner(handle, path, wanted);
        self.apply_extended(handle, path, changes);
        if handle.kind() != FileKind::Symlink {
            self.apply_mode(handle, path, changes, owned);
        }
        if changes.times
            && let Err(errno) = handle.set_times(wanted.accessed, wanted.modified)
        {
            self.warn(path, WarningKind::TimesNotSet, Some(errno));
        }
    }

    fn apply_owner(&self, handle: Handle<'_>, path: &Path, wanted: &Attributes) -> bool {
        if handle.is_owned_by(wanted.uid, wanted.gid) {
            return true;
        }
        let Err(errno) = handle.set_owner(Some(wanted.uid), Some(wanted.gid)) else {
            return true;
        };
        // A user may still hand a file to one of their own groups.
        if wanted.uid == rustix::process::geteuid().as_raw()
            || handle.set_owner(None, Some(wanted.gid)).is_ok()
        {
            tracing::trace!(?path, "group set without the owner");
        }
        self.warn(path, WarningKind::OwnerNotSet, Some(errno));
        false
    }

    fn apply_extended(&self, handle: Handle<'_>, path: &Path, changes: &Changes<'_>) {
        for name in &changes.withheld {
            self.warn(path, WarningKind::AttributeWithheld((*name).to_owned()), None);
        }
        let removed = changes.removed.iter().map(|name| (name, handle.remove_extended(name)));
        let set = changes.set.iter().map(|attribute| (&attribute.name, handle.set_extended(attribute)));
        for (name, done) in removed.chain(set) {
            if let Err(errno) = done {
                self.warn(path, WarningKind::AttributeNotSet(name.clone()), Some(errno));
            }
        }
    }

    fn apply_mode(&self, handle: Handle<'_>, path: &Path, changes: &Changes<'_>, owned: bool) {
        // With another owner than intended the bits would grant another user's powers.
        let grants_others = !owned && changes.mode.is_some_and(|mode| mode & SET_ID != 0);
        if changes.set_id_withheld || grants_others {
            self.warn(path, WarningKind::SetIdWithheld, None);
        }
        let mode = changes.mode.map(|mode| if owned { mode } else { mode & !SET_ID });
        if let Some(mode) = mode
            && let Err(errno) = handle.set_mode(Mode::from_raw_mode(mode))
        {
            self.warn(path, WarningKind::ModeNotSet, Some(errno));
        }
    }
}

impl Handle<'_> {
    const fn kind(self) -> FileKind {
        match self {
            Self::Open(_, kind) | Self::PathOnly(_, kind) => kind,
            Self::Fresh(..) => FileKind::File,
        }
    }

    /// Whether the entry has this owner already, because a new file of this process has it.
    fn is_owned_by(self, uid: u32, gid: u32) -> bool {
        matches!(self, Self::Fresh(_, owner) if owner == (uid, gid))
    }

    fn set_owner(self, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        // The all-ones id means "leave as it is" to the system and cannot be an owner.
        if uid == Some(u32::MAX) || gid == Some(u32::MAX) {
            return Err(Errno::INVAL);
        }
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        match self {
            Self::Open(fd, _) | Self::Fresh(fd, _) => rustix::fs::fchown(fd, uid, gid),
            Self::PathOnly(fd, _) => rustix::fs::chownat(fd, c"", uid, gid, AtFlags::EMPTY_PATH),
        }
    }

    pub(super) fn set_mode(self, mode: Mode) -> Result<()> {
        match self {
            Self::Open(fd, _) | Self::Fresh(fd, _) => rustix::fs::fchmod(fd, mode),
            Self::PathOnly(fd, _) => rustix::fs::chmodat(CWD, descriptor_path(fd), mode, AtFlags::empty()),
        }
    }

    pub(super) fn set_times(self, accessed: Timestamp, modified: Timestamp) -> Result<()> {
        let times = Timestamps { last_access: timespec(accessed)?, last_modification: timespec(modified)? };
        match self {
            Self::Open(fd, _) | Self::Fresh(fd, _) => rustix::fs::futimens(fd, &times),
            Self::PathOnly(fd, _) => {
                rustix::fs::utimensat(CWD, descriptor_path(fd), &times, AtFlags::empty())
            }
        }
    }

    fn set_extended(self, attribute: &ExtendedAttribute) -> Result<()> {
        let (name, value) = (attribute.name.as_os_str(), attribute.value.as_slice());
        match self {
            Self::Open(fd, _) | Self::Fresh(fd, _) => {
                rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
            }
            Self::PathOnly(fd, _) => {
                rustix::fs::setxattr(descriptor_path(fd), name, value, XattrFlags::empty())
            }
        }
    }

    fn remove_extended(self, name: impl Arg) -> Result<()> {
        let removed = match self {
            Self::Open(fd, _) | Self::Fresh(fd, _) => rustix::fs::fremovexattr(fd, name),
            Self::PathOnly(fd, _) => rustix::fs::removexattr(descriptor_path(fd), name),
        };
        match removed {
            Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            other => other,
        }
    }
}

fn timespec(stamp: Timestamp) -> Result<Timespec> {
    // Larger values are commands to the system ("now", "leave as it is"), not times.
    if stamp.nanoseconds >= 1_000_000_000 {
        return Err(Errno::INVAL);
    }
    Ok(Timespec { tv_sec: stamp.seconds, tv_nsec: stamp.nanoseconds.into() })
}
