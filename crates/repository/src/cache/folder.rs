//! The folder a host gives, and how files in it are written, read and evicted.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind as Io, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::id::Id;
use crate::random;
use crate::time::Timestamp;

/// Bytes that all caches below one folder may take unless told otherwise.
const BYTES_MAX: u64 = 2 << 30;
/// A cache that was not used for this long goes.
const IDLE_MAX: Duration = Duration::from_secs(60 * 24 * 3600);
/// Unfinished files older than this were left by writers that died.
const UNFINISHED_MAX: Duration = Duration::from_secs(24 * 3600);
/// Names of unfinished files end so.
const UNFINISHED: &str = ".new";

/// A folder of this machine in which repositories keep what makes the next backup fast: how the source looked, and
/// copies of small objects of the store.
///
/// Everything in it may be deleted at any time and is rebuilt. It holds names and metadata of files, sealed objects,
/// and digests of contents, but neither contents nor keys that are not themselves sealed by the password; it is
/// readable by its owner only. A damaged or outdated file in it counts as absent.
#[derive(Clone, Debug)]
pub struct CacheFolder {
    path: Arc<Path>,
    bytes_max: u64,
}

impl CacheFolder {
    /// The folder at `path`, which is made when it is first needed.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into().into(), bytes_max: BYTES_MAX }
    }

    /// The same with another bound, in bytes, on all repositories' caches together; the least recently used go first.
    /// The default is 2 GiB.
    #[must_use]
    pub fn with_bytes_max(mut self, bytes: u64) -> Self {
        self.bytes_max = bytes;
        self
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The part of it that belongs to the store of this description.
    pub(crate) fn of_store(&self, description: &str) -> StoreCache {
        let mut name = Id::of(description.as_bytes()).to_hex();
        name.truncate(32);
        StoreCache { folder: self.path.join(name).into(), all: self.clone() }
    }
}

/// The cache of one store.
#[derive(Clone, Debug)]
pub(crate) struct StoreCache {
    folder: Arc<Path>,
    all: CacheFolder,
}

impl StoreCache {
    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The whole file; `None` if it is absent, longer than `bytes_max`, or cannot be read.
    pub(crate) fn read(&self, name: &str, bytes_max: u64) -> Option<Vec<u8>> {
        let path = self.path_of(name);
        let read = || -> io::Result<Option<Vec<u8>>> {
            let file = File::open(&path)?;
            let size = file.metadata()?.len();
            if size > bytes_max {
                return Ok(None);
            }
            let mut data = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            file.take(bytes_max).read_to_end(&mut data)?;
            Ok(Some(data))
        };
        read().unwrap_or_else(|error| {
            if error.kind() != Io::NotFound {
                tracing::debug!(path = %path.display(), %error, "a cached file cannot be read");
            }
            None
        })
    }

    /// Replaces a file. A failure is only told to the log: the cache is of use, never needed.
    pub(crate) fn write(&self, name: &str, data: &[u8]) {
        let write = || -> io::Result<()> {
            let (mut file, unfinished) = self.create()?;
            file.write_all(data)?;
            unfinished.finish(name)
        };
        if let Err(error) = write() {
            tracing::debug!(name, %error, "the cache cannot be written");
        }
    }

    /// A new file, which has no name until it is finished.
    pub(crate) fn create(&self) -> io::Result<(File, Unfinished)> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let number: [u8; 8] = random::bytes().map_err(io::Error::other)?;
        let path = self.folder.join(format!("{:016x}{UNFINISHED}", u64::from_le_bytes(number)));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok((file, Unfinished { path, folder: Arc::clone(&self.folder), done: false }))
    }

    /// Removes the files whose names begin with `prefix` and go on with something for which `keep` says no.
    pub(crate) fn retain(&self, prefix: &str, keep: impl Fn(&str) -> bool) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if let Ok(name) = entry.file_name().into_string()
                && name.strip_prefix(prefix).is_some_and(|rest| !keep(rest))
            {
                self.remove(&name);
            }
        }
    }

    pub(crate) fn remove(&self, name: &str) {
        if let Err(error) = fs::remove_file(self.path_of(name))
            && error.kind() != Io::NotFound
        {
            tracing::debug!(name, %error, "a cached file cannot be removed");
        }
    }

    /// Removes what dead writers left here, and the least recently used caches of other stores while all of them
    /// together are too large.
    pub(crate) fn tidy(&self) {
        if let Err(error) = self.remove_unfinished().and_then(|()| self.evict_others()) {
            tracing::debug!(folder = %self.folder.display(), %error, "the cache cannot be tidied");
        }
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let unfinished = entry.file_name().to_str().is_some_and(|name| name.ends_with(UNFINISHED));
            if unfinished && idle(entry.metadata()?.modified()?) > UNFINISHED_MAX {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn evict_others(&self) -> io::Result<()> {
        let mut caches = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.all.path)? {
            let entry = entry?;
            if !entry.file_type()?.is_dir() || !is_cache_name(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let bytes = size_of(&entry.path())?;
            total += bytes;
            if *entry.path() != *self.folder {
                caches.push((entry.metadata()?.modified()?, bytes, entry.path()));
            }
        }
        caches.sort();
        for (used, bytes, path) in caches {
            if total > self.all.bytes_max || idle(used) > IDLE_MAX {
                fs::remove_dir_all(&path)?;
                total -= bytes;
            }
        }
        Ok(())
    }
}

/// A file that is being written. Dropped unfinished, it goes.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    folder: Arc<Path>,
    done: bool,
}

impl Unfinished {
    /// Puts the file in the place of `name`. A crash of the machine may leave it damaged, which its checksums tell.
    pub(crate) fn finish(mut self, name: &str) -> io::Result<()> {
        fs::rename(&self.path, self.folder.join(name))?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.done
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "an unfinished cached file stays");
        }
    }
}

fn is_cache_name(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn size_of(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(total)
}

fn idle(used: SystemTime) -> Duration {
    clock::now().since(Timestamp::from(used))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn files_are_private_and_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let cache = CacheFolder::new(dir.path().join("cache")).of_store("file:///a");
        assert_eq!(cache.read("x", 10), None);
        cache.write("x", b"one");
        cache.write("x", b"two");
        assert_eq!(cache.read("x", 10).as_deref(), Some(&b"two"[..]));
        assert_eq!(cache.read("x", 2), None);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&cache.folder), mode(&cache.path_of("x"))), (0o700, 0o600));
        let (_file, unfinished) = cache.create().unwrap();
        drop(unfinished);
        assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1);
    }

    #[test]
    fn the_cache_in_use_outlives_the_others_when_room_is_short() {
        let dir = tempfile::tempdir().unwrap();
        let all = CacheFolder::new(dir.path()).with_bytes_max(250);
        fs::create_dir(dir.path().join("somebody's folder")).unwrap();
        let caches = ["a", "b", "c"].map(|name| all.of_store(name));
        for (age, cache) in [30, 20, 10].into_iter().zip(&caches) {
            cache.write("x", &[0; 100]);
            let used = clock_before(age);
            File::open(&cache.folder).unwrap().set_modified(used).unwrap();
        }
        caches[0].tidy();
        let left = caches.each_ref().map(|cache| cache.folder.exists());
        assert_eq!(left, [true, false, true]);
        assert!(dir.path().join("somebody's folder").exists());
    }

    fn clock_before(seconds: u64) -> SystemTime {
        let now = clock::now();
        SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(now.seconds).unwrap() - seconds)
    }
}
