//! Plain objects in a cloud store.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{Error as E, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions};
use tokio::task::JoinHandle;

use super::pages::{self, Found};
use super::plain::{PartSink, PlainBackend, PlainObject};
use super::refusal::failed;
use super::remote::{RawPages, RemoteBackend};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Parts of one object that are on their way at once.
const PARTS_IN_FLIGHT: usize = 3;

/// The largest object that Amazon S3 copies in one request
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>).
const COPY_BYTES_MAX: u64 = 5 << 30;

#[async_trait]
impl PlainBackend for RemoteBackend {
    fn accepts(&self, key: &str) -> bool {
        // Object names here never begin or end with the separator, and the client would quietly drop one.
        !key.starts_with('/') && !key.ends_with('/') && self.path(key).is_ok()
    }

    async fn put(&self, key: &str, data: Bytes) -> Result<()> {
        let path = self.path(key)?;
        let put = self.store().put_opts(&path, data.into(), PutOptions::default()).await;
        put.map(drop).map_err(|error| failed(error, "write", key))
    }

    fn copy_bytes_max(&self) -> u64 {
        COPY_BYTES_MAX
    }

    async fn copy(&self, from: &str, to: &str, _size: u64) -> Result<()> {
        let copied = self.store().copy(&self.path(from)?, &self.path(to)?).await;
        copied.map_err(|error| failed(error, "copy", from))
    }

    async fn begin_upload(&self, key: &str) -> Result<Box<dyn PartSink>> {
        let begun = self.store().put_multipart(&self.path(key)?).await;
        let upload = begun.map_err(|error| failed(error, "write", key))?;
        Ok(Box::new(Parts { key: key.to_owned(), upload, on_their_way: VecDeque::new() }))
    }

    fn list(&self, folder: &str) -> BoxStream<'static, Result<PlainObject>> {
        let path = match self.path(folder) {
            Ok(path) => path,
            Err(error) => return futures::stream::iter([Err(error)]).boxed(),
        };
        let (folder, prefix) = (folder.to_owned(), self.prefix().to_owned());
        if let Some(RawPages(store)) = self.pages() {
            let found = pages::list(Arc::clone(store), below(&path));
            let found = found.map(move |found| {
                found.map(|found| of_page(&prefix, found)).map_err(|error| failed(error, "list", &folder))
            });
            return found.boxed();
        }
        let pages = self.store().list(Some(&path));
        pages
            .map(move |found| {
                found.map(|meta| describe(&prefix, &meta)).map_err(|error| failed(error, "list", &folder))
            })
            .boxed()
    }

    async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder)?;
        let folders = match (self.store().list_with_delimiter(Some(&path)).await, self.pages()) {
            // For one name that is no path the client refuses the whole answer.
            (Err(E::InvalidPath { .. }), Some(RawPages(store))) => {
                pages::folders(Arc::clone(store), below(&path)).await
            }
            (listed, _) => listed.map(|listed| listed.common_prefixes),
        };
        let folders = folders.map_err(|error| failed(error, "list", folder))?;
        let name = |path: &Path| path.as_ref().rsplit('/').next().unwrap_or_default().to_owned();
        Ok(folders.iter().map(name).collect())
    }

    async fn delete(&self, keys: Vec<String>) -> Result<()> {
        let paths = keys.iter().map(|key| self.path(key)).collect::<Result<Vec<_>>>()?;
        let mut gone = self.store().delete_stream(futures::stream::iter(paths.into_iter().map(Ok)).boxed());
        loop {
            match gone.try_next().await {
                Ok(Some(_)) | Err(E::NotFound { .. }) => {}
                Ok(None) => return Ok(()),
                Err(error) => return Err(failed(error, "delete", "objects")),
            }
        }
    }

    async fn remove_empty_folders(&self, _folder: &str) -> Result<()> {
        Ok(())
    }

    async fn settle(&self) -> Result<()> {
        Ok(())
    }
}

/// What the keys below a folder begin with.
fn below(folder: &Path) -> String {
    if folder.as_ref().is_empty() { String::new() } else { format!("{folder}/") }
}

/// What a raw page tells. A key that cannot be named is passed on as it is: nothing can be done with it but to say so.
fn of_page(prefix: &str, found: Found) -> PlainObject {
    match found {
        Found::Object(meta) => describe(prefix, &meta),
        Found::Odd(key) => {
            let below = key.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/'));
            PlainObject::odd(below.unwrap_or(&key))
        }
    }
}

fn describe(prefix: &str, meta: &ObjectMeta) -> PlainObject {
    let path = meta.location.as_ref();
    let key = path.strip_prefix(prefix).unwrap_or(path).trim_start_matches('/');
    let modified =
        Timestamp::new(meta.last_modified.timestamp(), meta.last_modified.timestamp_subsec_nanos());
    PlainObject::new(key, meta.size, Some(modified))
}

/// Parts of one object, a few of them on their way.
struct Parts {
    key: String,
    upload: Box<dyn MultipartUpload>,
    on_their_way: VecDeque<Sent>,
}

/// A part on its way; it stops when nobody waits for it any more.
struct Sent(JoinHandle<object_store::Result<()>>);

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Parts {
    async fn wait_for_oldest(&mut self) -> Result<()> {
        let Some(mut oldest) = self.on_their_way.pop_front() else { return Ok(()) };
        let sent = (&mut oldest.0).await.map_err(Error::cancelled)?;
        sent.map_err(|error| failed(error, "write", &self.key))
    }
}

#[async_trait]
impl PartSink for Parts {
    async fn part(&mut self, data: Bytes) -> Result<()> {
        while self.on_their_way.len() >= PARTS_IN_FLIGHT {
            self.wait_for_oldest().await?;
        }
        let part = self.upload.put_part(data.into());
        self.on_their_way.push_back(Sent(tokio::spawn(part)));
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        while !self.on_their_way.is_empty() {
            self.wait_for_oldest().await?;
        }
        self.upload.complete().await.map(drop).map_err(|error| failed(error, "write", &self.key))
    }

    async fn abort(&mut self) -> Result<()> {
        self.on_their_way.clear();
        self.upload.abort().await.map_err(|error| failed(error, "give up", &self.key))
    }
}
