//! How to restore.

use std::path::PathBuf;

use stillpoint_localfs::ExtractOptions;

/// How to restore. A new value restores everything into a new or empty target.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RestoreOptions {
    /// Names the restore: a run with the same name takes up what an interrupted one left in the target, another is
    /// refused. 1 to 200 letters, digits, `-`, `_`, `.`.
    pub id: String,
    /// How existing entries, owners, privileges and special files are treated.
    pub extract: ExtractOptions,
    /// Paths relative to the directory the snapshot was taken of; each is restored with everything below it. Empty:
    /// everything.
    pub include: Vec<PathBuf>,
    /// How many entries may be restored from listings that the snapshot names more than once. Equal directories share a
    /// listing, so some repetition is common; a malicious snapshot of a few kilobytes could name thousands of millions
    /// of entries by it. 1,048,576 unless set.
    pub repeated_entries_max: u64,
}

impl RestoreOptions {
    /// Restores everything, under this name.
    pub fn new(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            extract: ExtractOptions::default(),
            include: Vec::new(),
            repeated_entries_max: 1 << 20,
        }
    }
}
