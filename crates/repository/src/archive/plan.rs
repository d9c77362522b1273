//! What a backup is of and what it builds on, before anything is walked.

use std::path::Path;
use std::sync::Arc;

use stillpoint_localfs::{OwnerNames, Selection, Source};

use super::{BackupOptions, BackupSource, Parent};
use crate::browse::{TreeCache, locate};
use crate::cache::{SourceName, WalkCache};
use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::issue::fatal;
use crate::repository::{Repository, StoredSnapshot};
use crate::snapshot::Snapshot;
use crate::time::Timestamp;
use crate::tree::{Mode, Node, NodeKind};

/// Workers unless told otherwise.
const WORKERS_MAX: usize = 8;

/// One backup as it was asked for.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) repository: &'a Repository,
    pub(super) source: &'a BackupSource,
    pub(super) options: BackupOptions,
    pub(super) start: Timestamp,
    pub(super) hostname: String,
    pub(super) stored_path: String,
    pub(super) workers: usize,
}

impl<'a> Plan<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        source: &'a BackupSource,
        options: BackupOptions,
    ) -> Result<Self> {
        let hostname = source.hostname.clone().unwrap_or_else(|| repository.origin().hostname.clone());
        // The format keeps paths as text; a path that is not text could not be found again by it.
        let stored_path = source.stored_path.to_str().map(str::to_owned).ok_or_else(|| {
            Error::invalid(format!(
                "the path {:?} is not UTF-8; record the directory under another path",
                source.stored_path
            ))
        })?;
        let processors = || std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        let workers = options.workers.unwrap_or_else(processors).max(1);
        Ok(Self { repository, source, options, start: clock::now(), hostname, stored_path, workers })
    }

    /// The name by which the walk is remembered.
    pub(super) fn source_name(&self) -> SourceName {
        SourceName::new(self.repository.id(), &self.hostname, &self.stored_path)
    }

    /// Opens the source and compiles the rules.
    pub(super) async fn open_source(&self) -> Result<(Source, Selection)> {
        let (root, rules) = (self.source.root.clone(), self.options.rules.clone());
        let (one_file_system, bytes_max) = (self.options.one_file_system, self.options.file_bytes_max);
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
        self.repository.blocking(open).await
    }

    /// The earlier snapshot to build on.
    pub(super) async fn find_parent(&self) -> Result<Option<StoredSnapshot>> {
        match self.options.parent {
            Parent::None => Ok(None),
            Parent::Snapshot(id) => {
                let snapshot = self.repository.load_known_snapshot(&id).await?;
                Ok(Some(StoredSnapshot { id, snapshot }))
            }
            Parent::Newest => self.find_newest().await,
        }
    }

    async fn find_newest(&self) -> Result<Option<StoredSnapshot>> {
        let same = |stored: &StoredSnapshot| {
            stored.snapshot.hostname == self.hostname
                && stored.snapshot.paths.iter().eq([self.stored_path.as_str()])
        };
        Ok(self.repository.snapshots().await?.readable.into_iter().rev().find(same))
    }

    /// This machine's memory of the walk that made `parent`.
    pub(super) async fn remembered(
        &self,
        parent: &StoredSnapshot,
        source: &Source,
        owners: &Arc<OwnerNames>,
    ) -> Result<Option<Arc<WalkCache>>> {
        let Some(cache) = self.repository.store().cache().cloned() else { return Ok(None) };
        let (name, id, owners) = (self.source_name(), parent.id, Arc::clone(owners));
        let device = source.metadata().device;
        let opened = self
            .repository
            .blocking(move |_| Ok(WalkCache::open(&cache, &name, &id, device, &owners)))
            .await?;
        Ok(opened.map(Arc::new))
    }
}

/// The source directory as the parent snapshot has it; nothing if that is damaged, since it is of use but not needed.
pub(super) async fn stored_root(cache: &mut TreeCache, parent: &Snapshot) -> Result<Option<Node>> {
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

/// The directories above a source, innermost first. They carry the source's own owner and times: nothing outside the
/// source is looked at.
pub(super) fn directories_above(path: &Path, root: &Node) -> Vec<Node> {
    let names: Vec<Vec<u8>> = crate::browse::names(path).map(<[u8]>::to_vec).collect();
    let Some((_, above)) = names.split_last() else { return Vec::new() };
    let directory = |name: &Vec<u8>| {
        let mut node = Node::new(name.clone(), NodeKind::Dir);
        node.mode = Mode::from_unix(0o040_755);
        (node.mtime, node.atime, node.ctime) = (root.mtime, root.mtime, root.mtime);
        (node.uid, node.gid) = (root.uid, root.gid);
        (node.user, node.group) = (root.user.clone(), root.group.clone());
        node
    };
    above.iter().rev().map(directory).collect()
}
