//! A backup from lock to snapshot.

use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use stillpoint_localfs::{OwnerNames, Selection, Source};

use super::directory::DirectoryJob;
use super::sink::Sink;
use super::summary::Totals;
use super::walk::Walk;
use super::{BackupOptions, BackupSource, BackupSummary, Parent};
use crate::blob::BlobKind;
use crate::browse::{TreeCache, locate, names};
use crate::cancellation::Cancellation;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::issue::fatal;
use crate::lock::{Lock, LockMode};
use crate::progress::Progress;
use crate::prune::{Commit, Rounds};
use crate::repository::{Repository, StoredSnapshot};
use crate::snapshot::Snapshot;
use crate::tree::{Mode, Node, NodeKind, Tree};
use crate::writer::BlobWriter;

/// Chunks that may wait for another worker, per worker.
const CHUNKS_WAITING_PER_WORKER: usize = 2;
/// Times a backup begins anew because a prune deleted what it relied on.
const ATTEMPTS: usize = 3;
/// Workers unless told otherwise.
const WORKERS_MAX: usize = 8;

impl Repository {
    /// Backs a directory up and returns when the snapshot is durable.
    ///
    /// Entries that cannot be read are listed in the summary and left out; only the source itself, the repository, and
    /// cancellation make the whole backup fail. A backup that failed or was killed leaves no snapshot, and what it
    /// stored up to its last checkpoint is not stored again by the next one; one that was cancelled keeps everything
    /// it had sealed.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied` or `InvalidInput` if the source cannot be listed, `Locked` if data is being
    /// deleted from the repository, `Cancelled`, or the store's failure.
    pub async fn backup(
        &self,
        source: &BackupSource,
        options: BackupOptions,
        progress: Arc<dyn Progress>,
        cancellation: &Cancellation,
    ) -> Result<BackupSummary> {
        let cancellation = cancellation.child();
        let _stop_workers = cancellation.on_drop();
        cancellation.check()?;
        let lock = self.lock(LockMode::Shared).await?;
        let attempts = Box::pin(attempts(self, source, options, progress, &cancellation, &lock));
        let outcome = tokio::select! {
            outcome = attempts => outcome,
            lost = lock.lost() => Err(lost),
        };
        cancellation.cancel();
        if let Err(error) = lock.release().await {
            tracing::warn!(%error, "the repository lock stays until it is stale");
        }
        outcome
    }
}

/// Backs up, and anew where a prune deleted what the backup relied on: then nothing of an earlier snapshot is reused.
async fn attempts(
    repository: &Repository,
    source: &BackupSource,
    mut options: BackupOptions,
    progress: Arc<dyn Progress>,
    cancellation: &Cancellation,
    lock: &Lock,
) -> Result<BackupSummary> {
    for _ in 0..ATTEMPTS {
        let rounds = repository.rounds().await?;
        // Loaded under the lock and shared with nobody: a blob counts as stored only where an index in the store lists
        // it, neither because a run that failed had packed it nor because it was there before a prune.
        let fresh = repository.with_fresh_index();
        options.writer = options.writer.guarded(lock, &rounds);
        let run = run(&fresh, source, options.clone(), Arc::clone(&progress), cancellation, (lock, &rounds));
        if let Some(summary) = Box::pin(run).await? {
            return Ok(summary);
        }
        options.parent = Parent::None;
    }
    let message = "prunes kept deleting what this backup relied on; run the same command again";
    Err(Error::new(ErrorKind::Unavailable, message))
}

async fn run(
    repository: &Repository,
    source: &BackupSource,
    options: BackupOptions,
    progress: Arc<dyn Progress>,
    cancellation: &Cancellation,
    (lock, rounds): (&Lock, &Rounds),
) -> Result<Option<BackupSummary>> {
    let start = clock::now();
    let hostname = source.hostname.clone().unwrap_or_else(|| repository.origin().hostname.clone());
    let stored_path = stored_path(source)?;
    let parent = find_parent(repository, options.parent, &hostname, &stored_path).await?;
    let mut earlier = TreeCache::new(repository.clone());
    let earlier_root = match &parent {
        Some(parent) => earlier_root(&mut earlier, &parent.snapshot).await?,
        None => None,
    };
    let writer = BlobWriter::new(repository, options.writer.clone()).await?;
    if lock.met_others() {
        writer.adopt_unindexed().await?;
    }
    let walk =
        Arc::new(open_walk(repository, source, &options, (writer, earlier), progress, cancellation).await?);
    let root = DirectoryJob {
        path: Path::new("").to_path_buf(),
        name: names(&source.stored_path).last().unwrap_or(b"root").to_vec(),
        place: None,
        earlier: earlier_root,
        mount_point: false,
    };
    let workers = workers(&options);
    let walking = Arc::clone(&walk);
    let walked =
        tokio::task::spawn_blocking(move || walking.run(root, workers)).await.map_err(Error::cancelled)?;
    let writer = walk.sink.writer().clone();
    let root = match walked {
        Ok(root) => root,
        Err(error) => {
            keep(writer).await;
            return Err(error);
        }
    };
    let tree = listing_of(&root)?;
    let top = wrap(&writer, &source.stored_path, root).await?;
    let written = writer.finish().await?;
    cancellation.check()?;
    let mut origin = repository.origin().clone();
    origin.hostname = hostname;
    let mut snapshot = Snapshot::new(options.time.unwrap_or(start), top, vec![stored_path], &origin);
    snapshot.parent = parent.map(|parent| parent.id);
    let rules = walk.selection.report();
    snapshot.excludes = rules.iter().map(|rule| rule.pattern.clone()).collect();
    snapshot.tags = options.tags;
    snapshot.tags.extend(options.tag_if_incomplete.filter(|_| !walk.totals.is_complete()));
    snapshot.summary = Some(walk.totals.snapshot_summary(start, clock::now(), &written));
    Ok(match repository.commit(&snapshot, lock, rounds).await? {
        Commit::Stored(id) => Some(walk.totals.summary((id, tree), snapshot.parent, written, rules)),
        Commit::Swept => None,
    })
}

/// Stores and indexes what a backup that stopped early has sealed, so that the next one need not send it again.
async fn keep(writer: BlobWriter) {
    if let Err(error) = writer.finish().await {
        tracing::info!(%error, "what was sealed since the last checkpoint is not kept");
    }
}

fn stored_path(source: &BackupSource) -> Result<String> {
    // The format keeps paths as text; a path that is not text could not be found again by it.
    source.stored_path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::invalid(format!(
            "the path {:?} is not UTF-8; record the directory under another path",
            source.stored_path
        ))
    })
}

fn workers(options: &BackupOptions) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    options.workers.unwrap_or_else(processors).max(1)
}

async fn find_parent(
    repository: &Repository,
    choice: Parent,
    hostname: &str,
    path: &str,
) -> Result<Option<StoredSnapshot>> {
    match choice {
        Parent::None => Ok(None),
        Parent::Snapshot(id) => {
            Ok(Some(StoredSnapshot { id, snapshot: repository.load_snapshot(&id).await? }))
        }
        Parent::Newest => {
            let same = |stored: &StoredSnapshot| {
                stored.snapshot.hostname == hostname && stored.snapshot.paths.iter().eq([path])
            };
            Ok(repository.snapshots().await?.readable.into_iter().rev().find(same))
        }
    }
}

/// The source directory as the parent snapshot has it; nothing if that is damaged, since it is of use but not needed.
async fn earlier_root(cache: &mut TreeCache, parent: &Snapshot) -> Result<Option<Node>> {
    let root = match locate(cache, parent).await {
        Ok(root) => root,
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
            tracing::warn!(%error, "the parent snapshot cannot be used");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut node = root.node.unwrap_or_else(|| Node::new("", NodeKind::Dir));
    node.subtree = Some(root.tree);
    Ok(Some(node))
}

async fn open_walk(
    repository: &Repository,
    source: &BackupSource,
    options: &BackupOptions,
    (writer, earlier): (BlobWriter, TreeCache),
    progress: Arc<dyn Progress>,
    cancellation: &Cancellation,
) -> Result<Walk> {
    let (root, rules) = (source.root.clone(), options.rules.clone());
    let (one_file_system, bytes_max) = (options.one_file_system, options.file_bytes_max);
    let open = move |_: &Repository| {
        let source = Source::open(&root).map_err(fatal)?;
        let mut selection = Selection::new(&rules).map_err(fatal)?;
        if one_file_system {
            selection = selection.one_file_system(&source);
        }
        if let Some(bytes) = bytes_max {
            selection = selection.files_up_to(bytes);
        }
        Ok((source, selection))
    };
    let (source, selection) = repository.blocking(open).await?;
    Ok(Walk {
        source,
        selection,
        owners: OwnerNames::new(),
        sink: Sink::new(writer, cancellation.clone()),
        index: repository.index().await?,
        earlier: Mutex::new(earlier),
        totals: Totals::default(),
        progress,
        chunks_waiting: AtomicUsize::new(0),
        chunks_waiting_max: CHUNKS_WAITING_PER_WORKER * workers(options),
        links: Mutex::default(),
        outcome: Mutex::default(),
    })
}

/// Stores the directories above the source, so that the snapshot holds it under its recorded path, as restic expects.
/// They carry the source's own owner and times: nothing outside the source is looked at.
pub(super) async fn wrap(writer: &BlobWriter, path: &Path, root: Node) -> Result<Id> {
    let depth = names(path).count();
    if depth == 0 {
        return listing_of(&root);
    }
    let above: Vec<Vec<u8>> = names(path).take(depth - 1).map(<[u8]>::to_vec).collect();
    let mut node = root;
    for name in above.into_iter().rev() {
        let mut directory = Node::new(name, NodeKind::Dir);
        directory.mode = Mode::from_unix(0o040_755);
        (directory.mtime, directory.atime, directory.ctime) = (node.mtime, node.mtime, node.mtime);
        (directory.uid, directory.gid) = (node.uid, node.gid);
        (directory.user, directory.group) = (node.user.clone(), node.group.clone());
        directory.subtree = Some(store_tree(writer, node).await?);
        node = directory;
    }
    store_tree(writer, node).await
}

fn listing_of(directory: &Node) -> Result<Id> {
    directory.subtree.ok_or_else(|| Error::invalid("the source has no listing"))
}

async fn store_tree(writer: &BlobWriter, only: Node) -> Result<Id> {
    let blob = Tree::new(vec![only])?.encode();
    let id = Id::of(&blob);
    writer.add(BlobKind::Tree, id, blob).await?;
    Ok(id)
}
