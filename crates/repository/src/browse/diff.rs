//! What changed between two snapshots.

use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{TreeCache, locate, path_of};
use crate::error::Result;
use crate::id::Id;
use crate::repository::Repository;
use crate::tree::{Node, Tree};

/// How an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// Only the later snapshot has it.
    Added,
    /// Only the earlier snapshot has it.
    Removed,
    /// Its content, link target or kind differs.
    Modified,
    /// Only its metadata differs.
    Metadata,
}

/// One entry that differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// The path relative to the directory the snapshots were taken of.
    pub path: PathBuf,
    /// How it differs.
    pub change: Change,
    /// The entry in the earlier snapshot.
    pub before: Option<Node>,
    /// The entry in the later snapshot.
    pub after: Option<Node>,
}

impl Repository {
    /// Calls `visit` for every entry that differs between two snapshots, until it answers `false`.
    ///
    /// Directories that are stored alike are not looked into, so the cost follows the changes. A removed or added
    /// directory is visited with everything below it.
    ///
    /// # Errors
    /// `NotFound` if there is no such snapshot, `Corrupt` if a listing is damaged.
    pub async fn diff(
        &self,
        before: &Id,
        after: &Id,
        mut visit: impl FnMut(Difference) -> bool + Send,
    ) -> Result<()> {
        let (before, after) = (self.load_snapshot(before).await?, self.load_snapshot(after).await?);
        let mut caches = [TreeCache::new(self.clone()), TreeCache::new(self.clone())];
        let [old, new] = &mut caches;
        let roots = (locate(old, &before).await?.tree, locate(new, &after).await?.tree);
        let mut waiting = vec![(PathBuf::new(), Some(roots.0), Some(roots.1))];
        while let Some((path, before, after)) = waiting.pop() {
            if before == after {
                continue;
            }
            let (before, after) = (listing(old, before).await?, listing(new, after).await?);
            let mut below = Vec::new();
            for difference in compared(&path, &before, &after) {
                let subtree = |node: &Option<Node>| node.as_ref().and_then(|node| node.subtree);
                let trees = (subtree(&difference.before), subtree(&difference.after));
                if trees.0 != trees.1 {
                    below.push((difference.path.clone(), trees.0, trees.1));
                }
                if difference.is_own() && !visit(difference) {
                    return Ok(());
                }
            }
            waiting.extend(below.into_iter().rev());
        }
        Ok(())
    }
}

impl Difference {
    fn between(path: &Path, before: Option<&Node>, after: Option<&Node>) -> Option<Self> {
        let change = match (before, after) {
            (Some(before), Some(after)) if before == after => return None,
            (Some(before), Some(after)) if same_content(before, after) => Change::Metadata,
            (Some(_), Some(_)) => Change::Modified,
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
        };
        let name = before.or(after).map(|node| path_of(&node.name)).unwrap_or_default();
        Some(Self { path: path.join(name), change, before: before.cloned(), after: after.cloned() })
    }

    /// Whether the entry itself differs, and not only what a directory holds.
    fn is_own(&self) -> bool {
        let (Some(before), Some(after)) = (&self.before, &self.after) else { return true };
        let mut before = before.clone();
        before.subtree = after.subtree;
        before != *after
    }
}

fn same_content(before: &Node, after: &Node) -> bool {
    before.kind == after.kind && before.content == after.content && before.link_target == after.link_target
}

async fn listing(cache: &mut TreeCache, tree: Option<Id>) -> Result<Arc<Tree>> {
    match tree {
        Some(tree) => cache.take(&tree).await,
        None => Ok(Arc::default()),
    }
}

/// The differing entries of two listings, in order of name.
fn compared(path: &Path, before: &Tree, after: &Tree) -> Vec<Difference> {
    let (mut before, mut after) = (before.nodes().iter().peekable(), after.nodes().iter().peekable());
    let mut differences = Vec::new();
    loop {
        let order = match (before.peek(), after.peek()) {
            (None, None) => return differences,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.name.cmp(&new.name),
        };
        let old = if order.is_le() { before.next() } else { None };
        let new = if order.is_ge() { after.next() } else { None };
        differences.extend(Difference::between(path, old, new));
    }
}
