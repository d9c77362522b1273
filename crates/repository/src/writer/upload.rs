//! Getting full packs out, and indexing them.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::{Shared, StoredPack, lock, slot};
use crate::blob::BlobKind;
use crate::error::{Error, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::{MAX_BLOBS_PER_FILE, encode};
use crate::lock::LockWatch;
use crate::pack::{FinishedPack, PackBuilder, PackEntry};

impl Shared {
    /// Starts closing and uploading the open pack, if there is one. Waits for a free place first, which is what
    /// bounds memory.
    ///
    /// The pack leaves `open` only after the last wait, so a caller that is cancelled meanwhile loses no blob.
    pub(super) async fn upload_open(self: &Arc<Self>, open: &mut Option<PackBuilder>) -> Result<()> {
        let Some(bytes) = open.as_ref().map(PackBuilder::len) else { return Ok(()) };
        let share = self.options.share(bytes);
        let permit = Arc::clone(&self.in_flight).acquire_many_owned(share).await.map_err(Error::cancelled)?;
        self.healthy()?;
        if self.unindexed_blobs() >= MAX_BLOBS_PER_FILE {
            self.write_index().await?;
        }
        let mut uploads = self.uploads.lock().await;
        while let Some(ended) = uploads.try_join_next() {
            self.joined(ended)?;
        }
        if let Some(pack) = open.take() {
            let this = Arc::clone(self);
            uploads.spawn(async move { this.upload(pack, permit).await });
        }
        Ok(())
    }

    async fn upload(&self, pack: PackBuilder, permit: OwnedSemaphorePermit) {
        let stored = async {
            let finished = self.repository.blocking(move |repository| pack.finish(repository.key())).await?;
            let FinishedPack { id, bytes, entries } = finished;
            let length = to_u64(bytes.len());
            self.repository.store().put_named(&FileKind::Pack.key(&id), bytes, id).await?;
            Ok((id, length, entries))
        };
        match stored.await {
            Ok((id, length, entries)) => self.stored(id, length, entries),
            // Kept in `failure`, which every later call reports.
            Err(error) => drop(self.fail(error)),
        }
        drop(permit);
    }

    fn stored(&self, id: Id, length: u64, entries: Vec<PackEntry>) {
        self.index.insert_pack(id, &entries);
        let mut pending = lock(&self.pending);
        for entry in &entries {
            pending[slot(entry.kind)].remove(&entry.id);
        }
        drop(pending);
        lock(&self.summary).count_pack(length);
        lock(&self.unindexed).push(stored_pack(id, entries));
    }

    pub(super) fn is_stored(&self, kind: BlobKind, id: &Id) -> bool {
        self.index.locate(kind, id).is_some_and(|at| !self.options.avoided.contains(&at.pack))
    }

    /// Waits until no upload is on its way.
    pub(super) async fn settle(&self) -> Result<()> {
        let mut uploads = self.uploads.lock().await;
        while let Some(ended) = uploads.join_next().await {
            self.joined(ended)?;
        }
        self.healthy()
    }

    fn joined(&self, ended: Result<(), tokio::task::JoinError>) -> Result<()> {
        ended.map_err(|source| self.fail(Error::cancelled(source)))
    }

    pub(super) fn unindexed_blobs(&self) -> usize {
        lock(&self.unindexed).iter().map(|pack| pack.1.len()).sum()
    }

    /// Lists every pack that is stored and not yet indexed in new index files.
    ///
    /// Packs leave the list only when their index file is durable: a caller that is cancelled meanwhile forgets none.
    pub(super) async fn write_index(&self) -> Result<()> {
        let _only_one = self.indexing.lock().await;
        let packs = lock(&self.unindexed).clone();
        for group in groups(&packs) {
            let saved = async {
                self.options.lock.as_ref().map_or(Ok(()), LockWatch::ensure_held)?;
                let json = encode(group.iter().map(|pack| (pack.0, pack.1.as_slice())))?;
                self.repository.save_file(FileKind::Index, json).await
            };
            self.index.insert_file(saved.await.map_err(|error| self.fail(error))?);
            lock(&self.unindexed).drain(..group.len());
            lock(&self.summary).index_files += 1;
        }
        Ok(())
    }

    pub(super) fn healthy(&self) -> Result<()> {
        lock(&self.failure).as_ref().map_or(Ok(()), |error| Err(error.duplicate()))
    }

    /// Remembers the first failure and returns `error` for the caller at hand.
    pub(super) fn fail(&self, error: Error) -> Error {
        lock(&self.failure).get_or_insert_with(|| error.duplicate());
        error
    }
}

pub(super) fn stored_pack(id: Id, entries: Vec<PackEntry>) -> Arc<StoredPack> {
    Arc::new((id, entries))
}

/// Splits packs into runs that fit one index file each.
fn groups(packs: &[Arc<StoredPack>]) -> Vec<&[Arc<StoredPack>]> {
    let mut groups = Vec::new();
    let (mut start, mut blobs) = (0, 0);
    for (at, pack) in packs.iter().enumerate() {
        let entries = pack.1.len();
        if blobs > 0 && blobs + entries > MAX_BLOBS_PER_FILE {
            groups.push(&packs[start..at]);
            (start, blobs) = (at, 0);
        }
        blobs += entries;
    }
    if start < packs.len() {
        groups.push(&packs[start..]);
    }
    groups
}

pub(super) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
