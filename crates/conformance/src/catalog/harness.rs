//! What the suite needs to know about the catalog under test.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{Catalog, Clock, Result, Timestamp};

use super::clock::ManualClock;

/// Sets the scene for the catalog under test. Each harness has a backing store of its own, empty at first.
#[async_trait]
pub trait Harness: Send + Sync {
    /// The catalog, as a newly started process would open it over the harness's backing store. The suite calls it
    /// again to play a second process, or, once it let the first go, a restart.
    ///
    /// # Errors
    /// Whatever opening it can meet; it fails the check.
    async fn catalog(&self) -> Result<Arc<dyn Catalog>>;

    /// Lets `duration` pass by the clock that the catalog's leases run by.
    async fn pass(&self, duration: Duration);

    /// How many records the checks of long lists make; a few more than one page holds unless overridden.
    fn many(&self) -> usize {
        stillpoint_core::PAGE_LIMIT_MAX + 50
    }
}

/// [`MemoryCatalog`] under the suite: the smallest example of a harness. A restart meets the same catalog, because
/// it lives as long as the harness.
#[derive(Debug)]
pub struct MemoryHarness {
    clock: Arc<ManualClock>,
    catalog: Arc<MemoryCatalog>,
}

impl Default for MemoryHarness {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryHarness {
    /// A harness with an empty catalog.
    pub fn new() -> Self {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_767_225_600_000)));
        let catalog = Arc::new(MemoryCatalog::with_clock(Arc::clone(&clock) as Arc<dyn Clock>));
        Self { clock, catalog }
    }
}

#[async_trait]
impl Harness for MemoryHarness {
    async fn catalog(&self) -> Result<Arc<dyn Catalog>> {
        Ok(Arc::clone(&self.catalog) as Arc<dyn Catalog>)
    }

    async fn pass(&self, duration: Duration) {
        self.clock.advance(duration);
    }

    fn many(&self) -> usize {
        10_000
    }
}
