//! Listing what a snapshot holds.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::locate::{names, not_in_snapshot};
use super::{TreeCache, locate, path_of};
use crate::error::Result;
use crate::id::Id;
use crate::repository::Repository;
use crate::tree::Node;

/// One entry of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotEntry {
    /// The path relative to the directory the snapshot was taken of.
    pub path: PathBuf,
    /// Everything stored about it.
    pub node: Node,
}

impl Repository {
    /// Calls `visit` for every entry at and below `path` (empty: the whole snapshot), directories before their content
    /// and otherwise in order of name bytes, until it answers `false`.
    ///
    /// `path` is relative to the directory the snapshot was taken of. Memory use does not grow with the snapshot.
    ///
    /// # Errors
    /// `NotFound` if there is no such snapshot or path, `Corrupt` if a listing is damaged.
    pub async fn visit_entries(
        &self,
        snapshot: &Id,
        path: &Path,
        recursive: bool,
        mut visit: impl FnMut(SnapshotEntry) -> bool + Send,
    ) -> Result<()> {
        self.walk(snapshot, path, recursive, None, &mut visit).await
    }

    /// As [`Self::visit_entries`] of everything below `path`, but begins behind the entry `after`, whether or not there
    /// is one. Listings that lie before it are not read, so a long listing can be taken page by page.
    ///
    /// # Errors
    /// As [`Self::visit_entries`].
    pub async fn visit_entries_after(
        &self,
        snapshot: &Id,
        path: &Path,
        after: &Path,
        mut visit: impl FnMut(SnapshotEntry) -> bool + Send,
    ) -> Result<()> {
        self.walk(snapshot, path, true, Some(after), &mut visit).await
    }

    async fn walk(
        &self,
        snapshot: &Id,
        path: &Path,
        recursive: bool,
        after: Option<&Path>,
        visit: &mut (dyn FnMut(SnapshotEntry) -> bool + Send),
    ) -> Result<()> {
        let mut cache = TreeCache::new(self.clone());
        let snapshot = self.load_snapshot(snapshot).await?;
        let mut tree = locate(&mut cache, &snapshot).await?.tree;
        for name in names(path) {
            let listing = cache.take(&tree).await?;
            let node = listing.find(name).ok_or_else(|| not_in_snapshot(path))?;
            match node.subtree {
                Some(below) => tree = below,
                None => {
                    if after.is_none_or(|after| path > after) {
                        visit(SnapshotEntry { path: path.to_path_buf(), node: node.clone() });
                    }
                    return Ok(());
                }
            }
        }
        let mut waiting: Vec<VecDeque<SnapshotEntry>> = vec![listed(&mut cache, &tree, path).await?];
        while let Some(entries) = waiting.last_mut() {
            let Some(entry) = entries.pop_front() else {
                waiting.pop();
                continue;
            };
            let path = entry.path.clone();
            // What is below a directory comes after it, so a directory on the way to `after` is entered.
            let is_before = after.is_some_and(|after| path.as_path() <= after);
            let leads_on = !is_before || after.is_some_and(|after| after.starts_with(&path));
            let below = entry.node.subtree.filter(|_| recursive && leads_on);
            if !is_before && !visit(entry) {
                return Ok(());
            }
            if let Some(below) = below {
                waiting.push(listed(&mut cache, &below, &path).await?);
            }
        }
        Ok(())
    }
}

async fn listed(cache: &mut TreeCache, tree: &Id, path: &Path) -> Result<VecDeque<SnapshotEntry>> {
    let tree = cache.take(tree).await?;
    let entry = |node: &Node| SnapshotEntry { path: path.join(path_of(&node.name)), node: node.clone() };
    Ok(tree.nodes().iter().map(entry).collect())
}
