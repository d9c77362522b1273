//! Objects as files of a directory, in restic's own layout.
//!
//! An object is written to a temporary file, synced, renamed into place, and its directory synced: it is either whole
//! and durable or absent. Temporary files lie apart in `stillpoint/tmp`, where neither restic nor we look for objects,
//! and each is locked by its writer: one that can be locked and has rested for a day belongs to a dead process and is swept.
//! Where a lock is known to its own host only, as on many network file systems, the day alone keeps a writer's file.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as Io, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use stillpoint_localfs::time_in;

use super::backend::{Backend, Listed, ListedObject, PutMode, Stat};
use super::plain::PlainBackend;
use super::{to_u64, too_large};
use crate::error::{Error, ErrorKind, Result};
use crate::random;

pub(super) const TEMPORARY: &str = "stillpoint/tmp";
/// Temporary files that nobody wrote to for this long were left by writers that died.
const ABANDONED_AFTER_SECONDS: i64 = 24 * 3600;
/// How often a file is made anew that a sweep took before it could be locked.
const CREATIONS_MAX: usize = 16;
/// Deepest folder below which objects lie: `data/xx/<id>` and `stillpoint/<kind>/<name>`.
const MAX_DEPTH: usize = 3;

/// Bytes of a file read at a time when it is read as a stream.
const PART_BYTES: u64 = 256 << 10;

#[derive(Debug, Clone)]
pub(super) struct LocalBackend {
    root: Arc<Path>,
}

/// A range of a file, some of which may have been read already.
struct Opened {
    file: File,
    left: u64,
    path: PathBuf,
}

impl Opened {
    /// The bytes that come next, at most `limit`.
    fn read(&mut self, limit: u64) -> Result<Bytes> {
        let wanted = self.left.min(limit);
        let mut data = Vec::with_capacity(usize::try_from(wanted).unwrap_or_default());
        (&self.file)
            .take(wanted)
            .read_to_end(&mut data)
            .map_err(|source| Error::from_io(source, format!("cannot read {}", self.path.display())))?;
        self.left -= to_u64(data.len());
        Ok(data.into())
    }
}

impl LocalBackend {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root: root.into() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Runs blocking file work off the async threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this)).await.map_err(Error::cancelled)?
    }

    fn write(&self, key: &str, data: &[u8], mode: PutMode) -> Result<()> {
        let target = self.root.join(key);
        let failed = |source| Error::from_io(source, format!("cannot write {}", target.display()));
        if mode == PutMode::Create && target.symlink_metadata().is_ok() {
            return Err(failed(Io::AlreadyExists.into()));
        }
        let folder = target.parent().unwrap_or(&self.root);
        create_folder(folder).map_err(failed)?;
        let scratch = self.root.join(TEMPORARY);
        create_folder(&scratch).map_err(failed)?;
        let name: [u8; 8] = random::bytes()?;
        let temporary = scratch.join(format!("{:016x}", u64::from_le_bytes(name)));
        let written = write_and_rename(&temporary, &target, data, mode).and_then(|()| sync_folder(folder));
        if written.is_err()
            && let Err(source) = fs::remove_file(&temporary)
        {
            tracing::debug!(error = %source, "a temporary file stays until the next sweep");
        }
        written.map_err(failed)
    }

    fn read(&self, key: &str, limit: u64) -> Result<Bytes> {
        let path = self.root.join(key);
        let failed = |source| Error::from_io(source, format!("cannot read {}", path.display()));
        let file = File::open(&path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        if size > limit {
            return Err(too_large(key, limit));
        }
        let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.take(limit.saturating_add(1)).read_to_end(&mut data).map_err(failed)?;
        if to_u64(data.len()) > limit {
            return Err(too_large(key, limit));
        }
        Ok(data.into())
    }

    fn open_range(&self, key: &str, range: &Range<u64>) -> Result<Opened> {
        let path = self.root.join(key);
        let failed = |source| Error::from_io(source, format!("cannot read {}", path.display()));
        let mut file = File::open(&path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < range.end {
            return Err(Error::corrupt(key, format!("it ends before byte {}", range.end)));
        }
        file.seek(SeekFrom::Start(range.start)).map_err(failed)?;
        Ok(Opened { file, left: range.end.saturating_sub(range.start), path })
    }

    fn list_folder(&self, folder: &str, limit: usize) -> Result<Vec<ListedObject>> {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let mut folders = vec![(folder.trim_end_matches('/').to_owned(), 1)];
        while let Some((folder, depth)) = folders.pop() {
            let path = self.root.join(&folder);
            let failed = |source| Error::from_io(source, format!("cannot list {}", path.display()));
            let entries = match fs::read_dir(&path) {
                Err(source) if source.kind() == Io::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let entry = entry.map_err(failed)?;
                // Our object names are ASCII; any other file was put there by somebody else.
                let Ok(name) = entry.file_name().into_string() else { continue };
                let key = format!("{folder}/{name}");
                let metadata = match entry.metadata() {
                    Err(source) if source.kind() == Io::NotFound => continue,
                    metadata => metadata.map_err(failed)?,
                };
                if metadata.is_dir() && depth < MAX_DEPTH && key != TEMPORARY {
                    folders.push((key, depth + 1));
                } else if metadata.is_file() {
                    let object = ListedObject::new(key, metadata.len());
                    bytes += object.bytes();
                    found.push(object);
                }
                if bytes > limit {
                    let message = format!("{folder} names more objects than {} MiB hold", limit >> 20);
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
            }
        }
        Ok(found)
    }

    fn remove(&self, key: &str) -> Result<()> {
        let path = self.root.join(key);
        let failed = |source| Error::from_io(source, format!("cannot delete {}", path.display()));
        match fs::remove_file(&path) {
            Err(source) if source.kind() == Io::NotFound => Ok(()),
            Err(source) => Err(failed(source)),
            Ok(()) => sync_folder(path.parent().unwrap_or(&self.root)).map_err(failed),
        }
    }

    fn remove_abandoned(&self) -> io::Result<()> {
        let scratch = self.root.join(TEMPORARY);
        let entries = match fs::read_dir(&scratch) {
            Err(source) if source.kind() == Io::NotFound => return Ok(()),
            entries => entries?,
        };
        let mut now = None;
        for entry in entries {
            let entry = entry?;
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let now = match now {
                Some(now) => now,
                None => *now.insert(time_in(&scratch).map_err(io::Error::other)?.seconds),
            };
            if let Err(source) = remove_if_abandoned(&entry.path(), now) {
                tracing::debug!(path = %entry.path().display(), error = %source, "a temporary file stays");
            }
        }
        Ok(())
    }
}

/// `now` is in seconds, by the clock of the file system.
fn remove_if_abandoned(path: &Path, now: i64) -> io::Result<()> {
    let file = open_to_lock(path)?;
    let rested = now.saturating_sub(file.metadata()?.mtime());
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(()),
        // A file system without locks leaves it to the time.
        _ if rested < ABANDONED_AFTER_SECONDS => Ok(()),
        _ => fs::remove_file(path).or_else(absent_is_fine),
    }
}

/// NFS gives an exclusive lock to whoever may write alone.
fn open_to_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Locks a file of one's own. On a file system without locks its age keeps it.
fn lock(file: &File) -> io::Result<()> {
    match file.lock() {
        Err(source) if is_without_locks(&source) => Ok(()),
        locked => locked,
    }
}

fn is_without_locks(source: &io::Error) -> bool {
    let errno = source.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::NOSYS | Errno::OPNOTSUPP | Errno::NOLCK))
}

fn absent_is_fine(source: io::Error) -> io::Result<()> {
    if source.kind() == Io::NotFound { Ok(()) } else { Err(source) }
}

fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().unwrap_or(folder);
    create_folder(parent)?;
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => sync_folder(parent),
        Err(source) if source.kind() == Io::AlreadyExists && folder.is_dir() => Ok(()),
        Err(source) => Err(source),
    }
}

/// A new file that no sweep takes.
pub(super) fn create_locked(path: &Path) -> io::Result<File> {
    for _ in 0..CREATIONS_MAX {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        lock(&file)?;
        // A sweep may have come between the two.
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
    Err(Io::ResourceBusy.into())
}

fn write_and_rename(temporary: &Path, target: &Path, data: &[u8], mode: PutMode) -> io::Result<()> {
    let mut file = create_locked(temporary)?;
    file.write_all(data)?;
    file.sync_all()?;
    match mode {
        PutMode::Overwrite => fs::rename(temporary, target),
        PutMode::Create => {
            match rustix::fs::renameat_with(CWD, temporary, CWD, target, RenameFlags::NOREPLACE) {
                // Network and user-space file systems without that flag still have hard links.
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    fs::hard_link(temporary, target)?;
                    fs::remove_file(temporary)
                }
                renamed => Ok(renamed?),
            }
        }
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot sync a directory; their server orders the rename itself.
        Err(source) if matches!(source.kind(), Io::InvalidInput | Io::Unsupported) => Ok(()),
        result => result,
    }
}

#[async_trait]
impl Backend for LocalBackend {
    async fn put(&self, key: &str, data: Bytes, mode: PutMode) -> Result<()> {
        let key = key.to_owned();
        self.run(move |this| this.write(&key, &data, mode)).await
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes> {
        let key = key.to_owned();
        self.run(move |this| this.read(&key, limit)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let key = key.to_owned();
        self.run(move |this| this.open_range(&key, &range)?.read(u64::MAX)).await
    }

    async fn stream_range(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let key = key.to_owned();
        let opened = self.run(move |this| this.open_range(&key, &range)).await?;
        let parts = stream::try_unfold((self.clone(), opened), async |(this, mut opened)| {
            let read = move |_: &Self| Ok((opened.read(PART_BYTES)?, opened));
            let (part, opened) = this.run(read).await?;
            Ok((!part.is_empty()).then_some((part, (this, opened))))
        });
        Ok(parts.boxed())
    }

    async fn list(&self, folder: &str, limit: usize) -> Result<Vec<ListedObject>> {
        let folder = folder.to_owned();
        self.run(move |this| this.list_folder(&folder, limit)).await
    }

    fn lists_from(&self) -> bool {
        false
    }

    async fn list_from(&self, _after: &str, limit: usize) -> Result<Listed> {
        Ok(Listed { objects: Backend::list(self, "", limit).await?, at_once: false })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.run(move |this| this.remove(&key)).await
    }

    async fn stat(&self, key: &str) -> Result<Stat> {
        let key = key.to_owned();
        self.run(move |this| {
            let path = this.root.join(key);
            let modified = path.metadata().and_then(|metadata| metadata.modified());
            let written = modified
                .map_err(|source| Error::from_io(source, format!("cannot read {}", path.display())))?;
            Ok(Stat { written: written.into(), versioned: false })
        })
        .await
    }

    async fn sweep(&self) -> Result<()> {
        self.run(|this| {
            // It saves space, and keeps nobody from anything else.
            if let Err(source) = this.remove_abandoned() {
                tracing::debug!(error = %source, "temporary files stay until the next sweep");
            }
            Ok(())
        })
        .await
    }

    fn plain(&self) -> &dyn PlainBackend {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    #[test]
    fn files_and_folders_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let backend = LocalBackend::new(dir.path().join("repo"));
        backend.write("data/ab/x", b"1", PutMode::Create).unwrap();
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("repo"), mode("repo/data/ab"), mode("repo/data/ab/x")), (0o700, 0o700, 0o600));
    }

    #[test]
    fn only_the_leftovers_of_dead_writers_are_swept_and_not_before_a_day() {
        let dir = tempfile::tempdir().unwrap();
        let backend = LocalBackend::new(dir.path().to_owned());
        let scratch = dir.path().join(TEMPORARY);
        fs::create_dir_all(&scratch).unwrap();
        let [dead, live, young] = ["dead", "live", "young"].map(|name| {
            let file = File::create(scratch.join(name)).unwrap();
            let day = Duration::from_secs(ABANDONED_AFTER_SECONDS.unsigned_abs());
            file.set_modified(file.metadata().unwrap().modified().unwrap() - day).unwrap();
            file
        });
        drop(dead);
        live.lock().unwrap();
        // Its writer works on another host, whose locks are not known here.
        (&young).write_all(b"half").unwrap();
        backend.remove_abandoned().unwrap();
        let left = |name: &str| scratch.join(name).exists();
        assert_eq!(["dead", "live", "young"].map(left), [false, true, true]);
        assert_eq!(fs::read_dir(&scratch).unwrap().count(), 2);
        assert!(backend.list_folder("stillpoint", 10).unwrap().is_empty());
    }

    #[test]
    fn what_is_swept_is_opened_as_network_file_systems_lock_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("left");
        fs::write(&path, b"half").unwrap();
        let flags = rustix::fs::fcntl_getfl(open_to_lock(&path).unwrap()).unwrap();
        assert_eq!(flags & rustix::fs::OFlags::RWMODE, rustix::fs::OFlags::RDWR);
    }

    #[tokio::test]
    async fn what_cannot_be_swept_keeps_nobody_from_anything() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("stillpoint")).unwrap();
        fs::write(dir.path().join(TEMPORARY), b"no folder").unwrap();
        LocalBackend::new(dir.path().to_owned()).sweep().await.unwrap();
        assert!(is_without_locks(&io::Error::from(Errno::NOLCK)) && !is_without_locks(&Errno::BADF.into()));
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let backend = LocalBackend::new(dir.path().to_owned());
        fs::create_dir_all(dir.path().join("config")).unwrap();
        assert!(backend.write("config", b"1", PutMode::Overwrite).is_err());
        assert_eq!(fs::read_dir(dir.path().join(TEMPORARY)).unwrap().count(), 0);
    }
}
