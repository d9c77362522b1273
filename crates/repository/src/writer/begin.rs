//! A writer with all that it stands on: the lock, the look at what is there, and the index loaded under it.

use super::{BlobWriter, WriterOptions};
use crate::error::Result;
use crate::file::FileKind;
use crate::id::Id;
use crate::lock::{Lock, LockMode};
use crate::prune::Rounds;
use crate::repository::{Listing, Repository};

/// A writer that may begin to store.
pub(crate) struct Begun {
    pub(crate) writer: BlobWriter,
    pub(crate) lock: Lock,
    /// What prunes were up to when the lock was taken, before the index was loaded.
    pub(crate) rounds: Rounds,
    /// The snapshots that were there then.
    pub(crate) snapshots: Vec<Id>,
}

impl BlobWriter {
    /// Locks the repository, loads its index, and takes up what a run that was killed had stored. `None`, and the lock is
    /// gone again, where `admits` says no to what is there.
    ///
    /// A blob counts as stored only where an index file lists it *and* its pack is there with its whole length: index
    /// files may name packs that the store has lost, or that a prune deleted before a writer without its lock indexed
    /// them. `repository` must have an index of its own that is not loaded yet.
    ///
    /// # Errors
    /// `Locked` while data is being deleted, or the store's failure.
    pub(crate) async fn begin(
        repository: &Repository,
        options: WriterOptions,
        admits: impl FnOnce(&Listing) -> bool + Send,
    ) -> Result<Option<Begun>> {
        let (lock, listing) = repository.lock_and_list_from(LockMode::Shared, FileKind::Pack).await?;
        if !admits(&listing) {
            lock.release().await?;
            return Ok(None);
        }
        // Before the index is loaded: whatever a prune deletes later is noticed when the snapshot is stored.
        let rounds = repository.rounds_named(&listing.marks).await?;
        let Listing { indexes, packs, snapshots, .. } = listing;
        repository.load_index(indexes).await?;
        let writer = Self::new(repository, options.guarded(&lock, &rounds)).await?;
        let lost = writer.shared.index.lost_packs(&packs);
        if !lost.is_empty() {
            tracing::warn!(
                packs = lost.len(),
                "index files name packs that are gone or damaged; what lies in them is stored anew where it is found"
            );
            writer.shared.index.forget(&lost);
        }
        writer.adopt_unindexed(packs).await?;
        Ok(Some(Begun { writer, lock, rounds, snapshots }))
    }
}
