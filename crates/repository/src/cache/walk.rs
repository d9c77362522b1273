//! Reading a remembered walk.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use stillpoint_localfs::{FileKind, OwnerNames};

use super::bound::Bound;
use super::codec::{self, CHECK, Reader};
use super::folder::StoreCache;
use super::head::{DirectoryKey, Head, Owner, Place, TAIL};
use super::record::Record;
use super::relied::Relied;
use crate::id::Id;

/// Longest block of one directory that is read: some hundred thousand entries.
pub(super) const BLOCK_MAX: u32 = 256 << 20;

/// What a walk is remembered by: repository, host and recorded path.
#[derive(Clone, Debug)]
pub(crate) struct SourceName {
    pub(super) text: String,
    digest: String,
}

impl SourceName {
    pub(crate) fn new(repository: &str, hostname: &str, path: &str) -> Self {
        let text = format!("{repository}\0{hostname}\0{path}");
        let mut digest = Id::of(text.as_bytes()).to_hex();
        digest.truncate(32);
        Self { text, digest }
    }

    pub(super) fn walk_file(&self) -> String {
        format!("walk-{}", self.digest)
    }

    pub(super) fn bound_file(&self) -> String {
        format!("bound-{}", self.digest)
    }

    pub(super) fn relied_file(&self) -> String {
        format!("relied-{}", self.digest)
    }
}

/// How a source looked when a snapshot of it was made.
#[derive(Debug)]
pub(crate) struct WalkCache {
    pub(super) file: File,
    pub(super) head: Head,
    pub(super) bound: Bound,
    /// What must be in the store for it to be believed.
    pub(crate) relied: Arc<Relied>,
    root_device: u64,
}

/// A remembered directory.
#[derive(Debug)]
pub(crate) struct Block {
    pub(super) place: Place,
    bytes: Vec<u8>,
    first: usize,
    root_device: u64,
    /// Its listing in the repository.
    pub(crate) subtree: Id,
    /// Number of its entries.
    pub(crate) count: usize,
}

impl WalkCache {
    /// The walk that ended in `snapshot`; `None` unless everything needed to believe it is there. `root_device` is the
    /// device the source lies on now.
    pub(crate) fn open(
        cache: &StoreCache,
        name: &SourceName,
        snapshot: &Id,
        root_device: u64,
        owners: &OwnerNames,
    ) -> Option<Self> {
        let bound = Bound::read(cache, &name.bound_file())?;
        if !bound.snapshots.contains(snapshot) {
            tracing::debug!(%snapshot, "the walk that is remembered did not end in the parent snapshot");
            return None;
        }
        let file = File::open(cache.path_of(&name.walk_file())).ok()?;
        let Some(head) = read_head(&file) else {
            tracing::debug!("the remembered walk is damaged or of another version");
            return None;
        };
        let named = |known: &[Owner], now: &dyn Fn(u32) -> Option<OsString>| {
            known.iter().all(|(id, name)| text(now(*id)) == *name)
        };
        let fits = head.generation == bound.generation
            && head.source == name.text
            && named(&head.users, &|id| owners.user(id))
            && named(&head.groups, &|id| owners.group(id));
        if !fits {
            return None;
        }
        let relied = Relied::read(cache, &name.relied_file(), bound.generation)?.into();
        let walk = Self { file, head, bound, relied, root_device };
        walk.root().is_some().then_some(walk)
    }

    /// Whether the root's device has another number than when the walk was made. Nodes of files with several names
    /// say that number, so listings that hold such files differ then.
    pub(crate) fn is_renumbered(&self) -> bool {
        self.head.root_device != self.root_device
    }

    /// The root itself.
    pub(crate) fn root(&self) -> Option<Record<'_>> {
        Record::read(&mut Reader::new(&self.head.root), self.root_device)
    }

    /// Whether `id` is a listing above the root.
    pub(crate) fn holds_above(&self, id: &Id) -> bool {
        self.head.above.contains(id)
    }

    /// The directory with this device and inode.
    pub(crate) fn directory(&self, device: u64, inode: u64) -> Option<Block> {
        let place = self.head.find(key(device, inode, self.root_device))?;
        let block = self.read(place);
        if block.is_none() {
            tracing::debug!(inode, "a remembered directory is damaged");
        }
        block
    }

    fn read(&self, place: Place) -> Option<Block> {
        if place.length > BLOCK_MAX {
            return None;
        }
        let mut bytes = vec![0; usize::try_from(place.length).ok()?];
        self.file.read_exact_at(&mut bytes, place.offset).ok()?;
        let body = codec::unseal(&bytes)?.len();
        let mut reader = Reader::new(bytes.get(..body)?);
        let (subtree, count) = (reader.id()?, reader.small()?);
        let first = body - reader.remaining();
        bytes.truncate(bytes.len() - CHECK);
        Some(Block { place, bytes, first, root_device: self.root_device, subtree, count })
    }
}

impl Block {
    /// The entries in order, each with its position.
    pub(crate) fn records(&self) -> impl Iterator<Item = (usize, Record<'_>)> {
        let mut reader = Reader::new(self.bytes.get(self.first..).unwrap_or_default());
        std::iter::from_fn(move || {
            let at = self.bytes.len() - reader.remaining();
            Some((at, Record::read(&mut reader, self.root_device)?))
        })
    }

    /// The entry at a position.
    pub(crate) fn record(&self, at: usize) -> Option<Record<'_>> {
        Record::read(&mut Reader::new(self.bytes.get(at..)?), self.root_device)
    }

    /// The bytes of the entry at a position.
    pub(super) fn record_bytes(&self, at: usize) -> Option<&[u8]> {
        let rest = self.bytes.get(at..)?;
        let mut reader = Reader::new(rest);
        Record::read(&mut reader, self.root_device)?;
        rest.get(..rest.len() - reader.remaining())
    }

    /// Whether an entry is a file with several names.
    pub(crate) fn has_links(&self) -> bool {
        self.records().any(|(_, record)| record.stat.kind != FileKind::Directory && record.stat.links > 1)
    }
}

pub(super) fn key(device: u64, inode: u64, root_device: u64) -> DirectoryKey {
    (if device == root_device { 0 } else { device }, inode)
}

pub(super) fn text(name: Option<OsString>) -> Option<String> {
    name.map(|name| name.to_string_lossy().into_owned())
}

fn read_head(file: &File) -> Option<Head> {
    let size = file.metadata().ok()?.len();
    let mut tail = [0; TAIL];
    file.read_exact_at(&mut tail, size.checked_sub(TAIL as u64)?).ok()?;
    let place = Head::locate(&tail, size)?;
    let mut sealed = vec![0; usize::try_from(place.end - place.start).ok()?];
    file.read_exact_at(&mut sealed, place.start).ok()?;
    Head::decode(&sealed)
}
