//! A store whose client dies, or falls asleep, after so many writes and deletions.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use stillpoint_repository::Store;
use tokio::sync::Notify;

/// What one process sees of a store; the objects outlive it.
#[derive(Debug)]
pub(crate) struct Mortal {
    objects: Arc<InMemory>,
    /// Changes until its death; the one that brings it below zero is its last.
    left: AtomicI64,
    /// Whether the last change still reaches the store, though nobody hears of it.
    last_arrives: bool,
    /// Objects below this are never deleted.
    refused: Option<&'static str>,
    /// Instead of dying, the process sleeps before that change until it is woken.
    sleep: Option<Arc<Sleep>>,
    /// Or it sleeps after this many listings.
    listings_left: Option<AtomicI64>,
}

/// A process that sleeps before one of its changes.
#[derive(Debug, Default)]
pub(crate) struct Sleep {
    /// Told when it falls asleep.
    pub(crate) begins: Notify,
    /// Wakes it.
    pub(crate) ends: Notify,
}

impl Mortal {
    /// A process with this many changes to live.
    pub(crate) fn store(objects: &Arc<InMemory>, changes: i64, last_arrives: bool) -> Store {
        let left = AtomicI64::new(changes);
        Self { left, last_arrives, ..Self::immortal(objects) }.into_store()
    }

    /// A process that sleeps after this many changes.
    pub(crate) fn sleeping(objects: &Arc<InMemory>, changes: i64, sleep: &Arc<Sleep>) -> Store {
        let left = AtomicI64::new(changes);
        Self { left, sleep: Some(Arc::clone(sleep)), ..Self::immortal(objects) }.into_store()
    }

    /// A process that may not delete below `prefix`.
    pub(crate) fn refusing(objects: &Arc<InMemory>, prefix: &'static str) -> Store {
        Self { refused: Some(prefix), ..Self::immortal(objects) }.into_store()
    }

    /// A process that sleeps after this many listings, before it asks for the next.
    pub(crate) fn sleeping_over_listings(
        objects: &Arc<InMemory>,
        listings: i64,
        sleep: &Arc<Sleep>,
    ) -> Store {
        let listings_left = Some(AtomicI64::new(listings));
        Self { listings_left, sleep: Some(Arc::clone(sleep)), ..Self::immortal(objects) }.into_store()
    }

    fn immortal(objects: &Arc<InMemory>) -> Self {
        Self {
            objects: Arc::clone(objects),
            left: AtomicI64::new(i64::MAX),
            last_arrives: true,
            refused: None,
            sleep: None,
            listings_left: None,
        }
    }

    fn into_store(self) -> Store {
        stillpoint_repository::store::object_store::from_object_store(Arc::new(self), "", "memory:")
    }

    fn dead() -> Error {
        Error::PermissionDenied { path: "store".into(), source: "this process is dead".into() }
    }

    /// Whether a change goes on: `Some(true)` as if nothing were, `Some(false)` unheard.
    fn change(&self) -> Result<bool> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            1.. => Ok(true),
            0 if self.last_arrives => Ok(false),
            _ => Err(Self::dead()),
        }
    }

    /// What the next change has to wait for.
    fn falls_asleep(&self) -> Option<Arc<Sleep>> {
        let sleep = self.sleep.clone()?;
        self.left.compare_exchange(0, i64::MAX, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        sleep.begins.notify_one();
        Some(sleep)
    }

    fn look(&self) -> Result<()> {
        if self.left.load(Ordering::SeqCst) >= 0 { Ok(()) } else { Err(Self::dead()) }
    }
}

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mortal")
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if let Some(sleep) = self.falls_asleep() {
            sleep.ends.notified().await;
        }
        let heard = self.change()?;
        let done = self.objects.put_opts(at, payload, options).await?;
        if heard { Ok(done) } else { Err(Self::dead()) }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.look()?;
        self.objects.get_opts(at, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if let Some(prefix) = self.refused {
            let allowed =
                move |at: Path| if at.as_ref().starts_with(prefix) { Err(Self::dead()) } else { Ok(at) };
            let objects = Arc::clone(&self.objects);
            let delete = move |at: Result<Path>| {
                let objects = Arc::clone(&objects);
                async move {
                    let at = at.and_then(allowed)?;
                    objects.delete(&at).await?;
                    Ok(at)
                }
            };
            return locations.then(delete).boxed();
        }
        if let Some(sleep) = self.falls_asleep() {
            let objects = Arc::clone(&self.objects);
            let later = async move {
                sleep.ends.notified().await;
                objects.delete_stream(locations)
            };
            return stream::once(later).flatten().boxed();
        }
        match self.change() {
            Ok(true) => self.objects.delete_stream(locations),
            Ok(false) => self.objects.delete_stream(locations).map(|_| Err(Self::dead())).boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listings_before = self.listings_left.as_ref().map(|left| left.fetch_sub(1, Ordering::SeqCst));
        if let (Some(0), Some(sleep)) = (listings_before, self.sleep.clone()) {
            let (objects, prefix) = (Arc::clone(&self.objects), prefix.cloned());
            sleep.begins.notify_one();
            let later = async move {
                sleep.ends.notified().await;
                objects.list(prefix.as_ref())
            };
            return stream::once(later).flatten().boxed();
        }
        match self.look() {
            Ok(()) => self.objects.list(prefix),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.look()?;
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
