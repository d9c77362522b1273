//! The catalog that the crate offers.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, Catalog, Claim, Creation, Extent, Holder, Lease, LedgerEntry,
    OperationChange, OperationId, OperationQuery, OperationRecord, Page, Renewal, Result, Revision,
    ScheduleId, ScheduleQuery, ScheduleRecord, StoredBackup, StoredOperation, StoredSchedule, WorkspaceId,
    WorkspaceRecord,
};

use crate::engine::Engine;
use crate::options::SqlOptions;
#[cfg(feature = "postgres")]
use crate::postgres::{Postgres, is_postgres};
use crate::sqlite::Sqlite;
use crate::{backups, commit, leases, operations, reservations, schedules, workspaces};

/// A catalog in an SQLite file, which any number of processes on one machine may share, or, with the feature
/// `postgres`, in a PostgreSQL database, which any number of machines may share.
///
/// When a method returns, its change has reached the disk: SQLite's write-ahead log is synchronised at each commit,
/// and PostgreSQL is asked for `synchronous_commit`. Killed at any moment, a process leaves either all of a change or
/// nothing of it, and nothing to repair. Leases run by the clock of [`SqlOptions::with_clock`] on SQLite, and by the
/// server's on PostgreSQL, where no orchestrator's clock matters.
#[derive(Debug)]
pub struct SqlCatalog {
    engine: Engine,
    /// Lines that this process added to the access log.
    logged: AtomicU64,
}

impl SqlCatalog {
    /// Opens the catalog at `sqlite:PATH`, or, with the feature `postgres`, at `postgres://USER@HOST/DATABASE`.
    ///
    /// A missing file is made (mode 0600, its directories 0700). A PostgreSQL database must be there; the catalog's
    /// tables are made in the schema `stillpoint` of it, or in the one that the address names (`?schema=NAME`). The
    /// schema of an older version is brought up to date. The password is best left out of the address and given by
    /// `PGPASSWORD` or `~/.pgpass`; it is never part of an error or of the debug form.
    ///
    /// # Errors
    /// - `InvalidConfig`: the address names no file or database, what is there is not a catalog, or a newer version
    ///   wrote it.
    /// - `PermissionDenied`, `Unauthenticated`: the file, its directory or the database cannot be used.
    /// - `Unavailable`: another process kept it locked for longer than the busy timeout; the server cannot be reached.
    /// - `Corrupt`: the file is damaged.
    pub async fn open(url: &str, options: SqlOptions) -> Result<Self> {
        let engine = match url {
            #[cfg(feature = "postgres")]
            url if is_postgres(url) => Engine::Postgres(Box::new(Postgres::open(url, &options).await?)),
            url => Engine::Sqlite(Sqlite::open(url, options).await?),
        };
        backups::fill_columns(&engine).await?;
        Ok(Self::new(engine))
    }

    fn new(engine: Engine) -> Self {
        Self { engine, logged: AtomicU64::new(0) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn logged(&self) -> &AtomicU64 {
        &self.logged
    }

    /// Closes every connection after the calls under way. Not required: what was acknowledged is on the disk.
    pub async fn close(&self) {
        self.engine.close().await;
    }
}

#[async_trait]
impl Catalog for SqlCatalog {
    async fn create_operation(
        &self,
        record: &OperationRecord,
        holder: &Holder,
        ttl: Duration,
    ) -> Result<Creation> {
        operations::create(&self.engine, record, holder, ttl).await
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<StoredOperation>> {
        operations::find(&self.engine, id).await
    }

    async fn operations(&self, query: &OperationQuery) -> Result<Page<StoredOperation>> {
        operations::list(&self.engine, query).await
    }

    async fn claim_operation(
        &self,
        id: &OperationId,
        holder: &Holder,
        ttl: Duration,
        takeover: Option<u64>,
    ) -> Result<Claim> {
        leases::claim(&self.engine, id, holder, ttl, takeover).await
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Renewal> {
        leases::renew(&self.engine, lease, ttl).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        leases::release(&self.engine, lease).await
    }

    async fn reserve(&self, lease: &Lease, extents: &[Extent]) -> Result<Vec<OperationId>> {
        reservations::reserve(&self.engine, lease, extents).await
    }

    async fn commit(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<()> {
        commit::commit(&self.engine, lease, change).await
    }

    async fn request_cancel(&self, id: &OperationId) -> Result<()> {
        operations::request_cancel(&self.engine, id).await
    }

    async fn ledger(&self, id: &OperationId) -> Result<Vec<LedgerEntry>> {
        operations::ledger(&self.engine, id).await
    }

    async fn remove_operations(&self, ids: &[OperationId]) -> Result<Vec<OperationId>> {
        operations::remove(&self.engine, ids).await
    }

    async fn put_workspace(&self, record: &WorkspaceRecord) -> Result<()> {
        workspaces::put(&self.engine, record).await
    }

    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>> {
        workspaces::find(&self.engine, id).await
    }

    async fn workspaces(&self, after: Option<&WorkspaceId>, limit: usize) -> Result<Page<WorkspaceRecord>> {
        workspaces::list(&self.engine, after, limit).await
    }

    async fn backup(&self, id: &BackupId) -> Result<Option<StoredBackup>> {
        backups::find(&self.engine, id).await
    }

    async fn backups(&self, query: &BackupQuery) -> Result<Page<StoredBackup>> {
        backups::list(&self.engine, query).await
    }

    async fn count_backups(&self, query: &BackupQuery) -> Result<u64> {
        backups::count(&self.engine, query).await
    }

    async fn put_backup(&self, record: &BackupRecord, expected: Option<Revision>) -> Result<Revision> {
        backups::put(&self.engine, record, expected).await
    }

    async fn add_backups(&self, records: &[BackupRecord]) -> Result<Vec<bool>> {
        backups::add(&self.engine, records).await
    }

    async fn put_schedule(&self, record: &ScheduleRecord, expected: Option<Revision>) -> Result<Revision> {
        schedules::put(&self.engine, record, expected).await
    }

    async fn schedule(&self, id: &ScheduleId) -> Result<Option<StoredSchedule>> {
        schedules::find(&self.engine, id).await
    }

    async fn schedules(&self, query: &ScheduleQuery) -> Result<Page<StoredSchedule>> {
        schedules::list(&self.engine, query).await
    }

    async fn remove_schedule(&self, id: &ScheduleId) -> Result<()> {
        schedules::remove(&self.engine, id).await
    }
}
