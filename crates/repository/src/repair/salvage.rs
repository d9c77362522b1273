//! Bringing what can be read out of packs that are not whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::QUARANTINE;
use crate::error::{ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::{self, IndexFile, IndexedBlob};
use crate::lock::Lock;
use crate::pack::PackEntry;
use crate::repository::Repository;
use crate::writer::{BlobWriter, WriterOptions};

/// Longest index file that a repair before this one may have put aside.
const ASIDE_MAX: u64 = FileKind::Index.max_length();

/// Adds what index files that earlier repairs put aside say of packs of which nobody else says anything.
pub(super) async fn remember_aside(
    repository: &Repository,
    unreadable: &[Id],
    packs: &HashMap<Id, u64>,
    damaged: &mut BTreeMap<Id, Vec<PackEntry>>,
) -> Result<()> {
    let unknown: HashSet<Id> =
        unreadable.iter().filter(|pack| !damaged.contains_key(pack)).copied().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    for name in repository.list_records(QUARANTINE).await? {
        let Some(id) = name.strip_prefix("index-").and_then(|id| id.parse::<Id>().ok()) else { continue };
        let key = format!("stillpoint/{QUARANTINE}/{name}");
        let stored = repository.store().get(&key, ASIDE_MAX).await?;
        // Damaged ones are put aside too, and say nothing.
        let opened = repository.blocking(move |this| this.open_named(FileKind::Index, id, &stored)).await;
        let Ok(file) = opened.and_then(|json| IndexFile::from_json(&key, &json)) else { continue };
        for pack in file.packs.iter().filter(|pack| unknown.contains(&pack.id)) {
            let size = packs.get(&pack.id).copied().unwrap_or_default();
            add_fitting(damaged, pack.id, size, pack.blobs.iter().map(IndexedBlob::entry));
        }
    }
    Ok(())
}

/// Adds the entries that can lie in a pack of `size` bytes.
pub(super) fn add_fitting(
    damaged: &mut BTreeMap<Id, Vec<PackEntry>>,
    pack: Id,
    size: u64,
    entries: impl Iterator<Item = PackEntry>,
) {
    let known = damaged.entry(pack).or_default();
    known.extend(entries.filter(|entry| entry.at(pack).fits(entry.kind) && entry.at(pack).end() <= size));
    known.sort_unstable_by_key(|entry| (entry.offset, entry.id));
    known.dedup();
}

/// Copies every blob that still opens to what its name says into new packs, which are indexed, unless another of `packs`
/// has it. Returns how many were copied. What is copied already when a repair begins anew is not copied again.
pub(super) async fn copy_out(
    repository: &Repository,
    lock: &Lock,
    packs: &HashMap<Id, u64>,
    damaged: &BTreeMap<Id, Vec<PackEntry>>,
) -> Result<u64> {
    if damaged.values().all(Vec::is_empty) {
        return Ok(0);
    }
    let loaded = index::load_readable(repository, &mut Vec::new()).await?;
    let listed: Vec<(Id, u64)> = packs.iter().map(|(pack, size)| (*pack, *size)).collect();
    loaded.forget(&loaded.lost_packs(&listed));
    let repository = repository.with_index(loaded);
    let avoided = Arc::new(damaged.keys().copied().collect());
    let options = WriterOptions::default().avoiding(lock, avoided);
    let writer = BlobWriter::new(&repository, options).await?;
    for (pack, entries) in damaged {
        for entry in entries {
            copy_one(&repository, &writer, *pack, entry).await?;
        }
    }
    let written = writer.finish().await?;
    Ok(written.data_blobs + written.tree_blobs)
}

async fn copy_one(repository: &Repository, writer: &BlobWriter, pack: Id, entry: &PackEntry) -> Result<()> {
    let (kind, id, location) = (entry.kind, entry.id, entry.at(pack));
    if writer.is_known(kind, &id) {
        return Ok(());
    }
    let read = async {
        let sealed = repository.read_pack_range(&pack, u64::from(location.offset)..location.end()).await?;
        repository.blocking(move |this| this.decode_blob(kind, &id, &location, &sealed)).await
    };
    match read.await {
        Ok(plain) => writer.add(kind, id, plain).await.map(drop),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
            tracing::warn!(%pack, blob = %id, %error, "a blob of a damaged pack is lost");
            Ok(())
        }
        Err(error) => Err(error),
    }
}
