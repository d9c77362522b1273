//! The catalog in one SQLite file: one connection that writes and a few that read.

mod error;
mod location;
mod schema;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, SqliteConnection, SqlitePool, Transaction};
use stillpoint_core::{Clock, Error, ErrorKind, Result, Timestamp};

use self::error::{fault, is_busy, unopened, unsettled};
use crate::engine::{Row, Statement, Value};
use crate::options::SqlOptions;

/// The most bytes that the write-ahead log keeps on disk after a checkpoint.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// How long a writer of this process may wait for the other writers of this process.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait before asking again for the lock that the switch to a write-ahead log needs.
const SWITCH_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.writer.connect_options().get_filename().to_owned();
        f.debug_struct("Sqlite").field("path", &path).finish_non_exhaustive()
    }
}

impl Sqlite {
    /// Opens `sqlite:PATH`, made and brought up to date as needed.
    pub(crate) async fn open(url: &str, options: SqlOptions) -> Result<Self> {
        let path = &location::parse(url)?;
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
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) async fn read(&self, statement: Statement) -> Result<Vec<Row>> {
        let mut connection = self.readers.acquire().await.map_err(fault)?;
        run(&mut connection, statement, self.now()).await
    }

    pub(crate) async fn write(&self, statement: Statement) -> Result<Vec<Row>> {
        let mut change = self.begin().await?;
        let rows = change.run(statement).await?;
        change.finish().await?;
        Ok(rows)
    }

    /// Begins a change of several statements. It holds the write lock from here on, so what it reads stays true until
    /// it is finished, and its time is read now: what waited for the lock does not work with an older time.
    pub(crate) async fn begin(&self) -> Result<Change> {
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(fault)?;
        Ok(Change { transaction, now: self.now() })
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

/// A change under way; dropped before it is finished, it changed nothing.
pub(crate) struct Change {
    transaction: Transaction<'static, sqlx::Sqlite>,
    now: Timestamp,
}

impl Change {
    pub(crate) async fn run(&mut self, statement: Statement) -> Result<Vec<Row>> {
        run(&mut self.transaction, statement, self.now).await
    }

    /// Makes the change durable.
    pub(crate) async fn finish(self) -> Result<()> {
        self.transaction.commit().await.map_err(unsettled)
    }
}

async fn run(connection: &mut SqliteConnection, statement: Statement, now: Timestamp) -> Result<Vec<Row>> {
    let (sql, values) = statement.for_sqlite(now.as_millis());
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for value in values {
        query = match value {
            Value::Text(text) => query.bind(text),
            Value::Optional(text) => query.bind(text),
            Value::Number(number) => query.bind(number),
            Value::OptionalNumber(number) => query.bind(number),
        };
    }
    let rows = query.fetch_all(connection).await.map_err(fault)?;
    Ok(rows.into_iter().map(Row::Sqlite).collect())
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
    use crate::engine::Engine;
    use crate::workspaces;

    #[tokio::test]
    async fn a_full_disk_is_reported_and_the_writer_recovers() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("catalog.sqlite").display());
        let database = Sqlite::open(&url, SqlOptions::default()).await.unwrap();
        let small = WorkspaceRecord::new(Definition::new("ada".parse().unwrap()), Vec::new(), database.now());
        let mut large = small.clone();
        large.definition.environment = Some("x".repeat(1 << 20));

        // The limit holds for this connection, like a disk that is full for a while.
        sqlx::query("PRAGMA max_page_count = 1").execute(&database.writer).await.unwrap();
        let engine = Engine::Sqlite(database);
        let error = workspaces::put(&engine, &large).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");
        assert_eq!(workspaces::find(&engine, &small.definition.id).await.unwrap(), None);
        workspaces::put(&engine, &small).await.unwrap();
        workspaces::put(&engine, &large).await.unwrap();
    }
}
