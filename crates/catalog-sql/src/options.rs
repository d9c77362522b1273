//! What can be chosen when a catalog is opened.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{Clock, SystemClock};

/// How to open a catalog. The defaults suit a host with one orchestrator.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: u32,
}

impl Default for SqlOptions {
    /// The system's clock, 10 seconds of patience with other processes, 4 connections that read.
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock::default()), busy_timeout: Duration::from_secs(10), readers: 4 }
    }
}

impl SqlOptions {
    /// Lets leases run by `clock`, which all processes on the same catalog must share; on one machine the system's
    /// clock is shared.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Waits at most `timeout` for another process that is writing, then fails with `Unavailable`.
    #[must_use]
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Keeps up to `readers` connections that read, at least one. Writing always uses one of its own.
    #[must_use]
    pub fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers.max(1);
        self
    }
}
