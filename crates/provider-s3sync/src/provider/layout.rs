//! What the provider needs of the way in which backups of directories are laid out in a store.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupJob, BackupRecord, Clock, DeleteState, Finding, JobStatus, ProviderId, Records,
    RestoreJob, Result, Snapshot, SnapshotInfo, SnapshotQuery, SnapshotRef,
};
use stillpoint_localfs::Preview;
use stillpoint_repository::Cancellation;

use crate::jobs::Reporter;

/// A layout of stored files. What [`Provider`](stillpoint_core::Provider) owes, its methods of the same name owe.
#[async_trait]
pub(crate) trait Layout: Debug + Send + Sync + 'static {
    /// Fails where a backup could not begin: the store is out of reach, or the password is wrong. Tells where it should not:
    /// the store is not the one that this process knew.
    async fn reach(&self) -> Result<Vec<Finding>>;

    /// Looks whether the store still is what `base`, which was stored at its address, was stored in.
    async fn look_at_base(&self, base: &SnapshotRef) -> Result<Vec<Finding>> {
        let _unused = base;
        Ok(Vec::new())
    }

    /// The store's URL, for messages and accepted plans. Never holds a secret.
    fn store_url(&self) -> &str;

    /// Refuses a snapshot that another store holds.
    async fn is_here(&self, snapshot: &SnapshotRef) -> Result<()>;

    /// Runs a backup job to its end.
    async fn back_up(
        self: Arc<Self>,
        provider: ProviderId,
        job: BackupJob,
        clock: Arc<dyn Clock>,
        reporter: Arc<Reporter>,
    ) -> JobStatus;

    /// Runs a restore job to its end.
    async fn restore(
        self: Arc<Self>,
        provider: ProviderId,
        job: RestoreJob,
        reporter: Arc<Reporter>,
    ) -> JobStatus;

    /// Where a restore job would write, and what it would make of each entry. Changes nothing; stops when asked to.
    async fn preview(&self, job: &RestoreJob, stop: Cancellation) -> Result<(PathBuf, Preview)>;

    /// The status of a backup job that another process ran, if its snapshot is there.
    async fn found_job(&self, provider: &ProviderId, token: &str) -> Result<Option<JobStatus>>;

    async fn open(self: Arc<Self>, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>>;

    async fn snapshots(&self, provider: &ProviderId, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>>;

    async fn delete(&self, snapshot: &SnapshotRef) -> Result<DeleteState>;

    async fn put_record(&self, record: &BackupRecord) -> Result<()>;

    async fn records(&self, provider: &ProviderId) -> Result<Records>;

    async fn delete_record(&self, backup: &BackupId) -> Result<()>;
}
