//! Reading a snapshot's listings and turning them into directories, and files into windows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use stillpoint_localfs::{EntryId, FileKind, HardLinks, Standing, Unfinished};

use super::attributes::attributes;
use super::existing::{content_is, pieces};
use super::include::Include;
use super::links::link_key;
use super::pending::PendingFile;
use super::repetition::Repetition;
use super::run::Restore;
use super::spot::{OpenFolder, Spot};
use super::summary::add;
use super::trail::{Level, Trail};
use super::window::Window;
use crate::blob::BlobLocation;
use crate::browse::{TreeCache, path_of};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::issue::{Issue, IssueKind, fatal};
use crate::tree::{Node, NodeKind};

/// The thread that drives a restore.
pub(super) struct Scan {
    pub(super) restore: Arc<Restore>,
    pub(super) include: Include,
    pub(super) trees: TreeCache,
    pub(super) repetition: Repetition,
    pub(super) window: Window,
    /// The directory of the empty file that was written last.
    pub(super) folder: OpenFolder,
    pub(super) trail: Trail,
    pub(super) links: HardLinks<EntryId>,
    /// Every directory, parents first.
    pub(super) directories: Unfinished,
}

impl Scan {
    /// Restores everything below the listing `listing` of the target, but not yet the target's own attributes.
    pub(super) fn run(&mut self, listing: Id) -> Result<()> {
        self.trail.wait(EntryId::TARGET, &listing)?;
        while let Some((folder, id)) = self.trail.next()? {
            self.restore.cancellation.check()?;
            let path = folder.spot.path();
            let tree = match self.restore.wait(self.trees.take(&id)) {
                Ok(tree) => tree,
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                    self.restore.totals.skip(Issue::damaged(&path, &error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.repetition.met(&id, tree.nodes().len())?;
            let mut below = Vec::new();
            for node in tree.nodes() {
                below.extend(self.entry(&folder, path.join(path_of(&node.name)), node)?);
            }
            for (directory, listing) in below.iter().rev() {
                self.trail.wait(*directory, listing)?;
            }
        }
        self.flush()?;
        self.link_files()?;
        self.finish_directories()
    }

    /// Restores one entry, or begins to; answers with the listing to go on with if it is a directory.
    fn entry(&mut self, folder: &Level, path: PathBuf, node: &Node) -> Result<Option<(EntryId, Id)>> {
        let passed_through = node.kind == NodeKind::Dir && self.include.leads_through(&path);
        if !passed_through && !self.include.covers(&path) {
            return Ok(None);
        }
        match node.kind {
            NodeKind::Dir => return self.directory(folder, &path, node),
            NodeKind::File => self.file(folder, path, node)?,
            NodeKind::Symlink => self.symlink(&path, node)?,
            NodeKind::Fifo => self.special(&path, FileKind::Fifo, node)?,
            NodeKind::Socket => self.special(&path, FileKind::Socket, node)?,
            NodeKind::CharDevice => self.special(&path, FileKind::CharDevice, node)?,
            NodeKind::BlockDevice => self.special(&path, FileKind::BlockDevice, node)?,
            NodeKind::Irregular => {
                let message = "the snapshot does not say what kind of entry it is";
                self.restore.totals.skip(Issue::new(path, IssueKind::Unsupported, message));
            }
        }
        Ok(None)
    }

    fn directory(&mut self, folder: &Level, path: &Path, node: &Node) -> Result<Option<(EntryId, Id)>> {
        let made = match self.include.covers(path) {
            true => self.restore.extractor.create_directory(path),
            false => self.restore.extractor.pass_through(path),
        };
        let Some(ours) = self.attempt(path, made)? else {
            return Ok(None);
        };
        let directory = self.trail.add(folder, &node.name)?;
        add(&self.restore.totals.directories, 1);
        // A directory that stands and is kept keeps its own owner, mode and times.
        if ours {
            self.directories.push(directory, &attributes(node)).map_err(fatal)?;
        }
        Ok(node.subtree.map(|listing| (directory, listing)))
    }

    fn file(&mut self, folder: &Level, path: PathBuf, node: &Node) -> Result<()> {
        let pieces = self.pieces(&path, node);
        let size = pieces.as_ref().map_or(node.size, |(_, size)| *size);
        self.restore.progress.found(1, size);
        self.restore.progress.started(&path);
        let Some((pieces, _)) = pieces else {
            self.restore.file_passed(size);
            return Ok(());
        };
        let link = link_key(node);
        if let Some(link) = link.filter(|link| self.links.is_carried(link)) {
            self.links.add(link, self.trail.add(folder, &node.name)?);
            self.restore.file_passed(size);
            return Ok(());
        }
        let (attributes, content) = (attributes(node), node.content.as_deref().unwrap_or_default());
        let is_right = |file: &mut _| content_is(&self.restore.whereabouts.index(), file, content);
        let standing = self.restore.extractor.file_stands(&path, size, &attributes, is_right);
        let Some(standing) = self.attempt(&path, standing)? else {
            self.restore.file_passed(size);
            return Ok(());
        };
        let carries = matches!(standing, Standing::Free | Standing::Complete(_));
        if let Some(link) = link.filter(|_| carries) {
            self.links.carry(link, self.trail.add(folder, &node.name)?);
        }
        match standing {
            Standing::Complete(id) => {
                self.restore.progress.advanced(size);
                self.restore.file_unchanged(link, id);
            }
            Standing::Shared(file) => {
                self.restore.file_passed(size);
                self.stands_shared(folder, &node.name, link, file, &attributes)?;
            }
            Standing::Taken => {
                let message = "something else stands there and was kept";
                self.restore.totals.skip(Issue::new(path, IssueKind::Conflict, message));
                self.restore.file_passed(size);
            }
            Standing::Free => {
                let spot = Spot::new(&folder.spot, &node.name);
                let file = Arc::new(PendingFile::new(spot, size, pieces.len(), attributes, link));
                return self.want(&file, pieces);
            }
        }
        Ok(())
    }

    /// Queues a file's pieces, and fetches the window each time it is full.
    fn want(&mut self, file: &Arc<PendingFile>, pieces: Vec<(Id, BlobLocation)>) -> Result<()> {
        if pieces.is_empty() {
            let written = file.write_empty(&self.restore.extractor, &mut self.folder);
            match self.attempt(&file.path(), written)? {
                Some(id) => self.restore.file_restored(file.link, id),
                None => self.restore.file_passed(0),
            }
            return Ok(());
        }
        let mut offset = 0;
        for (id, location) in pieces {
            self.window.want(id, location, file, offset);
            offset += u64::from(location.plaintext_length());
            if self.window.is_full() {
                self.flush()?;
            }
        }
        self.window.count_file();
        Ok(())
    }

    /// Where a file's pieces lie, and its length; `None`, and an issue, if one is lost.
    fn pieces(&self, path: &Path, node: &Node) -> Option<(Vec<(Id, BlobLocation)>, u64)> {
        match pieces(&self.restore.whereabouts.index(), node) {
            Ok(pieces) => Some(pieces),
            Err(error) => {
                self.restore.totals.skip(Issue::damaged(path, &error));
                None
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        let window = std::mem::take(&mut self.window);
        let fetched = self.restore.wait(self.restore.fetch(window));
        // Also after a failure nobody may still be writing when the restore ends.
        let all = u32::try_from(self.restore.worker_count).unwrap_or(u32::MAX);
        let workers = self.restore.runtime.block_on(self.restore.workers.acquire_many(all));
        drop(workers.map_err(Error::cancelled)?);
        fetched
    }

    fn special(&self, path: &Path, kind: FileKind, node: &Node) -> Result<()> {
        let attributes = attributes(node);
        let created = match self.restore.extractor.special_stands(path, kind, node.device, &attributes) {
            Ok(true) => Ok(true),
            Ok(false) => self.restore.extractor.create_special(path, kind, node.device, &attributes),
            Err(error) => Err(error),
        };
        match self.attempt(path, created)? {
            Some(true) => add(&self.restore.totals.special_files, 1),
            // The extractor has a warning for it.
            Some(false) => add(&self.restore.totals.skipped, 1),
            None => {}
        }
        Ok(())
    }

    /// Turns the failure of one entry into an issue, and a full disk into the end of the restore.
    pub(super) fn attempt<T>(
        &self,
        path: &Path,
        outcome: stillpoint_localfs::Result<T>,
    ) -> Result<Option<T>> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_storage_full() => Err(fatal(error)),
            Err(error) => {
                self.restore.totals.skip(Issue::unwritten(path, &error));
                Ok(None)
            }
        }
    }
}
