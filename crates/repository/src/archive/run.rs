//! A backup from its plan to its snapshot.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use stillpoint_localfs::{Identity, OwnerNames, Source};

use super::directory::DirectoryJob;
use super::earlier::EarlierEntry;
use super::plan::{Plan, directories_above, stored_root};
use super::publish::{Published, publish_without_lock};
use super::sink::{Belief, Sink};
use super::summary::Totals;
use super::walk::{EarlierWalk, Seen, Walk};
use super::{BackupOptions, BackupSource, BackupSummary};
use crate::blob::BlobKind;
use crate::browse::{TreeCache, names};
use crate::cache::{Recorder, Relied, WalkCache};
use crate::cancellation::Cancellation;
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::issue::{Issue, IssueKind};
use crate::progress::Progress;
use crate::prune::Commit;
use crate::repository::{Repository, StoredSnapshot};
use crate::snapshot::Snapshot;
use crate::tree::Tree;
use crate::writer::{BlobWriter, WriteSummary};

/// Chunks that may wait for another worker, per worker.
const CHUNKS_WAITING_PER_WORKER: usize = 2;

/// What an attempt takes for stored without having stored it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// What this machine remembers of the parent snapshot.
    Memory,
    /// What the store holds of the parent snapshot.
    Parent,
    /// Only what an index lists.
    Index,
}

/// A backup begins anew, trusting less, where the parent went or a prune deleted what the backup relied on.
const ATTEMPTS: [Trust; 4] = [Trust::Memory, Trust::Parent, Trust::Index, Trust::Index];

impl Repository {
    /// Backs a directory up and returns when the snapshot is durable.
    ///
    /// Entries that cannot be read are listed in the summary and left out; only the source itself, the repository, and
    /// cancellation make the whole backup fail. A backup that failed or was killed leaves no snapshot, and what it
    /// stored up to its last checkpoint is not stored again by the next one; one that was cancelled keeps everything
    /// it had sealed.
    ///
    /// With a [cache](crate::Store::with_cache), the walk is remembered, and the next one opens nothing that has not
    /// changed since. Where nothing has changed at all, only the snapshot is stored, without a lock; killed in the
    /// midst of that, the backup may leave a snapshot that must be checked before it is relied upon: one whose tree
    /// is that of a parent that is still there is whole.
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
        let plan = Plan::new(self, source, options)?;
        for trust in ATTEMPTS {
            let workers = cancellation.child();
            let attempt = Box::pin(attempt(&plan, trust, Arc::clone(&progress), &workers));
            if let Some(summary) = attempt.await? {
                return Ok(summary);
            }
        }
        let message = "prunes kept deleting what this backup relied on; run the same command again";
        Err(Error::new(ErrorKind::Unavailable, message))
    }
}

/// Backs up. `None` if what was trusted turned out to be gone from the store.
async fn attempt(
    plan: &Plan<'_>,
    trust: Trust,
    progress: Arc<dyn Progress>,
    cancellation: &Cancellation,
) -> Result<Option<BackupSummary>> {
    let _stop_workers = cancellation.on_drop();
    let repository = plan.repository.with_fresh_index();
    let (source, selection) = plan.open_source().await?;
    let owners = Arc::new(OwnerNames::new());
    let mut parent = if trust == Trust::Index { None } else { plan.find_parent().await? };
    let remembered = match parent.as_ref().filter(|_| trust == Trust::Memory) {
        Some(parent) => plan.remembered(parent, &source, &owners).await?,
        None => None,
    };
    let belief = parent.as_ref().zip(remembered.as_ref()).map(|(parent, walk)| {
        let relied = Arc::clone(&walk.relied);
        Belief { snapshot: parent.id, relied }
    });
    let (writer, believes) = (plan.options.writer.clone(), belief.is_some());
    let sink = Arc::new(Sink::new(repository.clone(), writer, belief, cancellation.clone()));
    let outcome = async {
        if !believes || repository.is_busy() {
            let ready = sink.ready().await?;
            parent = parent.filter(|parent| ready.holds(&parent.id));
        }
        let (earlier, root) = earlier_walk(&repository, parent.as_ref(), remembered, &owners).await?;
        let walk = Walk {
            recorder: recorder(plan, &repository, &source, &earlier),
            source,
            selection,
            owners,
            sink: Arc::clone(&sink),
            earlier,
            totals: Totals::default(),
            progress,
            chunks_waiting: AtomicUsize::new(0),
            chunks_waiting_max: CHUNKS_WAITING_PER_WORKER * plan.workers,
            listing_bytes_max: plan.options.listing_bytes_max.min(BlobKind::Tree.max_len()),
            links: Mutex::default(),
            zeros: Mutex::default(),
            outcome: Mutex::default(),
        };
        Box::pin(run(plan, &repository, Arc::new(walk), root, parent, cancellation)).await
    };
    let outcome = tokio::select! {
        outcome = outcome => outcome,
        lost = sink.lost() => Err(lost),
    };
    cancellation.cancel();
    if let Err(error) = sink.release().await {
        tracing::warn!(%error, "the repository lock stays until it is stale");
    }
    if sink.is_belief_lost() { Ok(None) } else { outcome }
}

async fn earlier_walk(
    repository: &Repository,
    parent: Option<&StoredSnapshot>,
    remembered: Option<Arc<WalkCache>>,
    owners: &OwnerNames,
) -> Result<(EarlierWalk, EarlierEntry)> {
    if let Some(cache) = remembered
        && let Some((node, stat, trusted)) =
            cache.root().map(|root| (root.node(owners), root.stat, root.trusted))
    {
        let root = EarlierEntry::Root(Box::new(node), Box::new(stat), trusted);
        return Ok((EarlierWalk::Remembered(cache), root));
    }
    let Some(parent) = parent else { return Ok((EarlierWalk::None, EarlierEntry::None)) };
    let mut trees = TreeCache::new(repository.clone());
    let since = parent.snapshot.summary.as_ref().map_or(parent.snapshot.time, |summary| summary.backup_start);
    Ok(match stored_root(&mut trees, &parent.snapshot).await? {
        Some(root) => {
            let index = repository.index().await?;
            let walk = EarlierWalk::Stored(Box::new(Mutex::new(trees)), index, since);
            (walk, EarlierEntry::Stored(Box::new(root), since))
        }
        None => (EarlierWalk::None, EarlierEntry::None),
    })
}

fn recorder(
    plan: &Plan<'_>,
    repository: &Repository,
    source: &Source,
    earlier: &EarlierWalk,
) -> Option<Recorder> {
    let cache = repository.store().cache().cloned()?;
    let previous = match earlier {
        EarlierWalk::Remembered(previous) => Some(Arc::clone(previous)),
        EarlierWalk::None | EarlierWalk::Stored(..) => None,
    };
    Some(Recorder::new(cache, plan.source_name(), previous, source.metadata().device, plan.start))
}

async fn run(
    plan: &Plan<'_>,
    repository: &Repository,
    walk: Arc<Walk>,
    earlier: EarlierEntry,
    parent: Option<StoredSnapshot>,
    cancellation: &Cancellation,
) -> Result<Option<BackupSummary>> {
    let root = DirectoryJob {
        path: PathBuf::new(),
        name: names(&plan.source.stored_path).last().unwrap_or(b"root").to_vec(),
        identity: Identity::from(walk.source.metadata()),
        place: None,
        earlier,
        mount_point: false,
    };
    let (walking, workers) = (Arc::clone(&walk), plan.workers);
    let walked =
        tokio::task::spawn_blocking(move || walking.run(root, workers)).await.map_err(Error::cancelled)?;
    let root = match walked {
        Ok(root) => root,
        Err(error) => {
            if let Some(ready) = walk.sink.get() {
                keep(&ready.writer).await;
            }
            return Err(error);
        }
    };
    note_if_displaced(&walk).await?;
    note_if_emptied(plan, &walk, parent.as_ref());
    let above = store_above(&walk, &plan.source.stored_path, &root).await?;
    let tree = root.node.subtree.ok_or_else(|| Error::invalid("the source has no listing"))?;
    let top = above.last().copied().unwrap_or(tree);
    cancellation.check()?;
    let (parent, before) = parent.map(|parent| (parent.id, parent.snapshot.tree)).unzip();
    let same_as_parent = before == Some(top);
    let published = publish(plan, repository, &walk, (top, parent), same_as_parent).await?;
    let Some((Published { id, packs_seen }, written)) = published else { return Ok(None) };
    if let Some(cache) = repository.store().cache().cloned() {
        let (walk, relied) = (Arc::clone(&walk), relied(repository, &walk));
        let remember = move |_: &Repository| {
            let recorder = walk.recorder.as_ref();
            let seen = (&root.node, &root.stat, root.sound);
            let done = recorder.map(|recorder| recorder.finish(seen, above, id, &relied, &walk.owners));
            if let Some(Err(error)) = done {
                tracing::debug!(%error, "the walk is not remembered");
            }
            cache.tidy();
            Ok(())
        };
        repository.blocking(remember).await?;
    }
    let mut summary = walk.totals.summary((id, tree), parent, written, walk.selection.report());
    (summary.same_as_parent, summary.packs_seen) = (same_as_parent, packs_seen);
    Ok(Some(summary))
}

/// Notes it where the source is not where it was any more: entries that went with it look like entries that were removed.
async fn note_if_displaced(walk: &Arc<Walk>) -> Result<()> {
    let looking = Arc::clone(walk);
    let in_place = tokio::task::spawn_blocking(move || looking.source.is_in_place());
    if !in_place.await.map_err(Error::cancelled)? {
        let message = "it was removed, replaced or unmounted while it was read, so that a part of it may be missing; \
                       back it up again";
        walk.totals.note(Issue::new(PathBuf::new(), IssueKind::Displaced, message));
    }
    Ok(())
}

/// Notes it where nothing is left of what the parent snapshot held. A parent that says itself that something was amiss and
/// holds no file counts as emptied too: the next backup is no better.
fn note_if_emptied(plan: &Plan<'_>, walk: &Walk, parent: Option<&StoredSnapshot>) {
    let Some(parent) = parent.filter(|_| !plan.options.may_be_empty && walk.totals.file_count() == 0) else {
        return;
    };
    let Some(summary) = &parent.snapshot.summary else { return };
    let amiss = plan.options.tag_if_incomplete.as_ref().is_some_and(|tag| parent.snapshot.tags.contains(tag));
    if summary.total_files_processed > 0 || amiss {
        let message = "it holds no file any more, though the backup before did or doubted it too; if its volume is mounted and \
                       it is meant to be empty, say so (`--may-be-empty`)";
        walk.totals.note(Issue::new(PathBuf::new(), IssueKind::Emptied, message));
    }
}

/// What of the store everything in the snapshot that was just stored relies on.
fn relied(repository: &Repository, walk: &Walk) -> Relied {
    match (repository.loaded_index(), &walk.earlier) {
        (Some(index), _) => Relied::on(index),
        (None, EarlierWalk::Remembered(cache)) => (*cache.relied).clone(),
        (None, EarlierWalk::None | EarlierWalk::Stored(..)) => Relied::default(),
    }
}

/// Stores the snapshot: without a lock if nothing else was to be stored, else under the lock behind everything it needs.
async fn publish(
    plan: &Plan<'_>,
    repository: &Repository,
    walk: &Walk,
    (top, parent): (Id, Option<Id>),
    same_as_parent: bool,
) -> Result<Option<(Published, WriteSummary)>> {
    if let (None, Some(parent), true, EarlierWalk::Remembered(cache)) =
        (walk.sink.get(), parent, same_as_parent, &walk.earlier)
    {
        let written = WriteSummary::default();
        let snapshot = snapshot(plan, repository, walk, (top, Some(parent)), &written);
        if let Some(seen) = publish_without_lock(repository, &snapshot, &parent, &cache.relied).await? {
            return Ok(Some((seen, written)));
        }
    }
    let ready = walk.sink.ready().await?;
    let written = ready.writer.clone().finish().await?;
    walk.sink.check()?;
    let snapshot = snapshot(plan, repository, walk, (top, parent), &written);
    Ok(match repository.commit(&snapshot, Some(&ready.watch), &ready.rounds).await? {
        Commit::Stored(id) => Some((Published { id, packs_seen: false }, written)),
        Commit::Swept => None,
    })
}

fn snapshot(
    plan: &Plan<'_>,
    repository: &Repository,
    walk: &Walk,
    (tree, parent): (Id, Option<Id>),
    written: &WriteSummary,
) -> Snapshot {
    let (options, mut origin) = (&plan.options, repository.origin().clone());
    origin.hostname.clone_from(&plan.hostname);
    let time = options.time.unwrap_or(plan.start);
    let mut snapshot = Snapshot::new(time, tree, vec![plan.stored_path.clone()], &origin);
    snapshot.parent = parent;
    snapshot.excludes = walk.selection.report().into_iter().map(|rule| rule.pattern).collect();
    snapshot.tags.clone_from(&options.tags);
    snapshot.tags.extend(options.tag_if_incomplete.clone().filter(|_| !walk.totals.is_complete()));
    snapshot.summary = Some(walk.totals.snapshot_summary(plan.start, clock::now(), written));
    snapshot
}

/// Stores and indexes what a backup that stopped early has sealed, so that the next one need not send it again.
async fn keep(writer: &BlobWriter) {
    if let Err(error) = writer.clone().finish().await {
        tracing::info!(%error, "what was sealed since the last checkpoint is not kept");
    }
}

/// Stores the directories above the source, so that the snapshot holds it under its recorded path, as restic expects.
/// Returns their listings, the topmost last.
async fn store_above(walk: &Arc<Walk>, path: &Path, root: &Seen) -> Result<Vec<Id>> {
    let mut listings = Vec::new();
    if names(path).next().is_none() {
        return Ok(listings);
    }
    let mut node = root.node.clone();
    for mut directory in directories_above(path, &root.node) {
        let listing = store_tree(walk, node).await?;
        directory.subtree = Some(listing);
        listings.push(listing);
        node = directory;
    }
    listings.push(store_tree(walk, node).await?);
    Ok(listings)
}

async fn store_tree(walk: &Arc<Walk>, only: crate::tree::Node) -> Result<Id> {
    let blob = Tree::new(vec![only])?.encode();
    let walk = Arc::clone(walk);
    let store = move || {
        let known = |id: &Id| match &walk.earlier {
            EarlierWalk::Remembered(cache) => cache.holds_above(id),
            EarlierWalk::None | EarlierWalk::Stored(..) => false,
        };
        walk.sink.store(BlobKind::Tree, &blob, known)
    };
    tokio::task::spawn_blocking(store).await.map_err(Error::cancelled)?
}
