//! Walking every directory of every snapshot.

use std::collections::HashSet;

use super::report::is_damage;
use super::{CheckReport, ProblemKind};
use crate::blob::BlobKind;
use crate::error::Result;
use crate::file::FileKind;
use crate::id::Id;
use crate::index::{self, Index};
use crate::repository::{Repository, SnapshotList, is_pack_gone};
use crate::tree::{NodeKind, Tree};

/// Listings fetched together: at most so many, and at most so many bytes.
const BATCH: usize = 256;
const BATCH_BYTES: u64 = 16 << 20;

/// Reads every listing once, and looks up every piece of content. Calls `progress` with the number of listings.
pub(super) async fn walk(
    repository: &Repository,
    index: &Index,
    list: &SnapshotList,
    report: &mut CheckReport,
    mut progress: impl FnMut(u64),
) -> Result<()> {
    for damaged in &list.damaged {
        report.add(ProblemKind::Snapshot, FileKind::Snapshot.key(&damaged.id), &damaged.error);
    }
    report.snapshots = u64::try_from(list.readable.len() + list.damaged.len()).unwrap_or(u64::MAX);
    let mut source = Source { repository: repository.clone(), all_told: false };
    let mut seen = HashSet::new();
    let mut waiting = Vec::new();
    for stored in &list.readable {
        if seen.insert(stored.snapshot.tree) {
            waiting.push(stored.snapshot.tree);
        }
    }
    while !waiting.is_empty() {
        let batch = take_batch(index, &mut waiting, report);
        for (id, tree) in source.load(&batch, report).await? {
            report.trees += 1;
            waiting.extend(inspect(index, &id, &tree, report).filter(|subtree| seen.insert(*subtree)));
        }
        progress(report.trees);
    }
    Ok(())
}

fn take_batch(index: &Index, waiting: &mut Vec<Id>, report: &mut CheckReport) -> Vec<Id> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some(id) = waiting.pop() else { break };
        match index.locate(BlobKind::Tree, &id) {
            Some(location) => {
                bytes += u64::from(location.plaintext_length());
                batch.push(id);
            }
            None => report.add(ProblemKind::Tree, format!("tree {id}"), "no index lists it"),
        }
    }
    batch
}

/// Where listings are read.
struct Source {
    repository: Repository,
    /// Whether a fresh index told nothing about the listing that was missed last.
    all_told: bool,
}

impl Source {
    /// Loads a batch; when that fails, loads its listings one by one to tell which are damaged.
    async fn load(&mut self, batch: &[Id], report: &mut CheckReport) -> Result<Vec<(Id, Tree)>> {
        let mut trees = Vec::with_capacity(batch.len());
        let together = self.repository.load_blobs(BlobKind::Tree, batch).await;
        let mut together = together.map(Vec::into_iter).ok();
        for id in batch {
            let blob = match together.as_mut().and_then(Iterator::next) {
                Some(blob) => Ok(blob),
                None => self.load_one(id).await,
            };
            match blob.and_then(|json| Tree::decode(id, &json)) {
                Ok(tree) => trees.push((*id, tree)),
                Err(error) if is_damage(&error) => {
                    report.add(ProblemKind::Tree, format!("tree {id}"), error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(trees)
    }

    /// Loads a listing; where its pack is gone, by the index files of now, for a prune may have deleted it.
    async fn load_one(&mut self, id: &Id) -> Result<Vec<u8>> {
        let error = match self.repository.load_blob(BlobKind::Tree, id).await {
            Err(error) if is_pack_gone(&error) && !self.all_told => error,
            loaded => return loaded,
        };
        let index = index::load_readable(&self.repository, &mut Vec::new()).await?;
        let fresh = self.repository.with_index(index);
        match fresh.load_blob(BlobKind::Tree, id).await {
            Err(again) if is_damage(&again) => {
                self.all_told = true;
                Err(error)
            }
            loaded => {
                self.repository = fresh;
                loaded
            }
        }
    }
}

/// Reports content that no index lists, and returns the directories below.
fn inspect<'a>(
    index: &Index,
    id: &Id,
    tree: &'a Tree,
    report: &mut CheckReport,
) -> impl Iterator<Item = Id> + use<'a> {
    for node in tree.nodes() {
        let shown = || format!("\"{}\" in tree {id}", node.name.escape_ascii());
        match (&node.content, node.kind) {
            (None, NodeKind::File) => {
                report.add(ProblemKind::Tree, format!("tree {id}"), shown() + " has no content")
            }
            (Some(content), NodeKind::File) => {
                for blob in content.iter().filter(|blob| !index.contains(BlobKind::Data, blob)) {
                    report.add(
                        ProblemKind::Data,
                        format!("data blob {blob}"),
                        shown() + " needs it and no index lists it",
                    );
                }
            }
            _ => {}
        }
    }
    tree.nodes().iter().filter(|node| node.kind == NodeKind::Dir).filter_map(|node| node.subtree)
}
