//! Writing blobs: duplicates are dropped, the rest is sealed, packed, verified, uploaded and indexed.

mod adopt;
mod begin;
mod options;
mod prepared;
mod summary;
mod upload;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use tokio::task::JoinSet;

pub(crate) use begin::Begun;
pub use options::WriterOptions;
pub use prepared::PreparedBlob;
pub use summary::{AddOutcome, WriteSummary};

use crate::blob::BlobKind;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::index::Index;
use crate::pack::{PackBuilder, PackEntry};
use crate::repository::Repository;
use crate::sealed::SealedBlob;

/// A pack that is durable, and what it holds.
type StoredPack = (Id, Vec<PackEntry>);

/// Adds blobs to a repository. Cheap to clone; clones share one set of packs.
///
/// # Order and crashes
/// A blob counts as stored only when its pack, and an index that lists it, are durable: after [`Self::checkpoint`] for
/// the packs that were full by then, after [`Self::finish`] for all. A process killed before leaves at most packs that
/// no index mentions: harmless, and removed by a prune.
///
/// # Memory
/// One open pack per kind of blob, plus the bytes of [`WriterOptions::packs_in_flight`] full packs being uploaded. When
/// that many are on their way, adding waits.
#[derive(Clone)]
pub struct BlobWriter {
    shared: Arc<Shared>,
}

struct Shared {
    repository: Repository,
    index: Index,
    options: WriterOptions,
    /// Blobs accepted in this run whose packs are not in the index yet.
    pending: Mutex<[HashSet<Id>; 2]>,
    open: [AsyncMutex<Option<PackBuilder>>; 2],
    in_flight: Arc<Semaphore>,
    uploads: AsyncMutex<JoinSet<()>>,
    /// Held while index files are written, so that two checkpoints do not race.
    indexing: AsyncMutex<()>,
    unindexed: Mutex<Vec<Arc<StoredPack>>>,
    /// The first failure; the writer refuses everything after it.
    failure: Mutex<Option<Error>>,
    summary: Mutex<WriteSummary>,
}

impl BlobWriter {
    /// A writer for one run. Loads the index if that was not done yet.
    ///
    /// # Errors
    /// As [`Repository::index`].
    pub async fn new(repository: &Repository, options: WriterOptions) -> Result<Self> {
        let index = repository.index().await?;
        let in_flight = Arc::new(Semaphore::new(options.mib_in_flight().try_into().unwrap_or(usize::MAX)));
        Ok(Self {
            shared: Arc::new(Shared {
                repository: repository.clone(),
                index,
                options,
                pending: Mutex::default(),
                open: Default::default(),
                in_flight,
                uploads: AsyncMutex::default(),
                indexing: AsyncMutex::default(),
                unindexed: Mutex::default(),
                failure: Mutex::default(),
                summary: Mutex::default(),
            }),
        })
    }

    /// Adds a blob whose SHA-256 is `id`, unless the repository has it or this run already took it.
    ///
    /// # Errors
    /// `InvalidInput` if it is longer than [`BlobKind::max_len`] or `id` is not its hash, or whatever failure stopped the writer before.
    pub async fn add(&self, kind: BlobKind, id: Id, data: impl Into<Bytes> + Send) -> Result<AddOutcome> {
        if self.is_known(kind, &id) {
            return Ok(AddOutcome::known());
        }
        let (this, data) = (self.clone(), data.into());
        let prepared = tokio::task::spawn_blocking(move || this.prepare(kind, id, &data))
            .await
            .map_err(Error::cancelled)??;
        match prepared {
            Some(prepared) => self.add_prepared(prepared).await,
            None => Ok(AddOutcome::known()),
        }
    }

    /// True if the blob need not be read, sealed or sent again.
    pub fn is_known(&self, kind: BlobKind, id: &Id) -> bool {
        lock(&self.shared.pending)[slot(kind)].contains(id) || self.shared.is_stored(kind, id)
    }

    /// The part of [`Self::add`] that keeps a core busy, for callers that already run off the async threads: claims the
    /// blob for this run, compresses and seals it. `None` if it is known.
    ///
    /// What is returned must reach [`Self::add_prepared`]. If it is dropped instead, as when a task is cancelled, the
    /// whole writer fails: others were told already that this blob is taken care of.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn prepare(&self, kind: BlobKind, id: Id, data: &[u8]) -> Result<Option<PreparedBlob>> {
        if self.is_known(kind, &id) {
            return Ok(None);
        }
        if Id::of(data) != id {
            return Err(Error::invalid(format!("{id} is not the hash of the {} blob given", kind.name())));
        }
        self.prepare_hashed(kind, id, data)
    }

    /// As [`Self::prepare`], for an `id` that was just computed from `data`.
    pub(crate) fn prepare_hashed(&self, kind: BlobKind, id: Id, data: &[u8]) -> Result<Option<PreparedBlob>> {
        if self.shared.is_stored(kind, &id) || !lock(&self.shared.pending)[slot(kind)].insert(id) {
            return Ok(None);
        }
        let Shared { repository, .. } = &*self.shared;
        let sealed = SealedBlob::seal(repository.key(), repository.compression(), kind, id, data);
        let sealed = sealed.map_err(|error| self.shared.fail(error))?;
        Ok(Some(PreparedBlob::new(sealed, Arc::clone(&self.shared))))
    }

    /// Packs a blob from [`Self::prepare`] of the same writer. Waits while too many packs are on their way.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub async fn add_prepared(&self, prepared: PreparedBlob) -> Result<AddOutcome> {
        let blob = prepared.blob();
        let mut open = self.shared.open[slot(blob.kind)].lock().await;
        if open.as_ref().is_some_and(|pack| !pack.has_room_for(blob)) {
            self.shared.upload_open(&mut open).await?;
        }
        self.shared.healthy()?;
        let target = self.shared.options.target(blob.kind);
        let pack = open.get_or_insert_with(|| PackBuilder::new(target));
        pack.push(blob).map_err(|error| self.shared.fail(error))?;
        drop(open);
        let stored_bytes = upload::to_u64(blob.bytes.len());
        lock(&self.shared.summary).count_blob(blob.kind, blob.plaintext_length.into(), stored_bytes);
        prepared.packed();
        Ok(AddOutcome::new(stored_bytes))
    }

    /// Indexes every pack that is stored by now, without waiting for those on their way.
    pub(crate) async fn index_stored(&self) -> Result<()> {
        self.shared.healthy()?;
        self.shared.write_index().await
    }

    /// Waits for the packs on their way and indexes every pack that is stored. Packs still being filled stay open.
    ///
    /// A run that is killed later starts again from here: its blobs are known to the next run.
    ///
    /// # Errors
    /// Whatever failure stopped the writer.
    pub async fn checkpoint(&self) -> Result<()> {
        self.shared.settle().await?;
        self.shared.write_index().await
    }

    /// Stores what is still open, and indexes everything. All blobs added before are durable then.
    ///
    /// # Errors
    /// Whatever failure stopped the writer; nothing it added may be relied on then.
    pub async fn finish(self) -> Result<WriteSummary> {
        for open in &self.shared.open {
            self.shared.upload_open(&mut *open.lock().await).await?;
        }
        self.checkpoint().await?;
        Ok(self.summary())
    }

    /// Stores what is still open, without an index.
    #[cfg(test)]
    pub(crate) async fn store_open(&self) -> Result<()> {
        for open in &self.shared.open {
            self.shared.upload_open(&mut *open.lock().await).await?;
        }
        self.shared.settle().await
    }

    /// What was written so far.
    pub fn summary(&self) -> WriteSummary {
        *lock(&self.shared.summary)
    }
}

impl fmt::Debug for BlobWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobWriter").field("summary", &self.summary()).finish_non_exhaustive()
    }
}

fn slot(kind: BlobKind) -> usize {
    match kind {
        BlobKind::Data => 0,
        BlobKind::Tree => 1,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
