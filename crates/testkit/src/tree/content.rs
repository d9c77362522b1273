//! Content of regular files.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// How content is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texture {
    /// Random bytes: no compression helps, as with model weights.
    Random,
    /// Lines of words: compresses about fourfold.
    Text,
    /// Nothing but zeros, all of them written.
    Zeros,
}

const WORDS: [&str; 16] = [
    "loss", "epoch", "batch", "tensor", "gradient", "layer", "weight", "sample", "token", "index", "0.0125",
    "true", "null", "import", "return", "accuracy",
];
const BLOCK: usize = 64 * 1024;

/// Writes `len` bytes of `texture` that depend on `seed` alone to a new file.
///
/// # Errors
/// Whatever the file system answers; also when the file exists already.
pub fn write_file(path: &Path, seed: u64, texture: Texture, len: u64) -> io::Result<()> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut file = BufWriter::with_capacity(BLOCK, File::create_new(path)?);
    fill(&mut rng, &mut file, texture, len)?;
    file.flush()
}

pub(super) fn fill(rng: &mut StdRng, out: &mut impl Write, texture: Texture, len: u64) -> io::Result<()> {
    let mut left = len;
    let mut block = Vec::with_capacity(BLOCK + 32);
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(BLOCK);
        block.clear();
        match texture {
            Texture::Zeros => block.resize(want, 0),
            Texture::Random => {
                block.resize(want, 0);
                rng.fill_bytes(&mut block);
            }
            Texture::Text => words(rng, &mut block, want),
        }
        out.write_all(&block)?;
        left -= want as u64;
    }
    Ok(())
}

fn words(rng: &mut StdRng, block: &mut Vec<u8>, want: usize) {
    while block.len() < want {
        let mut bits = rng.next_u64();
        for _ in 0..12 {
            let word = WORDS[usize::try_from(bits & 15).unwrap_or(0)];
            block.extend_from_slice(word.as_bytes());
            block.push(b' ');
            bits >>= 4;
        }
        block.push(b'\n');
    }
    block.truncate(want);
}

/// A file of `len` bytes that is all hole but for short runs of data at the start and in the middle.
pub(super) fn write_sparse(rng: &mut StdRng, path: &Path, len: u64) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    for offset in [0, len / 2] {
        file.seek(SeekFrom::Start(offset))?;
        let run = rng.random_range(1..4096);
        fill(rng, &mut file, Texture::Random, run)?;
    }
    file.set_len(len)
}
