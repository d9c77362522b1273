//! Restores from a store that ends connections before a slow target has taken what they bring.

use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use stillpoint_repository::store::object_store::from_object_store;
use stillpoint_repository::{
    BackupOptions, BackupSource, Cancellation, Credentials, ErrorKind, NoProgress, Origin, Repository,
    RestoreOptions, RestoreSummary,
};
use stillpoint_testkit::compare::assert_same;

use crate::support::PASSWORD;

/// A store that ends the answer to a request for data after so many bytes, as if its connection had been closed.
#[derive(Debug)]
struct Impatient {
    objects: InMemory,
    sends: AtomicU64,
    answers_cut: AtomicUsize,
}

impl fmt::Display for Impatient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("impatient")
    }
}

#[async_trait]
impl ObjectStore for Impatient {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.objects.put_opts(at, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        let mut got = self.objects.get_opts(at, options).await?;
        let sends = self.sends.load(Ordering::Relaxed);
        if !at.as_ref().starts_with("data/") || got.range.end - got.range.start <= sends {
            return Ok(got);
        }
        self.answers_cut.fetch_add(1, Ordering::Relaxed);
        let (meta, range, attributes) = (got.meta.clone(), got.range.clone(), got.attributes.clone());
        let extensions = std::mem::take(&mut got.extensions);
        let sent = got.bytes().await?.slice(..usize::try_from(sends).unwrap());
        let closed = Error::Generic { store: "impatient", source: "the connection was closed".into() };
        let payload = GetResultPayload::Stream(stream::iter([Ok(sent), Err(closed)]).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}

/// Restores 20 MiB that cannot be compressed into `folder`, from a store that sends so many bytes at a time.
async fn restored(
    folder: &FilePath,
    sends: u64,
) -> (stillpoint_repository::Result<RestoreSummary>, Arc<Impatient>) {
    let (source, target) = (folder.join("source"), folder.join("target"));
    std::fs::create_dir(&source).unwrap();
    let mut state = 7_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let noise: Vec<u8> = std::iter::repeat_with(&mut next).flatten().take(20 << 20).collect();
    std::fs::write(source.join("noise"), &noise).unwrap();

    let (objects, sends) = (InMemory::new(), AtomicU64::new(sends));
    let store = Arc::new(Impatient { objects, sends, answers_cut: AtomicUsize::new(0) });
    let credentials = Credentials::machine_key(PASSWORD.to_owned()).unwrap();
    let opened = from_object_store(store.clone(), "", "memory:");
    let repository = Repository::open_or_init(opened, &credentials, Origin::detect()).await.unwrap();
    let (named, cancellation) = (BackupSource::new(&source), Cancellation::new());
    let made = repository.backup(&named, BackupOptions::default(), Arc::new(NoProgress), &cancellation);
    let snapshot = made.await.unwrap().snapshot;
    let (options, progress) = (RestoreOptions::new("op"), Arc::new(NoProgress));
    (repository.restore(&snapshot, &target, options, progress, &cancellation).await, store)
}

#[tokio::test]
async fn a_restore_outlives_the_connections_of_its_store() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, store) = restored(folder.path(), 5 << 20).await;
    let summary = summary.unwrap();
    assert!(summary.issues.is_empty(), "{:?}", summary.issues);
    assert_same(&folder.path().join("source"), &folder.path().join("target"));
    let cut = store.answers_cut.load(Ordering::Relaxed);
    assert!(
        (3..=6).contains(&cut),
        "{cut} connections, each of which went on where the one before had ended"
    );
}

#[tokio::test]
async fn a_restore_that_gets_nowhere_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (summary, store) = restored(folder.path(), 100 << 10).await;
    let error = summary.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(store.answers_cut.load(Ordering::Relaxed), 5);
}
