//! Plain objects under names that people read, for the layout that mirrors directories.
//!
//! Repository objects have short names made here, and each is durable on its own. Mirrored files have names made by
//! users, any size, and come by the hundred thousand: these verbs copy inside the store, send large objects in parts,
//! list as a stream, and on a local directory make everything durable at once, in [`Store::settle`].

use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::Store;
use crate::error::Result;
use crate::time::Timestamp;

/// The longest name of an object in bytes. Amazon S3, Azure Blob Storage and Google Cloud Storage all allow 1,024
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
const KEY_BYTES_MAX: usize = 1024;

/// Bytes of one part of an upload, unless the object is so large that it would have too many.
const PART_BYTES: u64 = 8 << 20;
/// Amazon S3 allows 10,000 parts (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>).
const PARTS_MAX: u64 = 9_000;

/// Objects that are removed in one request where the store can do that.
const DELETED_AT_ONCE: usize = 1000;

/// A plain object found by a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlainObject {
    /// Its name inside the store, exactly as the store gave it: nothing about it has been checked.
    pub key: String,
    /// Its length in bytes; 0 where it is odd.
    pub size: u64,
    /// When it was stored, where the store says so.
    pub modified: Option<Timestamp>,
    /// Whether nothing can be asked for by this name. How long the object is, is not known then.
    pub odd: bool,
}

impl PlainObject {
    /// An object as a store lists it.
    pub fn new(key: impl Into<String>, size: u64, modified: Option<Timestamp>) -> Self {
        Self { key: key.into(), size, modified, odd: false }
    }

    /// An object of which a store tells only a name by which it cannot be asked for.
    pub fn odd(key: impl Into<String>) -> Self {
        Self { odd: true, ..Self::new(key, 0, None) }
    }
}

/// The part of a kind of store that [`PlainObject`]s need.
#[async_trait]
pub(super) trait PlainBackend: fmt::Debug + Send + Sync {
    /// Whether the store can keep an object of this name and give the name back as it was.
    fn accepts(&self, key: &str) -> bool;
    /// Replaces what was there.
    async fn put(&self, key: &str, data: Bytes) -> Result<()>;
    /// The largest object that [`copy`](Self::copy) takes.
    fn copy_bytes_max(&self) -> u64;
    /// Replaces what was there. Fails with `NotFound` where `from` does not exist.
    async fn copy(&self, from: &str, to: &str, size: u64) -> Result<()>;
    async fn begin_upload(&self, key: &str) -> Result<Box<dyn PartSink>>;
    /// Objects at any depth below `folder`, in no particular order.
    fn list(&self, folder: &str) -> BoxStream<'static, Result<PlainObject>>;
    /// Names of the folders directly inside `folder`.
    async fn folders(&self, folder: &str) -> Result<Vec<String>>;
    /// Deleting what is absent succeeds.
    async fn delete(&self, keys: Vec<String>) -> Result<()>;
    /// Removes folders that hold nothing any more, where folders exist by themselves.
    async fn remove_empty_folders(&self, folder: &str) -> Result<()>;
    /// Returns when all that was stored before is durable.
    async fn settle(&self) -> Result<()>;
}

/// An object that is sent in parts.
#[async_trait]
pub(super) trait PartSink: Send {
    async fn part(&mut self, data: Bytes) -> Result<()>;
    async fn finish(&mut self) -> Result<()>;
    async fn abort(&mut self) -> Result<()>;
}

/// An object on its way into the store in parts. It exists only after [`finish`](Self::finish). An upload that is
/// dropped leaves nothing that a listing shows; what a cloud store keeps of its parts is for a lifecycle rule to remove.
pub struct Upload {
    store: Store,
    sink: Box<dyn PartSink>,
    part_bytes: u64,
}

impl Upload {
    /// How many bytes each part must have, except the last.
    pub const fn part_bytes(&self) -> u64 {
        self.part_bytes
    }

    /// Sends the next part. May return while it is still on its way.
    ///
    /// # Errors
    /// The store's failure, also that of an earlier part.
    pub async fn part(&mut self, data: Bytes) -> Result<()> {
        self.store.sending(data.len()).await;
        self.sink.part(data).await
    }

    /// Makes the object of its parts.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn finish(mut self) -> Result<()> {
        self.sink.finish().await
    }

    /// Gives the upload up and removes its parts.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn abort(mut self) -> Result<()> {
        self.sink.abort().await
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("part_bytes", &self.part_bytes).finish_non_exhaustive()
    }
}

impl Store {
    /// Whether the store can keep a plain object of this name and give the name back as it was.
    pub fn accepts_key(&self, key: &str) -> bool {
        let odd = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
        key.len() < KEY_BYTES_MAX && !key.chars().any(odd) && self.backend.plain().accepts(key)
    }

    /// Stores a plain object, replacing what was there. On a local directory it is whole at once, and durable after
    /// [`Self::settle`].
    ///
    /// # Errors
    /// The store's failure.
    pub async fn put_object(&self, key: &str, data: Bytes) -> Result<()> {
        self.sending(data.len()).await;
        self.backend.plain().put(key, data).await
    }

    /// Stores an object under a name that must be free; durable when it returns. If the name is taken by exactly these
    /// bytes, as after a lost reply, that is success.
    ///
    /// # Errors
    /// `AlreadyExists`, or the store's failure.
    pub async fn create_object(&self, key: &str, data: Bytes) -> Result<()> {
        self.put_new(key, data).await
    }

    /// Stores an object, replacing what was there; durable when it returns.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn replace_object(&self, key: &str, data: Bytes) -> Result<()> {
        self.put(key, data).await
    }

    /// The whole object; refuses one of more than `limit` bytes as corrupt.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt`, or the store's failure.
    pub async fn get_object(&self, key: &str, limit: u64) -> Result<Bytes> {
        self.get(key, limit).await
    }

    /// Exactly the bytes of `range`.
    ///
    /// # Errors
    /// `NotFound`, `Corrupt` where the object is shorter, or the store's failure.
    pub async fn get_object_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        self.get_range(key, range).await
    }

    /// The largest object, in bytes, that the store copies inside itself in one request.
    pub fn copy_bytes_max(&self) -> u64 {
        self.backend.plain().copy_bytes_max()
    }

    /// Copies an object of `size` bytes inside the store, replacing what was there.
    ///
    /// # Errors
    /// `NotFound` where `from` does not exist, or the store's failure.
    pub async fn copy_object(&self, from: &str, to: &str, size: u64) -> Result<()> {
        self.counters.copy();
        self.backend.plain().copy(from, to, size).await
    }

    /// Begins an object of about `size` bytes that is sent in parts.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn upload_object(&self, key: &str, size: u64) -> Result<Upload> {
        let sink = self.backend.plain().begin_upload(key).await?;
        Ok(Upload { store: self.clone(), sink, part_bytes: PART_BYTES.max(size.div_ceil(PARTS_MAX)) })
    }

    /// All objects below `folder`, as a stream in no particular order. An absent folder is empty.
    pub fn list_objects(&self, folder: &str) -> BoxStream<'static, Result<PlainObject>> {
        self.counters.list();
        self.backend.plain().list(folder)
    }

    /// Names of the folders directly inside `folder`.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn list_folders(&self, folder: &str) -> Result<Vec<String>> {
        self.counters.list();
        self.backend.plain().folders(folder).await
    }

    /// Removes objects; those that are not there count as removed.
    ///
    /// # Errors
    /// The store's failure; some may be gone then.
    pub async fn delete_objects(&self, keys: &[String]) -> Result<()> {
        for keys in keys.chunks(DELETED_AT_ONCE) {
            self.counters.delete();
            self.backend.plain().delete(keys.to_vec()).await?;
        }
        Ok(())
    }

    /// Removes the folders below `folder`, and itself, that hold nothing any more; only a local directory has any.
    ///
    /// # Errors
    /// The system's reason.
    pub async fn remove_empty_folders(&self, folder: &str) -> Result<()> {
        self.backend.plain().remove_empty_folders(folder).await
    }

    /// Returns when every plain object stored before is durable.
    ///
    /// # Errors
    /// The system's reason.
    pub async fn settle(&self) -> Result<()> {
        self.backend.plain().settle().await
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;
    use crate::error::ErrorKind;
    use crate::store::StoreSettings;

    async fn keys(store: &Store, folder: &str) -> Vec<(String, u64)> {
        let found: Vec<_> = store.list_objects(folder).try_collect().await.unwrap();
        let mut keys: Vec<_> = found.into_iter().map(|object| (object.key, object.size)).collect();
        keys.sort();
        keys
    }

    async fn behaves(store: Store) {
        store.put_object("ada/lab/t1/a b/ü.txt", Bytes::from_static(b"0123")).await.unwrap();
        store.copy_object("ada/lab/t1/a b/ü.txt", "ada/lab/t2/deep/er/x", 4).await.unwrap();
        let missing = store.copy_object("ada/lab/t1/none", "ada/lab/t2/none", 4).await.unwrap_err();
        assert_eq!(missing.kind(), &ErrorKind::NotFound);
        let mut upload = store.upload_object("ada/lab/t2/large", 0).await.unwrap();
        for part in [vec![1; usize::try_from(upload.part_bytes()).unwrap()], vec![2; 10]] {
            upload.part(part.into()).await.unwrap();
        }
        assert_eq!(keys(&store, "ada/lab/t2").await, [("ada/lab/t2/deep/er/x".to_owned(), 4)]);
        upload.finish().await.unwrap();
        let mut given_up = store.upload_object("ada/lab/t2/given-up", 0).await.unwrap();
        given_up.part(Bytes::from_static(b"x")).await.unwrap();
        given_up.abort().await.unwrap();
        store.settle().await.unwrap();
        let large = (8 << 20) + 10;
        let two = [("ada/lab/t2/deep/er/x".to_owned(), 4), ("ada/lab/t2/large".to_owned(), large)];
        assert_eq!(keys(&store, "ada/lab/t2").await, two);
        assert_eq!(
            store.get_object_range("ada/lab/t2/large", large - 11..large - 9).await.unwrap(),
            &[1, 2][..]
        );
        assert_eq!(store.list_folders("ada").await.unwrap(), ["lab"]);
        let mut folders = store.list_folders("ada/lab").await.unwrap();
        folders.sort();
        assert_eq!(folders, ["t1", "t2"]);
        assert_eq!(store.list_folders("nobody").await.unwrap(), Vec::<String>::new());
        let gone = two.map(|(key, _)| key).into_iter().chain(["ada/none".to_owned()]).collect::<Vec<_>>();
        store.delete_objects(&gone).await.unwrap();
        store.remove_empty_folders("ada/lab/t2").await.unwrap();
        assert_eq!(store.list_folders("ada/lab").await.unwrap(), ["t1"]);
        for odd in ["a/../b", "a//b", "a\nb", "/a", "a/", ".", &"x".repeat(2000)] {
            assert!(!store.accepts_key(odd), "{odd:?}");
        }
        assert!(store.accepts_key("ada/lab/t1/a b/ü %.txt"));
    }

    #[tokio::test]
    async fn plain_objects_in_memory_keep_the_contract() {
        behaves(Store::memory()).await;
    }

    #[tokio::test]
    async fn plain_objects_in_a_directory_keep_the_contract() {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("file://{}/new", dir.path().display());
        behaves(Store::from_url(&url, &StoreSettings::default()).unwrap()).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn plain_objects_on_a_server_keep_the_contract() {
        let server = std::thread::spawn(stillpoint_testkit::s3::Server::start).join().unwrap().unwrap();
        behaves(Store::from_url(&server.url("deep/prefix"), &StoreSettings::new(server.env())).unwrap())
            .await;
    }
}
