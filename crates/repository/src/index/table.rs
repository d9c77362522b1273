//! The in-memory table: one fixed-size entry per blob, sorted; blobs added later in a hash map beside it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::blob::{BlobKind, BlobLocation};
use crate::id::Id;
use crate::pack::{PackEntry, pack_length};

const KINDS: [BlobKind; 2] = [BlobKind::Data, BlobKind::Tree];

/// 48 bytes; `pack` is a position in the list of packs, `uncompressed` is zero if the blob is not compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    id: Id,
    pack: u32,
    offset: u32,
    length: u32,
    uncompressed: u32,
}

#[derive(Debug, Default)]
struct Blobs {
    sorted: Vec<Entry>,
    recent: HashMap<Id, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Pack {
    id: Id,
    /// What it must have to hold what is said to be in it; 0 where that does not count.
    length: u64,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    files: Vec<Id>,
    packs: Vec<Pack>,
    data: Blobs,
    tree: Blobs,
}

impl Table {
    fn blobs(&self, kind: BlobKind) -> &Blobs {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.tree,
        }
    }

    fn blobs_mut(&mut self, kind: BlobKind) -> &mut Blobs {
        match kind {
            BlobKind::Data => &mut self.data,
            BlobKind::Tree => &mut self.tree,
        }
    }

    /// Adds the packs of one index file while loading; [`Self::seal`] must follow.
    pub(super) fn load_pack(&mut self, pack: Id, entries: &[PackEntry]) {
        let pack = self.add_pack(pack, entries);
        for entry in entries {
            self.blobs_mut(entry.kind).sorted.push(Entry::new(pack, entry));
        }
    }

    pub(super) fn insert_file(&mut self, file: Id) {
        self.files.push(file);
    }

    pub(super) fn files(&self) -> &[Id] {
        &self.files
    }

    /// Drops the packs that only superseded index files name, sorts, and gives back unused memory.
    pub(super) fn seal(&mut self, dropped: &HashSet<u32>) {
        for kind in KINDS {
            let sorted = &mut self.blobs_mut(kind).sorted;
            sorted.retain(|entry| !dropped.contains(&entry.pack));
            sorted.sort_unstable();
        }
        let mut packs = std::mem::take(&mut self.packs);
        for (at, pack) in (0..).zip(&mut packs) {
            pack.length = if dropped.contains(&at) { 0 } else { pack.length };
        }
        for kind in KINDS {
            let sorted = &mut self.blobs_mut(kind).sorted;
            // Two index files may describe the same pack; their entries differ only in the pack's position.
            sorted.dedup_by(|a, b| {
                let pack = |entry: &Entry| packs.get(entry.at()).map(|pack| pack.id);
                a.id == b.id && a.offset == b.offset && pack(a) == pack(b)
            });
            sorted.shrink_to_fit();
        }
        self.packs = packs;
    }

    pub(super) fn pack_count(&self) -> u32 {
        u32::try_from(self.packs.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn pack_ids(&self) -> HashSet<Id> {
        self.packs.iter().map(|pack| pack.id).collect()
    }

    /// For each pack the bytes it must have; of two accounts of one pack, the larger.
    pub(super) fn pack_lengths(&self) -> Vec<(Id, u64)> {
        let counted = self.packs.iter().filter(|pack| pack.length > 0);
        let mut lengths: Vec<(Id, u64)> = counted.map(|pack| (pack.id, pack.length)).collect();
        lengths.sort_unstable_by_key(|(id, length)| (*id, std::cmp::Reverse(*length)));
        lengths.dedup_by_key(|(id, _)| *id);
        lengths
    }

    pub(super) fn insert_pack(&mut self, pack: Id, entries: &[PackEntry]) {
        let pack = self.add_pack(pack, entries);
        for entry in entries {
            self.blobs_mut(entry.kind).recent.entry(entry.id).or_insert_with(|| Entry::new(pack, entry));
        }
    }

    pub(super) fn forget(&mut self, gone: &HashSet<Id>) {
        let at: HashSet<u32> =
            (0..).zip(&self.packs).filter(|(_, pack)| gone.contains(&pack.id)).map(|(at, _)| at).collect();
        for kind in KINDS {
            let blobs = self.blobs_mut(kind);
            blobs.sorted.retain(|entry| !at.contains(&entry.pack));
            blobs.recent.retain(|_, entry| !at.contains(&entry.pack));
        }
    }

    fn add_pack(&mut self, id: Id, entries: &[PackEntry]) -> u32 {
        let length = if entries.is_empty() { 0 } else { pack_length(entries) };
        self.packs.push(Pack { id, length });
        self.pack_count() - 1
    }

    pub(super) fn locate(&self, kind: BlobKind, id: &Id) -> Option<BlobLocation> {
        let Blobs { sorted, recent } = self.blobs(kind);
        // What this process has stored first: of what it found, something may be about to go.
        let entry = recent.get(id).or_else(|| {
            let at = sorted.partition_point(|entry| entry.id < *id);
            sorted.get(at).filter(|entry| entry.id == *id)
        })?;
        let pack = self.packs.get(entry.at())?;
        Some(entry.entry(kind).at(pack.id))
    }

    /// Where a blob lies beside these packs.
    pub(super) fn locate_outside(&self, kind: BlobKind, id: &Id, packs: &[Id]) -> Option<BlobLocation> {
        let Blobs { sorted, recent } = self.blobs(kind);
        let from = sorted.partition_point(|entry| entry.id < *id);
        let loaded = sorted.iter().skip(from).take_while(|entry| entry.id == *id);
        recent.get(id).into_iter().chain(loaded).find_map(|entry| {
            let pack = self.packs.get(entry.at()).filter(|pack| !packs.contains(&pack.id))?;
            Some(entry.entry(kind).at(pack.id))
        })
    }

    pub(super) fn len(&self, kind: BlobKind) -> usize {
        let blobs = self.blobs(kind);
        blobs.sorted.len() + blobs.recent.len()
    }

    pub(super) fn extents(&self, kind: BlobKind) -> HashMap<Id, Range<u64>> {
        let Blobs { sorted, recent } = self.blobs(kind);
        let mut extents: HashMap<Id, Range<u64>> = HashMap::new();
        for entry in sorted.iter().chain(recent.values()) {
            let Some(pack) = self.packs.get(entry.at()) else { continue };
            let (start, end) = (u64::from(entry.offset), u64::from(entry.offset) + u64::from(entry.length));
            let extent = extents.entry(pack.id).or_insert(start..end);
            *extent = extent.start.min(start)..extent.end.max(end);
        }
        extents
    }

    pub(super) fn by_pack(&self) -> Vec<(Id, Vec<PackEntry>)> {
        let mut packs: Vec<(Id, Vec<PackEntry>)> =
            self.packs.iter().map(|pack| (pack.id, Vec::new())).collect();
        for kind in KINDS {
            let Blobs { sorted, recent } = self.blobs(kind);
            for entry in sorted.iter().chain(recent.values()) {
                if let Some((_, entries)) = packs.get_mut(entry.at()) {
                    entries.push(entry.entry(kind));
                }
            }
        }
        packs.retain(|(_, entries)| !entries.is_empty());
        packs.sort_unstable_by_key(|(pack, _)| *pack);
        packs.dedup_by(|(later, entries), (pack, kept)| {
            let same = later == pack;
            if same {
                kept.append(entries);
            }
            same
        });
        for (_, entries) in &mut packs {
            entries.sort_unstable_by_key(|entry| (entry.offset, entry.id));
        }
        packs
    }
}

impl Entry {
    fn new(pack: u32, entry: &PackEntry) -> Self {
        Self {
            id: entry.id,
            pack,
            offset: entry.offset,
            length: entry.length,
            uncompressed: entry.uncompressed_length.unwrap_or_default(),
        }
    }

    fn at(&self) -> usize {
        usize::try_from(self.pack).unwrap_or(usize::MAX)
    }

    fn entry(&self, kind: BlobKind) -> PackEntry {
        PackEntry {
            kind,
            id: self.id,
            offset: self.offset,
            length: self.length,
            uncompressed_length: (self.uncompressed != 0).then_some(self.uncompressed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: u8, offset: u32) -> PackEntry {
        let kind = if name.is_multiple_of(2) { BlobKind::Data } else { BlobKind::Tree };
        PackEntry { kind, id: Id::of(&[name]), offset, length: 40, uncompressed_length: None }
    }

    #[test]
    fn loaded_and_added_blobs_are_found() {
        assert_eq!(size_of::<Entry>(), 48);
        let mut table = Table::default();
        table.load_pack(
            Id::of(b"p"),
            &(0..100).map(|name| entry(name, u32::from(name) * 40)).collect::<Vec<_>>(),
        );
        table.load_pack(Id::of(b"superseded"), &[entry(200, 0)]);
        table.seal(&HashSet::from([1]));
        table.insert_pack(Id::of(b"q"), &[entry(101, 0)]);
        for name in 0..100 {
            let found = table.locate(entry(name, 0).kind, &Id::of(&[name])).unwrap();
            assert_eq!((found.pack, found.offset), (Id::of(b"p"), u32::from(name) * 40));
        }
        assert_eq!(table.locate(BlobKind::Tree, &Id::of(&[101])).unwrap().pack, Id::of(b"q"));
        assert_eq!(table.locate(BlobKind::Data, &Id::of(&[101])), None);
        assert_eq!(table.locate(BlobKind::Data, &Id::of(&[200])), None);
        assert_eq!(table.by_pack().iter().map(|(_, entries)| entries.len()).sum::<usize>(), 101);
        let lengths = table.pack_lengths();
        assert_eq!(lengths.len(), 2, "what is superseded does not count");
        assert!(lengths.iter().all(|(pack, length)| {
            let entries = table.by_pack().into_iter().find(|(id, _)| id == pack).unwrap().1;
            *length == pack_length(&entries)
        }));
    }

    #[test]
    fn what_lies_in_forgotten_packs_is_not_found_but_where_else_it_lies_is() {
        let mut table = Table::default();
        table.load_pack(Id::of(b"gone"), &[entry(0, 0), entry(2, 40)]);
        table.load_pack(Id::of(b"there"), &[entry(2, 0)]);
        table.seal(&HashSet::new());
        table.forget(&HashSet::from([Id::of(b"gone")]));
        assert_eq!(table.locate(BlobKind::Data, &Id::of(&[0])), None);
        assert_eq!(table.locate(BlobKind::Data, &Id::of(&[2])).unwrap().pack, Id::of(b"there"));
        assert_eq!(
            (table.pack_ids().len(), table.pack_lengths().len()),
            (2, 2),
            "the packs themselves are known"
        );
        table.insert_pack(Id::of(b"new"), &[entry(2, 0)]);
        assert_eq!(table.locate(BlobKind::Data, &Id::of(&[2])).unwrap().pack, Id::of(b"new"));
    }

    #[test]
    fn a_pack_described_twice_is_kept_once() {
        let mut table = Table::default();
        for _ in 0..2 {
            table.load_pack(Id::of(b"p"), &[entry(0, 0), entry(1, 40)]);
        }
        table.seal(&HashSet::new());
        assert_eq!(table.len(BlobKind::Data) + table.len(BlobKind::Tree), 2);
        assert_eq!((table.by_pack().len(), table.pack_lengths().len()), (1, 1));
    }
}
