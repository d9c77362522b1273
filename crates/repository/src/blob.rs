//! Blobs: the pieces of file content and the directory listings that packs hold.

use serde::{Deserialize, Serialize};

use crate::id::Id;

/// What a blob holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the repository format has exactly these two kinds")]
pub enum BlobKind {
    /// A chunk of file content.
    Data,
    /// The listing of one directory.
    Tree,
}

impl BlobKind {
    /// Most plaintext bytes a blob of this kind may have; more is refused on read and write.
    pub const fn max_len(self) -> usize {
        match self {
            Self::Data => 16 << 20,
            // Around half a million entries in one directory.
            Self::Tree => 256 << 20,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Tree => "tree",
        }
    }
}

/// Where a sealed blob lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobLocation {
    /// The pack that holds it.
    pub pack: Id,
    /// First byte inside the pack.
    pub offset: u32,
    /// Sealed length in bytes.
    pub length: u32,
    /// Plaintext length in bytes if the blob is compressed.
    pub uncompressed_length: Option<u32>,
}

impl BlobLocation {
    /// Whether a blob of this kind may be so long, sealed and in plaintext. What an index claims is asked this before
    /// anything is fetched or allocated; compression may lengthen a little what does not shrink.
    pub(crate) fn fits(&self, kind: BlobKind) -> bool {
        let max = u64::try_from(kind.max_len()).unwrap_or(u64::MAX);
        u64::from(self.length) <= max + max / 128 + 4096 && u64::from(self.plaintext_length()) <= max
    }

    /// First byte after the sealed blob, inside the pack.
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.length)
    }

    /// Length of the plaintext in bytes.
    pub fn plaintext_length(&self) -> u32 {
        self.uncompressed_length.unwrap_or_else(|| self.length.saturating_sub(crate::crypto::OVERHEAD_U32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_no_blob_can_have_are_recognised() {
        let at = |length: u32, uncompressed_length: Option<u32>| BlobLocation {
            pack: Id::of(b"p"),
            offset: 0,
            length,
            uncompressed_length,
        };
        let max = 16 << 20;
        for fine in [at(32, None), at(max + 32, None), at(max + 1000, Some(max)), at(40, Some(max))] {
            assert!(fine.fits(BlobKind::Data), "{fine:?}");
        }
        for absurd in [at(u32::MAX, None), at(u32::MAX, Some(1)), at(40, Some(max + 1)), at(max + 33, None)] {
            assert!(!absurd.fits(BlobKind::Data), "{absurd:?}");
        }
        assert!(at(max + 33, None).fits(BlobKind::Tree));
    }
}
