//! Finding every blob that snapshots need.

use std::collections::HashSet;

use crate::blob::BlobKind;
use crate::error::{Error, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::Index;
use crate::repository::Repository;
use crate::tree::{NodeKind, Tree};

/// Listings fetched together: at most so many, and at most so many bytes.
const BATCH: usize = 256;
const BATCH_BYTES: u64 = 16 << 20;

/// Blobs that are needed; 32 bytes each and the table's own overhead.
#[derive(Debug, Default)]
pub(super) struct Reached {
    data: HashSet<Id>,
    trees: HashSet<Id>,
}

impl Reached {
    pub(super) fn contains(&self, kind: BlobKind, id: &Id) -> bool {
        match kind {
            BlobKind::Data => self.data.contains(id),
            BlobKind::Tree => self.trees.contains(id),
        }
    }

    /// All of them, each with its kind.
    pub(super) fn iter(&self) -> impl Iterator<Item = (BlobKind, &Id)> {
        let data = self.data.iter().map(|id| (BlobKind::Data, id));
        data.chain(self.trees.iter().map(|id| (BlobKind::Tree, id)))
    }

    #[cfg(test)]
    pub(super) fn of(blobs: &[(BlobKind, Id)]) -> Self {
        let of = |wanted| blobs.iter().filter(|(kind, _)| *kind == wanted).map(|(_, id)| *id).collect();
        Self { data: of(BlobKind::Data), trees: of(BlobKind::Tree) }
    }

    /// Adds all that `root` needs. What was reached before is not read again.
    ///
    /// # Errors
    /// `Corrupt` if a listing or a piece of content is missing or damaged: then nobody can tell what else is needed.
    pub(super) async fn add(&mut self, repository: &Repository, root: Id) -> Result<()> {
        let index = repository.index().await?;
        let mut waiting = Vec::new();
        if self.trees.insert(root) {
            waiting.push(root);
        }
        while !waiting.is_empty() {
            let batch = take_batch(&index, &mut waiting)?;
            let blobs = repository.load_blobs(BlobKind::Tree, &batch).await?;
            for (id, json) in batch.iter().zip(blobs) {
                self.inspect(&index, &Tree::decode(id, &json)?, &mut waiting)?;
            }
        }
        Ok(())
    }

    fn inspect(&mut self, index: &Index, tree: &Tree, waiting: &mut Vec<Id>) -> Result<()> {
        for node in tree.nodes() {
            // Whatever a listing names counts as used, also where its kind should not have it.
            for id in node.content.iter().flatten() {
                if self.data.insert(*id) && !index.contains(BlobKind::Data, id) {
                    return Err(missing(BlobKind::Data, id));
                }
            }
            if let Some(subtree) = node.subtree.filter(|_| node.kind == NodeKind::Dir)
                && self.trees.insert(subtree)
            {
                waiting.push(subtree);
            }
        }
        Ok(())
    }
}

fn take_batch(index: &Index, waiting: &mut Vec<Id>) -> Result<Vec<Id>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(id) = waiting.pop() else { break };
        let location = index.locate(BlobKind::Tree, &id).ok_or_else(|| missing(BlobKind::Tree, &id))?;
        bytes += u64::from(location.plaintext_length());
        batch.push(id);
    }
    Ok(batch)
}

fn missing(kind: BlobKind, id: &Id) -> Error {
    Error::corrupt(format!("{} blob {id}", kind.name()), "a snapshot needs it and no index lists it")
}

/// The snapshots of a listing that are not in `known`, each with its root; all of them are added to `known`.
///
/// # Errors
/// `Corrupt` if one cannot be read: what it needs is unknown.
pub(super) async fn new_roots(repository: &Repository, known: &mut HashSet<Id>) -> Result<Vec<(Id, Id)>> {
    // What was seen when the repository was opened may be older than the announcement of a sweep.
    drop(repository.take_opening());
    let list = repository.snapshots().await?;
    if let Some(damaged) = list.damaged.into_iter().next() {
        let object = FileKind::Snapshot.key(&damaged.id);
        let message = "what it needs cannot be told, so nothing is deleted; run `stillpoint check`, and delete the snapshot if it is lost";
        return Err(Error::corrupt(object, message).with_source(damaged.error));
    }
    let new = list.readable.into_iter().filter(|stored| known.insert(stored.id));
    Ok(new.map(|stored| (stored.id, stored.snapshot.tree)).collect())
}

/// Adds what each of `roots` needs.
///
/// # Errors
/// As [`Reached::add`], naming the snapshot.
pub(super) async fn reach(repository: &Repository, roots: &[(Id, Id)], reached: &mut Reached) -> Result<()> {
    for (snapshot, root) in roots {
        reached.add(repository, *root).await.map_err(|error| match error.kind() {
            crate::ErrorKind::Corrupt { .. } => {
                let message = "it cannot be read whole, so nothing is deleted; run `stillpoint check`, and delete the snapshot if it is lost";
                Error::corrupt(FileKind::Snapshot.key(snapshot), message).with_source(error)
            }
            _ => error,
        })?;
    }
    Ok(())
}
