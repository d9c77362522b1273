//! Plain objects as files of a directory.
//!
//! They are written to a temporary file and renamed, so each is whole or absent, but not synced one by one: a hundred
//! thousand small files would take as many waits for the disk. [`PlainBackend::settle`] syncs the file system once.

use std::fs::{self, File};
use std::io::{self, ErrorKind as Io, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;

use super::local::{LocalBackend, TEMPORARY, create_locked};
use super::plain::{PartSink, PlainBackend, PlainObject};
use crate::error::{Error, ErrorKind, Result};
use crate::random;
use crate::time::Timestamp;

/// Found objects that wait for the reader of a listing.
const LISTED_AHEAD: usize = 1024;
/// The deepest folders a listing looks into: names of the layout's own and the deepest path a key can hold.
const MAX_DEPTH: usize = 1024;

impl LocalBackend {
    /// A new file to write an object into, locked so that no sweep takes it.
    fn scratch_file(&self) -> Result<(PathBuf, File)> {
        let scratch = self.root().join(TEMPORARY);
        let failed = |source| Error::from_io(source, format!("cannot write into {}", scratch.display()));
        make_folders(&scratch).map_err(failed)?;
        let name: [u8; 8] = random::bytes()?;
        let path = scratch.join(format!("{:016x}", u64::from_le_bytes(name)));
        let file = create_locked(&path).map_err(failed)?;
        Ok((path, file))
    }

    /// Fills a temporary file and gives it its name.
    fn publish(&self, key: &str, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
        let (temporary, mut file) = self.scratch_file()?;
        let published = fill(&mut file).and_then(|()| self.rename(&temporary, key));
        if published.is_err() {
            discard(&temporary);
        }
        published
    }

    fn rename(&self, temporary: &Path, key: &str) -> Result<()> {
        let target = self.root().join(key);
        let failed = |source| Error::from_io(source, format!("cannot write {}", target.display()));
        if let Some(folder) = target.parent() {
            make_folders(folder).map_err(failed)?;
        }
        fs::rename(temporary, &target).map_err(failed)
    }

    fn copy_file(&self, from: &str, key: &str) -> Result<()> {
        let source = self.root().join(from);
        let failed = |error| Error::from_io(error, format!("cannot copy {}", source.display()));
        let mut original = File::open(&source).map_err(failed)?;
        self.publish(key, |file| {
            // File systems that can share the blocks of both files do.
            if rustix::fs::ioctl_ficlone(&*file, &original).is_ok() {
                return Ok(());
            }
            io::copy(&mut original, file).map(drop).map_err(failed)
        })
    }

    fn visit(&self, folder: &str, found: &mut dyn FnMut(Result<PlainObject>) -> bool) {
        let mut folders = vec![(folder.trim_matches('/').to_owned(), 1)];
        while let Some((folder, depth)) = folders.pop() {
            let entries = match self.entries(&folder) {
                Ok(entries) => entries,
                Err(error) => {
                    found(Err(error));
                    return;
                }
            };
            for (name, metadata) in entries {
                let key = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if metadata.is_dir() && depth < MAX_DEPTH && key != TEMPORARY {
                    folders.push((key, depth + 1));
                } else if metadata.is_file() {
                    let modified = metadata.modified().ok().and_then(stamp);
                    if !found(Ok(PlainObject::new(key, metadata.len(), modified))) {
                        return;
                    }
                }
            }
        }
    }

    /// The entries of a folder whose names are text; any other was put there by somebody else.
    fn entries(&self, folder: &str) -> Result<Vec<(String, fs::Metadata)>> {
        let path = self.root().join(folder);
        let failed = |source| Error::from_io(source, format!("cannot list {}", path.display()));
        let listed = match fs::read_dir(&path) {
            Err(source) if matches!(source.kind(), Io::NotFound | Io::NotADirectory) => return Ok(Vec::new()),
            listed => listed.map_err(failed)?,
        };
        let mut entries = Vec::new();
        for entry in listed {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Err(source) if source.kind() == Io::NotFound => {}
                metadata => entries.push((name, metadata.map_err(failed)?)),
            }
        }
        Ok(entries)
    }

    fn remove_file(&self, key: &str) -> Result<()> {
        match fs::remove_file(self.root().join(key)) {
            Err(source) if !matches!(source.kind(), Io::NotFound | Io::NotADirectory) => {
                Err(Error::from_io(source, format!("cannot delete {key}")))
            }
            _ => Ok(()),
        }
    }

    fn remove_folders(&self, folder: &str, depth: usize) -> Result<()> {
        for (name, metadata) in self.entries(folder)? {
            if metadata.is_dir() && depth < MAX_DEPTH {
                self.remove_folders(&format!("{folder}/{name}"), depth + 1)?;
            }
        }
        match fs::remove_dir(self.root().join(folder)) {
            Err(source) if !matches!(source.kind(), Io::NotFound | Io::DirectoryNotEmpty) => {
                Err(Error::from_io(source, format!("cannot remove the folder {folder}")))
            }
            _ => Ok(()),
        }
    }
}

/// Makes a folder and those above it, for this account alone: also the names in it are nobody else's business.
fn make_folders(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn discard(temporary: &Path) {
    if let Err(error) = fs::remove_file(temporary) {
        tracing::debug!(%error, "a temporary file stays until the next sweep");
    }
}

fn stamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::new(i64::try_from(since.as_secs()).ok()?, since.subsec_nanos()))
}

#[async_trait]
impl PlainBackend for LocalBackend {
    fn accepts(&self, key: &str) -> bool {
        key.split('/').all(|part| !matches!(part, "" | "." | "..") && part.len() <= 255)
    }

    async fn put(&self, key: &str, data: Bytes) -> Result<()> {
        let key = key.to_owned();
        self.run(move |this| {
            this.publish(&key, |file| {
                file.write_all(&data).map_err(|source| Error::from_io(source, format!("cannot write {key}")))
            })
        })
        .await
    }

    fn copy_bytes_max(&self) -> u64 {
        u64::MAX
    }

    async fn copy(&self, from: &str, to: &str, _size: u64) -> Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.run(move |this| this.copy_file(&from, &to)).await
    }

    async fn begin_upload(&self, key: &str) -> Result<Box<dyn PartSink>> {
        let (temporary, file) = self.run(Self::scratch_file).await?;
        Ok(Box::new(Scratch { store: self.clone(), key: key.to_owned(), temporary, file: Some(file) }))
    }

    fn list(&self, folder: &str) -> BoxStream<'static, Result<PlainObject>> {
        let (sender, receiver) = tokio::sync::mpsc::channel(LISTED_AHEAD);
        let (this, folder) = (self.clone(), folder.to_owned());
        // The task ends with the listing, or when nobody reads it any more.
        drop(tokio::task::spawn_blocking(move || {
            this.visit(&folder, &mut |found| sender.blocking_send(found).is_ok());
        }));
        futures::stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|found| (found, receiver))
        })
        .boxed()
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let folder = folder.to_owned();
        self.run(move |this| {
            let entries = this.entries(&folder)?.into_iter();
            Ok(entries.filter(|(_, metadata)| metadata.is_dir()).map(|(name, _)| name).collect())
        })
        .await
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        self.run(move |this| keys.iter().try_for_each(|key| this.remove_file(key))).await
    }

    async fn remove_empty_folders(&self, folder: &str) -> Result<()> {
        let folder = folder.trim_matches('/').to_owned();
        self.run(move |this| this.remove_folders(&folder, 1)).await
    }

    async fn settle(&self) -> Result<()> {
        self.run(|this| {
            let failed = |source| Error::from_io(source, "cannot make the store durable");
            match File::open(this.root()) {
                Err(source) if source.kind() == Io::NotFound => Ok(()),
                root => Ok(rustix::fs::syncfs(root.map_err(failed)?).map_err(|errno| failed(errno.into()))?),
            }
        })
        .await
    }
}

/// An object that is written part by part.
struct Scratch {
    store: LocalBackend,
    key: String,
    temporary: PathBuf,
    file: Option<File>,
}

impl Scratch {
    fn file(&mut self) -> Result<File> {
        self.file.take().ok_or_else(|| Error::new(ErrorKind::Cancelled, "the upload was given up"))
    }
}

#[async_trait]
impl PartSink for Scratch {
    async fn part(&mut self, data: Bytes) -> Result<()> {
        let (mut file, key) = (self.file()?, self.key.clone());
        let write = move |_: &LocalBackend| {
            let written = file.write_all(&data).map(|()| file);
            written.map_err(|source| Error::from_io(source, format!("cannot write {key}")))
        };
        self.file = Some(self.store.run(write).await?);
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        let (file, temporary, key) = (self.file()?, self.temporary.clone(), self.key.clone());
        self.store.run(move |this| this.rename(&temporary, &key)).await?;
        drop(file);
        Ok(())
    }

    async fn abort(&mut self) -> Result<()> {
        drop(self.file()?);
        discard(&self.temporary);
        Ok(())
    }
}
