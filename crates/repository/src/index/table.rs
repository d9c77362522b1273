//! The in-memory table: one fixed-size entry per blob, sorted; blobs added later in a hash map beside it.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::blob::{BlobKind, BlobLocation};
use crate::id::Id;
use crate::pack::PackEntry;

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

#[derive(Debug, Default)]
pub(super) struct Table {
    packs: Vec<Id>,
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
    pub(super) fn load_pack(&mut self, pack: Id, entries: impl Iterator<Item = PackEntry>) {
        let pack = self.add_pack(pack);
        for entry in entries {
            self.blobs_mut(entry.kind).sorted.push(Entry::new(pack, &entry));
        }
    }

    /// Drops the packs that only superseded index files name, sorts, and gives back unused memory.
    pub(super) fn seal(&mut self, dropped: &HashSet<u32>) {
        for kind in KINDS {
            let sorted = &mut self.blobs_mut(kind).sorted;
            sorted.retain(|entry| !dropped.contains(&entry.pack));
            sorted.sort_unstable();
        }
        let packs = std::mem::take(&mut self.packs);
        for kind in KINDS {
            let sorted = &mut self.blobs_mut(kind).sorted;
            // Two index files may describe the same pack; their entries differ only in the pack's position.
            sorted.dedup_by(|a, b| {
                a.id == b.id && a.offset == b.offset && packs.get(a.at()) == packs.get(b.at())
            });
            sorted.shrink_to_fit();
        }
        self.packs = packs;
    }

    pub(super) fn pack_count(&self) -> u32 {
        u32::try_from(self.packs.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn pack_ids(&self) -> HashSet<Id> {
        self.packs.iter().copied().collect()
    }

    pub(super) fn insert_pack(&mut self, pack: Id, entries: &[PackEntry]) {
        let pack = self.add_pack(pack);
        for entry in entries {
            self.blobs_mut(entry.kind).recent.entry(entry.id).or_insert_with(|| Entry::new(pack, entry));
        }
    }

    fn add_pack(&mut self, pack: Id) -> u32 {
        self.packs.push(pack);
        self.pack_count() - 1
    }

    pub(super) fn locate(&self, kind: BlobKind, id: &Id) -> Option<BlobLocation> {
        let Blobs { sorted, recent } = self.blobs(kind);
        let at = sorted.partition_point(|entry| entry.id < *id);
        let entry = sorted.get(at).filter(|entry| entry.id == *id).or_else(|| recent.get(id))?;
        let pack = *self.packs.get(entry.at())?;
        Some(entry.entry(kind).at(pack))
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
            let extent = extents.entry(*pack).or_insert(start..end);
            *extent = extent.start.min(start)..extent.end.max(end);
        }
        extents
    }

    pub(super) fn by_pack(&self) -> Vec<(Id, Vec<PackEntry>)> {
        let mut packs: Vec<(Id, Vec<PackEntry>)> =
            self.packs.iter().map(|pack| (*pack, Vec::new())).collect();
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
        table.load_pack(Id::of(b"p"), (0..100).map(|name| entry(name, u32::from(name) * 40)));
        table.load_pack(Id::of(b"superseded"), [entry(200, 0)].into_iter());
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
    }

    #[test]
    fn a_pack_described_twice_is_kept_once() {
        let mut table = Table::default();
        for _ in 0..2 {
            table.load_pack(Id::of(b"p"), [entry(0, 0), entry(1, 40)].into_iter());
        }
        table.seal(&HashSet::new());
        assert_eq!(table.len(BlobKind::Data) + table.len(BlobKind::Tree), 2);
        assert_eq!(table.by_pack().len(), 1);
    }
}
