//! The repository layout as the provider uses it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupJob, BackupRecord, Clock, DeleteState, Finding, JobStatus, ProviderId, Records,
    RestoreJob, Result, Snapshot, SnapshotInfo, SnapshotQuery, SnapshotRef,
};
use stillpoint_localfs::Preview;
use stillpoint_repository::Cancellation;

use super::{Journal, RepositorySnapshot, RepositorySource, backup, records, restore, snapshot, store_of};
use crate::jobs::Reporter;
use crate::provider::{Layout, is_of, not_as_known, not_as_opened};

#[async_trait]
impl Layout for RepositorySource {
    async fn reach(&self) -> Result<Vec<Finding>> {
        let open = self.open_if_there().await?;
        let gone = open.is_none() && self.tell_gone().await;
        Ok(gone.then(|| not_as_opened(self.store_url())).into_iter().collect())
    }

    fn store_url(&self) -> &str {
        self.store().description()
    }

    async fn look_at_base(&self, base: &SnapshotRef) -> Result<Vec<Finding>> {
        let url = self.store_url();
        let Some(store) = base.store.as_ref().filter(|store| store.url == url) else { return Ok(Vec::new()) };
        let found = match self.open_if_there().await? {
            Some(open) if open.id() == store.id => return Ok(Vec::new()),
            Some(_) => "another repository lies there",
            None => "no repository is there",
        };
        Ok(vec![not_as_known(url, found)])
    }

    async fn is_here(&self, snapshot: &SnapshotRef) -> Result<()> {
        match &snapshot.store {
            Some(_) => is_of(&store_of(&Self::open(self).await?), snapshot),
            None => Ok(()),
        }
    }

    async fn back_up(
        self: Arc<Self>,
        provider: ProviderId,
        job: BackupJob,
        clock: Arc<dyn Clock>,
        reporter: Arc<Reporter>,
    ) -> JobStatus {
        backup::run(self, provider, job, clock, reporter).await
    }

    async fn restore(
        self: Arc<Self>,
        provider: ProviderId,
        job: RestoreJob,
        reporter: Arc<Reporter>,
    ) -> JobStatus {
        restore::run(self, provider, job, reporter).await
    }

    async fn preview(&self, job: &RestoreJob, stop: Cancellation) -> Result<(PathBuf, Preview)> {
        restore::preview(self, job, &stop).await
    }

    async fn found_job(&self, provider: &ProviderId, token: &str) -> Result<Option<JobStatus>> {
        backup::found_job(self, provider, token).await
    }

    async fn open(self: Arc<Self>, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(RepositorySnapshot::open(self, snapshot.clone()).await?))
    }

    async fn snapshots(&self, provider: &ProviderId, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        match self.open_if_there().await? {
            Some(repository) => Journal::read(&repository).await?.fitting(provider, query),
            None => Ok(Vec::new()),
        }
    }

    async fn delete(&self, snapshot: &SnapshotRef) -> Result<DeleteState> {
        snapshot::delete(&Self::open(self).await?, snapshot).await
    }

    async fn put_record(&self, record: &BackupRecord) -> Result<()> {
        records::put_record(&Self::open(self).await?, record).await
    }

    async fn records(&self, _provider: &ProviderId) -> Result<Records> {
        records::records(&Self::open(self).await?).await
    }

    async fn delete_record(&self, backup: &BackupId) -> Result<()> {
        records::delete_record(&Self::open(self).await?, backup).await
    }
}
