//! What a prune is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::time::Timestamp;

/// How a prune goes about it.
#[derive(Clone)]
#[non_exhaustive]
pub struct PruneOptions {
    /// Time between condemning a pack and deleting it, by the store's own clock: a day. Zero takes the exclusive lock,
    /// and frees at once.
    pub grace: Duration,
    /// Only say what would be done; nothing is written but a shared lock.
    pub dry_run: bool,
    /// Packs with a larger share of unused bytes than this are condemned too, after what is used was copied: 20 percent.
    pub waste_percent: u8,
    /// Most of the repository's bytes that one run deletes, in percent; the rest waits for the next round. 100.
    pub delete_percent: u8,
    /// How long the store's listings may lag behind its writes: not at all, as Amazon S3, Azure, Google Cloud and local
    /// directories promise. A sweep waits that long twice.
    pub listing_delay: Duration,
    local_time: Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>,
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(24 * 3600),
            dry_run: false,
            waste_percent: 20,
            delete_percent: 100,
            listing_delay: Duration::ZERO,
            local_time: None,
        }
    }
}

impl PruneOptions {
    /// The defaults with another grace.
    pub fn with_grace(grace: Duration) -> Self {
        Self { grace, ..Self::default() }
    }

    /// Takes the local time, which is compared with the store's, from `now` instead of the system.
    #[must_use]
    pub fn with_local_time(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.local_time = Some(Arc::new(now));
        self
    }

    pub(super) fn now(&self) -> Timestamp {
        self.local_time.as_ref().map_or_else(clock::now, |now| now())
    }
}

impl fmt::Debug for PruneOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PruneOptions")
            .field("grace", &self.grace)
            .field("dry_run", &self.dry_run)
            .field("waste_percent", &self.waste_percent)
            .field("delete_percent", &self.delete_percent)
            .field("listing_delay", &self.listing_delay)
            .finish_non_exhaustive()
    }
}
