//! Filling a pack.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::header::{append_header, header_length, parse_header};
use super::{MAX_HEADER, PackEntry};
use crate::crypto::SealingKey;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::sealed::SealedBlob;

/// Bytes a header takes per blob at most.
const ENTRY: usize = 41;
/// Blobs a pack may hold, so that its header stays far below what restic accepts.
const MAX_BLOBS: usize = MAX_HEADER / ENTRY / 4;
/// Room kept for a header of usual size, so that appending it moves nothing.
const HEADER_ROOM: usize = 256 << 10;

/// A pack being filled.
#[derive(Debug)]
pub(crate) struct PackBuilder {
    bytes: Vec<u8>,
    /// Of all `bytes`, each hashed as it came: the name of the pack stands for what was proven, not for what the
    /// memory holds later.
    hash: Sha256,
    entries: Vec<PackEntry>,
    target: usize,
}

/// A pack ready for upload.
#[derive(Debug)]
pub(crate) struct FinishedPack {
    pub(crate) id: Id,
    pub(crate) bytes: Bytes,
    pub(crate) entries: Vec<PackEntry>,
}

impl PackBuilder {
    /// A pack that counts as full when the next blob would lift it above `target` bytes.
    pub(crate) fn new(target: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(target + HEADER_ROOM),
            hash: Sha256::new(),
            entries: Vec::new(),
            target,
        }
    }

    pub(crate) fn has_room_for(&self, blob: &SealedBlob) -> bool {
        self.entries.is_empty()
            || self.bytes.len() + blob.bytes.len() <= self.target && self.entries.len() < MAX_BLOBS
    }

    /// Appends a blob.
    pub(crate) fn push(&mut self, blob: &SealedBlob) -> Result<()> {
        let too_long = |source: std::num::TryFromIntError| {
            Error::invalid("the blob does not fit a pack").with_source(source)
        };
        let offset = u32::try_from(self.bytes.len()).map_err(too_long)?;
        let length = u32::try_from(blob.bytes.len()).map_err(too_long)?;
        self.hash.update(&blob.bytes);
        self.bytes.extend_from_slice(&blob.bytes);
        self.entries.push(PackEntry {
            kind: blob.kind,
            id: blob.id,
            offset,
            length,
            uncompressed_length: blob.uncompressed_length,
        });
        Ok(())
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the header and reads it back.
    pub(crate) fn finish(mut self, key: &SealingKey) -> Result<FinishedPack> {
        let start = self.bytes.len();
        append_header(key, &self.entries, &mut self.bytes)?;
        let header = &self.bytes[start..];
        self.hash.update(header);
        let size = u64::try_from(self.bytes.len()).unwrap_or(u64::MAX);
        let sealed = &header[..header_length(header, size).map_err(faulty)?];
        if parse_header(key, sealed, size).map_err(faulty)? != self.entries {
            return Err(faulty("its header does not list what is in it".to_owned()));
        }
        let id = Id::from_bytes(self.hash.finalize().into());
        Ok(FinishedPack { id, bytes: self.bytes.into(), entries: self.entries })
    }
}

fn faulty(fault: String) -> Error {
    Error::corrupt("a pack about to be written", format!("{fault}; check the memory of this machine"))
}

#[cfg(test)]
mod tests {
    use super::super::verify_pack;
    use super::*;
    use crate::blob::BlobKind;
    use crate::compression::Compression;

    fn sealed(key: &SealingKey, text: &[u8]) -> SealedBlob {
        SealedBlob::seal(key, Some(&Compression::default()), BlobKind::Data, Id::of(text), text).unwrap()
    }

    #[test]
    fn a_finished_pack_is_named_by_its_bytes_and_opens_blob_by_blob() {
        let key = SealingKey::generate().unwrap();
        let mut builder = PackBuilder::new(1 << 20);
        builder.push(&sealed(&key, b"one")).unwrap();
        builder.push(&sealed(&key, &[7; 5000])).unwrap();
        let pack = builder.finish(&key).unwrap();
        assert_eq!(pack.id, Id::of(&pack.bytes));
        verify_pack(&key, &pack.bytes, &pack.entries).unwrap();
        for at in (0..pack.bytes.len()).step_by(7) {
            let mut changed = pack.bytes.to_vec();
            changed[at] ^= 0x10;
            assert!(verify_pack(&key, &changed, &pack.entries).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_name_stands_for_what_was_pushed_and_not_for_what_the_memory_holds_later() {
        let key = SealingKey::generate().unwrap();
        let mut builder = PackBuilder::new(1 << 20);
        builder.push(&sealed(&key, b"one")).unwrap();
        builder.bytes[5] ^= 1;
        let pack = builder.finish(&key).unwrap();
        assert_ne!(pack.id, Id::of(&pack.bytes));
    }

    #[test]
    fn a_pack_closes_before_it_exceeds_its_target() {
        let key = SealingKey::generate().unwrap();
        let mut builder = PackBuilder::new(100);
        let blob = sealed(&key, b"thirty-two bytes more than this");
        assert!(builder.has_room_for(&blob));
        builder.push(&blob).unwrap();
        assert!(!builder.has_room_for(&blob));
    }
}
