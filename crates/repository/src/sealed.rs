//! One blob on its way into or out of a pack: compressed, sealed, and checked against its name.

use crate::blob::{BlobKind, BlobLocation};
use crate::compression::{Codec, Compression};
use crate::crypto::SealingKey;
use crate::decoder::Decoder;
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
    /// Compresses (if `compression` is given and worth it) and seals `data`, whose hash is `id`.
    ///
    /// What comes out was opened and decompressed again and is `data`: faulty memory or a faulty compressor is caught
    /// here, while all of it is still in the processor's cache, and not years later.
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
        let (bytes, compressed) = match compression {
            Some(compression) => compression.with(|codec| seal_and_reopen(key, codec, kind, data))?,
            None => {
                let bytes = key.seal(data)?;
                reopened(key.open(&bytes).is_ok_and(|plaintext| plaintext == data))?;
                (bytes, false)
            }
        };
        let uncompressed_length = compressed.then_some(plaintext_length);
        Ok(Self { kind, id, bytes, uncompressed_length, plaintext_length })
    }
}

fn seal_and_reopen(
    key: &SealingKey,
    codec: &mut Codec,
    kind: BlobKind,
    data: &[u8],
) -> Result<(Vec<u8>, bool)> {
    let compressed = match kind {
        BlobKind::Data => codec.shrink(data)?,
        BlobKind::Tree => codec.shrink_records(data)?,
    };
    let bytes = key.seal(if compressed { &codec.frame } else { data })?;
    reopened(opens_to(key, codec, &bytes, compressed, data))?;
    Ok((bytes, compressed))
}

fn opens_to(key: &SealingKey, codec: &mut Codec, sealed: &[u8], compressed: bool, data: &[u8]) -> bool {
    key.open_into(sealed, &mut codec.frame).is_ok()
        && if compressed { codec.frame_holds(data).unwrap_or(false) } else { codec.frame == data }
}

fn reopened(whole: bool) -> Result<()> {
    if whole {
        return Ok(());
    }
    let fault = "it does not open to what was sealed; check the memory of this machine";
    Err(Error::corrupt("a blob about to be written", fault))
}

/// Opens a sealed blob and returns its plaintext only if that hashes to `id`.
pub(crate) fn open_blob(
    key: &SealingKey,
    kind: BlobKind,
    id: &Id,
    location: &BlobLocation,
    sealed: &[u8],
) -> Result<Vec<u8>, String> {
    let mut decoder = Decoder::default();
    decoder.open(key, kind, id, location, sealed)?;
    Ok(decoder.into_plaintext(location))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_that_was_damaged_or_mistaken_does_not_pass() {
        let key = SealingKey::generate().unwrap();
        let compression = Compression::default();
        for data in [b"hold still ".repeat(500), crate::random::bytes::<700>().unwrap().to_vec()] {
            let seal = |codec: &mut Codec| {
                let (sealed, compressed) = seal_and_reopen(&key, codec, BlobKind::Data, &data)?;
                assert_eq!(compressed, data.len() > 700);
                assert!(opens_to(&key, codec, &sealed, compressed, &data));
                for at in 0..sealed.len() {
                    let mut changed = sealed.clone();
                    changed[at] ^= 0x10;
                    assert!(!opens_to(&key, codec, &changed, compressed, &data), "byte {at}");
                }
                let mut other = data.clone();
                other[300] ^= 1;
                assert!(!opens_to(&key, codec, &sealed, compressed, &other));
                Ok(())
            };
            compression.with(seal).unwrap();
        }
        assert!(reopened(false).is_err());
    }
}
