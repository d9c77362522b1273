//! Recognising what an earlier run, or somebody else, already put in place.

use std::io::Read;
use std::path::Path;

use stillpoint_localfs::{Attributes, FileId, FileKind, Landing, Metadata, OpenFile};

use super::attributes::stamp;
use super::scan::Scan;
use crate::blob::BlobKind;
use crate::id::Id;
use crate::tree::Node;

/// What stands where a file shall be restored.
pub(super) enum Standing {
    /// Nothing, or something that will be replaced.
    Free,
    /// The very file.
    Complete(FileId),
    /// Something else that is to be kept.
    Taken,
}

impl Scan {
    /// Looks at the place of a file. Content is trusted only if size and time fit and every piece hashes to its name.
    pub(super) fn standing(
        &self,
        path: &Path,
        node: &Node,
        size: u64,
        attributes: &Attributes,
    ) -> stillpoint_localfs::Result<Standing> {
        if !self.may_hold_entries() {
            return Ok(Standing::Free);
        }
        let otherwise = if self.keeps_what_stands() { Standing::Taken } else { Standing::Free };
        let Some(found) = self.restore.extractor.existing(path)? else { return Ok(Standing::Free) };
        if found.kind != FileKind::File || found.size != size || found.modified != stamp(node.mtime) {
            return Ok(otherwise);
        }
        // Its inode may also have a name outside the target, which a restore must not touch.
        if found.links > 1 && node.links < 2 {
            return Ok(otherwise);
        }
        let mut file = self.restore.extractor.open_existing(path)?;
        if self.content_is(&mut file, node.content.as_deref().unwrap_or_default())? {
            let attributes = (self.landing != Landing::Merge).then_some(attributes);
            return Ok(Standing::Complete(self.restore.extractor.adopt(&file, attributes)));
        }
        Ok(otherwise)
    }

    /// Whether an entry that stands is kept even if it differs.
    pub(super) fn keeps_what_stands(&self) -> bool {
        match self.landing {
            Landing::Merge => true,
            Landing::Continue => !self.restore.extractor.resumed(),
            _ => false,
        }
    }

    /// Whether a link stands in place, target and all.
    pub(super) fn link_stands(
        &self,
        path: &Path,
        target: &Path,
        attributes: &Attributes,
    ) -> stillpoint_localfs::Result<bool> {
        if !self.may_hold_entries() {
            return Ok(false);
        }
        let Some(found) = self.restore.extractor.existing(path)? else { return Ok(false) };
        Ok(found.kind == FileKind::Symlink
            && self.will_do(&found, attributes)
            && self.restore.extractor.existing_link(path)? == target.as_os_str())
    }

    /// Whether a standing link or special file need not be made anew, as one must be that an earlier run could not give
    /// its attributes.
    fn will_do(&self, found: &Metadata, attributes: &Attributes) -> bool {
        self.keeps_what_stands() || attributes.are_those_of(found)
    }

    /// Whether a pipe, socket or device stands in place.
    pub(super) fn special_stands(
        &self,
        path: &Path,
        kind: FileKind,
        device: u64,
        attributes: &Attributes,
    ) -> stillpoint_localfs::Result<bool> {
        if !self.may_hold_entries() {
            return Ok(false);
        }
        let found = self.restore.extractor.existing(path)?;
        Ok(found.is_some_and(|found| {
            found.kind == kind && found.special_device == device && self.will_do(&found, attributes)
        }))
    }

    fn content_is(&self, file: &mut OpenFile, content: &[Id]) -> stillpoint_localfs::Result<bool> {
        let mut piece = Vec::new();
        for id in content {
            let Some(location) = self.restore.index.locate(BlobKind::Data, id) else { return Ok(false) };
            piece.clear();
            let limit = u64::from(location.plaintext_length());
            let read = file.by_ref().take(limit).read_to_end(&mut piece);
            read.map_err(|error| file.read_error(error))?;
            if Id::of(&piece) != *id {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
