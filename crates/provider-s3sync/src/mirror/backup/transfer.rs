//! Bringing one file into the new timestamp, by a copy inside the store wherever its content lies there already.

use std::sync::Arc;

use stillpoint_core::{Error, Result};
use stillpoint_localfs::{Lineage, Source};
use stillpoint_repository::{ErrorKind as Stored, Progress, Store};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::earlier::Known;
use super::totals::{Novelty, Totals};
use super::upload::Listed;
use crate::error::from_repository;
use crate::jobs::Meter;
use crate::mirror::manifest::Entry;
use crate::mirror::place::Place;

/// Requests on their way at once: a store answers each in some tens of milliseconds, and has many hands.
const REQUESTS_AT_ONCE: usize = 64;
/// File content in memory at once, in KiB.
pub(super) const CONTENT_KIB_MAX: u32 = 48 << 10;

/// What is to be done for one entry.
pub(super) struct Job {
    pub(super) entry: Entry,
    /// The directory in which it was listed.
    pub(super) parent: Lineage,
    /// Where a file's content goes; nothing else has any.
    pub(super) key: Option<String>,
    /// What an earlier capture knows of it.
    pub(super) known: Option<Known>,
    /// The size of what lies there already.
    pub(super) in_place: Option<u64>,
}

/// The entry for the manifest; `None` where it is not part of the capture after all.
pub(super) type Transferred = Option<Entry>;

/// What all transfers share.
pub(super) struct Transfer {
    pub(super) store: Store,
    pub(super) source: Arc<Source>,
    pub(super) totals: Arc<Totals>,
    pub(super) meter: Arc<Meter>,
    requests: Semaphore,
    content: Semaphore,
}

impl Transfer {
    pub(super) fn new(
        store: &Store,
        _place: &Place,
        source: &Arc<Source>,
        totals: &Arc<Totals>,
        meter: &Arc<Meter>,
    ) -> Self {
        Self {
            store: store.clone(),
            source: Arc::clone(source),
            totals: Arc::clone(totals),
            meter: Arc::clone(meter),
            requests: Semaphore::new(REQUESTS_AT_ONCE),
            content: Semaphore::new(CONTENT_KIB_MAX as usize),
        }
    }

    pub(super) async fn run(&self, job: Job) -> Result<Transferred> {
        let Job { mut entry, parent, key, known, in_place } = job;
        let Some(key) = key else { return Ok(Some(entry)) };
        if let Some(known) = known.as_ref().filter(|known| known.unchanged)
            && self.bring(known, &key, in_place).await?
        {
            entry.sha256 = Some(known.sha256);
            entry.extended.clone_from(&known.entry.extended);
            self.count(Novelty::Unmodified, entry.size);
            self.meter.advanced(entry.size);
            return Ok(Some(entry));
        }
        self.upload(Listed { entry, parent }, &key, known.as_ref(), in_place).await
    }

    /// Copies content that an earlier capture has, unless it lies in place already. `false` where it is gone.
    pub(super) async fn bring(&self, known: &Known, key: &str, in_place: Option<u64>) -> Result<bool> {
        if known.key == key {
            return Ok(in_place == Some(known.entry.size));
        }
        if !self.can_copy(known) {
            return Ok(false);
        }
        let _turn = self.turn().await?;
        match self.store.copy_object(&known.key, key, known.entry.size).await {
            Ok(()) => {
                self.totals.copied(known.entry.size);
                Ok(true)
            }
            Err(error) if *error.kind() == Stored::NotFound => Ok(false),
            Err(error) => Err(from_repository(error)),
        }
    }

    /// Whether the store can copy a file of this size at all.
    pub(super) fn can_copy(&self, known: &Known) -> bool {
        known.entry.size <= self.store.copy_bytes_max()
    }

    pub(super) fn count(&self, novelty: Novelty, bytes: u64) {
        self.totals.file(novelty, bytes);
        self.meter.finished(1);
    }

    /// Waits until another request may be made.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        self.requests.acquire().await.map_err(closed)
    }

    /// Waits until so many bytes of content may be held.
    pub(super) async fn room(&self, bytes: u64) -> Result<SemaphorePermit<'_>> {
        let kib = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX).min(CONTENT_KIB_MAX);
        self.content.acquire_many(kib).await.map_err(closed)
    }
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    Error::new(stillpoint_core::ErrorKind::Unexpected, "a transfer outlived its backup").with_source(error)
}
