//! Opening blobs one after another with the same buffers.

use std::sync::{Mutex, PoisonError};

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
    plain: Vec<u8>,
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
        if usize::try_from(location.length).ok() != Some(sealed.len()) {
            return Err(format!("{} bytes were read instead of {}", sealed.len(), location.length));
        }
        let length = usize::try_from(location.plaintext_length()).unwrap_or(usize::MAX);
        if length > kind.max_len() {
            return Err(format!("its length of {length} bytes is more than a {} blob may have", kind.name()));
        }
        for buffer in [&mut self.opened, &mut self.plain] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES);
        }
        key.open_into(sealed, &mut self.opened).map_err(|error| error.to_string())?;
        let plaintext = match location.uncompressed_length {
            Some(_) => self.decompressed(length).map_err(|error| error.to_string())?,
            None => &self.opened,
        };
        if Id::of(plaintext) != *id {
            return Err("its content does not match its name".to_owned());
        }
        Ok(plaintext)
    }

    /// The opened bytes decompressed, which must come to exactly `length`.
    fn decompressed(&mut self, length: usize) -> std::io::Result<&[u8]> {
        let decompressor = match &mut self.decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(Decompressor::new()?),
        };
        self.plain.reserve_exact(length);
        decompressor.decompress_to_buffer(&self.opened, &mut self.plain)?;
        if self.plain.len() != length {
            let got = self.plain.len();
            return Err(std::io::Error::other(format!(
                "{got} bytes after decompression instead of {length}"
            )));
        }
        Ok(&self.plain)
    }

    /// The plaintext of the last success, given away.
    pub(crate) fn into_plaintext(self, location: &BlobLocation) -> Vec<u8> {
        if location.uncompressed_length.is_some() { self.plain } else { self.opened }
    }
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
