//! What changes between two backups.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::files;
use super::text::{random, tensor};
use crate::Outcome;

const RUN: u64 = 256 << 10;
const EDIT: u64 = 16 << 10;

/// Of a hundred files one is edited in place, and of a thousand four are added, two removed and two renamed. An edit
/// overwrites up to 16 KiB; a new file is a copy of another with a changed start.
pub(super) fn one_percent(root: &Path, seed: u64) -> Outcome<u64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut found = files(root)?;
    found.shuffle(&mut rng);
    let thousandth = (found.len() / 1_000).max(1);
    let mut fresh = 0;
    let mut next = found.into_iter();
    for (path, length) in next.by_ref().take(thousandth * 10) {
        let size = length.min(EDIT);
        let at = rng.random_range(0..=length - size);
        overwrite(&path, at, &random(&mut rng, usize::try_from(size)?))?;
        fresh += size;
    }
    for (path, length) in next.by_ref().filter(|(_, length)| *length < 1 << 20).take(thousandth * 4) {
        let copy = path.with_added_extension(format!("{seed:x}"));
        fs::copy(&path, &copy)?;
        let size = length.min(EDIT / 4);
        overwrite(&copy, 0, &random(&mut rng, usize::try_from(size)?))?;
        fresh += size;
    }
    for (path, _) in next.by_ref().take(thousandth * 2) {
        fs::remove_file(path)?;
    }
    for (path, _) in next.take(thousandth * 2) {
        fs::rename(&path, path.with_added_extension(format!("moved-{seed:x}")))?;
    }
    Ok(fresh)
}

/// In every file 2 % of the bytes change, in runs of 256 KiB, and 5 % are appended.
pub(super) fn checkpoints(root: &Path, seed: u64) -> Outcome<u64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut fresh = 0;
    for (path, length) in files(root)? {
        let slots = (length / RUN).max(1);
        let mut chosen: Vec<u64> = (0..slots).collect();
        chosen.shuffle(&mut rng);
        for slot in chosen.into_iter().take(usize::try_from(slots.div_ceil(50))?) {
            let size = usize::try_from(RUN.min(length))?;
            overwrite(&path, slot * RUN, &tensor(&mut rng, slot * RUN, size))?;
            fresh += size as u64;
        }
        let more = length / 20;
        for at in (0..more).step_by(1 << 20) {
            let piece = tensor(&mut rng, length + at, usize::try_from((more - at).min(1 << 20))?);
            overwrite(&path, length + at, &piece)?;
        }
        fresh += more;
    }
    Ok(fresh)
}

/// Gives two directories of every kind that the corpus has near its root another name.
pub(super) fn rename_directories(root: &Path, round: usize) -> Outcome<u64> {
    let mut moved = 0;
    for parent in ["", "projects", "notebooks", "envs/env-0/lib/site-packages"] {
        let dir = root.join(parent);
        if !dir.is_dir() {
            continue;
        }
        let mut inside: Vec<_> = fs::read_dir(&dir)?.collect::<Result<_, _>>()?;
        inside.sort_by_key(fs::DirEntry::file_name);
        let wanted = if parent.is_empty() { "part-" } else { "" };
        let named = |entry: &fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with(wanted) && !(parent.is_empty() && wanted.is_empty())
        };
        let chosen = inside.into_iter().filter(|entry| entry.path().is_dir()).filter(named).take(2);
        for entry in chosen {
            let to = dir.join(format!("renamed-{round}-{}", entry.file_name().to_string_lossy()));
            moved += files(&entry.path())?.len() as u64;
            fs::rename(entry.path(), to)?;
        }
    }
    Ok(moved)
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) -> Outcome {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(file.write_all(bytes)?)
}
