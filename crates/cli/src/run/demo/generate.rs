//! A workspace such as a small team keeps: code, notebooks, data, images, checkpoints, a version-control store, and
//! the odd things that every real tree has somewhere.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, Mode, XattrFlags};
use rustix::io::Errno;
use stillpoint_core::SeededEntropy;

const PROJECTS: [&str; 4] = ["churn-model", "vision-lab", "weekly-report", "ingest"];
const WORDS: [&str; 16] = [
    "batch", "layer", "import", "return", "train", "split", "metric", "column", "self", "loss", "frame",
    "value", "index", "weights", "def", "yield",
];

/// Makes a workspace in `root`, which is created.
///
/// # Errors
/// Whatever the file system answers.
pub(super) fn generate(root: &Path, files: u32, seed: u64) -> io::Result<()> {
    let mut maker = Maker { random: SeededEntropy::new(seed), made: Vec::new() };
    fs::create_dir_all(root)?;
    for number in 0..files {
        maker.file(root, number)?;
    }
    maker.oddities(root)?;
    maker.settle_times(root)
}

/// Changes a workspace as a day of work does: edits, new files, deletions, a move, metadata.
///
/// # Errors
/// Whatever the file system answers.
pub(super) fn edit(root: &Path, seed: u64) -> io::Result<()> {
    let random = SeededEntropy::new(seed ^ 0x5eed);
    let mut sources = Vec::new();
    collect(&root.join(PROJECTS[0]), &mut sources)?;
    sources.sort();
    for (number, path) in sources.iter().enumerate() {
        match number % 50 {
            0 => {
                let mut file = File::options().append(true).open(path)?;
                writeln!(file, "# reviewed {}", random.next_u64())?;
            }
            1 => fs::remove_file(path)?,
            2 => fs::set_permissions(path, fs::Permissions::from_mode(0o600))?,
            _ => {}
        }
    }
    let maker = Maker { random, made: Vec::new() };
    let fresh = root.join("vision-lab/runs-2026-02");
    fs::create_dir_all(&fresh)?;
    for number in 0..20 {
        fs::write(fresh.join(format!("run-{number:02}.json")), maker.text(4_000))?;
    }
    // One page in the middle of a large file changes, as databases and checkpoints do it.
    let page = maker.noise(4096);
    File::options().write(true).open(root.join("models/checkpoint-0.bin"))?.write_all_at(&page, 1_000_000)?;
    fs::rename(root.join("weekly-report"), root.join("monthly-report"))
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            collect(&entry.path(), found)?;
        } else if kind.is_file() && entry.path().extension().is_some_and(|ending| ending == "py") {
            found.push(entry.path());
        }
    }
    Ok(())
}

struct Maker {
    random: SeededEntropy,
    made: Vec<PathBuf>,
}

impl Maker {
    fn below(&self, limit: u64) -> u64 {
        self.random.next_u64() % limit.max(1)
    }

    fn length(&self, from: u64, to: u64) -> usize {
        usize::try_from(from + self.below(to - from)).unwrap_or(0)
    }

    fn file(&mut self, root: &Path, number: u32) -> io::Result<()> {
        let project = PROJECTS[usize::try_from(number).unwrap_or(0) % PROJECTS.len()];
        let pack = number / 40;
        let (path, content) = match self.below(100) {
            0..45 => {
                (format!("{project}/src/pkg{pack}/module_{number}.py"), self.text(self.length(300, 9_000)))
            }
            45..65 => {
                let name = self.random.next_u64();
                (
                    format!("{project}/.git/objects/{:02x}/{name:016x}", name & 0xff),
                    self.noise(self.length(150, 3_000)),
                )
            }
            65..80 => {
                (format!("data/{project}/part-{number:05}.csv"), self.table(self.length(8_000, 80_000)))
            }
            80..90 => {
                (format!("{project}/images/{pack}/img_{number}.jpg"), self.noise(self.length(15_000, 90_000)))
            }
            90..99 => (
                format!("{project}/notebooks/analysis-{number}.ipynb"),
                self.text(self.length(4_000, 50_000)),
            ),
            _ => (format!("{project}/logs/run-{number}.log"), Vec::new()),
        };
        let path = root.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content)?;
        if path.iter().any(|part| part == ".git") {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
        }
        self.made.push(path);
        Ok(())
    }

    /// What real trees hold somewhere and simple copies lose.
    fn oddities(&mut self, root: &Path) -> io::Result<()> {
        let odd = root.join("scratch");
        for project in PROJECTS {
            fs::create_dir_all(root.join(project).join("src"))?;
        }
        fs::create_dir_all(odd.join("outputs/empty"))?;
        fs::create_dir_all(root.join("models"))?;
        for number in 0..3 {
            fs::write(root.join(format!("models/checkpoint-{number}.bin")), self.noise(4 << 20))?;
        }
        symlink("checkpoint-2.bin", root.join("models/latest"))?;
        symlink("/opt/shared/datasets", odd.join("datasets"))?;
        symlink("removed-long-ago", odd.join("dangling"))?;
        fs::hard_link(root.join("models/checkpoint-1.bin"), root.join("models/best.bin"))?;
        let holes = File::create(odd.join("disk.img"))?;
        holes.set_len(16 << 20)?;
        holes.write_all_at(b"superblock", 1024)?;
        for name in [&b"caf\xe9.txt"[..], b"two\nlines", b"-rf", "f\u{fc}r sp\u{e4}ter \u{1f4be}".as_bytes()]
        {
            fs::write(odd.join(OsStr::from_bytes(name)), name)?;
        }
        fs::write(odd.join("secret.key"), self.noise(64))?;
        fs::set_permissions(odd.join("secret.key"), fs::Permissions::from_mode(0o400))?;
        fs::write(odd.join("tagged.txt"), "carries an attribute")?;
        match rustix::fs::lsetxattr(
            odd.join("tagged.txt"),
            "user.origin",
            b"demo\0binary",
            XattrFlags::empty(),
        ) {
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        }
        rustix::fs::mkfifoat(CWD, odd.join("queue"), Mode::from_raw_mode(0o640))?;
        fs::set_permissions(odd.join("outputs"), fs::Permissions::from_mode(0o770))
    }

    /// Gives some files times in the past, to the nanosecond.
    fn settle_times(&self, root: &Path) -> io::Result<()> {
        let time = |seconds, nanos| SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000 + seconds, nanos);
        for path in self.made.iter().step_by(3) {
            let nanos = u32::try_from(self.below(1_000_000_000)).unwrap_or(0);
            File::open(path)?.set_modified(time(self.below(150_000_000), nanos))?;
        }
        File::open(root.join("scratch/outputs/empty"))?.set_modified(time(1, 1))
    }

    fn text(&self, length: usize) -> Vec<u8> {
        let mut text = Vec::with_capacity(length + 16);
        while text.len() < length {
            let draw = self.random.next_u64();
            let word = WORDS[usize::try_from(draw % 16).unwrap_or(0)];
            text.extend_from_slice(word.as_bytes());
            text.push(if draw >> 60 == 0 { b'\n' } else { b' ' });
        }
        text.truncate(length);
        text
    }

    fn table(&self, length: usize) -> Vec<u8> {
        let mut text = b"id,day,amount,city\n".to_vec();
        while text.len() < length {
            let draw = self.random.next_u64();
            let line = format!(
                "{},{},{}.{:02},city-{}\n",
                draw >> 40,
                draw % 365,
                draw % 9_973,
                draw % 100,
                draw % 57
            );
            text.extend_from_slice(line.as_bytes());
        }
        text.truncate(length);
        text
    }

    fn noise(&self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.random.next_u64().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}
