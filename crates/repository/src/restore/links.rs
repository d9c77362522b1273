//! Links, and what comes after the files: their further names, and the attributes of directories.

use std::path::Path;

use stillpoint_localfs::{Attributes, LinkKey, SharedFile};

use super::attributes::attributes;
use super::scan::Scan;
use super::summary::add;
use super::trail::Level;
use crate::browse::path_of;
use crate::error::Result;
use crate::id::Id;
use crate::issue::{Issue, IssueKind, fatal};
use crate::tree::Node;

/// The longest target that a link can have: `PATH_MAX` without the zero byte at its end.
pub(super) const LINK_TARGET_MAX: usize = 4095;

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
        folder: &Level,
        name: &[u8],
        link: Option<LinkKey>,
        file: SharedFile,
        attributes: &Attributes,
    ) -> Result<()> {
        let Some(link) = link else {
            self.stands_foreign(&folder.spot.path().join(path_of(name)), file.is_right());
            return Ok(());
        };
        let name = self.trail.add(folder, name)?;
        let Some((first, names)) = self.links.stands(link, name, file) else { return Ok(()) };
        let first = self.trail.path(first)?;
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
        for (name, is_right) in self.links.take_foreign() {
            self.stands_foreign(&self.trail.path(name)?, is_right);
        }
        for (name, key) in self.links.take_further() {
            self.restore.cancellation.check()?;
            let path = self.trail.path(name)?;
            let Some((carrier, id)) = self.links.carrier(&key).zip(self.restore.linked_file(key)) else {
                let message = "the file it is another name of was not restored";
                self.restore.totals.skip(Issue::new(path, IssueKind::Damaged, message));
                continue;
            };
            let original = self.trail.path(*carrier)?;
            let linked = self.restore.extractor.create_hard_link(&path, &original, id);
            if self.attempt(&path, linked)?.is_some() {
                add(&self.restore.totals.hard_links, 1);
            }
        }
        Ok(())
    }

    pub(super) fn symlink(&self, path: &Path, node: &Node) -> Result<()> {
        if node.link_target.len() > LINK_TARGET_MAX {
            let message =
                "the snapshot says that the link leads further than the 4095 bytes that a link can have";
            self.restore.totals.skip(Issue::new(path, IssueKind::Damaged, message));
            return Ok(());
        }
        let (target, attributes) = (path_of(&node.link_target), attributes(node));
        let stands = self.restore.extractor.link_stands(path, &target, &attributes);
        let made = stands.and_then(|stands| match stands {
            true => Ok(()),
            false => self.restore.extractor.create_symlink(path, &target, &attributes),
        });
        if self.attempt(path, made)?.is_some() {
            add(&self.restore.totals.symlinks, 1);
        }
        Ok(())
    }

    /// Gives directories their attributes, children before parents.
    pub(super) fn finish_directories(&mut self) -> Result<()> {
        while let Some((directory, attributes)) = self.directories.pop().map_err(fatal)? {
            let path = self.trail.enter(directory)?.spot.path();
            if let Err(error) = self.restore.extractor.set_directory_attributes(&path, &attributes) {
                self.restore.totals.skip(Issue::unwritten(&path, &error));
            }
        }
        Ok(())
    }
}
