//! Single stages of backup and restore, for this crate's benches and nobody else.

use crate::archive::count_chunks;
use crate::blob::BlobKind;
use crate::compression::{Compression, decompress_exact};
use crate::crypto::SealingKey;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::index::Index;
use crate::pack::{PackBuilder, PackEntry, verify_pack};
use crate::sealed::SealedBlob;

/// Target size of the packs that [`Stages::pack`] fills.
const PACK_BYTES: usize = 16 << 20;

/// A key and a compressor, as one repository has them.
#[derive(Debug)]
pub struct Stages {
    key: SealingKey,
    compression: Compression,
}

/// A blob that was compressed, sealed and read back.
#[derive(Debug)]
pub struct Sealed(SealedBlob);

/// A finished pack with the list of what it holds.
#[derive(Debug)]
pub struct Pack {
    bytes: bytes::Bytes,
    entries: Vec<PackEntry>,
}

impl Stages {
    /// A fresh key and the usual compression.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self> {
        Ok(Self { key: SealingKey::generate()?, compression: Compression::default() })
    }

    /// How many chunks `data` is cut into as the content of a file of its own length.
    ///
    /// # Errors
    /// None that reading from memory could raise.
    pub fn chunk(&self, data: &[u8]) -> Result<usize> {
        count_chunks(data).map_err(failed)
    }

    /// Compresses `data` whether or not that is worthwhile.
    ///
    /// # Errors
    /// When the compressor fails.
    pub fn compress(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.compression.compress(data)
    }

    /// Gives back the `length` bytes that were compressed.
    ///
    /// # Errors
    /// When `compressed` is damaged or does not hold so many.
    pub fn decompress(&self, compressed: &[u8], length: usize) -> Result<Vec<u8>> {
        decompress_exact(compressed, length).map_err(failed)
    }

    /// Encrypts and authenticates.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>> {
        self.key.seal(plaintext)
    }

    /// Authenticates and decrypts.
    ///
    /// # Errors
    /// When `sealed` is not what [`Self::encrypt`] made.
    pub fn decrypt(&self, sealed: &[u8]) -> Result<Vec<u8>> {
        self.key
            .open(sealed)
            .map_err(|_unauthentic| Error::corrupt("a sealed message", "it is not authentic"))
    }

    /// All that is done to a blob before it enters a pack.
    ///
    /// # Errors
    /// As [`Self::compress`] and [`Self::encrypt`].
    pub fn seal(&self, data: &[u8]) -> Result<Sealed> {
        SealedBlob::seal(&self.key, Some(&self.compression), BlobKind::Data, Id::of(data), data).map(Sealed)
    }

    /// Fills a pack and names it.
    ///
    /// # Errors
    /// When the blobs do not fit one pack.
    pub fn pack(&self, blobs: &[Sealed]) -> Result<Pack> {
        let mut builder = PackBuilder::new(PACK_BYTES);
        for blob in blobs {
            builder.push(&blob.0)?;
        }
        let finished = builder.finish(&self.key)?;
        Ok(Pack { bytes: finished.bytes, entries: finished.entries })
    }

    /// Opens every blob of a pack and compares it with its name.
    ///
    /// # Errors
    /// When the pack is damaged.
    pub fn verify(&self, pack: &Pack) -> Result<()> {
        verify_pack(&self.key, &pack.bytes, &pack.entries).map_err(|fault| Error::corrupt("a pack", fault))
    }
}

/// An index of `packs` packs with 100 blobs each, whose names are the hashes of the numbers from 0.
pub fn index(packs: u32) -> Index {
    let index = Index::empty();
    for pack in 0..packs {
        let entries: Vec<PackEntry> = (0..100)
            .map(|blob| PackEntry {
                kind: BlobKind::Data,
                id: Id::of(&(pack * 100 + blob).to_le_bytes()),
                offset: blob * 1_000,
                length: 1_000,
                uncompressed_length: Some(2_000),
            })
            .collect();
        index.insert_pack(Id::of(format!("pack {pack}").as_bytes()), &entries);
    }
    index
}

fn failed(source: std::io::Error) -> Error {
    Error::corrupt("a stage's input", source.to_string())
}
