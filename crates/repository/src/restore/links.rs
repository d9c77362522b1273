//! What comes after the files: further names, symbolic links, and the attributes of directories.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_localfs::Attributes;

use super::scan::Scan;
use super::spot::Spot;
use super::summary::add;
use crate::browse::path_of;
use crate::error::Result;
use crate::id::Id;
use crate::issue::{Issue, IssueKind};
use crate::tree::Node;

/// Files with several names: the first name of each, and the names still to be made.
#[derive(Debug, Default)]
pub(super) struct Links {
    first: HashMap<(u64, u64), (PathBuf, Id)>,
    further: Vec<(Spot, (u64, u64))>,
}

/// A symbolic link to be made.
#[derive(Debug)]
pub(super) struct Symlink {
    pub(super) spot: Spot,
    pub(super) target: Box<[u8]>,
    pub(super) attributes: Attributes,
}

impl Links {
    /// Notes a file that shares its inode. `Some(true)` if it is a further name of a file seen before, `Some(false)` if
    /// it is the first one; `None` if it has only one name.
    pub(super) fn shared(&mut self, node: &Node, folder: &Arc<Spot>, path: &Path) -> Option<bool> {
        if node.links < 2 || node.inode == 0 {
            return None;
        }
        let key = (node.device_id, node.inode);
        let content = fingerprint(node);
        match self.first.get(&key) {
            None => {
                self.first.insert(key, (path.to_path_buf(), content));
                Some(false)
            }
            Some((_, known)) if *known == content => {
                self.further.push((Spot::new(folder, &node.name), key));
                Some(true)
            }
            // The file changed between being read under its two names; each gets what was read.
            Some(_) => None,
        }
    }
}

fn fingerprint(node: &Node) -> Id {
    let content = node.content.as_deref().unwrap_or_default();
    let bytes: Vec<u8> = content.iter().flat_map(|id| *id.as_bytes()).collect();
    Id::of(&bytes)
}

impl Scan {
    pub(super) fn link_files(&mut self) -> Result<()> {
        for (spot, key) in std::mem::take(&mut self.links.further) {
            self.restore.cancellation.check()?;
            let path = spot.path();
            let original = self.links.first.get(&key).map(|(original, _)| original);
            let Some((original, id)) = original.zip(self.restore.linked_file(key)) else {
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
            let made = self.link_stands(&path, &target, &attributes).and_then(|stands| match stands {
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
