//! The connections to one SQLite file: one that writes and a few that read.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool, Transaction};
use stillpoint_core::{Clock, Error, ErrorKind, Result, Timestamp};

use crate::error::{fault, is_busy, unopened, unsettled};
use crate::options::SqlOptions;
use crate::{location, schema};

/// The most bytes that the write-ahead log keeps on disk after a checkpoint.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// How long a writer of this process may wait for the other writers of this process.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait before asking again for the lock that the switch to a write-ahead log needs.
const SWITCH_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Database {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.writer.connect_options().get_filename().to_owned();
        f.debug_struct("Database").field("path", &path).finish_non_exhaustive()
    }
}

impl Database {
    /// Opens `path`, made and brought up to date as needed.
    pub(crate) async fn open(path: &Path, options: SqlOptions) -> Result<Self> {
        location::prepare(path)?;
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(options.busy_timeout)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("journal_size_limit", JOURNAL_BYTES_MAX.to_string());
        let pool = |connections: u32| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(options.busy_timeout.saturating_add(QUEUE_TIMEOUT))
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
                .after_release(|connection, _| Box::pin(is_settled(connection)))
        };
        let failed = |error| unopened(path, error);
        let writer = pool(1).connect_with(connect.clone()).await.map_err(failed)?;
        let mut connection = writer.acquire().await.map_err(failed)?;
        schema::recognise(&mut connection, path).await?;
        keep_write_ahead_log(&mut connection, path, options.busy_timeout).await?;
        schema::migrate(&mut connection, path).await?;
        drop(connection);
        let readers = pool(options.readers).connect_lazy_with(connect.pragma("query_only", "1"));
        Ok(Self { writer, readers, clock: options.clock })
    }

    /// The time by which leases run.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The connections that read. Each statement sees everything that was committed before it began.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Begins a change. It holds the write lock from here on, so what it reads stays true until it is committed.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(fault)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Whether a connection that comes back can be used again. SQLite ends a transaction by itself when the disk is full
/// or fails, which SQLx does not notice: it would begin none on this connection any more.
async fn is_settled(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // The answer comes after a rollback that is still under way.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// Makes a change durable.
pub(crate) async fn finish(transaction: Transaction<'_, Sqlite>) -> Result<()> {
    transaction.commit().await.map_err(unsettled)
}

/// Switches to a write-ahead log, which lets readers and one writer work side by side. SQLite does not wait for the
/// lock that this needs, so processes that open a new file together take turns here.
async fn keep_write_ahead_log(
    connection: &mut SqliteConnection,
    path: &Path,
    patience: Duration,
) -> Result<()> {
    let mut left = patience;
    loop {
        let mode = sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
        match mode {
            Ok(mode) => return check_mode(path, mode),
            Err(error) if is_busy(&error) && !left.is_zero() => {
                tokio::time::sleep(SWITCH_PAUSE).await;
                left = left.saturating_sub(SWITCH_PAUSE);
            }
            Err(error) => return Err(unopened(path, error)),
        }
    }
}

fn check_mode(path: &Path, mode: String) -> Result<()> {
    if mode == "wal" {
        return Ok(());
    }
    let message = format!(
        "{} is on a file system that SQLite cannot share safely; choose a local disk",
        path.display()
    );
    Err(Error::new(ErrorKind::Unsupported, message).with("journal_mode", mode))
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{Definition, WorkspaceRecord};

    use super::*;
    use crate::workspaces;

    #[tokio::test]
    async fn a_full_disk_is_reported_and_the_writer_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let database =
            Database::open(&directory.path().join("catalog.sqlite"), SqlOptions::default()).await.unwrap();
        let small = WorkspaceRecord::new(Definition::new("ada".parse().unwrap()), Vec::new(), database.now());
        let mut large = small.clone();
        large.definition.environment = Some("x".repeat(1 << 20));

        // The limit holds for this connection, like a disk that is full for a while.
        sqlx::query("PRAGMA max_page_count = 1").execute(&database.writer).await.unwrap();
        let error = workspaces::put(&database, &large).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");
        assert_eq!(workspaces::find(&database, &small.definition.id).await.unwrap(), None);
        workspaces::put(&database, &small).await.unwrap();
        workspaces::put(&database, &large).await.unwrap();
    }
}
