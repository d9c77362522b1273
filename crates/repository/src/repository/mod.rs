//! A repository: everything that needs its key.

mod files;
mod keys;
mod listing;
mod open;
mod plan;
mod read;
mod records;
mod renamed;
mod snapshots;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use records::record_value;

pub use keys::StoredKey;
pub(crate) use listing::Listing;
pub(crate) use open::CONFIG;
pub(crate) use plan::plan_reads_across;
pub use plan::{PackRead, plan_reads};
pub(crate) use read::is_pack_gone;
pub use snapshots::{DamagedSnapshot, SnapshotList, StoredSnapshot};

use crate::cache::ObjectCache;
use crate::compression::Compression;
use crate::config::Config;
use crate::crypto::SealingKey;
use crate::error::{Error, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::index::{self, Index};
use crate::origin::Origin;
use crate::store::Store;

/// An open repository. Cheap to clone; clones share key, index and store.
///
/// All methods need a running tokio runtime and may be called from many tasks at once. Dropping a future stops its
/// work; nothing half-written is ever visible.
#[derive(Clone)]
pub struct Repository {
    inner: Arc<Inner>,
    index: Arc<OnceCell<Index>>,
}

struct Inner {
    store: Store,
    key: Arc<SealingKey>,
    /// The key file that opened it.
    key_id: Id,
    config: Config,
    origin: Origin,
    compression: Compression,
    objects: Option<ObjectCache>,
    /// What was seen when the repository was opened, until it is used or old.
    opening: Mutex<Option<Listing>>,
    /// Whether the last look found locks, or marks of data to be deleted.
    busy: AtomicBool,
}

impl Repository {
    fn new(
        store: Store,
        (key_id, key): (Id, SealingKey),
        config: Config,
        origin: Origin,
        objects: Option<ObjectCache>,
        opening: Option<Listing>,
    ) -> Self {
        let busy = AtomicBool::new(opening.as_ref().is_some_and(|listing| !listing.is_quiet()));
        let (compression, opening) = (Compression::default(), Mutex::new(opening));
        let key = Arc::new(key);
        let inner = Inner { store, key, key_id, config, origin, compression, objects, opening, busy };
        Self { inner: Arc::new(inner), index: Arc::default() }
    }

    /// The same repository as another store holds it, such as a copy or another way to the same objects; the key is not
    /// derived again, and the index is loaded anew.
    #[must_use]
    pub fn on_copy(&self, store: Store) -> Self {
        self.on_copy_with(store, Arc::clone(&self.inner.key))
    }

    /// As [`Self::on_copy`], with another key, which seals the same text in the same way every time.
    #[cfg(test)]
    pub(crate) fn on_salted_copy(&self, store: Store, salt: u64) -> Result<Self> {
        Ok(self.on_copy_with(store, Arc::new(SealingKey::salted(salt)?)))
    }

    fn on_copy_with(&self, store: Store, key: Arc<SealingKey>) -> Self {
        let Inner { key_id, config, origin, .. } = &*self.inner;
        let inner = Inner {
            store,
            key,
            key_id: *key_id,
            config: config.clone(),
            origin: origin.clone(),
            compression: Compression::default(),
            objects: None,
            opening: Mutex::default(),
            busy: AtomicBool::default(),
        };
        Self { inner: Arc::new(inner), index: Arc::default() }
    }

    /// The same repository without what this machine remembers of it, for whoever doubts what is stored.
    pub(crate) fn unremembered(&self) -> Self {
        self.on_copy(self.store().without_cache())
    }

    /// The same repository with an index of its own, to be loaded at the first call of [`Self::index`].
    ///
    /// A process that lives on while others write or prune takes one for each job; the key is not derived again.
    #[must_use]
    pub fn with_fresh_index(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), index: Arc::default() }
    }

    /// The same repository with an index that was loaded otherwise.
    pub(crate) fn with_index(&self, index: Index) -> Self {
        Self { inner: Arc::clone(&self.inner), index: Arc::new(OnceCell::new_with(Some(index))) }
    }

    /// The repository's own identifier, random at creation: 64 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.inner.config.id
    }

    /// Where it lies, and the counters of requests and bytes.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Who this process writes as.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// The index, loaded at the first call.
    ///
    /// # Errors
    /// `Corrupt` if an index file is damaged, `Unavailable` if the store fails.
    pub async fn index(&self) -> Result<Index> {
        self.index.get_or_try_init(|| index::load(self)).await.cloned()
    }

    /// The index, if it was loaded already.
    pub fn loaded_index(&self) -> Option<&Index> {
        self.index.get()
    }

    /// Loads the index from files that were just listed.
    pub(crate) async fn load_index(&self, files: Vec<(Id, u64)>) -> Result<()> {
        self.index.get_or_try_init(|| index::load_listed(self, files)).await.map(drop)
    }

    /// Whether the last look found locks, or marks of data to be deleted.
    pub(crate) fn is_busy(&self) -> bool {
        self.inner.busy.load(Ordering::Relaxed)
    }

    pub(crate) fn objects(&self) -> Option<&ObjectCache> {
        self.inner.objects.as_ref()
    }

    /// Writes down what this machine has learned of the repository's small objects.
    async fn save_objects(&self) -> Result<()> {
        self.blocking(|this| {
            this.objects().into_iter().for_each(ObjectCache::save);
            Ok(())
        })
        .await
    }

    /// All packs in the store with their lengths in bytes, in no particular order.
    ///
    /// # Errors
    /// `Unavailable` or `PermissionDenied` if the store cannot be listed.
    pub async fn list_packs(&self) -> Result<Vec<(Id, u64)>> {
        self.list_files(FileKind::Pack).await
    }

    pub(crate) fn key(&self) -> &SealingKey {
        &self.inner.key
    }

    fn key_id(&self) -> Id {
        self.inner.key_id
    }

    /// The compressor, unless the repository's version predates compression.
    pub(crate) fn compression(&self) -> Option<&Compression> {
        self.inner.config.compresses().then_some(&self.inner.compression)
    }

    /// Runs work that keeps a core busy away from the async threads.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this)).await.map_err(Error::cancelled)?
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("store", &self.inner.store)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
