//! Zstandard with bounded output and reused contexts.

use std::io::Read;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::Compressor;

use crate::error::{Error, ErrorKind, Result};

/// Restic's own default level; higher ones buy little on the data of ML workspaces.
const LEVEL: i32 = 3;
/// Idle compression contexts kept for reuse; each is a few MiB.
const KEPT: usize = 4;
/// Blobs at least this long are sampled before they are compressed.
const SAMPLED_FROM: usize = 64 << 10;
const SAMPLE: usize = 4 << 10;

/// Compression contexts shared by a repository's writers.
#[derive(Default)]
pub(crate) struct Compression {
    idle: Mutex<Vec<Compressor<'static>>>,
}

impl std::fmt::Debug for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compression")
    }
}

impl Compression {
    pub(crate) fn compress(&self, data: &[u8]) -> Result<Vec<u8>> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compressor = match idle {
            Some(compressor) => compressor,
            None => Compressor::new(LEVEL).map_err(failed)?,
        };
        let compressed = compressor.compress(data).map_err(failed)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(compressor);
        }
        Ok(compressed)
    }

    /// Compresses `data` unless a sample, or the result, shows that it does not get smaller.
    pub(crate) fn compress_if_worthwhile(&self, data: &[u8]) -> Result<Option<Vec<u8>>> {
        if data.len() >= SAMPLED_FROM && !self.sample_shrinks(data)? {
            return Ok(None);
        }
        let compressed = self.compress(data)?;
        Ok((compressed.len() < data.len()).then_some(compressed))
    }

    /// True if three pieces from the start, middle and end of `data` together lose at least one part in 32.
    fn sample_shrinks(&self, data: &[u8]) -> Result<bool> {
        let last = data.len() - SAMPLE;
        let mut sample = Vec::with_capacity(3 * SAMPLE);
        for start in [0, last / 2, last] {
            sample.extend_from_slice(&data[start..start + SAMPLE]);
        }
        Ok(self.compress(&sample)?.len() < sample.len() - sample.len() / 32)
    }
}

fn failed(source: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "compression failed").with_source(source)
}

/// Decompresses what must come to exactly `length` bytes; allocates no more than that.
pub(crate) fn decompress_exact(compressed: &[u8], length: usize) -> std::io::Result<Vec<u8>> {
    let data = zstd::bulk::decompress(compressed, length)?;
    if data.len() == length {
        Ok(data)
    } else {
        Err(std::io::Error::other(format!("{} bytes after decompression instead of {length}", data.len())))
    }
}

/// Decompresses what must come to at most `limit` bytes; allocates as the bytes appear.
pub(crate) fn decompress_up_to(compressed: &[u8], limit: usize) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    zstd::stream::read::Decoder::with_buffer(compressed)?.take(bound).read_to_end(&mut data)?;
    if data.len() > limit {
        return Err(std::io::Error::other(format!("more than {limit} bytes after decompression")));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shrinks_and_comes_back() {
        let text = "all quiet ".repeat(20_000).into_bytes();
        let compressed = Compression::default().compress_if_worthwhile(&text).unwrap().unwrap();
        assert!(compressed.len() < text.len() / 20);
        assert_eq!(decompress_exact(&compressed, text.len()).unwrap(), text);
        assert_eq!(decompress_up_to(&compressed, text.len()).unwrap(), text);
    }

    #[test]
    fn random_bytes_are_left_as_they_are() {
        let noise: Vec<u8> = crate::random::bytes::<{ 128 << 10 }>().unwrap().to_vec();
        assert!(Compression::default().compress_if_worthwhile(&noise).unwrap().is_none());
        assert!(Compression::default().compress_if_worthwhile(&noise[..1000]).unwrap().is_none());
    }

    #[test]
    fn a_bomb_is_refused_before_it_grows() {
        let bomb = Compression::default().compress(&vec![0; 10 << 20]).unwrap();
        assert!(decompress_exact(&bomb, 1000).is_err());
        assert!(decompress_up_to(&bomb, 1000).is_err());
    }
}
