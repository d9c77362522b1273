//! Corpus A: the home of somebody who trains models.

use std::fs;
use std::path::Path;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::text::{Words, pages};
use super::{checkpoint, scaled};
use crate::Outcome;

const ENVIRONMENTS: usize = 3;
const ENVIRONMENT_FILES: usize = 9_000;
const PROJECT_FILES: usize = 9_000;
const NOTEBOOKS: usize = 800;
const CONFIGS: usize = 3_000;
const TABLES: usize = 200;
const PARQUETS: usize = 100;
const CHECKPOINTS: u64 = 12;
const CHECKPOINT_BYTES: usize = 128 << 20;

pub(super) fn make(root: &Path, scale: f64, seed: u64) -> Outcome {
    let words = Words::new(seed);
    for number in 0..ENVIRONMENTS {
        // The third environment has other versions of every tenth package.
        environment(
            &root.join(format!("envs/env-{number}")),
            scaled(ENVIRONMENT_FILES, scale),
            seed,
            number == 2,
        )?;
    }
    let mut rng = StdRng::seed_from_u64(seed);
    for number in 0..scaled(PROJECT_FILES, scale) {
        let dir = root.join(format!("projects/project-{:02}/src/module_{}", number / 150, number % 150 / 15));
        write(&mut rng, &dir, &format!("file_{number}.py"), 500..12_000, |rng, size| words.code(rng, size))?;
    }
    for number in 0..scaled(NOTEBOOKS, scale) {
        let dir = root.join(format!("notebooks/topic-{:02}", number / 25));
        let size = 20_000..280_000;
        write(&mut rng, &dir, &format!("study {number}.ipynb"), size, |rng, size| words.notebook(rng, size))?;
    }
    for number in 0..scaled(CONFIGS, scale) {
        let dir = root.join(format!("projects/project-{:02}/configs", number / 50));
        write(&mut rng, &dir, &format!("run-{number}.yaml"), 200..2_000, |rng, size| words.code(rng, size))?;
    }
    for number in 0..scaled(TABLES, scale) {
        let name = format!("table-{number:03}.csv");
        let dir = root.join("data/tables");
        write(&mut rng, &dir, &name, 1 << 20..3 << 20, |rng, size| words.table(rng, size))?;
    }
    for number in 0..scaled(PARQUETS, scale) {
        let name = format!("part-{number:04}.parquet");
        write(&mut rng, &root.join("data/columns"), &name, 2 << 20..6 << 20, pages)?;
    }
    let dir = root.join("runs/checkpoints");
    fs::create_dir_all(&dir)?;
    for number in 0..CHECKPOINTS {
        let length = scaled(CHECKPOINT_BYTES, scale) as u64;
        checkpoint(&dir.join(format!("step-{:05}.ckpt", number * 500)), length, seed ^ (number + 1))?;
    }
    Ok(())
}

/// Packages of sources, compiled sources and some libraries; equal seeds make equal files.
fn environment(root: &Path, files: usize, seed: u64, other: bool) -> Outcome {
    let words = Words::new(seed);
    for number in 0..files {
        let package = number / 30;
        let version = u64::from(other && package % 10 == 0);
        let mut rng = StdRng::seed_from_u64(seed ^ ((number as u64) << 8) ^ version);
        let dir = root.join(format!("lib/site-packages/package_{package}"));
        match number % 30 {
            0 => {
                write(&mut rng, &dir, "native.so", 100_000..700_000, |rng, size| words.object_code(rng, size))
            }
            slot if slot < 18 => {
                write(&mut rng, &dir, &format!("mod_{slot}.py"), 300..16_000, |rng, size| {
                    words.code(rng, size)
                })
            }
            slot => {
                let cache = dir.join("__pycache__");
                let name = format!("mod_{}.cpython-311.pyc", slot - 17);
                write(&mut rng, &cache, &name, 300..12_000, |rng, size| words.object_code(rng, size))
            }
        }?;
    }
    Ok(())
}

fn write(
    rng: &mut StdRng,
    dir: &Path,
    name: &str,
    sizes: std::ops::Range<usize>,
    content: impl Fn(&mut StdRng, usize) -> Vec<u8>,
) -> Outcome {
    fs::create_dir_all(dir)?;
    let size = rng.random_range(sizes);
    Ok(fs::write(dir.join(name), content(rng, size))?)
}
