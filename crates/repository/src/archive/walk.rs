//! The walk over a source: shared state, and how finished entries become finished directories.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stillpoint_localfs::{JobStack, Lineage, Metadata, OwnerNames, Selection, Source, run_jobs};

use super::directory::DirectoryJob;
use super::earlier::{EarlierEntry, EarlierListing};
use super::file::{ChunkJob, FileJob};
use super::missing::Missing;
use super::node::{Attributes, describe};
use super::sink::Sink;
use super::summary::{Novelty, Totals};
use crate::blob::BlobKind;
use crate::browse::TreeCache;
use crate::cache::{Entry, Recorder, Stat, WalkCache};
use crate::error::{Error, Result};
use crate::id::Id;
use crate::index::Index;
use crate::issue::{Issue, IssueKind};
use crate::progress::Progress;
use crate::time::Timestamp;
use crate::tree::{Node, TreeWriter, Unlistable};

/// Files with several names whose content is remembered, so that it is read once.
const REMEMBERED_LINKS_MAX: usize = 64 * 1024;

/// One piece of work for a worker.
#[derive(Debug)]
pub(super) enum Job {
    Directory(Box<DirectoryJob>),
    File(FileJob),
    Chunk(ChunkJob),
}

/// What all workers share.
#[derive(Debug)]
pub(super) struct Walk {
    pub(super) source: Source,
    pub(super) selection: Selection,
    pub(super) owners: Arc<OwnerNames>,
    pub(super) sink: Arc<Sink>,
    pub(super) earlier: EarlierWalk,
    pub(super) recorder: Option<Recorder>,
    pub(super) totals: Totals,
    pub(super) progress: Arc<dyn Progress>,
    /// Chunks handed to other workers and not yet stored; bounded, because each holds its bytes.
    pub(super) chunks_waiting: AtomicUsize,
    pub(super) chunks_waiting_max: usize,
    /// Longest listing of a directory that is stored, in bytes.
    pub(super) listing_bytes_max: usize,
    pub(super) links: Mutex<HashMap<(u64, u64), LinkedContent>>,
    /// Chunks of holes by their length, of which there are as many as bounds of chunks.
    pub(super) zeros: Mutex<HashMap<usize, Id>>,
    pub(super) outcome: Mutex<Option<Result<Seen>>>,
}

/// Where the walk learns what was there before.
#[derive(Debug)]
pub(super) enum EarlierWalk {
    /// Nowhere: there is no parent.
    None,
    /// From the parent's listings in the repository, whose backup began at this time, checked against the index.
    Stored(Box<Mutex<TreeCache>>, Index, Timestamp),
    /// From this machine's memory.
    Remembered(Arc<WalkCache>),
}

/// The content of a file with several names, as it was read under the first of them.
#[derive(Debug)]
pub(super) struct LinkedContent {
    metadata: Metadata,
    content: Vec<Id>,
}

/// A directory some of whose entries are still being worked on.
#[derive(Debug)]
pub(super) struct OpenDirectory {
    pub(super) up: Option<Place>,
    pub(super) path: PathBuf,
    pub(super) lineage: Lineage,
    /// Directories in it that were not there any more when they were to be read.
    pub(super) missing: Mutex<Missing>,
    pub(super) name: Vec<u8>,
    pub(super) stat: Stat,
    /// `None` if they could not be read.
    pub(super) attributes: Attributes,
    /// The entry for it in the directory above, as it was.
    pub(super) earlier: EarlierEntry,
    /// Its own entries as they were; here or where it was moved from.
    pub(super) listing: EarlierListing,
    /// Its listing in the repository, as it was.
    pub(super) subtree: Option<Id>,
    pub(super) entries: Mutex<Vec<Finished>>,
    pub(super) remaining: AtomicUsize,
}

/// Where a finished entry belongs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: Arc<OpenDirectory>,
    pub(super) number: usize,
}

/// A finished entry.
#[derive(Debug, Default)]
pub(super) enum Finished {
    /// It is not part of the snapshot.
    #[default]
    LeftOut,
    /// It is the entry at this position of the remembered directory.
    Remembered(usize),
    /// It was looked at.
    Seen(Box<Seen>),
}

/// An entry that was looked at.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) node: Node,
    pub(super) stat: Stat,
    /// Whether nothing was left to be desired when it was read.
    pub(super) sound: bool,
    /// Whether the directory had exactly this node before.
    pub(super) as_before: bool,
}

impl Finished {
    /// An entry, compared with what was there before.
    pub(super) fn seen(node: Node, stat: impl Into<Stat>, sound: bool, earlier: Option<&Node>) -> Self {
        let as_before = earlier == Some(&node);
        Self::Seen(Box::new(Seen { node, stat: stat.into(), sound, as_before }))
    }
}

impl Walk {
    /// Walks the whole source; returns the root's node with its listing.
    pub(super) fn run(&self, root: DirectoryJob, workers: usize) -> Result<Seen> {
        run_jobs(workers, Job::Directory(Box::new(root)), |job, stack| self.work(job, stack));
        guard(&self.outcome).take().unwrap_or_else(|| Err(Error::cancelled("the walk ended early")))
    }

    fn work(&self, job: Job, stack: &JobStack<Job>) {
        let done = self.sink.check().and_then(|()| match job {
            Job::Directory(job) => self.directory(*job, stack),
            Job::File(job) => self.file(job, stack),
            Job::Chunk(job) => self.chunk(job, stack),
        });
        if let Err(error) = done {
            guard(&self.outcome).get_or_insert(Err(error));
            stack.stop();
        }
    }

    /// Puts a finished entry in its place. The one that completes a directory also stores the listing, and so on up.
    pub(super) fn deliver(&self, place: Place, finished: Finished, stack: &JobStack<Job>) -> Result<()> {
        let (mut place, mut finished) = (place, finished);
        loop {
            let directory = Arc::clone(&place.directory);
            if let Some(entry) = guard(&directory.entries).get_mut(place.number) {
                *entry = finished;
            }
            if directory.remaining.fetch_sub(1, Ordering::AcqRel) != 1 {
                return Ok(());
            }
            if self.goes_on(&directory, stack) {
                return Ok(());
            }
            finished = self.close(&directory)?;
            match (&directory.up, finished) {
                (Some(up), closed) => (place, finished) = (up.clone(), closed),
                (None, Finished::Seen(root)) => {
                    guard(&self.outcome).get_or_insert(Ok(*root));
                    return Ok(());
                }
                (None, _) => return Err(Error::invalid("the source has no listing")),
            }
        }
    }

    /// Stores a directory's listing, unless it is the earlier one, and says what became of the directory.
    fn close(&self, directory: &OpenDirectory) -> Result<Finished> {
        let mut entries = std::mem::take(&mut *guard(&directory.entries));
        entries.retain(|entry| !matches!(entry, Finished::LeftOut));
        if guard(&directory.missing).has_renamed() {
            entries.sort_by_cached_key(|entry| directory.name_of(entry));
        }
        let as_before = entries.len() == directory.listing.count()
            && entries.iter().all(|entry| match entry {
                Finished::Seen(seen) => seen.as_before,
                Finished::Remembered(_) | Finished::LeftOut => true,
            });
        let subtree = match directory.subtree {
            Some(same) if as_before && !self.is_renumbered(&directory.listing) => same,
            earlier => match self.list(directory, &entries) {
                Ok(listing) => self.sink.store(BlobKind::Tree, &listing, |id| earlier == Some(*id))?,
                Err(fault) => return self.unlisted(&directory.path, entries.len(), fault),
            },
        };
        if let Some(recorder) = &self.recorder {
            self.record(recorder, directory, &entries, (as_before, subtree));
        }
        Ok(self.close_entry(directory, subtree))
    }

    /// Whether a remembered listing names device numbers that are no longer true.
    fn is_renumbered(&self, listing: &EarlierListing) -> bool {
        match (&self.earlier, listing) {
            (EarlierWalk::Remembered(cache), EarlierListing::Remembered(block)) => {
                cache.is_renumbered() && block.has_links()
            }
            _ => false,
        }
    }

    /// The bytes of a directory's listing.
    fn list(&self, directory: &OpenDirectory, entries: &[Finished]) -> Result<Vec<u8>, Unlistable> {
        let mut listing = TreeWriter::new(self.listing_bytes_max);
        for entry in entries {
            match entry {
                Finished::LeftOut => {}
                Finished::Seen(seen) => listing.push(&seen.node)?,
                Finished::Remembered(at) => {
                    let block = directory.listing.block();
                    if let Some(record) = block.and_then(|block| block.record(*at)) {
                        listing.push(&record.node(&self.owners))?;
                    }
                }
            }
        }
        Ok(listing.finish())
    }

    /// What becomes of a directory whose listing cannot be stored: all others can.
    pub(super) fn unlisted(&self, path: &Path, entries: usize, fault: Unlistable) -> Result<Finished> {
        let message = match fault {
            Unlistable::TooLong => format!(
                "its {entries} entries make a listing of more than the {} MiB that the format allows; it is left out with \
                 all that is in it: spread the entries over more directories",
                self.listing_bytes_max >> 20
            ),
            Unlistable::Invalid(fault) => format!("it cannot be stored: {fault}"),
        };
        if path.as_os_str().is_empty() {
            return Err(Error::invalid(format!("the directory {:?}: {message}", self.source.path())));
        }
        self.totals.skip(Issue::new(path, IssueKind::Unsupported, message));
        Ok(Finished::LeftOut)
    }

    fn record(
        &self,
        recorder: &Recorder,
        directory: &OpenDirectory,
        entries: &[Finished],
        (as_before, subtree): (bool, Id),
    ) {
        let block = directory.listing.block();
        if let Some(block) = block
            && as_before
            && block.subtree == subtree
            && entries.iter().all(|entry| matches!(entry, Finished::Remembered(_)))
        {
            recorder.keep(block);
            return;
        }
        let entries = entries.iter().map(|entry| match entry {
            Finished::Seen(seen) => {
                Entry::Seen(&seen.node, &seen.stat, seen.sound && recorder.trusts(&seen.stat))
            }
            Finished::Remembered(at) => Entry::Remembered(*at),
            // None is left here; a position that does not exist writes nothing.
            Finished::LeftOut => Entry::Remembered(usize::MAX),
        });
        recorder.record(&directory.stat, &subtree, block.map(AsRef::as_ref), entries);
    }

    /// The entry of a directory whose listing is stored.
    fn close_entry(&self, directory: &OpenDirectory, subtree: Id) -> Finished {
        if let EarlierEntry::Remembered(block, at) = &directory.earlier
            && directory.up.is_some()
            && let Some(record) = block.record(*at)
            && super::earlier::is_same(&record, &directory.stat)
            && record.subtree() == Some(subtree)
        {
            self.totals.directory(Novelty::Unmodified);
            return Finished::Remembered(*at);
        }
        let mut node = describe(&directory.name, directory.stat, &self.owners);
        let sound = directory.attributes.clone().describe(&mut node);
        node.subtree = Some(subtree);
        let earlier = directory.earlier.node(&self.owners);
        self.totals.directory(match &earlier {
            Some(earlier) if *earlier == node => Novelty::Unmodified,
            None if directory.subtree.is_none() => Novelty::New,
            Some(_) | None => Novelty::Changed,
        });
        Finished::seen(node, directory.stat, sound, earlier.as_ref())
    }

    /// The pieces of a file as it was; none where only the index can tell whether they are still stored.
    pub(super) fn stored_content(&self, earlier: Option<&Node>) -> HashSet<Id> {
        match (&self.earlier, earlier) {
            (EarlierWalk::Remembered(_), Some(node)) => node.content.iter().flatten().copied().collect(),
            _ => HashSet::new(),
        }
    }

    /// The content of a file that was read under another of its names.
    pub(super) fn linked_content(&self, metadata: &Metadata) -> Option<Vec<Id>> {
        let links = guard(&self.links);
        let known = links.get(&(metadata.device, metadata.inode))?;
        metadata.unchanged_since(&known.metadata).then(|| known.content.clone())
    }

    /// Remembers the content of a file with several names.
    pub(super) fn remember_content(&self, metadata: &Metadata, content: &[Id]) {
        let mut links = guard(&self.links);
        if metadata.links > 1 && links.len() < REMEMBERED_LINKS_MAX {
            let known = LinkedContent { metadata: *metadata, content: content.to_vec() };
            links.insert((metadata.device, metadata.inode), known);
        }
    }
}

pub(super) fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
