//! What a restore would do, without doing it.

use std::path::{Path, PathBuf};

use stillpoint_localfs::{FileKind, Foresight, Landing, Preview};
use tokio::runtime::Handle;

use super::RestoreOptions;
use super::attributes::attributes;
use super::existing::{content_is, pieces};
use super::include::Include;
use super::links::{LINK_TARGET_MAX, link_key};
use super::repetition::Repetition;
use crate::browse::{TreeCache, locate, path_of};
use crate::cancellation::Cancellation;
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::index::Index;
use crate::issue::fatal;
use crate::repository::Repository;
use crate::tree::{Node, NodeKind};

/// The thread that looks.
struct Look {
    foresight: Foresight,
    index: Index,
    include: Include,
    trees: TreeCache,
    repetition: Repetition,
    runtime: Handle,
    cancellation: Cancellation,
}

impl Repository {
    /// Says what [`restore`](Self::restore) with the same arguments would make of each entry, and changes nothing: neither
    /// in the target, which may be missing, nor in the store, so that it takes no lock. It reads the snapshot's listings,
    /// and of the target what the restore itself would read to recognise what stands there. Whether stored content is whole
    /// shows only in a restore or a [check](crate::check).
    ///
    /// It takes memory for each entry that stands in the target, some twenty bytes.
    ///
    /// # Errors
    /// As [`restore`](Self::restore), before anything is written.
    pub async fn preview_restore(
        &self,
        snapshot: &Id,
        target: &Path,
        options: RestoreOptions,
        cancellation: &Cancellation,
    ) -> Result<Preview> {
        let cancellation = cancellation.child();
        let _stop = cancellation.on_drop();
        cancellation.check()?;
        let include = Include::new(&options.include)?;
        let snapshot = self.load_snapshot(snapshot).await?;
        let index = self.index().await?;
        let mut trees = TreeCache::in_bulk(self.clone());
        let root = locate(&mut trees, &snapshot).await?;
        let target = target.to_path_buf();
        let replaces = options.extract.landing == Landing::Replace;
        let (runtime, stopped) = (Handle::current(), cancellation.clone());
        let look = move |_: &Self| {
            let foresight = Foresight::open(&target, &options.id, options.extract).map_err(fatal)?;
            let repetition = Repetition::up_to(options.repeated_entries_max);
            let mut look =
                Look { foresight, index, include, trees, repetition, runtime, cancellation: stopped };
            look.run(root.tree)?;
            let whole = look.include.covers(Path::new(""));
            let own = root.node.filter(|_| whole || !replaces).map(|node| attributes(&node));
            look.foresight.finish(own.as_ref(), whole).map_err(fatal)
        };
        self.blocking(look).await
    }
}

impl Look {
    /// Looks at everything below the listing `listing`, in the order in which a restore goes through it.
    fn run(&mut self, listing: Id) -> Result<()> {
        let mut waiting = vec![(PathBuf::new(), listing)];
        while let Some((folder, id)) = waiting.pop() {
            self.cancellation.check()?;
            let tree = match self.runtime.block_on(self.trees.take(&id)) {
                Ok(tree) => tree,
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => {
                    self.foresight.damaged(&folder, FileKind::Directory);
                    continue;
                }
                Err(error) => return Err(error),
            };
            self.repetition.met(&id, tree.nodes().len())?;
            let below = waiting.len();
            for node in tree.nodes() {
                waiting.extend(self.entry(folder.join(path_of(&node.name)), node)?);
            }
            if let Some(below) = waiting.get_mut(below..) {
                below.reverse();
            }
        }
        Ok(())
    }

    /// Looks at one entry; answers with the listing to go on with if it is a directory.
    fn entry(&mut self, path: PathBuf, node: &Node) -> Result<Option<(PathBuf, Id)>> {
        self.cancellation.check()?;
        let covered = self.include.covers(&path);
        let passed_through = node.kind == NodeKind::Dir && self.include.leads_through(&path);
        if !passed_through && !covered {
            return Ok(None);
        }
        let attributes = attributes(node);
        let special = match node.kind {
            NodeKind::Dir => {
                let enters = self.foresight.directory(&path, &attributes, covered);
                return Ok(node.subtree.filter(|_| enters).map(|listing| (path, listing)));
            }
            NodeKind::File => {
                self.file(&path, node);
                return Ok(None);
            }
            NodeKind::Fifo => FileKind::Fifo,
            NodeKind::Socket => FileKind::Socket,
            NodeKind::CharDevice => FileKind::CharDevice,
            NodeKind::BlockDevice => FileKind::BlockDevice,
            NodeKind::Symlink => {
                self.symlink(&path, node);
                return Ok(None);
            }
            NodeKind::Irregular => {
                self.foresight.damaged(&path, FileKind::File);
                return Ok(None);
            }
        };
        self.foresight.special(&path, special, node.device, &attributes);
        Ok(None)
    }

    fn symlink(&mut self, path: &Path, node: &Node) {
        match node.link_target.len() > LINK_TARGET_MAX {
            true => self.foresight.damaged(path, FileKind::Symlink),
            false => self.foresight.symlink(path, &path_of(&node.link_target), &attributes(node)),
        }
    }

    fn file(&mut self, path: &Path, node: &Node) {
        let Ok((_, size)) = pieces(&self.index, node) else {
            return self.foresight.damaged(path, FileKind::File);
        };
        let content = node.content.as_deref().unwrap_or_default();
        let is_right = |file: &mut _| content_is(&self.index, file, content);
        self.foresight.file(path, size, &attributes(node), link_key(node), is_right);
    }
}
