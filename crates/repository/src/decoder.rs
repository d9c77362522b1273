//! Opening blobs one after another with the same buffers.

use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use zstd::bulk::Decompressor;

use crate::blob::{BlobKind, BlobLocation};
use crate::crypto::SealingKey;
use crate::id::Id;

/// Longest buffer kept between two blobs, in bytes: most chunks fit, and a single giant does not stay.
const KEPT_BYTES: usize = 9 << 20;

/// Buffers and a decompression context for one thread at a time.
#[derive(Default)]
pub(crate) struct Decoder {
    opened: Vec<u8>,
    plain: Plain,
}

/// What was decompressed last, and with what.
#[derive(Default)]
struct Plain {
    bytes: Vec<u8>,
    decompressor: Option<Decompressor<'static>>,
}

impl Decoder {
    /// Opens a sealed blob and answers its plaintext only if that hashes to `id`.
    pub(crate) fn open(
        &mut self,
        key: &SealingKey,
        kind: BlobKind,
        id: &Id,
        location: &BlobLocation,
        sealed: &[u8],
    ) -> Result<&[u8], String> {
        let length = length(kind, location, sealed)?;
        self.trim();
        key.open_into(sealed, &mut self.opened).map_err(|error| error.to_string())?;
        let plaintext = match location.uncompressed_length {
            Some(_) => self.plain.decompressed(&self.opened, length)?,
            None => &self.opened,
        };
        named(id, &Id::of(plaintext), plaintext)
    }

    /// As [`Self::open`], where the blob lies: a copy less, and what is not compressed is authenticated, decrypted and
    /// hashed piece by piece within the nearest cache. `sealed` is of no use afterwards.
    pub(crate) fn open_in_place<'a>(
        &'a mut self,
        key: &SealingKey,
        kind: BlobKind,
        id: &Id,
        location: &BlobLocation,
        sealed: &'a mut [u8],
    ) -> Result<&'a [u8], String> {
        let length = length(kind, location, sealed)?;
        self.trim();
        let mut hash = location.uncompressed_length.is_none().then(Sha256::new);
        let each = |piece: &[u8]| hash.iter_mut().for_each(|hash| hash.update(piece));
        let opened = key.open_in_place(sealed, each).map_err(|error| error.to_string())?;
        match hash {
            Some(hash) => named(id, &Id::from_bytes(hash.finalize().into()), opened),
            None => {
                let plaintext = self.plain.decompressed(opened, length)?;
                named(id, &Id::of(plaintext), plaintext)
            }
        }
    }

    fn trim(&mut self) {
        for buffer in [&mut self.opened, &mut self.plain.bytes] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES);
        }
    }

    /// The plaintext of the last success, given away.
    pub(crate) fn into_plaintext(self, location: &BlobLocation) -> Vec<u8> {
        if location.uncompressed_length.is_some() { self.plain.bytes } else { self.opened }
    }
}

impl Plain {
    /// `opened` decompressed, which must come to exactly `length` bytes.
    fn decompressed(&mut self, opened: &[u8], length: usize) -> Result<&[u8], String> {
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new().map_err(|error| error.to_string())?),
        };
        self.bytes.reserve_exact(length);
        decompressor.decompress_to_buffer(opened, &mut self.bytes).map_err(|error| error.to_string())?;
        if self.bytes.len() != length {
            return Err(format!("{} bytes after decompression instead of {length}", self.bytes.len()));
        }
        Ok(&self.bytes)
    }
}

/// The length of the plaintext, if the blob may have it and all of it was read.
fn length(kind: BlobKind, location: &BlobLocation, sealed: &[u8]) -> Result<usize, String> {
    if usize::try_from(location.length).ok() != Some(sealed.len()) {
        return Err(format!("{} bytes were read instead of {}", sealed.len(), location.length));
    }
    let length = usize::try_from(location.plaintext_length()).unwrap_or(usize::MAX);
    if length > kind.max_len() {
        return Err(format!("its length of {length} bytes is more than a {} blob may have", kind.name()));
    }
    Ok(length)
}

fn named<'a>(id: &Id, found: &Id, plaintext: &'a [u8]) -> Result<&'a [u8], String> {
    if found == id { Ok(plaintext) } else { Err("its content does not match its name".to_owned()) }
}

/// Decoders that are not in use.
#[derive(Default)]
pub(crate) struct Decoders {
    idle: Mutex<Vec<Decoder>>,
}

impl std::fmt::Debug for Decoders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decoders")
    }
}

impl Decoders {
    /// Runs `work` with a decoder that nobody else uses meanwhile. There are never more than threads that call this.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Decoder) -> T) -> T {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut decoder = idle.unwrap_or_default();
        let done = work(&mut decoder);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(decoder);
        done
    }
}
