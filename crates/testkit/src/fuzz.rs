//! Replaying the corpora of fuzz targets without a fuzzing engine, and a short seeded walk around them.
//!
//! The inputs under `fuzz/corpus/NAME` are committed; the engine that found them is not needed to run them again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The longest input that a mutation makes, in bytes.
const LONGEST: usize = 64 << 10;

/// Pieces of the formats that random bytes would hardly ever hit on.
const WORDS: [&[u8]; 24] = [
    b"null",
    b"true",
    b"-1",
    b"0",
    b"4294967295",
    b"18446744073709551616",
    b"1e999",
    b"\"\"",
    b"[]",
    b"{}",
    b"\\x2f",
    b"\\u0000",
    b"\\\\",
    b"..",
    b"/",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"[[[[[[[[",
    b",",
    b":",
    b"9999-12-31T23:59:59Z",
    b"0000-01-01T00:00:00+23:59",
    b"%2e%2e%2f",
];

/// The folder of a target's corpus.
pub fn corpus_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name)
}

/// Runs `target` on every input of its corpus and on `mutations` seeded changes of them; prints what it did.
///
/// Panics, after printing the input, where the target does; also where there is no corpus.
#[expect(clippy::print_stdout, reason = "a run says how much it tried")]
pub fn replay(name: &str, seed: u64, mutations: usize, target: impl Fn(&[u8])) {
    let seeds = corpus(name);
    let run = |input: &[u8]| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
            println!("fuzz target {name} fails on \"{}\"", input.escape_ascii());
            resume_unwind(panic);
        }
    };
    run(b"");
    seeds.iter().for_each(|input| run(input));
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..mutations {
        run(&mutated(&mut random, &seeds));
    }
    println!("fuzz target {name}: {} inputs of the corpus, {mutations} mutations, seed {seed}", seeds.len());
}

#[expect(clippy::panic, reason = "a target without a corpus tests nothing")]
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = corpus_folder(name);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.sort();
    let inputs: Vec<Vec<u8>> = paths.iter().filter_map(|path| fs::read(path).ok()).collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// One input of the corpus after a few random changes.
fn mutated(random: &mut StdRng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[random.random_range(0..seeds.len())].clone();
    for _ in 0..random.random_range(1..=6) {
        let at = random.random_range(0..=input.len());
        let end = (at + random.random_range(0..16)).min(input.len());
        match random.random_range(0..7) {
            0 if at < input.len() => input[at] ^= 1 << random.random_range(0..8),
            1 if at < input.len() => input[at] = random.random(),
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let _removed = input.splice(at..at, piece);
            }
            4 => input.truncate(at),
            5 => {
                let other = &seeds[random.random_range(0..seeds.len())];
                let from = random.random_range(0..=other.len());
                let _removed =
                    input.splice(at..end, other[from..(from + 40).min(other.len())].iter().copied());
            }
            _ => {
                let word = WORDS[random.random_range(0..WORDS.len())];
                let _removed = input.splice(at..end, word.iter().copied());
            }
        }
    }
    input.truncate(LONGEST);
    input
}
