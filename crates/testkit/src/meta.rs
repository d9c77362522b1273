//! Reading and setting the metadata that the standard library does not reach.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};

/// A moment as the kernel keeps it: seconds since 1970 and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    pub(crate) secs: i64,
    pub(crate) nanos: i64,
}

pub(crate) fn set_times(path: &Path, modified: Moment) -> io::Result<()> {
    let spec = Timespec { tv_sec: modified.secs, tv_nsec: modified.nanos };
    let times = Timestamps { last_access: spec, last_modification: spec };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

pub(crate) fn set_owner(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    Ok(rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

pub(crate) fn make_fifo(path: &Path, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::mkfifoat(CWD, path, Mode::from_raw_mode(mode))?)
}

pub(crate) fn set_xattr(path: &Path, name: &OsStr, value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())?)
}

/// Extended attributes of `path` itself, sorted by name; empty where the file system has none.
pub(crate) fn xattrs(path: &Path) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let mut names = Vec::with_capacity(4096);
    match rustix::fs::llistxattr(path, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(rustix::io::Errno::NOTSUP) => return Ok(Vec::new()),
        Err(rustix::io::Errno::RANGE) => {
            names.reserve(64 * 1024);
            rustix::fs::llistxattr(path, rustix::buffer::spare_capacity(&mut names))?;
        }
        Err(errno) => return Err(errno.into()),
    }
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        let mut value = Vec::with_capacity(64 * 1024);
        rustix::fs::lgetxattr(path, name, rustix::buffer::spare_capacity(&mut value))?;
        found.push((name.to_owned(), value));
    }
    found.sort();
    Ok(found)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
