//! Listing one directory and handing out its entries.

use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use stillpoint_localfs::{
    Directory, Entry, FileKind, Identity, JobStack, Lineage, Listing, Metadata, again_if_stale,
};

use super::earlier::{EarlierEntry, EarlierListing, is_same};
use super::file::FileJob;
use super::node::{Attributes, describe, extended};
use super::summary::Novelty;
use super::walk::{EarlierWalk, Finished, Job, OpenDirectory, Place, Walk, guard};
use crate::blob::BlobKind;
use crate::browse::path_of;
use crate::cache::{Block, Record, Stat};
use crate::error::Result;
use crate::id::Id;
use crate::issue::{Issue, IssueKind, fatal};
use crate::tree::{Node, TreeMeter, Unlistable};

/// More than a node takes in a listing, as a rule: fewer of them need not be measured.
const NODE_BYTES_USUAL: usize = 1024;

/// A directory to list.
#[derive(Debug)]
pub(super) struct DirectoryJob {
    pub(super) path: PathBuf,
    /// The name the snapshot gives it.
    pub(super) name: Vec<u8>,
    /// What tells it from others, as it was listed.
    pub(super) identity: Identity,
    /// Where it belongs; `None` for the root.
    pub(super) place: Option<Place>,
    /// What was there before.
    pub(super) earlier: EarlierEntry,
    /// Whether its content lies on another file system and is left out.
    pub(super) mount_point: bool,
}

/// A directory that was opened and listed.
type Looked = (Directory, Metadata, Listing);

/// Files that are as they were, to be counted together.
#[derive(Default)]
struct Unmodified {
    files: u64,
    bytes: u64,
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
                return self.deliver(place, Finished::LeftOut, stack);
            }
        };
        for error in &listing.errors {
            self.totals.skip(Issue::unreadable(error.path().unwrap_or(&job.path), error));
        }
        let entries = listing.entries;
        if self.is_too_long(&entries) {
            let left_out = self.unlisted(&job.path, entries.len(), Unlistable::TooLong);
            let Some(place) = job.place else { return left_out.map(drop) };
            return self.deliver(place, left_out?, stack);
        }
        let stat = Stat::from(&metadata);
        if job.place.is_none() && !stat.modified.is_writable() {
            self.totals.warn(Issue::inexact_time(&job.path));
        }
        let attributes = if job.earlier.is_unchanged(&stat) {
            Attributes { kept: job.earlier.attributes(), lacking: None }
        } else {
            self.attributes(&job.path, directory.extended_attributes())
        };
        let (listing, subtree) = self.earlier_listing(&stat, &job.earlier);
        // One more than there are entries: the last stands for this listing itself.
        let mut finished = Vec::new();
        finished.resize_with(entries.len() + 1, Finished::default);
        let lineage = match &job.place {
            Some(place) => place.directory.lineage.below(path_of(&job.name), job.identity),
            None => Lineage::default(),
        };
        let open = Arc::new(OpenDirectory {
            up: job.place,
            path: job.path,
            lineage,
            missing: Mutex::default(),
            name: job.name,
            stat,
            attributes,
            earlier: job.earlier,
            listing,
            subtree,
            entries: Mutex::new(finished),
            remaining: AtomicUsize::new(entries.len() + 1),
        });
        self.announce(&entries);
        let own = Place { directory: Arc::clone(&open), number: entries.len() };
        self.hand_out(&open, &Arc::new(directory), entries, stack)?;
        self.deliver(own, Finished::LeftOut, stack)
    }

    /// Opens and lists a directory; one that stands no longer where it was listed is looked for by what it is.
    fn look_into(&self, job: &DirectoryJob) -> stillpoint_localfs::Result<Looked> {
        let named = || self.source.directory(&job.path).and_then(|directory| self.look(job, directory));
        let found = again_if_stale(named);
        let Some(place) = &job.place else { return found };
        let other = match &found {
            Ok((_, metadata, _)) => Some(Identity::from(metadata)),
            Err(error) if error.is_no_directory() => None,
            Err(_) => return found,
        };
        if other == Some(job.identity) {
            return found;
        }
        match self.same_directory(job, &place.directory)? {
            Some(directory) => self.look(job, directory),
            None => {
                guard(&place.directory.missing).note(job, other);
                found
            }
        }
    }

    fn look(&self, job: &DirectoryJob, directory: Directory) -> stillpoint_localfs::Result<Looked> {
        let listing = if job.mount_point {
            Listing::default()
        } else {
            self.selection.list(&self.source, &directory)?
        };
        let metadata = directory.metadata()?;
        Ok((directory, metadata, listing))
    }

    /// Whether the entries make a listing that is too long, whatever is in them, so that they need not be read.
    fn is_too_long(&self, entries: &[Entry]) -> bool {
        if entries.len().saturating_mul(NODE_BYTES_USUAL) <= self.listing_bytes_max {
            return false;
        }
        let mut meter = TreeMeter::new(self.listing_bytes_max);
        let node = |entry: &Entry| describe(entry.name.as_bytes(), &entry.metadata, &self.owners);
        !entries.iter().all(|entry| meter.fits(&node(entry)))
    }

    /// Extended attributes as far as the snapshot can keep them; what it cannot is noted.
    pub(super) fn attributes(
        &self,
        path: &Path,
        read: stillpoint_localfs::Result<Vec<stillpoint_localfs::ExtendedAttribute>>,
    ) -> Attributes {
        let mut lacking = None;
        let mut note = |issue: Issue| {
            lacking = Some(issue.message.clone());
            self.totals.note(issue);
        };
        let mut attributes = read.unwrap_or_else(|error| {
            note(Issue::unreadable(path, &error));
            Vec::new()
        });
        // The format keeps their names as text; another name would come back in their place.
        attributes.retain(|attribute| {
            let text = attribute.name.to_str().is_some();
            if !text {
                let message = format!(
                    "its extended attribute {:?} has a name that is not UTF-8, which the format cannot keep",
                    attribute.name
                );
                note(Issue::new(path, IssueKind::Unsupported, message));
            }
            text
        });
        Attributes { kept: extended(attributes), lacking }
    }

    /// The entries a directory had, and its listing: of a remembered one wherever it was, else under its name.
    fn earlier_listing(&self, stat: &Stat, entry: &EarlierEntry) -> (EarlierListing, Option<Id>) {
        match (&self.earlier, entry) {
            (EarlierWalk::Remembered(cache), _) => match cache.directory(stat.device, stat.inode) {
                Some(block) => {
                    let subtree = block.subtree;
                    (EarlierListing::Remembered(Arc::new(block)), Some(subtree))
                }
                None => (EarlierListing::None, None),
            },
            (EarlierWalk::Stored(trees, _, since), EarlierEntry::Stored(node, _)) => {
                let Some(id) = node.subtree else { return (EarlierListing::None, None) };
                match self.sink.wait(guard(trees).take(&id)) {
                    Ok(tree) => (EarlierListing::Stored(tree, *since), Some(id)),
                    Err(error) => {
                        // The backup itself does not need it: everything below is read and stored anew.
                        tracing::warn!(%error, tree = %id, "a listing of the parent snapshot cannot be used");
                        (EarlierListing::None, None)
                    }
                }
            }
            _ => (EarlierListing::None, None),
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
        let (mut directories, mut files, mut unmodified) = (Vec::new(), Vec::new(), Unmodified::default());
        let mut before = Before::new(&open.listing);
        for (number, entry) in entries.into_iter().enumerate() {
            let place = Place { directory: Arc::clone(open), number };
            let earlier = before.find(entry.name.as_bytes());
            let stat = Stat::from(&entry.metadata);
            if !stat.modified.is_writable() {
                self.totals.warn(Issue::inexact_time(open.path.join(&entry.name)));
            }
            match entry.metadata.kind {
                FileKind::Directory => directories.push(Job::Directory(Box::new(DirectoryJob {
                    path: open.path.join(&entry.name),
                    name: entry.name.as_bytes().to_vec(),
                    identity: Identity::from(&entry.metadata),
                    earlier: earlier.directory(&open.listing),
                    place: Some(place),
                    mount_point: entry.mount_point,
                }))),
                kind => match self.unmodified(&earlier, &stat) {
                    Some(finished) => {
                        if kind == FileKind::File {
                            unmodified.files += 1;
                            unmodified.bytes += entry.metadata.size;
                        }
                        self.deliver(place, finished, stack)?;
                    }
                    None if kind == FileKind::File => {
                        let earlier = earlier.node(self).filter(|node| node.content.is_some());
                        files.push(Job::File(FileJob::new(place, directory, &entry, earlier)));
                    }
                    None => {
                        let earlier = earlier.node(self);
                        let finished = self.special(&open.path, directory, &entry, earlier.as_ref());
                        self.deliver(place, finished, stack)?;
                    }
                },
            }
        }
        self.count(&unmodified);
        // The last job is taken first: files before directories, so that this directory is closed soon.
        stack.push_all(directories.into_iter().rev().chain(files.into_iter().rev()));
        Ok(())
    }

    fn count(&self, unmodified: &Unmodified) {
        if unmodified.files > 0 {
            self.progress.advanced(unmodified.bytes);
            self.progress.finished(unmodified.files);
            self.totals.files(Novelty::Unmodified, unmodified.files, unmodified.bytes);
        }
    }

    /// An entry that need not be opened, because it is as it was and everything it needs is stored.
    fn unmodified(&self, earlier: &Earlier<'_>, stat: &Stat) -> Option<Finished> {
        match earlier {
            Earlier::None => None,
            Earlier::Remembered(at, record) => is_same(record, stat).then_some(Finished::Remembered(*at)),
            Earlier::Stored(node) => {
                let (EarlierWalk::Stored(_, index, since), true) = (&self.earlier, node.error.is_empty())
                else {
                    return None;
                };
                let is_stored = stat.kind != FileKind::File
                    || node
                        .content
                        .as_ref()
                        .is_some_and(|content| content.iter().all(|id| index.contains(BlobKind::Data, id)));
                let same = super::node::is_unchanged(node, stat) && stat.settled_before(*since);
                (same && is_stored).then(|| Finished::seen((*node).clone(), *stat, true, Some(node)))
            }
        }
    }

    /// A link, pipe, socket or device.
    fn special(
        &self,
        parent: &Path,
        directory: &Directory,
        entry: &Entry,
        earlier: Option<&Node>,
    ) -> Finished {
        let path = parent.join(&entry.name);
        let mut node = describe(entry.name.as_bytes(), &entry.metadata, &self.owners);
        if entry.metadata.kind == FileKind::Symlink {
            match directory.link_target(&entry.name) {
                Ok(target) => node.link_target = target.as_bytes().to_vec(),
                Err(error) => {
                    if !error.is_not_found() {
                        self.totals.skip(Issue::unreadable(&path, &error));
                    }
                    return Finished::LeftOut;
                }
            }
        }
        let attributes = self.attributes(&path, directory.entry_extended_attributes(&entry.name));
        let sound = attributes.describe(&mut node);
        Finished::seen(node, &entry.metadata, sound, earlier)
    }
}

/// A directory's earlier entries, asked for in the order of their names.
enum Before<'a, R: Iterator<Item = (usize, Record<'a>)>> {
    None,
    Stored(&'a crate::tree::Tree),
    Remembered(Peekable<R>),
}

/// One of them.
enum Earlier<'a> {
    None,
    Stored(&'a Node),
    Remembered(usize, Record<'a>),
}

impl<'a> Before<'a, Box<dyn Iterator<Item = (usize, Record<'a>)> + 'a>> {
    fn new(listing: &'a EarlierListing) -> Self {
        match listing {
            EarlierListing::None => Self::None,
            EarlierListing::Stored(tree, _) => Self::Stored(tree),
            EarlierListing::Remembered(block) => {
                let records: Box<dyn Iterator<Item = _> + 'a> = Box::new(Block::records(block));
                Self::Remembered(records.peekable())
            }
        }
    }

    fn find(&mut self, name: &[u8]) -> Earlier<'a> {
        match self {
            Self::None => Earlier::None,
            Self::Stored(tree) => tree.find(name).map_or(Earlier::None, Earlier::Stored),
            Self::Remembered(records) => {
                while records.next_if(|(_, record)| record.name < name).is_some() {}
                let found = records.next_if(|(_, record)| record.name == name);
                found.map_or(Earlier::None, |(at, record)| Earlier::Remembered(at, record))
            }
        }
    }
}

impl Earlier<'_> {
    /// What was there, if it was a directory too.
    fn directory(&self, listing: &EarlierListing) -> EarlierEntry {
        match (self, listing) {
            (Self::Stored(node), EarlierListing::Stored(_, since)) if node.subtree.is_some() => {
                EarlierEntry::Stored(Box::new((*node).clone()), *since)
            }
            (Self::Remembered(at, record), EarlierListing::Remembered(block))
                if record.stat.kind == FileKind::Directory =>
            {
                EarlierEntry::Remembered(Arc::clone(block), *at)
            }
            _ => EarlierEntry::None,
        }
    }

    fn node(&self, walk: &Walk) -> Option<Node> {
        match self {
            Self::None => None,
            Self::Stored(node) => Some((*node).clone()),
            Self::Remembered(_, record) => Some(record.node(&walk.owners)),
        }
    }
}
