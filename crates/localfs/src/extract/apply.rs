//! Setting attributes through descriptors, and saying what could not be set.

use std::os::fd::BorrowedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

use super::target::Target;
use super::{Landing, WarningKind};
use crate::attributes::{
    ACL_ACCESS, ACL_DEFAULT, Attributes, ExtendedAttribute, descriptor_path, is_privileged, read_open,
};
use crate::metadata::{FileKind, Timestamp};

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
    /// Sets owner, extended attributes, mode and times, in this order: a change of owner clears the set-id bits, and a
    /// read-only mode would forbid setting `user.*` attributes.
    pub(super) fn apply(&self, handle: Handle<'_>, path: &Path, wanted: &Attributes) {
        let owned = !self.options.owners || self.apply_owner(handle, path, wanted);
        self.apply_extended(handle, path, &wanted.extended);
        if handle.kind() != FileKind::Symlink {
            self.apply_mode(handle, path, wanted, owned);
        }
        if let Err(errno) = handle.set_times(wanted.accessed, wanted.modified) {
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

    fn apply_extended(&self, handle: Handle<'_>, path: &Path, wanted: &[ExtendedAttribute]) {
        if handle.kind() == FileKind::Directory {
            // A directory may have inherited an access list from the target's own.
            for acl in [ACL_ACCESS, ACL_DEFAULT] {
                let listed = wanted.iter().any(|entry| entry.name.as_encoded_bytes() == acl.to_bytes());
                if !listed && let Err(errno) = handle.remove_extended(acl) {
                    let name = acl.to_string_lossy().into_owned();
                    self.warn(path, WarningKind::AttributeNotSet(name.into()), Some(errno));
                }
            }
        }
        for attribute in wanted {
            if is_privileged(&attribute.name) && !self.options.privileged {
                self.warn(path, WarningKind::AttributeWithheld(attribute.name.clone()), None);
            } else if let Err(errno) = handle.set_extended(attribute) {
                self.warn(path, WarningKind::AttributeNotSet(attribute.name.clone()), Some(errno));
            }
        }
    }

    /// When replacing, removes what the backup does not know of: access lists, capabilities, and attributes of users.
    pub(super) fn remove_unknown(&self, handle: Handle<'_>, path: &Path, wanted: &[ExtendedAttribute]) {
        if self.options.landing != Landing::Replace {
            return;
        }
        let stands = match read_open(handle.fd()) {
            Ok(stands) => stands,
            Err(errno) => return self.warn(path, WarningKind::AttributeNotSet("user.*".into()), Some(errno)),
        };
        for name in stands.into_iter().map(|attribute| attribute.name) {
            let withheld = is_privileged(&name) && !self.options.privileged;
            let known = !withheld && wanted.iter().any(|attribute| attribute.name == name);
            if !known
                && may_be_removed(name.as_encoded_bytes())
                && let Err(errno) = handle.remove_extended(&name)
            {
                self.warn(path, WarningKind::AttributeNotSet(name), Some(errno));
            }
        }
    }

    fn apply_mode(&self, handle: Handle<'_>, path: &Path, wanted: &Attributes, owned: bool) {
        let mut mode = wanted.mode & 0o7777;
        // With another owner than intended the bits would grant another user's powers.
        if mode & 0o6000 != 0 && (!self.options.privileged || !owned) {
            mode &= 0o1777;
            self.warn(path, WarningKind::SetIdWithheld, None);
        }
        if let Err(errno) = handle.set_mode(Mode::from_raw_mode(mode)) {
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

    const fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Open(fd, _) | Self::Fresh(fd, _) | Self::PathOnly(fd, _) => *fd,
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

/// Whether an attribute that a backup does not know is taken off an entry that is brought to the backup's state. What
/// labels the system, and what marks the restore itself, stays.
pub(super) fn may_be_removed(name: &[u8]) -> bool {
    let of_users = name.starts_with(b"user.") && !name.starts_with(b"user.stillpoint.");
    of_users || [ACL_ACCESS.to_bytes(), ACL_DEFAULT.to_bytes(), b"security.capability"].contains(&name)
}

fn timespec(stamp: Timestamp) -> Result<Timespec> {
    // Larger values are commands to the system ("now", "leave as it is"), not times.
    if stamp.nanoseconds >= 1_000_000_000 {
        return Err(Errno::INVAL);
    }
    Ok(Timespec { tv_sec: stamp.seconds, tv_nsec: stamp.nanoseconds.into() })
}
