//! Recognising what an earlier run, or somebody else, already put in place.

use std::io::Read;

use sha2::{Digest, Sha256};
use stillpoint_localfs::{FileId, FileKind, Landing, OpenFile};
use stillpoint_repository::Id;

use super::run::Driver;
use crate::mirror::manifest::Entry;

/// What stands where a file shall be restored.
pub(super) enum Standing {
    /// Nothing, or something that will be replaced.
    Free,
    /// The very file.
    Complete(FileId),
    /// Something else that is to be kept.
    Taken,
}

impl Driver {
    /// Looks at the place of a file. Content is trusted only if size and time fit and it hashes to what it should.
    pub(super) fn standing(&self, entry: &Entry) -> stillpoint_localfs::Result<Standing> {
        if !self.may_hold_entries() {
            return Ok(Standing::Free);
        }
        let otherwise = if self.keeps_what_stands() { Standing::Taken } else { Standing::Free };
        let Some(found) = self.shared.extractor.existing(&entry.path)? else { return Ok(Standing::Free) };
        if found.kind != FileKind::File || found.size != entry.size || found.modified != entry.modified {
            return Ok(otherwise);
        }
        // Its inode may also have a name outside the target, which a restore must not touch.
        if found.links > 1 && entry.links < 2 {
            return Ok(otherwise);
        }
        let mut file = self.shared.extractor.open_existing(&entry.path)?;
        if entry.sha256.is_some() && entry.sha256 == Some(digest_of(&mut file)?) {
            let attributes = entry.attributes();
            let attributes = (self.landing != Landing::Merge).then_some(&attributes);
            return Ok(Standing::Complete(self.shared.extractor.adopt(&file, attributes)));
        }
        Ok(otherwise)
    }

    /// Whether entries may stand in the target already.
    pub(super) fn may_hold_entries(&self) -> bool {
        self.landing != Landing::EmptyTarget || self.shared.extractor.resumed()
    }

    /// Whether an entry that stands is kept even if it differs.
    pub(super) fn keeps_what_stands(&self) -> bool {
        match self.landing {
            Landing::Merge => true,
            Landing::Continue => !self.shared.extractor.resumed(),
            _ => false,
        }
    }

    /// Whether a link, pipe, socket or device stands in place as it should be.
    pub(super) fn special_stands(&self, entry: &Entry) -> stillpoint_localfs::Result<bool> {
        if !self.may_hold_entries() {
            return Ok(false);
        }
        let Some(found) = self.shared.extractor.existing(&entry.path)? else { return Ok(false) };
        // One that an earlier run could not give its attributes is made anew.
        let will_do = self.keeps_what_stands() || entry.attributes().are_those_of(&found);
        if found.kind != entry.kind || !will_do {
            return Ok(false);
        }
        match entry.kind {
            FileKind::Symlink => {
                Ok(self.shared.extractor.existing_link(&entry.path)? == entry.target.as_os_str())
            }
            _ => Ok(found.special_device == entry.special),
        }
    }
}

fn digest_of(file: &mut OpenFile) -> stillpoint_localfs::Result<Id> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    loop {
        let length = file.read(&mut buffer).map_err(|error| file.read_error(error))?;
        match buffer.get(..length).filter(|read| !read.is_empty()) {
            Some(read) => digest.update(read),
            None => return Ok(Id::from_bytes(digest.finalize().into())),
        }
    }
}
