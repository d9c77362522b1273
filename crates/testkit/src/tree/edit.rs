//! Seeded edits of an existing tree.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};

use super::content::{self, Texture};

/// How many of each edit to make. Every edit falls on another file, as far as there are enough.
#[derive(Debug, Clone)]
pub struct Edits {
    /// The same seed makes the same edits of the same tree.
    pub seed: u64,
    /// Files with a run of bytes overwritten in place, at equal size.
    pub overwrite: usize,
    /// Files that grow at the end.
    pub append: usize,
    /// Files cut to half their length.
    pub truncate: usize,
    /// New files.
    pub add: usize,
    /// Files removed.
    pub remove: usize,
    /// Files renamed within their directory.
    pub rename: usize,
    /// Files whose mode changes and nothing else.
    pub chmod: usize,
}

impl Edits {
    /// Two or three of each.
    pub fn few(seed: u64) -> Self {
        Self { seed, overwrite: 3, append: 3, truncate: 2, add: 3, remove: 2, rename: 2, chmod: 2 }
    }

    /// About one file in a hundred changed, as between two nights of work.
    pub fn percent(seed: u64, files: usize) -> Self {
        let one = (files / 100).max(1);
        Self {
            seed,
            overwrite: one,
            append: one / 4,
            truncate: 0,
            add: one / 2,
            remove: one / 4,
            rename: one / 4,
            chmod: 0,
        }
    }

    /// Edits the tree and says what was done.
    ///
    /// # Errors
    /// Whatever the file system answers.
    pub fn apply(&self, root: &Path) -> io::Result<Edited> {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut files = Vec::new();
        let mut dirs = vec![root.to_owned()];
        collect(root, &mut files, &mut dirs)?;
        files.sort();
        dirs.sort();
        files.shuffle(&mut rng);
        let mut edited = Edited::default();
        let mut draw = |wanted: usize| files.split_off(files.len().saturating_sub(wanted));
        for path in draw(self.overwrite) {
            overwrite(&mut rng, &path)?;
            edited.changed.push(path);
        }
        for path in draw(self.append) {
            let mut file = OpenOptions::new().append(true).open(&path)?;
            let len = rng.random_range(1..200_000);
            content::fill(&mut rng, &mut file, Texture::Random, len)?;
            edited.changed.push(path);
        }
        for path in draw(self.truncate) {
            let file = OpenOptions::new().write(true).open(&path)?;
            file.set_len(file.metadata()?.len() / 2)?;
            edited.changed.push(path);
        }
        for path in draw(self.remove) {
            fs::remove_file(&path)?;
            edited.removed.push(path);
        }
        for path in draw(self.rename) {
            let target = path.with_file_name(format!("renamed-{}", rng.next_u64()));
            fs::rename(&path, &target)?;
            edited.removed.push(path);
            edited.added.push(target);
        }
        for path in draw(self.chmod) {
            let mode = fs::metadata(&path)?.mode() & 0o7777;
            fs::set_permissions(&path, Permissions::from_mode(mode ^ 0o040))?;
            edited.chmodded.push(path);
        }
        for _ in 0..self.add {
            let path = dirs[rng.random_range(0..dirs.len())].join(format!("added-{}", rng.next_u64()));
            let len = rng.random_range(0..300_000);
            content::write_file(&path, rng.next_u64(), Texture::Text, len)?;
            edited.added.push(path);
        }
        Ok(edited)
    }
}

/// What [`Edits::apply`] did, as paths.
#[derive(Debug, Clone, Default)]
pub struct Edited {
    /// Content changed.
    pub changed: Vec<PathBuf>,
    /// Created, or the new name of a rename.
    pub added: Vec<PathBuf>,
    /// Removed, or the old name of a rename.
    pub removed: Vec<PathBuf>,
    /// Mode changed and nothing else.
    pub chmodded: Vec<PathBuf>,
}

/// Files with one name only are offered for edits, so that an edit never reaches a second path.
fn collect(dir: &Path, files: &mut Vec<PathBuf>, dirs: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_dir() {
            dirs.push(entry.path());
            collect(&entry.path(), files, dirs)?;
        } else if meta.is_file() && meta.nlink() == 1 && meta.mode() & 0o200 != 0 {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn overwrite(rng: &mut StdRng, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    let len = file.metadata()?.len();
    if len == 0 {
        return file.write_all(b"no longer empty");
    }
    let start = rng.random_range(0..len);
    let run = (len - start).min(rng.random_range(1..70_000));
    file.seek(SeekFrom::Start(start))?;
    content::fill(rng, &mut file, Texture::Random, run)
}
