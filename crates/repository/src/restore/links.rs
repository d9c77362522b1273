//! What comes after the files: further names, symbolic links, and the attributes of directories.

use std::path::Path;

use stillpoint_localfs::{Attributes, LinkKey, SharedFile};

use super::scan::Scan;
use super::spot::Spot;
use super::summary::add;
use crate::browse::path_of;
use crate::error::Result;
use crate::id::Id;
use crate::issue::{Issue, IssueKind};
use crate::tree::Node;

/// A symbolic link to be made.
#[derive(Debug)]
pub(super) struct Symlink {
    pub(super) spot: Spot,
    pub(super) target: Box<[u8]>,
    pub(super) attributes: Attributes,
}

/// What tells the names of a file that has several.
pub(super) fn link_key(node: &Node) -> Option<LinkKey> {
    if node.links < 2 || node.inode == 0 {
        return None;
    }
    let content = node.content.as_deref().unwrap_or_default();
    let bytes: Vec<u8> = content.iter().flat_map(|id| *id.as_bytes()).collect();
    Some(LinkKey::new(node.device_id, node.inode, Id::of(&bytes).as_bytes()))
}

impl Scan {
    /// Notes a name under which the right content stands beside other names, and takes the file over with its last one.
    pub(super) fn stands_shared(
        &mut self,
        spot: Spot,
        link: Option<LinkKey>,
        file: SharedFile,
        attributes: &Attributes,
    ) -> Result<()> {
        let path = spot.path();
        let Some(link) = link else {
            self.stands_foreign(&path, file.is_right());
            return Ok(());
        };
        let Some((first, names)) = self.links.stands(link, spot, &path, file) else { return Ok(()) };
        let adopted = self.restore.extractor.adopt_shared(&first, file, attributes);
        if let Some(id) = self.attempt(&first, adopted)? {
            add(&self.restore.totals.unchanged, 1);
            add(&self.restore.totals.hard_links, names.saturating_sub(1));
            self.restore.links_to(link, id);
        }
        Ok(())
    }

    /// Counts a name of a file that has others outside of the target.
    fn stands_foreign(&self, path: &Path, is_right: bool) {
        if is_right {
            add(&self.restore.totals.unchanged, 1);
        } else {
            let message = "the file has a name outside of the target and was kept as it was";
            self.restore.totals.skip(Issue::new(path, IssueKind::Conflict, message));
        }
    }

    pub(super) fn link_files(&mut self) -> Result<()> {
        for (spot, is_right) in self.links.take_foreign() {
            self.stands_foreign(&spot.path(), is_right);
        }
        for (spot, key) in self.links.take_further() {
            self.restore.cancellation.check()?;
            let path = spot.path();
            let Some((original, id)) = self.links.carrier(&key).zip(self.restore.linked_file(key)) else {
                let message = "the file it is another name of was not restored";
                self.restore.totals.skip(Issue::new(path, IssueKind::Damaged, message));
                continue;
            };
            let linked = self.restore.extractor.create_hard_link(&path, original, id);
            if self.attempt(&path, linked)?.is_some() {
                add(&self.restore.totals.hard_links, 1);
            }
        }
        Ok(())
    }

    pub(super) fn make_symlinks(&mut self) -> Result<()> {
        for Symlink { spot, target, attributes } in std::mem::take(&mut self.symlinks) {
            self.restore.cancellation.check()?;
            let (path, target) = (spot.path(), path_of(&target));
            let stands = self.restore.extractor.link_stands(&path, &target, &attributes);
            let made = stands.and_then(|stands| match stands {
                true => Ok(()),
                false => self.restore.extractor.create_symlink(&path, &target, &attributes),
            });
            if self.attempt(&path, made)?.is_some() {
                add(&self.restore.totals.symlinks, 1);
            }
        }
        Ok(())
    }

    /// Gives directories their attributes, children before parents.
    pub(super) fn finish_directories(&mut self) {
        for (spot, attributes) in std::mem::take(&mut self.directories).into_iter().rev() {
            let path = spot.path();
            if let Err(error) = self.restore.extractor.set_directory_attributes(&path, &attributes) {
                self.restore.totals.skip(Issue::unwritten(&path, &error));
            }
        }
    }
}
