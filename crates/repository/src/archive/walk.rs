//! The walk over a source: shared state, and how finished entries become finished directories.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stillpoint_localfs::{JobStack, Metadata, OwnerNames, Selection, Source, run_jobs};

use super::directory::DirectoryJob;
use super::file::{ChunkJob, FileJob};
use super::sink::Sink;
use super::summary::{Novelty, Totals};
use crate::blob::BlobKind;
use crate::browse::TreeCache;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::index::Index;
use crate::progress::Progress;
use crate::tree::{Node, Tree};

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
    pub(super) owners: OwnerNames,
    pub(super) sink: Sink,
    pub(super) index: Index,
    pub(super) earlier: Mutex<TreeCache>,
    pub(super) totals: Totals,
    pub(super) progress: Arc<dyn Progress>,
    /// Chunks handed to other workers and not yet stored; bounded, because each holds its bytes.
    pub(super) chunks_waiting: AtomicUsize,
    pub(super) chunks_waiting_max: usize,
    pub(super) links: Mutex<HashMap<(u64, u64), LinkedContent>>,
    pub(super) outcome: Mutex<Option<Result<Node>>>,
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
    /// The directory itself, without its listing.
    pub(super) node: Node,
    /// What the parent snapshot says about it.
    pub(super) earlier: Option<Node>,
    pub(super) earlier_tree: Option<Arc<Tree>>,
    pub(super) entries: Mutex<Vec<Finished>>,
    pub(super) remaining: AtomicUsize,
}

/// Where a finished entry belongs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) directory: Arc<OpenDirectory>,
    pub(super) number: usize,
}

/// A finished entry; without a node it is left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Finished {
    pub(super) node: Option<Node>,
    /// Whether the parent snapshot holds exactly this node.
    pub(super) as_before: bool,
}

impl Finished {
    /// An entry that is not part of the snapshot.
    pub(super) fn left_out() -> Self {
        Self::default()
    }

    /// An entry, compared with what the parent snapshot says.
    pub(super) fn compared(node: Node, earlier: Option<&Node>) -> Self {
        let as_before = earlier == Some(&node);
        Self { node: Some(node), as_before }
    }
}

impl Walk {
    /// Walks the whole source; returns the root's node with its listing.
    pub(super) fn run(&self, root: DirectoryJob, workers: usize) -> Result<Node> {
        run_jobs(workers, Job::Directory(Box::new(root)), |job, stack| self.work(job, stack));
        guard(&self.outcome).take().unwrap_or_else(|| Err(Error::cancelled("the walk ended early")))
    }

    fn work(&self, job: Job, stack: &JobStack<Job>) {
        let done = self.sink.check().and_then(|()| match job {
            Job::Directory(job) => self.directory(*job, stack),
            Job::File(job) => self.file(job, stack),
            Job::Chunk(job) => self.chunk(job),
        });
        if let Err(error) = done {
            guard(&self.outcome).get_or_insert(Err(error));
            stack.stop();
        }
    }

    /// Puts a finished entry in its place. The one that completes a directory also stores the listing, and so on up.
    pub(super) fn deliver(&self, place: Place, finished: Finished) -> Result<()> {
        let (mut place, mut finished) = (place, finished);
        loop {
            let directory = Arc::clone(&place.directory);
            if let Some(entry) = guard(&directory.entries).get_mut(place.number) {
                *entry = finished;
            }
            if directory.remaining.fetch_sub(1, Ordering::AcqRel) != 1 {
                return Ok(());
            }
            let node = self.close(&directory)?;
            match &directory.up {
                None => {
                    guard(&self.outcome).get_or_insert(Ok(node));
                    return Ok(());
                }
                Some(up) => {
                    finished = Finished::compared(node, directory.earlier.as_ref());
                    place = up.clone();
                }
            }
        }
    }

    /// Stores a directory's listing, unless it is the parent snapshot's, and returns the directory's node.
    fn close(&self, directory: &OpenDirectory) -> Result<Node> {
        let entries = std::mem::take(&mut *guard(&directory.entries));
        let as_before = entries.iter().all(|entry| entry.node.is_none() || entry.as_before);
        let nodes: Vec<Node> = entries.into_iter().filter_map(|entry| entry.node).collect();
        let earlier =
            directory.earlier_tree.as_ref().filter(|tree| as_before && tree.nodes().len() == nodes.len());
        let subtree = match (earlier, directory.earlier.as_ref().and_then(|node| node.subtree)) {
            (Some(_), Some(same)) => same,
            _ => self.sink.store(BlobKind::Tree, &Tree::new(nodes)?.encode())?,
        };
        let mut node = directory.node.clone();
        node.subtree = Some(subtree);
        self.totals.directory(match &directory.earlier {
            None => Novelty::New,
            Some(earlier) if *earlier == node => Novelty::Unmodified,
            Some(_) => Novelty::Changed,
        });
        Ok(node)
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
