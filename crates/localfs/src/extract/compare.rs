//! Whether an entry has the attributes already that a restore would give it.

use std::os::fd::BorrowedFd;

use rustix::io::Result;

use super::apply::may_be_removed;
use super::{ExtractOptions, Landing};
use crate::attributes::{ACL_ACCESS, ACL_DEFAULT, Attributes, is_privileged, read_open};
use crate::metadata::{FileKind, Metadata};

impl Attributes {
    /// Whether an open file or directory would be another one once these attributes were set as the options have it. Its
    /// time of access does not count: looking changes it.
    pub(super) fn would_change_open(
        &self,
        fd: BorrowedFd<'_>,
        found: &Metadata,
        options: &ExtractOptions,
    ) -> Result<bool> {
        let mut mode = self.mode & 0o7777;
        if mode & 0o6000 != 0 && !options.privileged {
            mode &= 0o1777;
        }
        let owned = !options.owners || (found.uid, found.gid) == (self.uid, self.gid);
        if !owned || found.mode != mode || found.modified != self.modified {
            return Ok(true);
        }
        let stands = read_open(fd)?;
        let is_set = |name: &std::ffi::OsStr| options.privileged || !is_privileged(name);
        let lacks = self.extended.iter().any(|wanted| is_set(&wanted.name) && !stands.contains(wanted));
        let is_removed = |name: &std::ffi::OsStr| {
            let bytes = name.as_encoded_bytes();
            let inherited = [ACL_ACCESS.to_bytes(), ACL_DEFAULT.to_bytes()].contains(&bytes);
            (options.landing == Landing::Replace && may_be_removed(bytes))
                || (found.kind == FileKind::Directory && inherited)
        };
        let known = |name: &std::ffi::OsStr| {
            is_set(name) && self.extended.iter().any(|attribute| attribute.name == *name)
        };
        let surplus = stands.iter().any(|attribute| !known(&attribute.name) && is_removed(&attribute.name));
        Ok(lacks || surplus)
    }
}
