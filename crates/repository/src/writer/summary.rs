//! What a writer did.

use crate::blob::BlobKind;

/// What became of one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddOutcome {
    /// False if the repository or this run had it already.
    pub new: bool,
    /// Bytes it takes in a pack; zero if it is not new.
    pub stored_bytes: u64,
}

impl AddOutcome {
    pub(super) fn known() -> Self {
        Self { new: false, stored_bytes: 0 }
    }

    pub(super) fn new(stored_bytes: u64) -> Self {
        Self { new: true, stored_bytes }
    }
}

/// Totals of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct WriteSummary {
    /// New blobs of file content.
    pub data_blobs: u64,
    /// New directory listings.
    pub tree_blobs: u64,
    /// Plaintext bytes of new blobs.
    pub plaintext_bytes: u64,
    /// Sealed bytes of new blobs, without pack headers.
    pub stored_bytes: u64,
    /// Packs stored.
    pub packs: u64,
    /// Bytes of those packs.
    pub pack_bytes: u64,
    /// Index files stored.
    pub index_files: u64,
}

impl WriteSummary {
    pub(super) fn count_blob(&mut self, kind: BlobKind, plaintext_bytes: u64, stored_bytes: u64) {
        match kind {
            BlobKind::Data => self.data_blobs += 1,
            BlobKind::Tree => self.tree_blobs += 1,
        }
        self.plaintext_bytes += plaintext_bytes;
        self.stored_bytes += stored_bytes;
    }

    pub(super) fn count_pack(&mut self, bytes: u64) {
        self.packs += 1;
        self.pack_bytes += bytes;
    }
}
