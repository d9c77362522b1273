//! Fetching the content of one file and writing it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::{StreamExt, stream};
use sha2::{Digest, Sha256};
use stillpoint_core::{Error, ErrorKind, Result};
use stillpoint_localfs::{Extractor, FileId, FileWriter, LinkKey};
use stillpoint_repository::{ErrorKind as Stored, Id, Progress, Store};
use tokio::sync::Semaphore;

use super::totals::{Totals, add};
use crate::error::{blocking, from_repository};
use crate::jobs::Reporter;
use crate::mirror::listing::content_key;
use crate::mirror::manifest::Entry;
use crate::mirror::place::Place;

/// The largest file that is fetched in one request.
const WHOLE_BYTES_MAX: u64 = 4 << 20;
/// Bytes of one request for a larger file, and how many of a file's are on their way at once.
const PART_BYTES: u64 = 4 << 20;
const PARTS_AT_ONCE: usize = 3;
/// Requests on their way at once.
const REQUESTS_AT_ONCE: usize = 48;
/// File content in memory at once, in KiB.
const CONTENT_KIB_MAX: usize = 64 << 10;

/// What the driver and all transfers share.
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) place: Place,
    pub(super) extractor: Extractor,
    pub(super) totals: Totals,
    pub(super) reporter: Arc<Reporter>,
    /// Files with several names that stand complete.
    linked: Mutex<HashMap<LinkKey, FileId>>,
    requests: Semaphore,
    content: Semaphore,
}

/// Why a file is not restored though the restore goes on.
enum Lost {
    /// The store does not have it, or has something else.
    Damaged(String),
    /// It cannot be written.
    Unwritten(stillpoint_localfs::Error),
}

impl Shared {
    pub(super) fn new(store: Store, place: Place, extractor: Extractor, reporter: Arc<Reporter>) -> Self {
        Self {
            store,
            place,
            extractor,
            totals: Totals::default(),
            reporter,
            linked: Mutex::default(),
            requests: Semaphore::new(REQUESTS_AT_ONCE),
            content: Semaphore::new(CONTENT_KIB_MAX),
        }
    }

    /// Restores one file. What is wrong with it alone becomes an issue.
    ///
    /// # Errors
    /// The store's failure, a full disk, or the request to stop.
    pub(super) async fn file(self: Arc<Self>, entry: Entry) -> Result<()> {
        let written = Arc::new(AtomicU64::new(0));
        let fetched = Arc::clone(&self).fetch(&entry, Arc::clone(&written));
        let reporter = Arc::clone(&self.reporter);
        let done = reporter.unless_cancelled(fetched).await?;
        match done {
            Ok(id) => {
                add(&self.totals.restored, 1);
                self.stands(&entry, id);
            }
            Err(Lost::Damaged(why)) => self.totals.skip("damaged", &entry.path, why),
            Err(Lost::Unwritten(error)) if error.is_storage_full() => return Err(full(error)),
            Err(Lost::Unwritten(error)) => self.unwritten(&entry.path, &error),
        }
        self.passed(entry.size.saturating_sub(written.load(Ordering::Relaxed)));
        Ok(())
    }

    /// Tells of a file that is done, whatever became of it, and for which so many bytes were not written. Each name of a
    /// file counts as one, as it does in the totals of its timestamp.
    pub(super) fn passed(&self, bytes: u64) {
        self.reporter.meter.advanced(bytes);
        self.reporter.meter.finished(1);
    }

    /// Notes an entry that cannot be written.
    pub(super) fn unwritten(&self, path: &Path, error: &stillpoint_localfs::Error) {
        let kind = match error {
            stillpoint_localfs::Error::AlreadyExists { .. }
            | stillpoint_localfs::Error::WrittenSince { .. } => "conflict",
            _ => "skipped",
        };
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        self.totals.skip(kind, path, format!("{error}{cause}"));
    }

    /// Remembers a file that stands complete, so that its other names can be linked to it.
    pub(super) fn stands(&self, entry: &Entry, id: FileId) {
        if let Some(link) = entry.link() {
            self.linked.lock().unwrap_or_else(PoisonError::into_inner).insert(link, id);
        }
    }

    pub(super) fn linked(&self, link: LinkKey) -> Option<FileId> {
        self.linked.lock().unwrap_or_else(PoisonError::into_inner).get(&link).copied()
    }

    async fn fetch(self: Arc<Self>, entry: &Entry, written: Arc<AtomicU64>) -> Result<Result<FileId, Lost>> {
        let key = content_key(&self.place, entry).filter(|key| self.store.accepts_key(key));
        let Some(key) = key else {
            return Ok(Err(Lost::Damaged("its name cannot be that of an object".to_owned())));
        };
        if entry.size > WHOLE_BYTES_MAX {
            return self.fetch_parts(entry, key, &written).await;
        }
        let kib = u32::try_from(entry.size / 1024 + 1).unwrap_or(u32::MAX);
        let _room = self.content.acquire_many(kib).await.map_err(closed)?;
        let fetched = {
            let _turn = self.requests.acquire().await.map_err(closed)?;
            match entry.size {
                0 => Ok(Bytes::new()),
                size => self.store.get_object(&key, size).await,
            }
        };
        let bytes = match fetched {
            Ok(bytes) => bytes,
            Err(error) => return lost(error),
        };
        add(&self.totals.fetched, bytes.len() as u64);
        let (this, entry) = (Arc::clone(&self), entry.clone());
        blocking(move || Ok(this.write_whole(&entry, &bytes, &written))).await
    }

    fn write_whole(&self, entry: &Entry, bytes: &Bytes, written: &AtomicU64) -> Result<FileId, Lost> {
        if bytes.len() as u64 != entry.size || entry.sha256.is_some_and(|due| due != Id::of(bytes)) {
            return Err(Lost::Damaged("its object is not what the manifest says".to_owned()));
        }
        let mut file = self.extractor.create_file(&entry.path, entry.size).map_err(Lost::Unwritten)?;
        file.write_at(0, bytes).map_err(Lost::Unwritten)?;
        self.written(bytes.len(), written);
        file.finish(&entry.attributes()).map_err(Lost::Unwritten)
    }

    async fn fetch_parts(
        self: Arc<Self>,
        entry: &Entry,
        key: String,
        written: &AtomicU64,
    ) -> Result<Result<FileId, Lost>> {
        let kib = u32::try_from(PART_BYTES * (PARTS_AT_ONCE as u64 + 1) / 1024).unwrap_or(u32::MAX);
        let _room = self.content.acquire_many(kib).await.map_err(closed)?;
        let (this, path, size) = (Arc::clone(&self), entry.path.clone(), entry.size);
        let mut file = match blocking(move || Ok(this.extractor.create_file(&path, size))).await? {
            Ok(file) => file,
            Err(error) => return Ok(Err(Lost::Unwritten(error))),
        };
        let starts = (0..size).step_by(usize::try_from(PART_BYTES).unwrap_or(usize::MAX));
        let (this, key) = (&self, &key);
        let mut parts = stream::iter(starts)
            .map(async |start| {
                let _turn = this.requests.acquire().await.map_err(closed)?;
                let range = start..size.min(start + PART_BYTES);
                Ok::<_, Error>((start, this.store.get_object_range(key, range).await))
            })
            .buffered(PARTS_AT_ONCE);
        let mut digest = Sha256::new();
        while let Some(part) = parts.next().await {
            let (start, part) = part?;
            let bytes = match part {
                Ok(bytes) => bytes,
                Err(error) => return lost(error),
            };
            add(&self.totals.fetched, bytes.len() as u64);
            self.written(bytes.len(), written);
            let write = move || {
                digest.update(&bytes);
                Ok((file.write_at(start, &bytes), file, digest))
            };
            let done;
            (done, file, digest) = blocking(write).await?;
            if let Err(error) = done {
                return Ok(Err(Lost::Unwritten(error)));
            }
        }
        let found = Id::from_bytes(digest.finalize().into());
        if entry.sha256.is_some_and(|due| due != found) {
            return Ok(Err(Lost::Damaged("its object does not hash to what the manifest says".to_owned())));
        }
        finish(file, entry).await
    }

    fn written(&self, bytes: usize, of_file: &AtomicU64) {
        add(of_file, bytes as u64);
        add(&self.totals.written, bytes as u64);
        self.reporter.meter.advanced(bytes as u64);
    }
}

async fn finish(file: FileWriter, entry: &Entry) -> Result<Result<FileId, Lost>> {
    let attributes = entry.attributes();
    blocking(move || Ok(file.finish(&attributes).map_err(Lost::Unwritten))).await
}

/// Whether a failed request costs the file or the restore.
fn lost<T>(error: stillpoint_repository::Error) -> Result<Result<T, Lost>> {
    match error.kind() {
        Stored::NotFound | Stored::Corrupt { .. } => Ok(Err(Lost::Damaged(error.to_string()))),
        Stored::InvalidInput if is_below_a_file(&error) => Ok(Err(Lost::Damaged(error.to_string()))),
        _ => Err(from_repository(error)),
    }
}

/// Whether a part of the object's path is itself a file, below which a store in a directory has nothing.
fn is_below_a_file(error: &stillpoint_repository::Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::NotADirectory)
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::new(ErrorKind::Unexpected, "a transfer outlived its restore").with_source(error)
}

pub(super) fn full(error: stillpoint_localfs::Error) -> Error {
    Error::new(ErrorKind::QuotaExceeded, error.to_string()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_that_the_store_does_not_accept_is_not_the_fault_of_the_file() {
        let store = Store::memory();
        let absent = store.get_object("absent", 1).await.unwrap_err();
        assert!(matches!(lost::<()>(absent), Ok(Err(Lost::Damaged(_)))));
        let refused = store.get_object("no//name", 1).await.unwrap_err();
        assert_eq!(lost::<()>(refused).err().unwrap().kind(), ErrorKind::InvalidInput);
    }
}
