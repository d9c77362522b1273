//! A bounded number of connections, each used by one statement at a time.
//!
//! A connection comes back only after a whole answer: one that failed, or whose caller went away in the middle, is
//! closed. So nothing has to be asked of it when it comes back, and a statement costs one round trip.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, Row};
use stillpoint_core::{Error, ErrorKind, Result, Retry};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::error::{fault, is_lost};
use crate::engine::Value;
use crate::options::SqlOptions;

/// A connection that nobody used for longer is asked whether it is still there.
const TRUSTED: Duration = Duration::from_secs(1);
/// How much later than the server this side gives a statement up.
const GRACE: Duration = Duration::from_secs(5);
/// A transaction that hangs in the middle is ended by the server.
const TRANSACTION_IDLE_MS: &str = "60000";

pub(super) struct Pool {
    pub(super) address: Address,
    slots: Semaphore,
    idle: Mutex<Vec<Idle>>,
    size: u32,
    connect_timeout: Duration,
    statement_timeout: Duration,
    lock_timeout: Duration,
}

struct Idle {
    connection: PgConnection,
    since: Instant,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("address", &self.address)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// A connection that nobody else uses meanwhile; closed when it is dropped, which undoes what it had not committed.
pub(super) struct Borrowed<'a> {
    pool: &'a Pool,
    connection: PgConnection,
    slot: SemaphorePermit<'a>,
}

impl Borrowed<'_> {
    pub(super) async fn run(&mut self, sql: &str, values: &[Value]) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        for value in values {
            query = match value {
                Value::Text(text) => query.bind(text),
                Value::Optional(text) => query.bind(text),
                Value::Number(number) => query.bind(number),
                Value::OptionalNumber(number) => query.bind(number),
            };
        }
        let limit = self.pool.statement_timeout.saturating_add(GRACE);
        timeout(limit, query.fetch_all(&mut self.connection)).await.unwrap_or_else(|_late| {
            Err(sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "no answer from the server",
            )))
        })
    }

    /// Lets others use it. No transaction is open any more.
    pub(super) fn give_back(self) {
        self.pool.put_back(self.connection);
        drop(self.slot);
    }
}

/// Why a statement was not answered.
pub(super) enum Failure {
    /// It never reached the server.
    NotSent(Error),
    /// The server's answer, or what came instead of it.
    Answered(sqlx::Error),
}

impl Pool {
    pub(super) fn new(address: Address, options: &SqlOptions) -> Self {
        Self {
            address,
            slots: Semaphore::new(usize::try_from(options.connections).unwrap_or(1)),
            idle: Mutex::default(),
            size: options.connections,
            connect_timeout: options.connect_timeout,
            statement_timeout: options.statement_timeout,
            lock_timeout: options.busy_timeout,
        }
    }

    /// Runs a statement on a connection of its own.
    pub(super) async fn run(&self, sql: &str, values: &[Value]) -> Result<Vec<PgRow>, Failure> {
        let mut borrowed = self.borrow().await.map_err(Failure::NotSent)?;
        let answer = borrowed.run(sql, values).await;
        match &answer {
            Err(error) if is_lost(error) => {
                // A server that restarted has closed the others too.
                self.idle().clear();
            }
            _ => borrowed.give_back(),
        }
        answer.map_err(Failure::Answered)
    }

    /// A connection for several statements.
    pub(super) async fn borrow(&self) -> Result<Borrowed<'_>> {
        let slot = self.slot().await?;
        Ok(Borrowed { pool: self, connection: self.take().await?, slot })
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>> {
        match timeout(self.connect_timeout, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(closed)) => Err(Error::new(ErrorKind::Unavailable, "the catalog was closed")
                .with_retry(Retry::Never)
                .with_source(closed)),
            Err(late) => {
                let message = "the catalog is busy with other work of this process; try again later";
                Err(Error::new(ErrorKind::Unavailable, message).with_source(late))
            }
        }
    }

    async fn take(&self) -> Result<PgConnection> {
        loop {
            let idle = self.idle().pop();
            let Some(Idle { mut connection, since }) = idle else {
                return self.connect().await;
            };
            if since.elapsed() < TRUSTED {
                return Ok(connection);
            }
            if let Ok(Ok(())) = timeout(GRACE, connection.ping()).await {
                return Ok(connection);
            }
        }
    }

    pub(super) fn put_back(&self, connection: PgConnection) {
        if !self.slots.is_closed() {
            self.idle().push(Idle { connection, since: Instant::now() });
        }
    }

    /// Opens a connection and tells the server what this side relies on.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let failed = |error| {
            let unreachable = is_lost(&error) && !matches!(error, sqlx::Error::Database(_));
            if unreachable {
                self.unreachable().with_source(error)
            } else {
                fault(error).with("catalog", &self.address)
            }
        };
        let prepared = async {
            let mut connection = self.address.connect.connect().await.map_err(failed)?;
            self.settle(&mut connection).await?;
            Ok(connection)
        };
        timeout(self.connect_timeout, prepared)
            .await
            .unwrap_or_else(|late| Err(self.unreachable().with_source(late)))
    }

    fn unreachable(&self) -> Error {
        let message = format!("the catalog's server at {} cannot be reached", self.address);
        Error::new(ErrorKind::Unavailable, message)
    }

    /// Sets what the connection is to keep to, in one round trip. Only a `synchronous_commit` that is off is changed:
    /// a server may be set up to wait for its standbys too.
    async fn settle(&self, connection: &mut PgConnection) -> Result<()> {
        let millis = |duration: Duration| duration.as_millis().clamp(1, 86_400_000).to_string();
        let answer = sqlx::query(
            "SELECT set_config('search_path', $1, FALSE), set_config('statement_timeout', $2, FALSE),
                    set_config('lock_timeout', $3, FALSE),
                    set_config('idle_in_transaction_session_timeout', $4, FALSE),
                    set_config('default_transaction_isolation', 'read committed', FALSE),
                    set_config('synchronous_commit',
                               COALESCE(NULLIF(current_setting('synchronous_commit'), 'off'), 'on'), FALSE),
                    pg_is_in_recovery() AS standby",
        )
        .bind(&self.address.schema)
        .bind(millis(self.statement_timeout))
        .bind(millis(self.lock_timeout))
        .bind(TRANSACTION_IDLE_MS)
        .fetch_one(connection)
        .await
        .map_err(fault)?;
        if answer.try_get("standby").map_err(fault)? {
            let message =
                format!("the catalog's server at {} is a standby, which cannot be written", self.address);
            return Err(Error::new(ErrorKind::Unavailable, message));
        }
        Ok(())
    }

    pub(super) async fn close(&self) {
        // Statements under way end first; their connections are not kept.
        if let Ok(Ok(all)) = timeout(self.statement_timeout, self.slots.acquire_many(self.size)).await {
            self.slots.close();
            drop(all);
        }
        self.slots.close();
        let idle: Vec<Idle> = self.idle().drain(..).collect();
        for Idle { connection, .. } in idle {
            // The server notices a connection that was not closed in words, too.
            let _said_goodbye = timeout(GRACE, connection.close()).await.is_ok();
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
