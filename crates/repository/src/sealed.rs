//! One blob on its way into or out of a pack: compressed, sealed, and checked against its name.

use crate::blob::{BlobKind, BlobLocation};
use crate::compression::{Compression, decompress_exact};
use crate::crypto::SealingKey;
use crate::error::{Error, Result};
use crate::id::Id;

/// A blob ready to be packed.
#[derive(Debug)]
pub(crate) struct SealedBlob {
    pub(crate) kind: BlobKind,
    pub(crate) id: Id,
    pub(crate) bytes: Vec<u8>,
    pub(crate) uncompressed_length: Option<u32>,
    pub(crate) plaintext_length: u32,
}

impl SealedBlob {
    /// Compresses (if `compression` is given and worth it) and seals `data`.
    pub(crate) fn seal(
        key: &SealingKey,
        compression: Option<&Compression>,
        kind: BlobKind,
        id: Id,
        data: &[u8],
    ) -> Result<Self> {
        let plaintext_length =
            u32::try_from(data.len()).ok().filter(|_| data.len() <= kind.max_len()).ok_or_else(|| {
                Error::invalid(format!("a {} blob of {} bytes is too long", kind.name(), data.len()))
            })?;
        let compressed = match compression {
            Some(compression) => compression.compress_if_worthwhile(data)?,
            None => None,
        };
        Ok(Self {
            kind,
            id,
            bytes: key.seal(compressed.as_deref().unwrap_or(data))?,
            uncompressed_length: compressed.is_some().then_some(plaintext_length),
            plaintext_length,
        })
    }
}

/// Opens a sealed blob and returns its plaintext only if that hashes to `id`.
pub(crate) fn open_blob(
    key: &SealingKey,
    kind: BlobKind,
    id: &Id,
    location: &BlobLocation,
    sealed: &[u8],
) -> Result<Vec<u8>, String> {
    if usize::try_from(location.length).ok() != Some(sealed.len()) {
        return Err(format!("{} bytes were read instead of {}", sealed.len(), location.length));
    }
    let length = usize::try_from(location.plaintext_length()).unwrap_or(usize::MAX);
    if length > kind.max_len() {
        return Err(format!("its length of {length} bytes is more than a {} blob may have", kind.name()));
    }
    let mut plaintext = key.open(sealed).map_err(|error| error.to_string())?;
    if location.uncompressed_length.is_some() {
        plaintext = decompress_exact(&plaintext, length).map_err(|error| error.to_string())?;
    }
    if Id::of(&plaintext) != *id {
        return Err("its content does not match its name".to_owned());
    }
    Ok(plaintext)
}
