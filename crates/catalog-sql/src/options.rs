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
    #[cfg(feature = "postgres")]
    pub(crate) connections: u32,
    #[cfg(feature = "postgres")]
    pub(crate) connect_timeout: Duration,
    #[cfg(feature = "postgres")]
    pub(crate) statement_timeout: Duration,
}

impl Default for SqlOptions {
    /// The system's clock, 10 seconds of patience with other processes, 4 connections that read a file; 8 connections
    /// to a server, 10 seconds to connect, 30 seconds for a statement.
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::default()),
            busy_timeout: Duration::from_secs(10),
            readers: 4,
            #[cfg(feature = "postgres")]
            connections: 8,
            #[cfg(feature = "postgres")]
            connect_timeout: Duration::from_secs(10),
            #[cfg(feature = "postgres")]
            statement_timeout: Duration::from_secs(30),
        }
    }
}

impl SqlOptions {
    /// Lets the leases of a file run by `clock`, which all processes on the same file must share; on one machine the
    /// system's clock is shared. On PostgreSQL leases run by the server's clock and this one is not looked at.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Waits at most `timeout` for another process that is writing, then fails with `Unavailable`. On PostgreSQL only
    /// those wait that change the same row.
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

    /// Keeps up to `connections` connections to a PostgreSQL server, at least one. A fleet's orchestrators together
    /// must stay below the server's `max_connections`.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn with_connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Waits at most `timeout` for a connection to a PostgreSQL server, and as long for one of its own connections to
    /// come free, then fails with `Unavailable`.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn with_connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Gives a PostgreSQL server `timeout` to answer a statement. The server itself gives up then; one that cannot
    /// even say so is given up a little later.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn with_statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = timeout;
        self
    }
}
