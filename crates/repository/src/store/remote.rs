//! Objects in a cloud store.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::Error as E;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions};

use super::advance::{Advance, LISTING_STALL, endless};
use super::backend::{Backend, Listed, ListedObject, PutMode, Stat};
use super::plain::PlainBackend;
use super::refusal::failed;
use super::too_large;
use crate::error::{Error, ErrorKind, Result};
use crate::time::Timestamp;

#[derive(Debug)]
pub(super) struct RemoteBackend {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    lists_from: bool,
    /// Whether a listing is always one page.
    at_once: bool,
    pages: Option<RawPages>,
}

/// The same store, where it can list raw keys in their order.
#[derive(Clone)]
pub(super) struct RawPages(pub(super) Arc<dyn PaginatedListStore>);

impl std::fmt::Debug for RawPages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawPages")
    }
}

impl RemoteBackend {
    /// `lists_from` says whether the service itself can begin a listing behind a name.
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: &str, lists_from: bool) -> Self {
        let prefix = prefix.trim_matches('/').to_owned();
        Self { store, prefix, lists_from, at_once: false, pages: None }
    }

    /// The same, for a store that answers every listing with a single page.
    pub(super) fn listing_at_once(self) -> Self {
        Self { at_once: true, ..self }
    }

    /// The same, with a client that lists raw keys in the order of their bytes.
    pub(super) fn with_pages(self, pages: Arc<dyn PaginatedListStore>) -> Self {
        Self { pages: Some(RawPages(pages)), ..self }
    }

    pub(super) fn pages(&self) -> Option<&RawPages> {
        self.pages.as_ref()
    }

    pub(super) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn path(&self, key: &str) -> Result<Path> {
        let full = match (self.prefix.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (_, true) => self.prefix.clone(),
            _ => format!("{}/{key}", self.prefix),
        };
        Path::parse(&full)
            .map_err(|source| Error::invalid(format!("`{full}` is no valid object name")).with_source(source))
    }

    async fn collect(
        &self,
        mut pages: BoxStream<'static, object_store::Result<ObjectMeta>>,
        place: &str,
        limit: usize,
    ) -> Result<Vec<ListedObject>> {
        let mut objects = Vec::new();
        self.collect_more(&mut pages, &mut objects, place, limit).await?;
        Ok(objects)
    }

    /// Adds what a listing brings to `objects`, as long as those take no more than `limit` bytes.
    async fn collect_more(
        &self,
        pages: &mut BoxStream<'static, object_store::Result<ObjectMeta>>,
        objects: &mut Vec<ListedObject>,
        place: &str,
        limit: usize,
    ) -> Result<()> {
        let mut bytes: usize = objects.iter().map(ListedObject::bytes).sum();
        loop {
            let next = tokio::time::timeout(LISTING_STALL, pages.try_next()).await;
            let next = next.map_err(|_elapsed| endless(place, "brings nothing for ten minutes"))?;
            let Some(meta) = next.map_err(|error| failed(error, "list", place))? else { return Ok(()) };
            let object = ListedObject::new(self.strip(meta.location.as_ref()), meta.size);
            bytes = bytes.saturating_add(object.bytes());
            if bytes > limit {
                return Err(endless(place, &format!("names more objects than {} MiB hold", limit >> 20)));
            }
            objects.push(object);
        }
    }

    /// Objects behind `after`, page by page: only the store's token tells whether there is another page, for it may send
    /// fewer names than it is asked for.
    async fn list_pages(&self, pages: &RawPages, after: &str, limit: usize) -> Result<Listed> {
        let offset = Some(self.path(after)?.as_ref().to_owned());
        let prefix = (!self.prefix.is_empty()).then(|| format!("{}/", self.prefix));
        let (mut objects, mut token, mut count) = (Vec::new(), None, 0_usize);
        let mut advance = Advance::default();
        loop {
            let mut options = PaginatedListOptions::default();
            options.offset.clone_from(&offset);
            options.page_token = token;
            let page = pages.0.list_paginated(prefix.as_deref(), options).await;
            let page = page.map_err(|error| failed(error, "list", after))?;
            let last = page.result.objects.iter().map(|object| object.location.as_ref()).max();
            if !advance.to(last.unwrap_or_default()) {
                return Err(endless(after, "goes on and on without another name"));
            }
            let mut found = stream::iter(page.result.objects.into_iter().map(Ok)).boxed();
            self.collect_more(&mut found, &mut objects, after, limit).await?;
            count += 1;
            token = page.page_token;
            if token.is_none() {
                return Ok(Listed { objects, at_once: count == 1 });
            }
        }
    }

    fn strip<'a>(&self, path: &'a str) -> &'a str {
        path.strip_prefix(&self.prefix).unwrap_or(path).trim_start_matches('/')
    }
}

impl RemoteBackend {
    /// The answer to a request for a range, before its body.
    async fn open_range(&self, key: &str, range: Range<u64>) -> Result<GetResult> {
        let wanted = GetRange::Bounded(range.clone());
        let options = GetOptions { range: Some(wanted), ..GetOptions::default() };
        let found = match self.store.get_opts(&self.path(key)?, options).await {
            Ok(found) => found,
            Err(error) => return Err(self.no_range(error, key, &range).await),
        };
        if found.range != range {
            return Err(Error::corrupt(key, format!("it ends before byte {}", range.end)));
        }
        Ok(found)
    }

    /// Why a range was not given. A store that is asked for bytes behind the end of an object refuses in words of its
    /// own; the object's length tells that from a store that fails.
    async fn no_range(&self, error: E, key: &str, range: &Range<u64>) -> Error {
        if matches!(error, E::Generic { .. })
            && let Ok(path) = self.path(key)
            && let Ok(meta) = self.store.head(&path).await
            && meta.size < range.end
        {
            let message = format!("it has {} bytes and ends before byte {}", meta.size, range.end);
            return Error::corrupt(key, message).with_source(error);
        }
        failed(error, "read", key)
    }
}

#[async_trait]
impl Backend for RemoteBackend {
    async fn put(&self, key: &str, data: Bytes, mode: PutMode) -> Result<()> {
        let path = self.path(key)?;
        let put = |mode| {
            let options = PutOptions { mode, ..PutOptions::default() };
            self.store.put_opts(&path, data.clone().into(), options)
        };
        let done = match mode {
            PutMode::Overwrite => put(object_store::PutMode::Overwrite).await,
            PutMode::Create => match put(object_store::PutMode::Create).await {
                // A store without conditional writes: looking first is the best there is. Names are hashes or unique.
                Err(E::NotImplemented { .. } | E::NotSupported { .. }) => {
                    match self.store.head(&path).await {
                        Err(E::NotFound { .. }) => put(object_store::PutMode::Overwrite).await,
                        Err(error) => Err(error),
                        Ok(_) => {
                            return Err(Error::new(
                                ErrorKind::AlreadyExists,
                                format!("{key} exists already"),
                            ));
                        }
                    }
                }
                done => done,
            },
        };
        done.map(drop).map_err(|error| failed(error, "write", key))
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes> {
        let found = self.store.get(&self.path(key)?).await.map_err(|error| failed(error, "read", key))?;
        if found.meta.size > limit {
            return Err(too_large(key, limit));
        }
        whole(found, key, limit).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes> {
        let length = range.end.saturating_sub(range.start);
        whole(self.open_range(key, range).await?, key, length).await
    }

    async fn stream_range(&self, key: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes>>> {
        let found = self.open_range(key, range).await?;
        let key = key.to_owned();
        Ok(found.into_stream().map_err(move |error| failed(error, "read", &key)).boxed())
    }

    async fn list(&self, folder: &str, limit: usize) -> Result<Vec<ListedObject>> {
        let path = self.path(folder)?;
        self.collect(self.store.list(Some(&path)), folder, limit).await
    }

    fn lists_from(&self) -> bool {
        self.lists_from
    }

    async fn list_from(&self, after: &str, limit: usize) -> Result<Listed> {
        if let Some(pages) = &self.pages {
            return self.list_pages(pages, after, limit).await;
        }
        let (offset, prefix) = (self.path(after)?, self.path("")?);
        let prefix = (!prefix.as_ref().is_empty()).then_some(&prefix);
        let objects = self.collect(self.store.list_with_offset(prefix, &offset), after, limit).await?;
        Ok(Listed { objects, at_once: self.at_once })
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) | Err(E::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error, "delete", key)),
        }
    }

    async fn stat(&self, key: &str) -> Result<Stat> {
        let found = self.store.head(&self.path(key)?).await.map_err(|error| failed(error, "read", key))?;
        // Amazon S3 calls the only version of an object `null` where versioning was never on or is suspended.
        let versioned = found.version.is_some_and(|version| version != "null");
        Ok(Stat { written: Timestamp::from(SystemTime::from(found.last_modified)), versioned })
    }

    async fn sweep(&self) -> Result<()> {
        Ok(())
    }

    fn plain(&self) -> &dyn PlainBackend {
        self
    }
}

/// All that an answer brings, which must be no more than `limit` bytes, whatever length it announced.
async fn whole(found: GetResult, key: &str, limit: u64) -> Result<Bytes> {
    let length =
        usize::try_from(found.range.end.saturating_sub(found.range.start).min(limit)).unwrap_or_default();
    let mut parts = found.into_stream();
    let mut whole = BytesMut::new();
    while let Some(part) = parts.try_next().await.map_err(|error| failed(error, "read", key))? {
        if whole.is_empty() && part.len() == length {
            // The only part, as a rule; whether there are more is seen by the next one.
            whole = part.into();
            continue;
        }
        whole.reserve(length.saturating_sub(whole.len()));
        whole.extend_from_slice(&part);
        if u64::try_from(whole.len()).unwrap_or(u64::MAX) > limit {
            return Err(too_large(key, limit));
        }
    }
    Ok(whole.freeze())
}
