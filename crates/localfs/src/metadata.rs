//! What the file system says about an entry.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags, StatxTimestamp};

/// What is asked of the system; the time of creation is not kept by every file system.
const WANTED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

/// A point in time as file systems record it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a timestamp is these two numbers")]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z; negative before it.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1 000 000 000.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Joins seconds since the epoch and nanoseconds.
    pub const fn new(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds }
    }
}

impl From<StatxTimestamp> for Timestamp {
    fn from(stamp: StatxTimestamp) -> Self {
        Self { seconds: stamp.tv_sec, nanoseconds: stamp.tv_nsec }
    }
}

/// The kinds of entries a Unix directory can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "POSIX names no other kinds, and callers must treat each one")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix-domain socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
}

impl FileKind {
    fn from_mode(mode: u32) -> Option<Self> {
        Some(match FileType::from_raw_mode(mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo => Self::Fifo,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice => Self::CharDevice,
            FileType::BlockDevice => Self::BlockDevice,
            FileType::Unknown => return None,
        })
    }
}

/// One entry's metadata at the moment it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// What the entry is.
    pub kind: FileKind,
    /// Permission bits with set-user-id, set-group-id and sticky (`0o7777` at most).
    pub mode: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Last access.
    pub accessed: Timestamp,
    /// Last change of content.
    pub modified: Timestamp,
    /// Last change of inode (content or attributes); the system alone sets it.
    pub changed: Timestamp,
    /// When the inode was made, where the file system says so.
    pub created: Option<Timestamp>,
    /// Content length in bytes; for a symbolic link, the target's length.
    pub size: u64,
    /// Inode number.
    pub inode: u64,
    /// The device (file system) the entry lives on.
    pub device: u64,
    /// Number of hard links.
    pub links: u64,
    /// For device nodes, the device they stand for; otherwise 0.
    pub special_device: u64,
}

/// An open file, by the word of whoever keeps it: clients of network file systems answer for up to a minute from what they
/// were told before (statx(2), `AT_STATX_FORCE_SYNC`).
const ASKED: AtFlags = AtFlags::EMPTY_PATH.union(AtFlags::STATX_FORCE_SYNC);

impl Metadata {
    /// Whether size, content time, inode time and inode are those of `earlier`: nothing the system records has
    /// moved, so the content and attributes are taken to be unchanged.
    pub fn unchanged_since(&self, earlier: &Self) -> bool {
        self.kind == earlier.kind
            && self.size == earlier.size
            && self.modified == earlier.modified
            && self.changed == earlier.changed
            && self.inode == earlier.inode
            && self.device == earlier.device
    }

    /// Whether both describe the same inode.
    pub fn same_inode(&self, other: &Self) -> bool {
        self.inode == other.inode && self.device == other.device
    }

    pub(crate) fn of(fd: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        Self::statx(fd, c"", AtFlags::EMPTY_PATH)
    }

    /// As it is now, also where the file lies on another machine and this one remembers how it was a while ago.
    pub(crate) fn asked(fd: BorrowedFd<'_>) -> rustix::io::Result<Self> {
        Self::statx(fd, c"", ASKED)
    }

    pub(crate) fn at(directory: BorrowedFd<'_>, name: impl rustix::path::Arg) -> rustix::io::Result<Self> {
        Self::statx(directory, name, AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT)
    }

    fn statx(fd: impl AsFd, name: impl rustix::path::Arg, flags: AtFlags) -> rustix::io::Result<Self> {
        let stat = rustix::fs::statx(fd, name, flags, WANTED)?;
        Self::from_statx(&stat).ok_or(rustix::io::Errno::OPNOTSUPP)
    }

    fn from_statx(stat: &Statx) -> Option<Self> {
        let mode = u32::from(stat.stx_mode);
        Some(Self {
            kind: FileKind::from_mode(mode)?,
            mode: mode & 0o7777,
            uid: stat.stx_uid,
            gid: stat.stx_gid,
            accessed: stat.stx_atime.into(),
            modified: stat.stx_mtime.into(),
            changed: stat.stx_ctime.into(),
            created: (stat.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| stat.stx_btime.into()),
            size: stat.stx_size,
            inode: stat.stx_ino,
            device: rustix::fs::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            links: u64::from(stat.stx_nlink),
            special_device: rustix::fs::makedev(stat.stx_rdev_major, stat.stx_rdev_minor),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_file_changed_is_asked_of_whoever_keeps_it() {
        assert!(ASKED.contains(AtFlags::STATX_FORCE_SYNC));
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Metadata::asked(file.as_fd()).unwrap(), Metadata::of(file.as_fd()).unwrap());
    }
}
