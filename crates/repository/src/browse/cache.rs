//! Tree blobs fetched in bulk ahead of their use.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::tree_packs::TreePacks;
use crate::blob::BlobKind;
use crate::error::Result;
use crate::id::Id;
use crate::repository::Repository;
use crate::tree::Tree;

/// Plaintext bytes fetched in one go below a tree that was not there. Decoded, a tree takes two to three times that.
const FILL_BYTES: u64 = 4 << 20;
/// Plaintext bytes kept altogether.
const KEPT_BYTES: u64 = 16 << 20;
/// Trees asked for in one bulk load.
const BATCH_TREES: usize = 1024;

/// Trees of one snapshot, each taken once or a few times by a walk from the top down.
///
/// A walk that asks for trees one by one would wait for the store at each; this fetches what lies below a tree
/// together with it, level by level, within a fixed amount of memory.
#[derive(Debug)]
pub(crate) struct TreeCache {
    repository: Repository,
    /// Packs of listings read as wholes, for walks that will need all of them.
    packs: Option<TreePacks>,
    trees: HashMap<Id, Kept>,
    order: VecDeque<Id>,
    bytes: u64,
}

#[derive(Debug)]
struct Kept {
    tree: Arc<Tree>,
    bytes: u64,
}

impl TreeCache {
    pub(crate) fn new(repository: Repository) -> Self {
        Self { repository, packs: None, trees: HashMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    /// For walks of whole snapshots: each pack of listings is fetched once and as a whole.
    ///
    /// Keeps a core busy while a tree is taken; only for threads that may block.
    pub(crate) fn in_bulk(repository: Repository) -> Self {
        Self { packs: Some(TreePacks::default()), ..Self::new(repository) }
    }

    /// The tree called `id`, which then leaves the cache.
    ///
    /// # Errors
    /// As [`Repository::load_blob`], and `Corrupt` if the blob is not a tree.
    pub(crate) async fn take(&mut self, id: &Id) -> Result<Arc<Tree>> {
        if let Some(tree) = self.remove(id) {
            return Ok(tree);
        }
        if let Some(packs) = &mut self.packs {
            return packs.tree(&self.repository, id).await.map(Arc::new);
        }
        let mut first = self.load(vec![*id]).await?;
        let Some((_, tree, _)) = first.pop() else {
            return Ok(Arc::default());
        };
        // What lies below is only a guess at what comes next; its errors belong to whoever really asks for it.
        if let Err(error) = self.fill_below(&tree).await {
            tracing::debug!(%error, "trees below {} were not fetched ahead", id.short());
        }
        Ok(tree)
    }

    async fn fill_below(&mut self, top: &Tree) -> Result<()> {
        let index = self.repository.index().await?;
        let mut seen = HashSet::new();
        let mut waiting: VecDeque<Id> = subtrees(top).filter(|id| seen.insert(*id)).collect();
        let mut room = FILL_BYTES;
        while !waiting.is_empty() && room > 0 {
            let mut batch = Vec::new();
            while let Some(id) = waiting.pop_front() {
                let length =
                    index.locate(BlobKind::Tree, &id).map_or(0, |at| u64::from(at.plaintext_length()));
                if length > room || batch.len() >= BATCH_TREES {
                    room = if batch.is_empty() { 0 } else { room };
                    waiting.push_front(id);
                    break;
                }
                room -= length;
                if length > 0 && !self.trees.contains_key(&id) {
                    batch.push(id);
                }
            }
            if batch.is_empty() {
                break;
            }
            for (id, tree, bytes) in self.load(batch).await? {
                waiting.extend(subtrees(&tree).filter(|id| seen.insert(*id)));
                self.keep(id, tree, bytes);
            }
        }
        Ok(())
    }

    async fn load(&self, ids: Vec<Id>) -> Result<Vec<(Id, Arc<Tree>, u64)>> {
        let blobs = self.repository.load_blobs(BlobKind::Tree, &ids).await?;
        self.repository
            .blocking(move |_| {
                let decode = |(id, json): (Id, Vec<u8>)| {
                    let bytes = u64::try_from(json.len()).unwrap_or(u64::MAX);
                    Ok((id, Arc::new(Tree::decode(&id, &json)?), bytes))
                };
                ids.into_iter().zip(blobs).map(decode).collect()
            })
            .await
    }

    fn keep(&mut self, id: Id, tree: Arc<Tree>, bytes: u64) {
        while self.bytes.saturating_add(bytes) > KEPT_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.remove(&oldest);
        }
        if self.trees.insert(id, Kept { tree, bytes }).is_none() {
            self.order.push_back(id);
            self.bytes += bytes;
        }
    }

    fn remove(&mut self, id: &Id) -> Option<Arc<Tree>> {
        let kept = self.trees.remove(id)?;
        self.bytes -= kept.bytes;
        if self.order.len() > 2 * self.trees.len() + 64 {
            self.order.retain(|id| self.trees.contains_key(id));
        }
        Some(kept.tree)
    }
}

fn subtrees(tree: &Tree) -> impl Iterator<Item = Id> + '_ {
    tree.nodes().iter().filter_map(|node| node.subtree)
}
