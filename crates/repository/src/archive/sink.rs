//! Where workers, which are plain threads, hand what is to be stored to the asynchronous writer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Notify, OnceCell};

use crate::blob::BlobKind;
use crate::cache::Relied;
use crate::cancellation::Cancellation;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::lock::{Lock, LockWatch};
use crate::prune::Rounds;
use crate::repository::{Listing, Repository};
use crate::writer::{Begun, BlobWriter, WriterOptions};

/// Sealed bytes between two index files: an eighth of what was stored, within these bounds. The next run finds the packs
/// of an interrupted one without an index too; this only spares it most of the reading.
const CHECKPOINT_BYTES: std::ops::RangeInclusive<u64> = (512 << 20)..=(4 << 30);

/// A writer shared by worker threads, made when the first of them has something to store.
#[derive(Debug)]
pub(super) struct Sink {
    repository: Repository,
    options: WriterOptions,
    belief: Option<Belief>,
    ready: OnceCell<Ready>,
    locked: Notify,
    belief_lost: AtomicBool,
    runtime: Handle,
    cancellation: Cancellation,
    next_checkpoint: AtomicU64,
}

/// What counts as stored without being looked for.
#[derive(Clone, Debug)]
pub(super) struct Belief {
    /// What is in this snapshot,
    pub(super) snapshot: Id,
    /// as long as the index files are there that list it, and the packs that these name.
    pub(super) relied: Arc<Relied>,
}

impl Belief {
    fn stands(&self, listing: &Listing) -> bool {
        listing.snapshots.contains(&self.snapshot)
            && self.relied.is_indexed(&listing.indexes)
            && self.relied.is_whole(&listing.packs)
    }
}

/// What storing needs: a lock, and an index that was loaded under it.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) writer: BlobWriter,
    pub(super) watch: LockWatch,
    /// What prunes were up to when the lock was taken.
    pub(super) rounds: Rounds,
    lock: Mutex<Option<Lock>>,
    snapshots: Vec<Id>,
}

impl Ready {
    /// Whether the repository held this snapshot when it was locked, and with it everything the snapshot needs until
    /// the lock goes.
    pub(super) fn holds(&self, snapshot: &Id) -> bool {
        self.snapshots.contains(snapshot)
    }
}

impl Sink {
    /// A sink for one backup. If what is believed does not stand when the repository is locked, nothing more is stored
    /// and [`Self::is_belief_lost`] says so.
    pub(super) fn new(
        repository: Repository,
        options: WriterOptions,
        belief: Option<Belief>,
        cancellation: Cancellation,
    ) -> Self {
        Self {
            repository,
            options,
            belief,
            ready: OnceCell::new(),
            locked: Notify::new(),
            belief_lost: AtomicBool::new(false),
            runtime: Handle::current(),
            cancellation,
            next_checkpoint: AtomicU64::new(*CHECKPOINT_BYTES.start()),
        }
    }

    /// Locks the repository and loads its index, if that was not done yet.
    pub(super) async fn ready(&self) -> Result<&Ready> {
        self.ready.get_or_try_init(|| self.lock()).await
    }

    /// What was made ready, if anything was.
    pub(super) fn get(&self) -> Option<&Ready> {
        self.ready.get()
    }

    pub(super) fn is_belief_lost(&self) -> bool {
        self.belief_lost.load(Ordering::Acquire)
    }

    async fn lock(&self) -> Result<Ready> {
        let stands = |listing: &Listing| self.belief.as_ref().is_none_or(|belief| belief.stands(listing));
        // The index is shared with nobody: a blob counts as stored only where the store shows it, neither because a run
        // that failed had packed it nor because it was there before a prune.
        let begun = BlobWriter::begin(&self.repository, self.options.clone(), stands).await?;
        let Some(Begun { writer, lock, rounds, snapshots }) = begun else {
            self.belief_lost.store(true, Ordering::Release);
            let message = "the parent snapshot was removed, or packs or index files that it needs";
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let watch = lock.watch();
        self.locked.notify_one();
        Ok(Ready { writer, watch, rounds, lock: Mutex::new(Some(lock)), snapshots })
    }

    /// Waits until the lock is lost; for ever if it is not.
    pub(super) async fn lost(&self) -> Error {
        loop {
            match self.ready.get() {
                Some(ready) => return ready.watch.lost().await,
                None => self.locked.notified().await,
            }
            tokio::task::yield_now().await;
        }
    }

    /// Removes the lock, if there is one.
    pub(super) async fn release(&self) -> Result<()> {
        let taken = |ready: &Ready| ready.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        match self.ready.get().and_then(taken) {
            Some(lock) => lock.release().await,
            None => Ok(()),
        }
    }

    /// Fails if the backup was cancelled.
    pub(super) fn check(&self) -> Result<()> {
        self.cancellation.check()
    }

    /// Stores a blob unless the repository has it, and answers with its id. What is `known` is looked for only once the
    /// index is there. Blocks while too much is on its way.
    pub(super) fn store(&self, kind: BlobKind, data: &[u8], known: impl FnOnce(&Id) -> bool) -> Result<Id> {
        self.cancellation.check()?;
        let id = Id::of(data);
        let writer = match self.ready.get() {
            Some(ready) => &ready.writer,
            None if known(&id) => return Ok(id),
            None => &self.wait(self.ready())?.writer,
        };
        if writer.is_known(kind, &id) {
            return Ok(id);
        }
        if let Some(prepared) = writer.prepare_hashed(kind, id, data)? {
            // A sealed blob that is given up makes the writer fail, and with it everything that could be kept.
            self.runtime.block_on(writer.add_prepared(prepared))?;
            self.checkpoint_if_due(writer)?;
        }
        Ok(id)
    }

    /// Runs a future to its end, or until the backup is cancelled.
    pub(super) fn wait<T: Send>(&self, future: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.cancelled() => Err(Error::cancelled("asked to stop")),
                result = future => result,
            }
        })
    }

    fn checkpoint_if_due(&self, writer: &BlobWriter) -> Result<()> {
        let stored = writer.summary().stored_bytes;
        let due = self.next_checkpoint.load(Ordering::Relaxed);
        if stored < due {
            return Ok(());
        }
        let step = (stored / 8).clamp(*CHECKPOINT_BYTES.start(), *CHECKPOINT_BYTES.end());
        let taken = self.next_checkpoint.compare_exchange(
            due,
            stored.saturating_add(step),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if taken.is_ok() { self.wait(writer.index_stored()) } else { Ok(()) }
    }
}
