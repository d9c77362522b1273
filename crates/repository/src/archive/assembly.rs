//! A snapshot from entries that somebody brings, instead of from a directory of this machine.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::chunker::Chunker;
use super::plan::directories_above;
use crate::blob::BlobKind;
use crate::browse::names;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::lock::Lock;
use crate::prune::Rounds;
use crate::repository::Repository;
use crate::snapshot::Snapshot;
use crate::tree::{Node, NodeKind, Tree};
use crate::writer::{Begun, BlobWriter, WriteSummary, WriterOptions};

/// A tree under construction. Until [`finish`](Self::finish) the repository shows nothing of it, and what it stored is
/// not stored again by the next attempt.
#[derive(Debug)]
pub struct Assembly {
    writer: BlobWriter,
    repository: Repository,
    lock: Lock,
    rounds: Rounds,
    /// The directories on the way to the entry that came last, outermost first; the first is the root.
    open: Vec<Directory>,
}

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    node: Node,
    entries: Vec<Node>,
}

/// Stores content for an [`Assembly`]; cheap to clone, so that several files can be under way.
#[derive(Clone, Debug)]
pub struct ContentWriter {
    writer: BlobWriter,
}

impl Assembly {
    /// Begins a tree whose root is described by `root`, a directory.
    ///
    /// # Errors
    /// `Locked` while data is being deleted from the repository, or the store's failure.
    pub async fn begin(repository: &Repository, root: Node) -> Result<Self> {
        let repository = repository.with_fresh_index();
        let begun = BlobWriter::begin(&repository, WriterOptions::default(), |_anything| true).await?;
        let Some(Begun { writer, lock, rounds, .. }) = begun else {
            return Err(Error::invalid("what is there was not looked at"));
        };
        let root = Directory { path: PathBuf::new(), node: root, entries: Vec::new() };
        Ok(Self { writer, repository, lock, rounds, open: vec![root] })
    }

    /// What stores the content of files before their nodes are added.
    pub fn content(&self) -> ContentWriter {
        ContentWriter { writer: self.writer.clone() }
    }

    /// Whether the repository has this piece of content, or this assembly stored it.
    pub fn has_content(&self, id: &Id) -> bool {
        self.writer.is_known(BlobKind::Data, id)
    }

    /// Adds the entry at `path`, relative to the root. A directory comes before what is in it, and everything in it
    /// before what is not.
    ///
    /// # Errors
    /// `InvalidInput` where its directory is not open; the store's failure.
    pub async fn add(&mut self, path: &Path, node: Node) -> Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let Some(level) = self.open.iter().rposition(|open| open.path == parent) else {
            return Err(Error::invalid(format!("the directory of {path:?} was not added before it")));
        };
        while self.open.len() > level + 1 {
            self.close().await?;
        }
        if node.kind == NodeKind::Dir {
            self.open.push(Directory { path: path.to_path_buf(), node, entries: Vec::new() });
        } else if let Some(directory) = self.open.last_mut() {
            directory.entries.push(node);
        }
        Ok(())
    }

    /// Stores what is left, and the snapshot that `describe` makes of the root's listing, under the path `stored_path`.
    /// It is durable when this returns.
    ///
    /// # Errors
    /// `Unavailable` if the lock is lost or a prune deleted what the tree needs: the same work done again succeeds. Else
    /// the store's failure.
    pub async fn finish(
        mut self,
        stored_path: &Path,
        describe: impl FnOnce(Id, &WriteSummary) -> Snapshot + Send,
    ) -> Result<(Id, WriteSummary)> {
        while self.open.len() > 1 {
            self.close().await?;
        }
        let Some(root) = self.open.pop() else { return Err(Error::invalid("the tree has no root")) };
        let mut root = self.stored(root).await?;
        root.name = names(stored_path).last().unwrap_or(b"root").to_vec();
        let top = wrap(&self.writer, stored_path, root).await?;
        let written = self.writer.clone().finish().await?;
        let snapshot = describe(top, &written);
        let id = self.repository.commit_snapshot(&snapshot, &self.lock, &self.rounds).await?;
        self.lock.let_go().await;
        Ok((id, written))
    }

    /// Gives the tree up. What was stored of it is indexed, so that the next attempt need not store it again.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn abandon(self) -> Result<()> {
        let kept = self.writer.clone().finish().await.map(drop);
        self.lock.let_go().await;
        kept
    }

    /// Stores the listing of the innermost directory and adds the directory to the one above.
    async fn close(&mut self) -> Result<()> {
        let Some(directory) = self.open.pop() else { return Ok(()) };
        let node = self.stored(directory).await?;
        if let Some(above) = self.open.last_mut() {
            above.entries.push(node);
        }
        Ok(())
    }

    async fn stored(&self, directory: Directory) -> Result<Node> {
        let blob = Tree::new(directory.entries)?.encode();
        let id = Id::of(&blob);
        self.writer.add(BlobKind::Tree, id, blob).await?;
        let mut node = directory.node;
        node.subtree = Some(id);
        Ok(node)
    }
}

impl ContentWriter {
    /// Stores one piece of content that is cut already, and names it. A piece that the repository has is not stored again.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn piece(&self, content: Vec<u8>) -> Result<Id> {
        let hash = tokio::task::spawn_blocking(move || (Id::of(&content), content));
        let (id, content) = hash.await.map_err(Error::cancelled)?;
        self.writer.add(BlobKind::Data, id, content).await?;
        Ok(id)
    }

    /// Stores what `content` gives, cut as a backup would cut it, and names the pieces in order. `size` is how much is
    /// expected. The reader runs on a thread that may block.
    ///
    /// # Errors
    /// `Io` where reading fails; the store's failure.
    pub async fn store<R: Read + Send + 'static>(&self, content: R, size: u64) -> Result<Vec<Id>> {
        let mut chunker = Chunker::new(content, size);
        let mut pieces = Vec::new();
        loop {
            let cut = tokio::task::spawn_blocking(move || (chunker.next(), chunker));
            let chunk;
            (chunk, chunker) = cut.await.map_err(Error::cancelled)?;
            let Some(chunk) = chunk.map_err(|error| Error::from_io(error, "cannot read the content"))? else {
                return Ok(pieces);
            };
            let id = Id::of(&chunk);
            self.writer.add(BlobKind::Data, id, chunk).await?;
            pieces.push(id);
        }
    }
}

/// Stores the directories above a root, so that the snapshot holds it under its recorded path, as restic expects.
async fn wrap(writer: &BlobWriter, path: &Path, root: Node) -> Result<Id> {
    if names(path).next().is_none() {
        return root.subtree.ok_or_else(|| Error::invalid("the root has no listing"));
    }
    let above = directories_above(path, &root);
    let mut node = root;
    for mut directory in above {
        directory.subtree = Some(store_tree(writer, node).await?);
        node = directory;
    }
    store_tree(writer, node).await
}

async fn store_tree(writer: &BlobWriter, only: Node) -> Result<Id> {
    let blob = Tree::new(vec![only])?.encode();
    let id = Id::of(&blob);
    writer.add(BlobKind::Tree, id, blob).await?;
    Ok(id)
}
