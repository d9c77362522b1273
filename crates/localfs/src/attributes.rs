//! Extended attributes, and the set of attributes a restored entry gets.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use rustix::io::{Errno, Result};

use crate::metadata::{FileKind, Metadata, Timestamp};

/// The longest value and the longest list of names the system hands out, in bytes (`xattr(7)`).
const LENGTH_MAX: usize = 64 * 1024;

/// One extended attribute. POSIX ACLs are the attributes `system.posix_acl_access` and `system.posix_acl_default`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "an attribute is a name and a value")]
pub struct ExtendedAttribute {
    /// The full name with its namespace, such as `user.comment`.
    pub name: OsString,
    /// The value, any bytes.
    pub value: Vec<u8>,
}

impl ExtendedAttribute {
    /// Joins a name and a value.
    pub fn new(name: impl Into<OsString>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// What a restored entry shall look like besides its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attributes {
    /// Permission bits with set-user-id, set-group-id and sticky (`0o7777` at most); ignored for symbolic links.
    pub mode: u32,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
    /// Last access.
    pub accessed: Timestamp,
    /// Last change of content.
    pub modified: Timestamp,
    /// Extended attributes, ACLs among them.
    pub extended: Vec<ExtendedAttribute>,
}

impl Attributes {
    /// Attributes with this mode and owner, both times at the epoch and no extended attributes.
    pub fn new(mode: u32, uid: u32, gid: u32) -> Self {
        Self { mode, uid, gid, ..Self::default() }
    }

    /// Whether an entry has this owner, this time of its content and, unless it is a symbolic link, this mode. Extended
    /// attributes are not looked at.
    pub fn are_those_of(&self, metadata: &Metadata) -> bool {
        let mode = metadata.kind == FileKind::Symlink || metadata.mode == self.mode;
        mode && (metadata.uid, metadata.gid, metadata.modified) == (self.uid, self.gid, self.modified)
    }

    /// The attributes that make a restored entry equal to a captured one.
    pub fn of(metadata: &Metadata, extended: Vec<ExtendedAttribute>) -> Self {
        Self {
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            accessed: metadata.accessed,
            modified: metadata.modified,
            extended,
        }
    }

    /// Sets both times.
    #[must_use]
    pub fn with_times(mut self, accessed: Timestamp, modified: Timestamp) -> Self {
        (self.accessed, self.modified) = (accessed, modified);
        self
    }

    /// Sets the extended attributes.
    #[must_use]
    pub fn with_extended(mut self, extended: Vec<ExtendedAttribute>) -> Self {
        self.extended = extended;
        self
    }
}

/// The path by which calls that take no descriptor reach exactly the inode behind one, even one opened with `O_PATH`.
pub(crate) fn descriptor_path(fd: impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}

/// Reads every extended attribute of an open file or directory, sorted by name.
pub(crate) fn read_open(fd: impl AsFd) -> Result<Vec<ExtendedAttribute>> {
    let fd = fd.as_fd();
    read_with(|list| rustix::fs::flistxattr(fd, list), |name, value| rustix::fs::fgetxattr(fd, name, value))
}

/// Reads every extended attribute of an inode held by an `O_PATH` descriptor, sorted by name.
pub(crate) fn read_path_only(fd: impl AsFd) -> Result<Vec<ExtendedAttribute>> {
    let path = descriptor_path(&fd);
    read_with(
        |list| rustix::fs::listxattr(&path, list),
        |name, value| rustix::fs::getxattr(&path, name, value),
    )
}

fn read_with(
    list: impl Fn(&mut [u8]) -> Result<usize>,
    value: impl Fn(&CString, &mut [u8]) -> Result<usize>,
) -> Result<Vec<ExtendedAttribute>> {
    let names = match filled(&list) {
        // The file system keeps no extended attributes, so there are none.
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut attributes = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let Ok(c_name) = CString::new(name) else { continue };
        match filled(|buffer| value(&c_name, buffer)) {
            Ok(value) => {
                attributes.push(ExtendedAttribute { name: OsString::from_vec(name.to_vec()), value })
            }
            // Removed since it was listed, or listed by a file system that then denies it.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(error) => return Err(error),
        }
    }
    attributes.sort();
    Ok(attributes)
}

fn filled(read: impl Fn(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut small = [0; 256];
    match read(&mut small) {
        Ok(length) => Ok(small.get(..length).unwrap_or_default().to_vec()),
        Err(Errno::RANGE) => {
            let mut buffer = vec![0; LENGTH_MAX];
            let length = read(&mut buffer)?;
            buffer.truncate(length);
            buffer.shrink_to_fit();
            Ok(buffer)
        }
        Err(error) => Err(error),
    }
}

/// Whether `name` lies in a namespace that can grant privileges: file capabilities, security labels, trusted data.
pub(crate) fn is_privileged(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"security.") || name.as_bytes().starts_with(b"trusted.")
}

/// The attribute that holds a POSIX access control list.
pub(crate) const ACL_ACCESS: &std::ffi::CStr = c"system.posix_acl_access";

/// The attribute that holds the access control list new entries of a directory inherit.
pub(crate) const ACL_DEFAULT: &std::ffi::CStr = c"system.posix_acl_default";

/// The attribute that holds a file's capabilities (`capabilities(7)`).
pub(crate) const CAPABILITY: &str = "security.capability";
