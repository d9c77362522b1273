//! Packs: many sealed blobs in one object, with a sealed header at the end that lists them.

mod builder;
mod header;

pub(crate) use builder::{FinishedPack, PackBuilder};
pub(crate) use header::pack_length;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use header::parse_plain_header;
use header::{MAX_HEADER, header_length, parse_header};

use crate::blob::{BlobKind, BlobLocation};
use crate::crypto::SealingKey;
use crate::id::Id;
use crate::sealed::open_blob;

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

/// Bytes at the end of a pack that most headers fit into.
pub(crate) const HEADER_GUESS: u64 = 64 << 10;

/// What the header of a pack of `size` bytes lists, from the last bytes of it; `Err` with the number of bytes needed if
/// these are too few.
pub(crate) fn read_header(
    key: &SealingKey,
    tail: &[u8],
    size: u64,
) -> Result<Result<Vec<PackEntry>, u64>, String> {
    let length = header_length(tail, size)?;
    let end = tail.len().saturating_sub(4);
    match end.checked_sub(length).and_then(|start| tail.get(start..end)) {
        Some(sealed) => parse_header(key, sealed, size).map(Ok),
        None => Ok(Err(u64::try_from(length).unwrap_or(u64::MAX).saturating_add(4))),
    }
}

/// What the header of a whole pack lists.
pub(crate) fn entries_of(key: &SealingKey, pack: &[u8]) -> Result<Vec<PackEntry>, String> {
    let size = u64::try_from(pack.len()).unwrap_or(u64::MAX);
    let listed = read_header(key, pack, size)?;
    listed.map_err(|_more| "it has no whole header".to_owned())
}

/// Reads a whole pack: its header must list exactly `expected`, and every blob must open to what its name says.
pub(crate) fn verify_pack(key: &SealingKey, pack: &[u8], expected: &[PackEntry]) -> Result<(), String> {
    if entries_of(key, pack)? != expected {
        return Err("its header lists other blobs than expected".to_owned());
    }
    for entry in expected {
        let location = entry.at(entry.id);
        let range = usize::try_from(location.offset).ok().zip(usize::try_from(location.end()).ok());
        let sealed = range.and_then(|(start, end)| pack.get(start..end)).ok_or("a blob lies outside it")?;
        open_blob(key, entry.kind, &entry.id, &location, sealed)
            .map_err(|fault| format!("{} blob {}: {fault}", entry.kind.name(), entry.id))?;
    }
    Ok(())
}
