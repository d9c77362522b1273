//! A repository in a local directory, in the layout that restic gives it.

use std::fs::{self, File};
use std::io::{self, ErrorKind::NotFound, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustic_core::{BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult, WriteBackend};

/// The directory that holds `config`, `data`, `index`, `keys`, `locks` and `snapshots`.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Names the directory; nothing is read yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn file(&self, kind: FileType, id: &Id) -> PathBuf {
        let name = id.to_hex();
        match kind {
            FileType::Config => self.root.join("config"),
            FileType::Pack => self.root.join("data").join(&name[..2]).join(&*name),
            kind => self.root.join(kind.dirname()).join(&*name),
        }
    }
}

fn said<T>(what: &'static str, path: &Path, outcome: io::Result<T>) -> RusticResult<T> {
    outcome.map_err(|error| {
        RusticError::with_source(ErrorKind::Backend, what, error)
            .attach_context("path", path.display().to_string())
    })
}

fn list(dir: &Path, depth: usize, found: &mut Vec<(Id, u32)>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if depth > 0 {
            list(&entry.path(), depth - 1, found)?;
        } else if let Ok(id) = entry.file_name().to_string_lossy().parse() {
            let size = u32::try_from(entry.metadata()?.len()).map_err(io::Error::other)?;
            found.push((id, size));
        }
    }
    Ok(())
}

fn write_once(path: &Path, content: &BytesList) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut file = File::create(path)?;
    for part in content.slice() {
        file.write_all(part)?;
    }
    file.sync_all()
}

impl ReadBackend for Directory {
    fn location(&self) -> String {
        self.root.display().to_string()
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            let config = self.root.join("config");
            return Ok(fs::metadata(config)
                .map(|meta| (Id::default(), meta.len() as u32))
                .into_iter()
                .collect());
        }
        let (dir, depth) = match kind {
            FileType::Pack => (self.root.join("data"), 1),
            kind => (self.root.join(kind.dirname()), 0),
        };
        let mut found = Vec::new();
        said("cannot list `{path}`", &dir, list(&dir, depth, &mut found))?;
        Ok(found)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let path = self.file(kind, id);
        said("cannot read `{path}`", &path, fs::read(&path).map(Bytes::from))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let path = self.file(kind, id);
        let mut bytes = vec![0; length as usize];
        let outcome = File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, offset.into()));
        said("cannot read a part of `{path}`", &path, outcome.map(|()| Bytes::from(bytes)))
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.file(kind, id).display().to_string()
    }
}

impl WriteBackend for Directory {
    fn create(&self) -> RusticResult<()> {
        said("cannot create `{path}`", &self.root, fs::create_dir_all(&self.root))
    }

    fn write_bytes(&self, kind: FileType, id: &Id, _: bool, content: BytesList) -> RusticResult<()> {
        let path = self.file(kind, id);
        said("cannot write `{path}`", &path, write_once(&path, &content))
    }

    fn remove(&self, kind: FileType, id: &Id, _: bool) -> RusticResult<()> {
        let path = self.file(kind, id);
        said("cannot remove `{path}`", &path, fs::remove_file(&path))
    }
}
