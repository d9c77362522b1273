//! The corpora, made from a seed.
//!
//! Sizes at scale 1: an ML home of about 40,000 files and 2.9 GiB; 200,000 files of 1 to 4 KiB, 500 MiB; three
//! checkpoints of 1 GiB.

mod edit;
mod home;
mod text;

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::Outcome;
use text::{Words, tensor};

/// What is backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Corpus {
    /// A: sources, notebooks, tables, checkpoints, environments with duplicates.
    Home,
    /// B: very many files of 1 to 4 KiB.
    Tiny,
    /// C: three checkpoints.
    Models,
}

impl Corpus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Home => "A home",
            Self::Tiny => "B tiny",
            Self::Models => "C models",
        }
    }

    pub(crate) fn make(self, root: &Path, scale: f64, seed: u64) -> Outcome {
        fs::create_dir_all(root)?;
        match self {
            Self::Home => home::make(root, scale, seed),
            Self::Tiny => tiny(root, scaled(200_000, scale), seed),
            Self::Models => models(root, scaled(1 << 30, scale) as u64, seed),
        }
    }

    /// The change between one backup and the next; answers how many bytes are really new.
    pub(crate) fn change(self, root: &Path, seed: u64) -> Outcome<u64> {
        match self {
            Self::Models => edit::checkpoints(root, seed),
            _ => edit::one_percent(root, seed),
        }
    }

    /// Renames directories near the root, and answers how many files lie below them.
    pub(crate) fn rename(self, root: &Path, round: usize) -> Outcome<u64> {
        edit::rename_directories(root, round)
    }
}

fn scaled(full: usize, scale: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the scale is checked to be a small positive number"
    )]
    let count = (full as f64 * scale).round() as usize;
    count.max(1)
}

fn tiny(root: &Path, files: usize, seed: u64) -> Outcome {
    let words = Words::new(seed);
    let mut rng = StdRng::seed_from_u64(seed);
    for number in 0..files {
        let dir = root.join(format!("part-{:03}", number / 1_000)).join(format!("{:02}", number / 100 % 10));
        if number % 100 == 0 {
            fs::create_dir_all(&dir)?;
        }
        let length = rng.random_range(1_024..4_096);
        let content = words.code(&mut rng, length);
        fs::write(dir.join(format!("sample-{number:06}.txt")), &content[..length])?;
    }
    Ok(())
}

fn models(root: &Path, length: u64, seed: u64) -> Outcome {
    for number in 0..3 {
        checkpoint(&root.join(format!("checkpoint-{number}.safetensors")), length, seed + number)?;
    }
    Ok(())
}

fn checkpoint(path: &Path, length: u64, seed: u64) -> Outcome {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut file = BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    let mut position = 0;
    while position < length {
        let piece = usize::try_from((length - position).min(1 << 20))?;
        file.write_all(&tensor(&mut rng, position, piece))?;
        position += piece as u64;
    }
    Ok(file.flush()?)
}

/// Regular files below `root` in a fixed order, with their lengths.
pub(crate) fn files(root: &Path) -> Outcome<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() {
                found.push((entry.path(), entry.metadata()?.len()));
            }
        }
    }
    found.sort();
    Ok(found)
}
