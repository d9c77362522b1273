//! Filling a pack and proving it whole before it leaves the machine.

use bytes::Bytes;

use super::header::append_header;
use super::{MAX_HEADER, PackEntry, verify_pack};
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
        Self { bytes: Vec::with_capacity(target + HEADER_ROOM), entries: Vec::new(), target }
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

    /// Appends the header, then reads the pack as a stranger would: header, seal, decompression and hash of every
    /// blob. Faulty memory or a faulty compressor is caught here and not years later.
    pub(crate) fn finish(mut self, key: &SealingKey) -> Result<FinishedPack> {
        append_header(key, &self.entries, &mut self.bytes)?;
        verify_pack(key, &self.bytes, &self.entries).map_err(|fault| {
            Error::corrupt("a pack about to be written", format!("{fault}; check the memory of this machine"))
        })?;
        Ok(FinishedPack { id: Id::of(&self.bytes), bytes: self.bytes.into(), entries: self.entries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobKind;
    use crate::compression::Compression;

    fn sealed(key: &SealingKey, text: &[u8]) -> SealedBlob {
        SealedBlob::seal(key, Some(&Compression::default()), BlobKind::Data, Id::of(text), text).unwrap()
    }

    #[test]
    fn a_damaged_pack_is_caught_before_upload() {
        let key = SealingKey::generate().unwrap();
        let mut builder = PackBuilder::new(1 << 20);
        builder.push(&sealed(&key, b"one")).unwrap();
        builder.push(&sealed(&key, &[7; 5000])).unwrap();
        let mut mistaken = sealed(&key, b"three");
        mistaken.id = Id::of(b"four");
        let entries = builder.entries.clone();
        let mut bytes = builder.bytes.clone();
        append_header(&key, &entries, &mut bytes).unwrap();
        verify_pack(&key, &bytes, &entries).unwrap();
        for at in (0..bytes.len()).step_by(7) {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(verify_pack(&key, &changed, &entries).is_err(), "byte {at}");
        }
        builder.push(&mistaken).unwrap();
        assert!(builder.finish(&key).is_err());
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
