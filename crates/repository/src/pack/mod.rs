//! Packs: many sealed blobs in one object, with a sealed header at the end that lists them.

mod builder;
mod header;

pub(crate) use builder::{FinishedPack, PackBuilder};
pub(crate) use header::{MAX_HEADER, header_length, parse_header};

use crate::blob::{BlobKind, BlobLocation};
use crate::id::Id;

/// One blob of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackEntry {
    pub(crate) kind: BlobKind,
    pub(crate) id: Id,
    pub(crate) offset: u32,
    pub(crate) length: u32,
    pub(crate) uncompressed_length: Option<u32>,
}

impl PackEntry {
    pub(crate) fn at(&self, pack: Id) -> BlobLocation {
        BlobLocation {
            pack,
            offset: self.offset,
            length: self.length,
            uncompressed_length: self.uncompressed_length,
        }
    }
}
