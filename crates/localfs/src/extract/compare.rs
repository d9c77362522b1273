//! What of an entry's attributes a restore changes. A preview asks the same, so that both agree.

use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;

use rustix::io::Result;

use super::{ExtractOptions, Landing};
use crate::attributes::{
    ACL_ACCESS, ACL_DEFAULT, Attributes, CAPABILITY, ExtendedAttribute, is_privileged, read_open,
};
use crate::metadata::{FileKind, Metadata};

/// Set-user-id and set-group-id.
pub(super) const SET_ID: u32 = 0o6000;

/// What a restore changes of one entry's attributes.
#[derive(Debug)]
pub(super) struct Changes<'a> {
    pub(super) owner: bool,
    pub(super) removed: Vec<OsString>,
    pub(super) set: Vec<&'a ExtendedAttribute>,
    pub(super) mode: Option<u32>,
    pub(super) times: bool,
    /// Privileged attributes that the options leave out and that do not stand already.
    pub(super) withheld: Vec<&'a OsStr>,
    /// Whether that goes for set-id bits.
    pub(super) set_id_withheld: bool,
}

impl Changes<'_> {
    pub(super) const fn is_empty(&self) -> bool {
        let extended = self.removed.is_empty() && self.set.is_empty();
        extended && !self.owner && self.mode.is_none() && !self.times
    }
}

impl Attributes {
    /// What makes a new entry, which has nothing yet, one with these attributes.
    pub(super) fn changes_of_new(&self, options: &ExtractOptions) -> Changes<'_> {
        let may_have = |attribute: &&ExtendedAttribute| options.privileged || !is_privileged(&attribute.name);
        let (set, withheld): (Vec<_>, Vec<_>) = self.extended.iter().partition(may_have);
        let mode = self.mode_within(options.privileged);
        Changes {
            owner: options.owners,
            removed: Vec::new(),
            set,
            mode: Some(mode),
            times: true,
            withheld: withheld.into_iter().map(|attribute| attribute.name.as_os_str()).collect(),
            set_id_withheld: mode != self.mode & 0o7777,
        }
    }

    /// What makes an open file or directory that stands one with these attributes. The time of access alone does not count:
    /// looking changes it.
    ///
    /// Privileges that stand as they are wanted stay also where the options would grant none, unless others could use them
    /// afterwards.
    pub(super) fn changes_of_open(
        &self,
        fd: BorrowedFd<'_>,
        found: &Metadata,
        options: &ExtractOptions,
    ) -> Result<Changes<'_>> {
        let stands = read_open(fd)?;
        let owner = options.owners && (found.uid, found.gid) != (self.uid, self.gid);
        let listed = access_list(&stands) != access_list(&self.extended);
        // Bits of the owner give nothing to others, and a restore sets them on directories in order to write.
        let same_users = !owner && !listed && (found.mode ^ self.mode) & 0o7077 == 0;
        let is_withheld = |wanted: &ExtendedAttribute| {
            is_privileged(&wanted.name) && !options.privileged && !(same_users && stands.contains(wanted))
        };
        // With the owner the system takes capabilities off.
        let is_missing =
            |wanted: &ExtendedAttribute| !stands.contains(wanted) || (owner && wanted.name == CAPABILITY);
        let is_known =
            |name: &OsStr| self.extended.iter().any(|wanted| wanted.name == *name && !is_withheld(wanted));
        let is_removed = |name: &OsStr| !is_known(name) && may_be_removed(name, found.kind, options.landing);
        let mode = self.mode_within(options.privileged || same_users);
        Ok(Changes {
            owner,
            removed: stands
                .iter()
                .map(|found| &found.name)
                .filter(|name| is_removed(name))
                .cloned()
                .collect(),
            set: self.extended.iter().filter(|wanted| !is_withheld(wanted) && is_missing(wanted)).collect(),
            // An owner takes set-id bits off, and an access list has permission bits too.
            mode: (owner || listed || mode != found.mode).then_some(mode),
            times: found.modified != self.modified,
            withheld: (self.extended.iter())
                .filter(|wanted| is_withheld(wanted))
                .map(|wanted| wanted.name.as_os_str())
                .collect(),
            set_id_withheld: mode != self.mode & 0o7777,
        })
    }

    const fn mode_within(&self, privileged: bool) -> u32 {
        self.mode & if privileged { 0o7777 } else { 0o7777 & !SET_ID }
    }
}

fn access_list(extended: &[ExtendedAttribute]) -> Option<&[u8]> {
    let list = extended.iter().find(|entry| entry.name.as_encoded_bytes() == ACL_ACCESS.to_bytes());
    list.map(|entry| entry.value.as_slice())
}

/// Whether an attribute that a backup does not know is taken off. What labels the system, and what marks the restore itself,
/// stays. A directory may have inherited its access lists from the target's own.
fn may_be_removed(name: &OsStr, kind: FileKind, landing: Landing) -> bool {
    let bytes = name.as_encoded_bytes();
    let is_list = [ACL_ACCESS.to_bytes(), ACL_DEFAULT.to_bytes()].contains(&bytes);
    let of_users = bytes.starts_with(b"user.") && !bytes.starts_with(b"user.stillpoint.");
    let replaces = landing == Landing::Replace;
    (is_list && (replaces || kind == FileKind::Directory)) || (replaces && (of_users || name == CAPABILITY))
}
