//! Listing one directory and handing out its entries.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use stillpoint_localfs::{Directory, Entry, FileKind, JobStack, Listing, Metadata};

use super::file::FileJob;
use super::node::{describe, extended, is_unchanged};
use super::summary::Novelty;
use super::walk::{Finished, Job, OpenDirectory, Place, Walk, guard};
use crate::blob::BlobKind;
use crate::error::Result;
use crate::issue::{Issue, IssueKind, fatal};
use crate::tree::{ExtendedAttribute, Node, Tree};

/// A directory to list.
#[derive(Debug)]
pub(super) struct DirectoryJob {
    pub(super) path: PathBuf,
    /// The name the snapshot gives it.
    pub(super) name: Vec<u8>,
    /// Where it belongs; `None` for the root.
    pub(super) place: Option<Place>,
    /// What the parent snapshot says about it.
    pub(super) earlier: Option<Node>,
    /// Whether its content lies on another file system and is left out.
    pub(super) mount_point: bool,
}

impl Walk {
    pub(super) fn directory(&self, job: DirectoryJob, stack: &JobStack<Job>) -> Result<()> {
        let (directory, metadata, listing) = match self.look_into(&job) {
            Ok(found) => found,
            Err(error) => {
                let Some(place) = job.place else { return Err(fatal(error)) };
                if !error.is_not_found() {
                    self.totals.skip(Issue::unreadable(&job.path, &error));
                }
                return self.deliver(place, Finished::left_out());
            }
        };
        for error in &listing.errors {
            self.totals.skip(Issue::unreadable(error.path().unwrap_or(&job.path), error));
        }
        let entries = listing.entries;
        let open = Arc::new(OpenDirectory {
            node: self.directory_node(&job, &directory, &metadata),
            earlier_tree: self.earlier_tree(job.earlier.as_ref()),
            up: job.place,
            path: job.path,
            earlier: job.earlier,
            // One more than there are entries: the last stands for this listing itself.
            entries: Mutex::new(vec![Finished::left_out(); entries.len() + 1]),
            remaining: AtomicUsize::new(entries.len() + 1),
        });
        self.announce(&entries);
        let own = Place { directory: Arc::clone(&open), number: entries.len() };
        self.hand_out(&open, &Arc::new(directory), entries, stack)?;
        self.deliver(own, Finished::left_out())
    }

    fn look_into(&self, job: &DirectoryJob) -> stillpoint_localfs::Result<(Directory, Metadata, Listing)> {
        let directory = self.source.directory(&job.path)?;
        let listing = if job.mount_point {
            Listing::default()
        } else {
            self.selection.list(&self.source, &directory)?
        };
        let metadata = directory.metadata()?;
        Ok((directory, metadata, listing))
    }

    fn directory_node(&self, job: &DirectoryJob, directory: &Directory, metadata: &Metadata) -> Node {
        let mut node = describe(&job.name, metadata, &self.owners);
        node.extended_attributes = match &job.earlier {
            Some(earlier) if is_unchanged(earlier, metadata) => earlier.extended_attributes.clone(),
            _ => self.attributes(&job.path, directory.extended_attributes()),
        };
        node
    }

    /// Extended attributes, or none and a note if they cannot be read.
    pub(super) fn attributes(
        &self,
        path: &Path,
        read: stillpoint_localfs::Result<Vec<stillpoint_localfs::ExtendedAttribute>>,
    ) -> Vec<ExtendedAttribute> {
        match read {
            Ok(mut attributes) => {
                // The format keeps their names as text; another name would come back in their place.
                attributes.retain(|attribute| {
                    let text = attribute.name.to_str().is_some();
                    if !text {
                        let message = format!(
                            "its extended attribute {:?} has a name that is not UTF-8, which the format cannot keep",
                            attribute.name
                        );
                        self.totals.note(Issue::new(path, IssueKind::Unsupported, message));
                    }
                    text
                });
                extended(attributes)
            }
            Err(error) => {
                self.totals.note(Issue::unreadable(path, &error));
                Vec::new()
            }
        }
    }

    fn earlier_tree(&self, earlier: Option<&Node>) -> Option<Arc<Tree>> {
        let id = earlier?.subtree?;
        let mut trees = guard(&self.earlier);
        match self.sink.wait(trees.take(&id)) {
            Ok(tree) => Some(tree),
            Err(error) => {
                // The backup itself does not need it: everything below is read and stored anew.
                tracing::warn!(%error, tree = %id, "a listing of the parent snapshot cannot be used");
                None
            }
        }
    }

    fn announce(&self, entries: &[Entry]) {
        let files = || entries.iter().filter(|entry| entry.metadata.kind == FileKind::File);
        let (count, bytes) =
            files().fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.metadata.size));
        self.progress.found(count, bytes);
    }

    fn hand_out(
        &self,
        open: &Arc<OpenDirectory>,
        directory: &Arc<Directory>,
        entries: Vec<Entry>,
        stack: &JobStack<Job>,
    ) -> Result<()> {
        let (mut directories, mut files) = (Vec::new(), Vec::new());
        for (number, entry) in entries.into_iter().enumerate() {
            let place = Place { directory: Arc::clone(open), number };
            let name = entry.name.as_bytes();
            let earlier = open.earlier_tree.as_ref().and_then(|tree| tree.find(name));
            match entry.metadata.kind {
                FileKind::Directory => directories.push(Job::Directory(Box::new(DirectoryJob {
                    path: open.path.join(&entry.name),
                    name: name.to_vec(),
                    earlier: earlier.filter(|node| node.subtree.is_some()).cloned(),
                    place: Some(place),
                    mount_point: entry.mount_point,
                }))),
                FileKind::File => match earlier.filter(|node| self.can_reuse(node, &entry.metadata)) {
                    Some(node) => {
                        self.progress.advanced(node.size);
                        self.progress.finished(1);
                        self.totals.file(Novelty::Unmodified, node.size);
                        self.deliver(place, Finished { node: Some(node.clone()), as_before: true })?;
                    }
                    None => files.push(Job::File(FileJob::new(place, directory, &entry, earlier))),
                },
                _ => {
                    let node = self.special_node(&open.path, directory, &entry, earlier);
                    let finished =
                        node.map_or_else(Finished::left_out, |node| Finished::compared(node, earlier));
                    self.deliver(place, finished)?;
                }
            }
        }
        // The last job is taken first: files before directories, so that this directory is closed soon.
        stack.push_all(directories.into_iter().rev().chain(files.into_iter().rev()));
        Ok(())
    }

    fn can_reuse(&self, node: &Node, metadata: &Metadata) -> bool {
        let stored = |content: &Vec<_>| content.iter().all(|id| self.index.contains(BlobKind::Data, id));
        is_unchanged(node, metadata) && node.error.is_empty() && node.content.as_ref().is_some_and(stored)
    }

    /// The node of a link, pipe, socket or device.
    fn special_node(
        &self,
        parent: &Path,
        directory: &Directory,
        entry: &Entry,
        earlier: Option<&Node>,
    ) -> Option<Node> {
        if let Some(earlier) = earlier.filter(|node| is_unchanged(node, &entry.metadata)) {
            return Some(earlier.clone());
        }
        let path = parent.join(&entry.name);
        let mut node = describe(entry.name.as_bytes(), &entry.metadata, &self.owners);
        if entry.metadata.kind == FileKind::Symlink {
            match directory.link_target(&entry.name) {
                Ok(target) => node.link_target = target.as_bytes().to_vec(),
                Err(error) if error.is_not_found() => return None,
                Err(error) => {
                    self.totals.skip(Issue::unreadable(&path, &error));
                    return None;
                }
            }
        }
        node.extended_attributes = self.attributes(&path, directory.entry_extended_attributes(&entry.name));
        Some(node)
    }
}
