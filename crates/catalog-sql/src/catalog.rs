//! The catalog that the crate offers.

use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, Catalog, Claim, Creation, Holder, Lease, LedgerEntry,
    OperationChange, OperationId, OperationQuery, OperationRecord, Page, Renewal, Result, Revision,
    ScheduleId, ScheduleQuery, ScheduleRecord, StoredBackup, StoredOperation, StoredSchedule, WorkspaceId,
    WorkspaceRecord,
};

use crate::database::Database;
use crate::options::SqlOptions;
use crate::{backups, location, operations, schedules, workspaces};

/// A catalog in an SQLite file, which any number of processes on one machine may share.
///
/// When a method returns, its change has reached the disk: the file keeps a write-ahead log that is synchronised at
/// each commit. Killed at any moment, a process leaves either all of a change or nothing of it, and nothing to repair.
#[derive(Debug)]
pub struct SqlCatalog {
    database: Database,
}

impl SqlCatalog {
    /// Opens the catalog at `sqlite:PATH`. A missing file is made (mode 0600, its directories 0700), and the schema
    /// of an older version is brought up to date.
    ///
    /// # Errors
    /// - `InvalidConfig`: the address names no file, the file is not a catalog, or a newer version wrote it.
    /// - `PermissionDenied`: the file or its directory cannot be written.
    /// - `Unavailable`: another process kept it locked for longer than the busy timeout.
    /// - `Corrupt`: the file is damaged.
    pub async fn open(url: &str, options: SqlOptions) -> Result<Self> {
        let path = location::parse(url)?;
        Ok(Self { database: Database::open(&path, options).await? })
    }

    /// Closes every connection after the calls under way. Not required: what was acknowledged is on the disk.
    pub async fn close(&self) {
        self.database.close().await;
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
        operations::create(&self.database, record, holder, ttl).await
    }

    async fn operation(&self, id: &OperationId) -> Result<Option<StoredOperation>> {
        operations::find(&self.database, id).await
    }

    async fn operations(&self, query: &OperationQuery) -> Result<Page<StoredOperation>> {
        operations::list(&self.database, query).await
    }

    async fn claim_operation(
        &self,
        id: &OperationId,
        holder: &Holder,
        ttl: Duration,
        takeover: Option<u64>,
    ) -> Result<Claim> {
        operations::claim(&self.database, id, holder, ttl, takeover).await
    }

    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Renewal> {
        operations::renew(&self.database, lease, ttl).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        operations::release(&self.database, lease).await
    }

    async fn commit(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<()> {
        operations::commit(&self.database, lease, change).await
    }

    async fn request_cancel(&self, id: &OperationId) -> Result<()> {
        operations::request_cancel(&self.database, id).await
    }

    async fn ledger(&self, id: &OperationId) -> Result<Vec<LedgerEntry>> {
        operations::ledger(&self.database, id).await
    }

    async fn put_workspace(&self, record: &WorkspaceRecord) -> Result<()> {
        workspaces::put(&self.database, record).await
    }

    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>> {
        workspaces::find(&self.database, id).await
    }

    async fn workspaces(&self, after: Option<&WorkspaceId>, limit: usize) -> Result<Vec<WorkspaceRecord>> {
        workspaces::list(&self.database, after, limit).await
    }

    async fn backup(&self, id: &BackupId) -> Result<Option<StoredBackup>> {
        backups::find(&self.database, id).await
    }

    async fn backups(&self, query: &BackupQuery) -> Result<Page<StoredBackup>> {
        backups::list(&self.database, query).await
    }

    async fn put_backup(&self, record: &BackupRecord, expected: Option<Revision>) -> Result<Revision> {
        backups::put(&self.database, record, expected).await
    }

    async fn put_schedule(&self, record: &ScheduleRecord, expected: Option<Revision>) -> Result<Revision> {
        schedules::put(&self.database, record, expected).await
    }

    async fn schedule(&self, id: &ScheduleId) -> Result<Option<StoredSchedule>> {
        schedules::find(&self.database, id).await
    }

    async fn schedules(&self, query: &ScheduleQuery) -> Result<Vec<StoredSchedule>> {
        schedules::list(&self.database, query).await
    }

    async fn remove_schedule(&self, id: &ScheduleId) -> Result<()> {
        schedules::remove(&self.database, id).await
    }
}
