//! Where a repository's objects lie.
//!
//! A [`Store`] is a flat set of named objects with five verbs. Names are restic's: `config`, `keys/<id>`,
//! `data/<xx>/<id>` and so on. Every write is all or nothing, also under a crash.

mod advance;
mod answers;
mod backend;
mod counters;
mod digest;
mod local;
mod local_plain;
pub mod object_store;
mod pace;
mod pages;
mod plain;
mod refusal;
mod remote;
mod remote_plain;
mod settings;
mod stream;
mod url;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::cache::{CacheFolder, StoreCache};
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
pub use backend::ListedObject;
use backend::{Backend, PutMode};
pub(crate) use backend::{Listed, Stat};
use counters::Counters;
pub use counters::TransferCounters;
use pace::Pace;
pub use pace::TransferLimits;
pub use plain::{PlainObject, Upload};
use refusal::is_unanswered;
pub use settings::StoreSettings;
pub(crate) use stream::RangeStream;

/// What one listing may take of memory, in bytes: the names of four million packs. More means a store that is not ours or
/// not sane.
const LISTED_BYTES_MAX: usize = 512 << 20;

/// Objects that pass beside the line where a store has a limit: locks, claims, snapshots and records are shorter.
const SMALL_BYTES: usize = 64 << 10;

/// How often a name that turns out to be free after all is claimed again.
const MAX_ATTEMPTS: usize = 3;

/// A place that keeps named objects. Cheap to clone; clones share their counters.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    counters: Arc<Counters>,
    description: Arc<str>,
    /// Whether the store is told the digest of what it is given, and refuses bytes of another.
    checks_digests: bool,
    uploads: Option<Arc<Pace>>,
    downloads: Option<Arc<Pace>>,
    cache: Option<StoreCache>,
}

impl Store {
    /// The store a URL names: `file:///dir` or a plain path, `s3://bucket/prefix`, `az://container/prefix`,
    /// `gs://bucket/prefix`, or `memory:` for tests.
    ///
    /// Nothing is contacted yet.
    ///
    /// # Errors
    /// `InvalidInput` if the URL or a setting is not usable, `Unsupported` for any other scheme.
    pub fn from_url(url: &str, settings: &StoreSettings) -> Result<Self> {
        url::open(url, settings)
    }

    /// Whether `url` can be that of a store, as far as the text tells.
    ///
    /// ```
    /// use stillpoint_repository::Store;
    ///
    /// assert!(Store::check_url("s3://bucket/prefix").is_ok());
    /// assert!(Store::check_url("ftp://host/prefix").is_err());
    /// ```
    ///
    /// # Errors
    /// As [`Store::from_url`], which may refuse a setting besides.
    pub fn check_url(url: &str) -> Result<()> {
        url::check(url)
    }

    /// A store in this process's memory; gone with the last clone.
    pub fn memory() -> Self {
        object_store::from_ordered_store(Arc::new(::object_store::memory::InMemory::new()), "", "memory:")
    }

    fn new(backend: Arc<dyn Backend>, description: impl Into<Arc<str>>) -> Self {
        let (counters, description) = (Arc::default(), description.into());
        Self {
            backend,
            counters,
            description,
            checks_digests: false,
            uploads: None,
            downloads: None,
            cache: None,
        }
    }

    fn that_checks_digests(mut self) -> Self {
        self.checks_digests = true;
        self
    }

    /// The same store with a cache on this machine, which makes opening it and repeated backups into it faster.
    ///
    /// Several stores and processes may share one folder.
    #[must_use]
    pub fn with_cache(mut self, folder: &CacheFolder) -> Self {
        self.cache = Some(folder.of_store(&self.description));
        self
    }

    /// The same store, asked for everything.
    #[must_use]
    pub(crate) fn without_cache(&self) -> Self {
        Self { cache: None, ..self.clone() }
    }

    /// The same store, whose transfers keep to `limits`. Clones share them.
    #[must_use]
    pub fn with_limits(mut self, limits: TransferLimits) -> Self {
        self.uploads = limits.upload.map(Pace::new);
        self.downloads = limits.download.map(Pace::new);
        self
    }

    /// Waits for the turn of a write of so many bytes, and counts it.
    async fn sending(&self, bytes: usize) {
        self.counters.put(bytes);
        if let Some(pace) = &self.uploads {
            pace.pass(bytes).await;
        }
    }

    /// As [`Self::sending`], for an object that is durable on its own. A small one waits for nobody, for with a low limit a
    /// single pack takes longer than a lock may go without being refreshed; what comes behind it makes up for it.
    async fn sending_alone(&self, bytes: usize) {
        match &self.uploads {
            Some(pace) if bytes < SMALL_BYTES => {
                self.counters.put(bytes);
                pace.charge(bytes);
            }
            _ => self.sending(bytes).await,
        }
    }

    /// Counts a read of so many bytes, and holds it back until the next may begin.
    async fn received(&self, bytes: usize) {
        self.counters.get(bytes);
        if let Some(pace) = &self.downloads {
            pace.pass(bytes).await;
        }
    }

    pub(crate) fn cache(&self) -> Option<&StoreCache> {
        self.cache.as_ref()
    }

    /// The store's URL for messages. Never holds a secret.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Requests and bytes since this store was opened.
    pub fn counters(&self) -> TransferCounters {
        self.counters.read()
    }

    /// Stores an object under a name that must be free.
    ///
    /// Idempotent: if the name is taken by exactly these bytes, as after a lost reply, that is success. Where no answer
    /// came it is looked whether the object stands, and if not, it is sent again: the client sends nothing twice whose
    /// condition would make it fail the second time.
    pub(crate) async fn put_new(&self, key: &str, data: Bytes) -> Result<()> {
        let mut attempt = 1;
        loop {
            self.sending_alone(data.len()).await;
            let refused = match self.backend.put(key, data.clone(), PutMode::Create).await {
                Err(error) if *error.kind() == ErrorKind::AlreadyExists || is_unanswered(&error) => error,
                result => return result,
            };
            match self.get(key, to_u64(data.len()).saturating_add(1)).await {
                Ok(present) if present == data => return Ok(()),
                // S3 refuses one of two writes at once even if the other fails too.
                Err(error) if *error.kind() == ErrorKind::NotFound && attempt < MAX_ATTEMPTS => attempt += 1,
                // Whether it is taken by somebody else could not be seen.
                Err(error) if error.is_transient() => return Err(error),
                Err(error) if *error.kind() == ErrorKind::NotFound => return Err(refused),
                _ if *refused.kind() == ErrorKind::AlreadyExists => return Err(refused),
                _ => return Err(Error::new(ErrorKind::AlreadyExists, format!("{key} exists already"))),
            }
        }
    }

    /// As [`Self::put_new`], for an object whose hash `id` was taken while its bytes were put together: bytes that have
    /// changed in memory since then are not stored.
    pub(crate) async fn put_named(&self, key: &str, data: Bytes, id: Id) -> Result<()> {
        if self.checks_digests {
            return digest::knowing(data.clone(), id, self.put_new(key, data)).await;
        }
        let bytes = data.clone();
        let hash = tokio::task::spawn_blocking(move || Id::of(&bytes)).await.map_err(Error::cancelled)?;
        if hash != id {
            let fault = "its bytes changed in memory; check the memory of this machine";
            return Err(Error::corrupt(key, fault));
        }
        self.put_new(key, data).await
    }

    /// Stores an object, replacing what was there.
    pub(crate) async fn put(&self, key: &str, data: Bytes) -> Result<()> {
        self.sending_alone(data.len()).await;
        self.backend.put(key, data, PutMode::Overwrite).await
    }

    /// The whole object; refuses one of more than `limit` bytes before reading it.
    pub(crate) async fn get(&self, key: &str, limit: u64) -> Result<Bytes> {
        let data = self.backend.get(key, limit).await?;
        self.received(data.len()).await;
        Ok(data)
    }

    /// Exactly the bytes of `range`.
    pub(crate) async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let wanted = range.end.saturating_sub(range.start);
        let data = self.backend.get_range(key, range).await?;
        self.received(data.len()).await;
        if to_u64(data.len()) != wanted {
            return Err(Error::corrupt(
                key,
                format!("it gave {} bytes where {wanted} were asked for", data.len()),
            ));
        }
        Ok(data)
    }

    /// The bytes of `range` as they arrive.
    pub(crate) async fn stream_range(&self, key: &str, range: Range<u64>) -> Result<RangeStream> {
        let start = range.start;
        let parts = self.backend.stream_range(key, range).await?;
        let stream = RangeStream::new(key, start, parts, Arc::clone(&self.counters));
        Ok(stream.at(self.downloads.clone()))
    }

    /// All objects below `folder`, in no particular order. An absent folder is empty.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<ListedObject>> {
        self.counters.list();
        self.backend.list(folder, LISTED_BYTES_MAX).await
    }

    /// Whether [`Self::list_all_in`] is one request, of as many pages as there need be.
    pub(crate) fn lists_from(&self) -> bool {
        self.backend.lists_from()
    }

    /// All objects in `folders`, given in the order of their names, in one request where the store can do that, and no
    /// folder before the one ahead of it. Objects in other folders behind the first may be among them.
    pub(crate) async fn list_all_in(&self, folders: &[&str]) -> Result<Listed> {
        let Some(first) = folders.first() else { return Ok(Listed { objects: Vec::new(), at_once: true }) };
        if self.backend.lists_from() {
            self.counters.list();
            return self.backend.list_from(first, LISTED_BYTES_MAX).await;
        }
        let mut objects = Vec::new();
        for folder in folders {
            objects.extend(self.list(folder).await?);
        }
        Ok(Listed { objects, at_once: false })
    }

    /// Removes an object; one that is not there counts as removed.
    pub(crate) async fn delete(&self, key: &str) -> Result<()> {
        self.counters.delete();
        self.backend.delete(key).await
    }

    /// When an object was last written by the store's own clock, and whether older versions are kept.
    pub(crate) async fn stat(&self, key: &str) -> Result<Stat> {
        self.counters.get(0);
        self.backend.stat(key).await
    }

    /// Removes what writers that were killed left behind and nobody can ever read. What living ones write stays.
    ///
    /// # Errors
    /// The system's reason; only a local directory has anything to sweep.
    pub async fn sweep(&self) -> Result<()> {
        self.backend.sweep().await
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.description).finish()
    }
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn too_large(key: &str, limit: u64) -> Error {
    Error::corrupt(key, format!("it is larger than the {limit} bytes such an object may have"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn behaves(store: Store) {
        assert!(store.list("keys").await.unwrap().is_empty());
        assert_eq!(store.get("config", 10).await.unwrap_err().kind(), &ErrorKind::NotFound);
        store.put_new("data/ab/abc", Bytes::from_static(b"0123456789")).await.unwrap();
        store.put_new("data/ab/abc", Bytes::from_static(b"0123456789")).await.unwrap();
        let taken = store.put_new("data/ab/abc", Bytes::from_static(b"other")).await.unwrap_err();
        assert_eq!(taken.kind(), &ErrorKind::AlreadyExists);
        assert_eq!(store.get("data/ab/abc", 10).await.unwrap(), &b"0123456789"[..]);
        let too_large = store.get("data/ab/abc", 9).await.unwrap_err();
        assert!(matches!(too_large.kind(), ErrorKind::Corrupt { .. }));
        assert_eq!(store.get_range("data/ab/abc", 2..5).await.unwrap(), &b"234"[..]);
        for beyond in [8..12, 10..12, 20..25] {
            let cut = store.get_range("data/ab/abc", beyond).await.unwrap_err();
            assert!(matches!(cut.kind(), ErrorKind::Corrupt { .. }), "{cut:?}");
        }
        store.put("data/ab/abc", Bytes::from_static(b"new")).await.unwrap();
        store.put_new("keys/k", Bytes::from_static(b"key")).await.unwrap();
        store.put_new("snapshots/s", Bytes::from_static(b"1")).await.unwrap();
        let mut behind = store.list_all_in(&["index", "keys", "snapshots"]).await.unwrap().objects;
        behind.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(behind, [ListedObject::new("keys/k", 3), ListedObject::new("snapshots/s", 1)]);
        let listed = store.list("data").await.unwrap();
        assert_eq!(listed, [ListedObject::new("data/ab/abc", 3)]);
        store.delete("data/ab/abc").await.unwrap();
        store.delete("data/ab/abc").await.unwrap();
        assert!(store.list("data").await.unwrap().is_empty());
        let counters = store.counters();
        assert_eq!((counters.puts, counters.deletes, counters.bytes_written), (6, 2, 32));
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_waits_for_no_pack_and_the_rate_is_kept_all_the_same() {
        let upload = std::num::NonZeroU64::new(40_000);
        let store = Store::memory().with_limits(TransferLimits { upload, ..TransferLimits::default() });
        let (start, pack) = (tokio::time::Instant::now(), Bytes::from(vec![0; 48 << 20]));
        store.put_new("data/aa/one", pack.clone()).await.unwrap();
        let (behind, second) = (store.clone(), pack.clone());
        let behind = tokio::spawn(async move { behind.put_new("data/bb/two", second).await });
        tokio::task::yield_now().await;
        store.put_new("locks/new", Bytes::from(vec![1; 300])).await.unwrap();
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        behind.await.unwrap().unwrap();
        store.put_new("data/cc/three", pack.clone()).await.unwrap();
        assert!(
            start.elapsed().as_millis() >= (u128::try_from(2 * pack.len()).unwrap() + 300) * 1000 / 40_000
        );
    }

    #[tokio::test]
    async fn bytes_that_no_longer_match_their_name_are_not_stored() {
        let store = Store::memory();
        let (data, other) = (Bytes::from_static(b"still"), Bytes::from_static(b"stirs"));
        let id = Id::of(&data);
        let refused = store.put_named("data/ab/abc", other, id).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Corrupt { .. }));
        assert!(store.list("data").await.unwrap().is_empty());
        store.put_named("data/ab/abc", data, id).await.unwrap();
    }

    #[tokio::test]
    async fn a_store_that_is_told_the_digest_refuses_other_bytes_itself() {
        let server = std::thread::spawn(stillpoint_testkit::s3::Server::start).join().unwrap().unwrap();
        let store = Store::from_url(&server.url("repo"), &StoreSettings::new(server.env())).unwrap();
        assert!(store.checks_digests);
        let (data, other) = (Bytes::from_static(b"still"), Bytes::from_static(b"stirs"));
        let id = Id::of(&data);
        assert!(store.put_named("data/ab/abc", other, id).await.is_err());
        assert!(store.list("data").await.unwrap().is_empty());
        store.put_named("data/ab/abc", data, id).await.unwrap();
        assert_eq!(store.get("data/ab/abc", 10).await.unwrap(), &b"still"[..]);
    }

    #[tokio::test]
    async fn a_memory_store_keeps_the_contract() {
        behaves(Store::memory()).await;
    }

    #[tokio::test]
    async fn a_directory_keeps_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("file://{}/new/repo", dir.path().display());
        behaves(Store::from_url(&url, &StoreSettings::default()).unwrap()).await;
    }
}
