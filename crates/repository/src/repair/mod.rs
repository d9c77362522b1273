//! Mending the index from what packs say of themselves. Nothing is deleted: what is replaced is put aside.

mod doubt;
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
    /// Read every byte of every pack. One that is not what its name says is no longer relied on: what is whole in it is
    /// copied out, and the next backup stores the rest anew where it still has it.
    pub read_data: bool,
}

impl RepairOptions {
    /// A trial run.
    pub fn dry_run() -> Self {
        Self { dry_run: true, ..Self::default() }
    }

    /// The same, with every pack read.
    #[must_use]
    pub fn reading_data(mut self) -> Self {
        self.read_data = true;
        self
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
    /// Whether the configuration was gone and is stored again, from what this machine remembers.
    pub config_restored: bool,
    /// Packs whose bytes do not match their names, as far as every pack was read. They were put aside.
    pub damaged_packs: Vec<Id>,
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
