//! A restore from snapshot to finished target.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use stillpoint_localfs::{Extractor, FileId, HardLinks, Landing, LinkKey};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::attributes::attributes;
use super::elsewhere::Whereabouts;
use super::fetch::MEMORY_KIB;
use super::include::Include;
use super::repetition::Repetition;
use super::scan::Scan;
use super::spot::OpenFolder;
use super::summary::{Totals, add};
use super::trail::Trail;
use super::window::Window;
use super::{RestoreOptions, RestoreSummary};
use crate::browse::{TreeCache, locate};
use crate::cancellation::Cancellation;
use crate::decoder::Decoders;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::issue::fatal;
use crate::lock::{Lock, LockMode, is_in_the_way};
use crate::progress::Progress;
use crate::repository::{Listing, Repository};

/// Threads that decode and write at once, at most.
const WORKERS_MAX: usize = 8;

/// What all tasks of a restore share.
#[derive(Debug)]
pub(super) struct Restore {
    pub(super) repository: Repository,
    pub(super) extractor: Extractor,
    pub(super) whereabouts: Whereabouts,
    pub(super) runtime: Handle,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) cancellation: Cancellation,
    pub(super) totals: Totals,
    pub(super) decoders: Decoders,
    /// Shares of the memory for what is fetched, in KiB.
    pub(super) memory: Arc<Semaphore>,
    /// Buffers for parts of packs that nobody uses right now.
    pub(super) buffers: Mutex<Vec<Vec<u8>>>,
    /// One permit for each thread that may decode and write.
    pub(super) workers: Arc<Semaphore>,
    pub(super) worker_count: usize,
    /// Files with several names that stand complete.
    linked: Mutex<HashMap<LinkKey, FileId>>,
}

impl Repository {
    /// Restores a snapshot into the directory `target` and returns when everything is durable.
    ///
    /// Entries that cannot be restored are listed in the summary. A restore that fails or is killed leaves only whole
    /// files under final names, and a marker; the same call with the same options takes it up, keeps what is complete,
    /// and does the rest.
    ///
    /// # Errors
    /// `NotFound` if there is no such snapshot, `AlreadyExists` if the target is not empty or holds another restore,
    /// `Busy` if another run of this one works in it, `NoSpace`, `Corrupt` if index or top of the snapshot are damaged,
    /// `Locked`, `Cancelled`, or the store's failure.
    pub async fn restore(
        &self,
        snapshot: &Id,
        target: &Path,
        options: RestoreOptions,
        progress: Arc<dyn Progress>,
        cancellation: &Cancellation,
    ) -> Result<RestoreSummary> {
        let cancellation = cancellation.child();
        let _stop_tasks = cancellation.on_drop();
        cancellation.check()?;
        let (lock, listing) = lock_if_possible(self).await?.unzip();
        let run = Box::pin(run(self, (snapshot, listing), target, options, progress, &cancellation));
        let outcome = match &lock {
            Some(lock) => tokio::select! {
                outcome = run => outcome,
                lost = lock.lost() => Err(lost),
            },
            None => run.await,
        };
        cancellation.cancel();
        if let Some(lock) = lock {
            lock.let_go().await;
        }
        outcome
    }
}

/// A restore must be possible from a store that may only be read or is full, and beside a lock that nobody can read; then
/// nothing keeps a prune from running meanwhile. It deletes nothing, and notices packs that go.
async fn lock_if_possible(repository: &Repository) -> Result<Option<(Lock, Listing)>> {
    match repository.lock_and_list(LockMode::Shared).await {
        Ok(locked) => Ok(Some(locked)),
        Err(error) if is_in_the_way(error.kind()) => {
            tracing::warn!(%error, "restoring without a lock");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn run(
    repository: &Repository,
    (snapshot, listing): (&Id, Option<Listing>),
    target: &Path,
    options: RestoreOptions,
    progress: Arc<dyn Progress>,
    cancellation: &Cancellation,
) -> Result<RestoreSummary> {
    let include = Include::new(&options.include)?;
    let snapshot = match &listing {
        Some(listing) if listing.snapshots.contains(snapshot) => {
            repository.load_known_snapshot(snapshot).await
        }
        Some(_) | None => repository.follow_snapshot(snapshot).await.map(|stored| stored.snapshot),
    }?;
    if let Some(listing) = listing {
        repository.load_index(listing.indexes).await?;
    }
    let index = repository.index().await?;
    let mut trees = TreeCache::in_bulk(repository.clone());
    let root = locate(&mut trees, &snapshot).await?;
    let landing = options.extract.landing;
    let (target, id, extract) = (target.to_path_buf(), options.id, options.extract);
    let extractor =
        repository.blocking(move |_| Extractor::open(&target, &id, extract).map_err(fatal)).await?;
    let resumed = extractor.resumed();
    let worker_count = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    let restore = Arc::new(Restore {
        repository: repository.clone(),
        extractor,
        whereabouts: Whereabouts::new(index),
        runtime: Handle::current(),
        progress,
        cancellation: cancellation.clone(),
        totals: Totals::default(),
        decoders: Decoders::default(),
        memory: Arc::new(Semaphore::new(MEMORY_KIB)),
        buffers: Mutex::default(),
        workers: Arc::new(Semaphore::new(worker_count)),
        worker_count,
        linked: Mutex::default(),
    });
    let is_own = match landing {
        Landing::Merge => false,
        // Whoever asks for a part of it does not ask for what it is in.
        Landing::Replace => include.covers(Path::new("")),
        _ => true,
    };
    let (trail, directories) = (Trail::new(&restore.extractor), restore.extractor.unfinished());
    let mut scan = Scan {
        restore,
        include,
        trees,
        repetition: Repetition::up_to(options.repeated_entries_max),
        window: Window::default(),
        folder: OpenFolder::default(),
        trail,
        links: HardLinks::default(),
        directories,
    };
    let own = root.node.filter(|_| is_own).map(|node| attributes(&node));
    let finish = move |_: &Repository| {
        scan.run(root.tree)?;
        let restore = Arc::clone(&scan.restore);
        drop(scan);
        restore.cancellation.check()?;
        // Nothing else holds the restore any more: every task it started has ended.
        let Restore { extractor, totals, .. } =
            Arc::into_inner(restore).ok_or_else(|| Error::cancelled("tasks are still running"))?;
        let report = extractor.finish(own.as_ref()).map_err(fatal)?;
        Ok(totals.summary(resumed, report.warnings))
    };
    repository.blocking(finish).await
}

impl Restore {
    /// Runs a future to its end, or until the restore is cancelled. Only for threads that may block.
    pub(super) fn wait<T: Send>(&self, future: impl Future<Output = Result<T>> + Send) -> Result<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.cancellation.cancelled() => Err(Error::cancelled("asked to stop")),
                result = future => result,
            }
        })
    }

    /// Tells of a file that is done, whatever became of it, and for which so many bytes were not written. Each name of a
    /// file counts as one, as it does in the totals of its snapshot.
    pub(super) fn file_passed(&self, bytes: u64) {
        self.progress.advanced(bytes);
        self.progress.finished(1);
    }

    /// Counts a file that was written.
    pub(super) fn file_restored(&self, link: Option<LinkKey>, id: Option<FileId>) {
        add(&self.totals.restored, 1);
        self.file_stands(link, id);
    }

    /// Counts a file that stood in place.
    pub(super) fn file_unchanged(&self, link: Option<LinkKey>, id: FileId) {
        add(&self.totals.unchanged, 1);
        self.file_stands(link, Some(id));
    }

    /// The complete file that a hard-linked inode of the snapshot became.
    pub(super) fn linked_file(&self, link: LinkKey) -> Option<FileId> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).get(&link).copied()
    }

    fn file_stands(&self, link: Option<LinkKey>, id: Option<FileId>) {
        self.progress.finished(1);
        if let Some((link, id)) = link.zip(id) {
            self.links_to(link, id);
        }
    }

    /// Remembers a file that stands complete, so that its other names can be linked to it.
    pub(super) fn links_to(&self, link: LinkKey, id: FileId) {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).insert(link, id);
    }
}
