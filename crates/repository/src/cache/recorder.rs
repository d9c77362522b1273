//! Writing down a walk while it is made.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stillpoint_localfs::OwnerNames;

use super::bound::Bound;
use super::codec;
use super::folder::{StoreCache, Unfinished};
use super::head::{DirectoryKey, Head, MAGIC, Owner, Place};
use super::record::Record;
use super::relied::Relied;
use super::stat::Stat;
use super::walk::{BLOCK_MAX, Block, SourceName, WalkCache, key, text};
use crate::id::Id;
use crate::random;
use crate::time::Timestamp;
use crate::tree::Node;

/// Most owners of each sort that a walk may meet and still be remembered.
const OWNERS_MAX: usize = 4096;

/// Collects the directories of a walk, and at its end puts them in the place of the walk before.
///
/// Failures to write only mean that this walk is not remembered.
#[derive(Debug)]
pub(crate) struct Recorder {
    cache: StoreCache,
    name: SourceName,
    previous: Option<Arc<WalkCache>>,
    root_device: u64,
    started: Timestamp,
    state: Mutex<State>,
}

/// An entry of a directory that is written down.
#[derive(Debug)]
pub(crate) enum Entry<'a> {
    /// The one at this position of the directory as it is remembered.
    Remembered(usize),
    /// A node with the metadata it was made from, and whether these can be relied on.
    Seen(&'a Node, &'a Stat, bool),
}

#[derive(Debug, Default)]
struct State {
    out: Option<(BufWriter<File>, Unfinished)>,
    offset: u64,
    written: Vec<Place>,
    kept: Vec<Place>,
    users: BTreeSet<u32>,
    groups: BTreeSet<u32>,
    failure: Option<io::Error>,
}

impl Recorder {
    /// A recorder of a walk that began at `started`.
    pub(crate) fn new(
        cache: StoreCache,
        name: SourceName,
        previous: Option<Arc<WalkCache>>,
        root_device: u64,
        started: Timestamp,
    ) -> Self {
        let mut state = State::default();
        if let Some(previous) = &previous {
            state.users = previous.head.users.iter().map(|(id, _)| *id).collect();
            state.groups = previous.head.groups.iter().map(|(id, _)| *id).collect();
        }
        Self { cache, name, previous, root_device, started, state: Mutex::new(state) }
    }

    /// Whether an entry that was seen like this can be recognised by its metadata next time.
    pub(crate) fn trusts(&self, stat: &Stat) -> bool {
        stat.settled_before(self.started)
    }

    /// Keeps a directory as it is remembered.
    pub(crate) fn keep(&self, block: &Block) {
        self.state().kept.push(block.place);
    }

    /// Writes a directory down. `block` is how it is remembered.
    pub(crate) fn record<'a>(
        &self,
        directory: &Stat,
        subtree: &Id,
        block: Option<&Block>,
        entries: impl ExactSizeIterator<Item = Entry<'a>>,
    ) {
        let mut out = subtree.as_bytes().to_vec();
        codec::number(&mut out, entries.len() as u64);
        let mut owners = BTreeSet::new();
        for entry in entries {
            match entry {
                Entry::Remembered(at) => {
                    let bytes = block.and_then(|block| block.record_bytes(at));
                    out.extend_from_slice(bytes.unwrap_or_default());
                }
                Entry::Seen(node, stat, trusted) => {
                    owners.insert((stat.uid, stat.gid));
                    Record::write(&mut out, node, stat, trusted, self.root_device);
                }
            }
        }
        codec::seal(&mut out, 0);
        let key = key(directory.device, directory.inode, self.root_device);
        let mut state = self.state();
        state.users.extend(owners.iter().map(|(user, _)| *user));
        state.groups.extend(owners.iter().map(|(_, group)| *group));
        state.append(&self.cache, key, &out);
    }

    /// Binds the walk to the snapshot it ended in and to what of the store it relies on. Returns what failed.
    pub(crate) fn finish(
        &self,
        (root, stat, sound): (&Node, &Stat, bool),
        above: Vec<Id>,
        snapshot: Id,
        relied: &Relied,
        owners: &OwnerNames,
    ) -> io::Result<()> {
        let mut state = std::mem::take(&mut *self.state());
        let mut root_record = Vec::new();
        Record::write(&mut root_record, root, stat, sound && self.trusts(stat), self.root_device);
        if let Some(previous) = self.previous.as_ref().filter(|previous| {
            state.is_untouched(previous)
                && previous.head.root == root_record
                && previous.head.above == above
                && !previous.is_renumbered()
        }) {
            let mut bound = previous.bound.clone();
            bound.add(snapshot);
            bound.write(&self.cache, &self.name.bound_file());
            return Ok(());
        }
        state.users.insert(stat.uid);
        state.groups.insert(stat.gid);
        if state.users.len().max(state.groups.len()) > OWNERS_MAX {
            return Err(io::Error::other("the source has too many owners"));
        }
        let named = |ids: &BTreeSet<u32>, name: &dyn Fn(u32) -> Option<std::ffi::OsString>| -> Vec<Owner> {
            ids.iter().map(|id| (*id, text(name(*id)))).collect()
        };
        let head = Head {
            generation: random::bytes().map_err(io::Error::other)?,
            source: self.name.text.clone(),
            root_device: self.root_device,
            root: root_record,
            above,
            users: named(&state.users, &|id| owners.user(id)),
            groups: named(&state.groups, &|id| owners.group(id)),
            table: Vec::new(),
        };
        self.replace(state, head, snapshot, relied)
    }

    fn replace(&self, mut state: State, mut head: Head, snapshot: Id, relied: &Relied) -> io::Result<()> {
        if let Some(previous) = &self.previous {
            state.copy_kept(&self.cache, previous)?;
        }
        if let Some(failure) = state.failure {
            return Err(failure);
        }
        let mut places = state.written;
        places.sort_unstable();
        // A directory that is mounted twice was walked twice; either walk will do.
        places.dedup_by_key(|place| place.key);
        places.iter().for_each(|place| place.write(&mut head.table));
        let Some((mut out, unfinished)) = state.out else { return Ok(()) };
        out.write_all(&head.encode(state.offset))?;
        out.flush()?;
        unfinished.finish(&self.name.walk_file())?;
        relied.write(&self.cache, &self.name.relied_file(), head.generation);
        Bound { generation: head.generation, snapshots: vec![snapshot] }
            .write(&self.cache, &self.name.bound_file());
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether every directory is as remembered, and none is gone.
    fn is_untouched(&self, previous: &WalkCache) -> bool {
        self.written.is_empty() && self.failure.is_none() && self.kept.len() == previous.head.directories()
    }

    fn append(&mut self, cache: &StoreCache, key: DirectoryKey, block: &[u8]) {
        if self.failure.is_none()
            && let Err(failure) = self.try_append(cache, key, block)
        {
            self.failure = Some(failure);
        }
    }

    fn try_append(&mut self, cache: &StoreCache, key: DirectoryKey, block: &[u8]) -> io::Result<()> {
        let length = u32::try_from(block.len()).ok().filter(|length| *length <= BLOCK_MAX);
        let length = length.ok_or_else(|| io::Error::other("a directory has too many entries"))?;
        if self.out.is_none() {
            let (file, unfinished) = cache.create()?;
            let mut out = BufWriter::with_capacity(256 << 10, file);
            out.write_all(MAGIC)?;
            self.offset = MAGIC.len() as u64;
            self.out = Some((out, unfinished));
        }
        if let Some((out, _)) = &mut self.out {
            out.write_all(block)?;
            self.written.push(Place { key, offset: self.offset, length });
            self.offset += u64::from(length);
        }
        Ok(())
    }

    fn copy_kept(&mut self, cache: &StoreCache, previous: &WalkCache) -> io::Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        kept.sort_unstable_by_key(|place| place.offset);
        let mut block = Vec::new();
        for place in kept {
            block.resize(usize::try_from(place.length).map_err(io::Error::other)?, 0);
            previous.file.read_exact_at(&mut block, place.offset)?;
            self.try_append(cache, place.key, &block)?;
        }
        Ok(())
    }
}
