//! Zstandard with bounded output, as much effort as the data repays, and contexts and buffers that are reused.

use std::io;
use std::sync::{Mutex, PoisonError};

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, Strategy};

use crate::error::{Error, ErrorKind, Result};

/// Zstandard's own level for samples, which shall only tell what the rest is worth.
const SAMPLE_LEVEL: i32 = 1;
/// Table sizes, as powers of two, for data in which little repeats. What tables so small find are runs; larger ones find
/// chance matches of a few bytes too, which take longer and cost more than they save.
const LIGHT_LOG: u32 = 8;
/// Restic's default level, whose search is replaced by [`Codec::dense`].
const DENSE_LEVEL: i32 = 3;
/// Shortest input for which tables beyond the processor's nearer cache repay themselves.
const LONG_FROM: usize = 256 << 10;
/// Idle codecs kept for reuse; each is a few MiB.
const KEPT: usize = 8;

/// Data at least this long is sampled before it is compressed.
const SAMPLED_FROM: usize = 64 << 10;
/// Pieces of a sample, spread evenly, and bytes of each.
const PIECES: usize = 16;
const PIECE: usize = 1 << 10;

/// How much work a piece of data is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// It does not get smaller.
    None,
    /// Its bytes are unevenly frequent, but little repeats: numbers, above all.
    Light,
    /// Text, code and whatever else repeats.
    Dense,
}

/// Compression state shared by a repository's writers.
#[derive(Default)]
pub(crate) struct Compression {
    idle: Mutex<Vec<Codec>>,
}

impl std::fmt::Debug for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Compression")
    }
}

impl Compression {
    /// Runs `work` with a codec that nobody else uses meanwhile.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Codec) -> Result<T>) -> Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut codec = match idle {
            Some(codec) => codec,
            None => Codec::new()?,
        };
        let done = work(&mut codec)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(codec);
        }
        Ok(done)
    }

    /// Compresses records in JSON.
    pub(crate) fn compress_records(&self, json: &[u8]) -> Result<Vec<u8>> {
        self.with(|codec| {
            codec.shrink_records(json)?;
            Ok(std::mem::take(&mut codec.frame))
        })
    }

    /// Compresses whatever it is worth.
    #[cfg(any(test, feature = "bench"))]
    pub(crate) fn compress(&self, data: &[u8]) -> Result<Vec<u8>> {
        self.with(|codec| {
            codec.dense(data)?;
            Ok(std::mem::take(&mut codec.frame))
        })
    }
}

/// Contexts and buffers for one thread at a time.
pub(crate) struct Codec {
    sampler: Compressor<'static>,
    light: Compressor<'static>,
    dense: Compressor<'static>,
    records: Compressor<'static>,
    decompressor: Decompressor<'static>,
    sample: Vec<u8>,
    /// The compressed form, after a success of [`Self::shrink`].
    pub(crate) frame: Vec<u8>,
    plain: Vec<u8>,
}

impl Codec {
    fn new() -> Result<Self> {
        let mut light = searching()?;
        tune(&mut light, LIGHT_LOG, LIGHT_LOG, 4)?;
        let mut records = Compressor::new(SAMPLE_LEVEL).map_err(failed)?;
        tune(&mut records, 14, 14, 7)?;
        Ok(Self {
            sampler: Compressor::new(SAMPLE_LEVEL).map_err(failed)?,
            light,
            dense: searching()?,
            records,
            decompressor: Decompressor::new().map_err(failed)?,
            sample: Vec::with_capacity(PIECES * PIECE),
            frame: Vec::new(),
            plain: Vec::new(),
        })
    }

    /// Compresses `data` into [`Self::frame`], unless a sample or the result shows that it does not get smaller.
    pub(crate) fn shrink(&mut self, data: &[u8]) -> Result<bool> {
        match self.effort(data)? {
            Effort::None => return Ok(false),
            Effort::Light => fill(&mut self.light, data, &mut self.frame)?,
            Effort::Dense => self.dense(data)?,
        }
        Ok(self.frame.len() < data.len())
    }

    /// Compresses records in JSON, which repeat their keys but hold identifiers in which nothing repeats: the longest
    /// shortest match there is passes over chance matches of those, and saves a tenth of the size and most of the time.
    pub(crate) fn shrink_records(&mut self, json: &[u8]) -> Result<bool> {
        fill(&mut self.records, json, &mut self.frame)?;
        Ok(self.frame.len() < json.len())
    }

    /// Level 3's search with its tables cut down to what a core's own cache holds: one and a half times as fast for the
    /// same size. Short data gains by matches from four bytes on, long data by a larger table and matches from five.
    fn dense(&mut self, data: &[u8]) -> Result<()> {
        let (chain_log, shortest) = if data.len() < LONG_FROM { (14, 4) } else { (15, 5) };
        tune(&mut self.dense, 16, chain_log, shortest)?;
        fill(&mut self.dense, data, &mut self.frame)
    }

    /// Judges by a sample: one that keeps 31 parts of 32 is left alone; of one that gets little smaller than the
    /// frequencies of its bytes explain, little repeats.
    fn effort(&mut self, data: &[u8]) -> Result<Effort> {
        if data.len() < SAMPLED_FROM {
            return Ok(Effort::Dense);
        }
        self.sample.clear();
        let step = (data.len() - PIECE) / (PIECES - 1);
        for piece in 0..PIECES {
            let start = piece * step;
            self.sample.extend_from_slice(&data[start..start + PIECE]);
        }
        fill(&mut self.sampler, &self.sample, &mut self.frame)?;
        let (left, whole) = (self.frame.len(), self.sample.len());
        if left >= whole - whole / 32 {
            return Ok(Effort::None);
        }
        let by_frequency = entropy(&self.sample);
        Ok(if left >= by_frequency - by_frequency / 16 { Effort::Light } else { Effort::Dense })
    }

    /// Whether [`Self::frame`] decompresses to exactly `data`.
    pub(crate) fn frame_holds(&mut self, data: &[u8]) -> io::Result<bool> {
        self.plain.clear();
        self.plain.reserve(data.len());
        self.decompressor.decompress_to_buffer(&self.frame, &mut self.plain)?;
        Ok(self.plain == data)
    }
}

/// Bytes that `sample` would take if each of its bytes were coded by its frequency alone.
fn entropy(sample: &[u8]) -> usize {
    let mut counts = [0_u32; 256];
    for byte in sample {
        counts[usize::from(*byte)] += 1;
    }
    let total = counts.iter().map(|count| f64::from(*count)).sum::<f64>();
    let bits = |count: &u32| f64::from(*count) * (total / f64::from((*count).max(1))).log2();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most the sample's length"
    )]
    let bytes = (counts.iter().map(bits).sum::<f64>() / 8.0) as usize;
    bytes
}

/// A compressor that searches by two hashes, one of a few bytes and one of eight.
fn searching() -> Result<Compressor<'static>> {
    let mut compressor = Compressor::new(DENSE_LEVEL).map_err(failed)?;
    compressor.set_parameter(CParameter::Strategy(Strategy::ZSTD_dfast)).map_err(failed)?;
    Ok(compressor)
}

/// Sets the sizes of the tables of long and of short matches, as powers of two, and the shortest match.
fn tune(compressor: &mut Compressor<'_>, hash_log: u32, chain_log: u32, shortest: u32) -> Result<()> {
    let parameters =
        [CParameter::HashLog(hash_log), CParameter::ChainLog(chain_log), CParameter::MinMatch(shortest)];
    parameters.into_iter().try_for_each(|parameter| compressor.set_parameter(parameter)).map_err(failed)
}

fn fill(compressor: &mut Compressor<'_>, data: &[u8], frame: &mut Vec<u8>) -> Result<()> {
    frame.clear();
    frame.reserve(zstd::zstd_safe::compress_bound(data.len()));
    compressor.compress_to_buffer(data, frame).map(drop).map_err(failed)
}

fn failed(source: io::Error) -> Error {
    Error::new(ErrorKind::Io, "compression failed").with_source(source)
}

/// Decompresses what must come to exactly `length` bytes; allocates no more than that.
#[cfg(any(test, feature = "bench"))]
pub(crate) fn decompress_exact(compressed: &[u8], length: usize) -> io::Result<Vec<u8>> {
    let data = zstd::bulk::decompress(compressed, length)?;
    if data.len() == length {
        Ok(data)
    } else {
        Err(io::Error::other(format!("{} bytes after decompression instead of {length}", data.len())))
    }
}

/// Decompresses what must come to at most `limit` bytes; allocates as the bytes appear.
pub(crate) fn decompress_up_to(compressed: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut data = Vec::new();
    let bound = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    zstd::stream::read::Decoder::with_buffer(compressed)?.take(bound).read_to_end(&mut data)?;
    if data.len() > limit {
        return Err(io::Error::other(format!("more than {limit} bytes after decompression")));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrunk(data: &[u8]) -> Option<Vec<u8>> {
        let compression = Compression::default();
        compression.with(|codec| Ok(codec.shrink(data)?.then(|| codec.frame.clone()))).unwrap()
    }

    fn effort(data: &[u8]) -> Effort {
        Codec::new().unwrap().effort(data).unwrap()
    }

    #[test]
    fn text_shrinks_and_comes_back() {
        let text = "all quiet ".repeat(200_000).into_bytes();
        for text in [&text[..], &text[..100_000], &text[..100]] {
            let compressed = shrunk(text).unwrap();
            assert!(compressed.len() < text.len() / 3, "{} of {}", compressed.len(), text.len());
            assert_eq!(decompress_exact(&compressed, text.len()).unwrap(), text);
            assert_eq!(decompress_up_to(&compressed, text.len()).unwrap(), text);
        }
    }

    #[test]
    fn random_bytes_are_left_as_they_are() {
        let noise: Vec<u8> = crate::random::bytes::<{ 128 << 10 }>().unwrap().to_vec();
        assert_eq!(effort(&noise), Effort::None);
        assert!(shrunk(&noise).is_none());
        assert!(shrunk(&noise[..1000]).is_none());
    }

    #[test]
    fn numbers_are_worth_little_effort_and_text_much() {
        let noise: Vec<u8> = crate::random::bytes::<{ 128 << 10 }>().unwrap().to_vec();
        let numbers: Vec<u8> = noise.iter().enumerate().map(|(at, byte)| byte & [255, 15][at % 2]).collect();
        assert_eq!(effort(&numbers), Effort::Light);
        assert!(shrunk(&numbers).unwrap().len() < numbers.len() * 15 / 16);
        assert_eq!(effort(&b"loss = model(batch).mean()\n".repeat(4000)), Effort::Dense);
    }

    #[test]
    fn entropy_counts_what_frequencies_explain() {
        assert_eq!(entropy(&[7; 1000]), 0);
        assert_eq!(entropy(&(0..=255).collect::<Vec<u8>>()), 256);
        assert_eq!(entropy(&[1, 2].repeat(400)), 100);
    }

    #[test]
    fn a_part_that_shrinks_is_not_overlooked_among_noise() {
        let mut mixed = crate::random::bytes::<{ 256 << 10 }>().unwrap().to_vec();
        mixed[70_000..140_000].fill(7);
        assert!(shrunk(&mixed).unwrap().len() < mixed.len() - 60_000);
    }

    #[test]
    fn a_frame_is_recognised_by_what_it_holds() {
        let text = b"hold still ".repeat(1000);
        let mut codec = Codec::new().unwrap();
        codec.dense(&text).unwrap();
        assert!(codec.frame_holds(&text).unwrap());
        assert!(!codec.frame_holds(&text[1..]).unwrap_or(false));
        let mut other = text.clone();
        other[5000] ^= 1;
        assert!(!codec.frame_holds(&other).unwrap());
    }

    #[test]
    fn a_bomb_is_refused_before_it_grows() {
        let bomb = Compression::default().compress(&vec![0; 10 << 20]).unwrap();
        assert!(decompress_exact(&bomb, 1000).is_err());
        assert!(decompress_up_to(&bomb, 1000).is_err());
    }
}
