//! The index: in which pack, and where in it, each blob lies.

mod file;
mod load;
mod table;

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

pub(crate) use file::{IndexFile, IndexedBlob, IndexedPack, MAX_BLOBS_PER_FILE, encode};
pub(crate) use load::{load, load_listed, load_readable};
use table::Table;

use crate::blob::{BlobKind, BlobLocation};
use crate::id::Id;
use crate::pack::PackEntry;

/// All blobs a repository is known to hold: the index files at the time of loading, and what this process added.
///
/// Cheap to clone; clones share one table of 48 bytes per blob.
#[derive(Clone, Debug)]
pub struct Index {
    table: Arc<RwLock<Table>>,
}

/// The index that a single index file makes.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn of_one_file(file: &IndexFile) -> Index {
    let mut table = Table::default();
    for pack in &file.packs {
        table.load_pack(pack.id, &pack.blobs.iter().map(IndexedBlob::entry).collect::<Vec<_>>());
    }
    table.seal(&HashSet::new());
    Index::new(table)
}

impl Index {
    fn new(table: Table) -> Self {
        Self { table: Arc::new(RwLock::new(table)) }
    }

    /// Of a repository that holds nothing.
    #[cfg(feature = "bench")]
    pub(crate) fn empty() -> Self {
        Self::new(Table::default())
    }

    /// True if a pack that is stored holds this blob.
    pub fn contains(&self, kind: BlobKind, id: &Id) -> bool {
        self.locate(kind, id).is_some()
    }

    /// Where the blob lies.
    pub fn locate(&self, kind: BlobKind, id: &Id) -> Option<BlobLocation> {
        self.read(|table| table.locate(kind, id))
    }

    /// Where the blob lies beside these packs, if it was stored more than once.
    pub(crate) fn locate_outside(&self, kind: BlobKind, id: &Id, packs: &[Id]) -> Option<BlobLocation> {
        self.read(|table| table.locate_outside(kind, id, packs)).filter(|location| location.fits(kind))
    }

    /// Number of blobs of a kind; a blob stored twice counts twice.
    pub fn len(&self, kind: BlobKind) -> usize {
        self.read(|table| table.len(kind))
    }

    /// True if there is no blob of this kind.
    pub fn is_empty(&self, kind: BlobKind) -> bool {
        self.len(kind) == 0
    }

    /// For each pack, the bytes it must have to hold what the index says is in it.
    pub fn pack_lengths(&self) -> Vec<(Id, u64)> {
        self.read(Table::pack_lengths)
    }

    /// The index files that say all this: those that were loaded and not replaced by another, and those that this
    /// process stored.
    pub(crate) fn files(&self) -> Vec<Id> {
        self.read(|table| table.files().to_vec())
    }

    /// Takes note of an index file that this process has stored.
    pub(crate) fn insert_file(&self, file: Id) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).insert_file(file);
    }

    /// Every pack that an index file lists or this process stored.
    pub(crate) fn packs(&self) -> HashSet<Id> {
        self.read(Table::pack_ids)
    }

    /// For each pack with blobs of a kind, from the first to the last byte of them.
    pub(crate) fn extents(&self, kind: BlobKind) -> HashMap<Id, Range<u64>> {
        self.read(|table| table.extents(kind))
    }

    pub(crate) fn insert_pack(&self, pack: Id, entries: &[PackEntry]) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).insert_pack(pack, entries);
    }

    /// The packs that are not among `listed` with the length they must have.
    pub(crate) fn lost_packs(&self, listed: &[(Id, u64)]) -> HashSet<Id> {
        let listed: HashSet<(Id, u64)> = listed.iter().copied().collect();
        self.pack_lengths().into_iter().filter(|pack| !listed.contains(pack)).map(|(id, _)| id).collect()
    }

    /// Passes over whatever lies in these packs from now on, as if no index file listed it. The packs still count as known,
    /// with the lengths that they must have.
    pub(crate) fn forget(&self, packs: &HashSet<Id>) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).forget(packs);
    }

    /// Every pack with the blobs the index says it holds, sorted by offset.
    pub(crate) fn by_pack(&self) -> Vec<(Id, Vec<PackEntry>)> {
        self.read(Table::by_pack)
    }

    fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }
}
