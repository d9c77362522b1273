//! Mending the index from what packs say of themselves. Nothing is deleted: what is replaced is put aside.

mod index;
mod salvage;

use crate::id::Id;

/// The kind of records under which replaced objects lie, byte for byte as they were.
pub(crate) const QUARANTINE: &str = "quarantine";

/// How a repair goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RepairOptions {
    /// Only say what would be done.
    pub dry_run: bool,
}

impl RepairOptions {
    /// A trial run.
    pub fn dry_run() -> Self {
        Self { dry_run: true }
    }
}

/// Result of a repair of the index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RepairReport {
    /// Index files that are damaged, or name packs that are gone or are not what the file says, and were put aside.
    pub replaced: Vec<Id>,
    /// Packs that no readable index file named rightly, and whose own headers are indexed now.
    pub indexed_packs: Vec<Id>,
    /// Packs that index files named and that are gone.
    pub missing_packs: Vec<Id>,
    /// Packs whose header cannot be read. They stay where they are, and no index names them any more.
    pub unreadable_packs: Vec<Id>,
    /// Blobs of those that an index file, in use or put aside, still placed, that opened to what their names say, and
    /// that were copied into new packs. A trial run counts the blobs that it would try.
    pub salvaged_blobs: u64,
}

impl RepairReport {
    /// True if the index said exactly what the packs say.
    pub fn is_sound(&self) -> bool {
        *self == Self::default()
    }
}
