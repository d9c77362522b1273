//! The mirrored layout as the provider uses it.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupJob, BackupRecord, Clock, DeleteState, Finding, JobStatus, ProviderId, Records,
    RestoreJob, Result, Snapshot, SnapshotInfo, SnapshotQuery, SnapshotRef,
};
use stillpoint_localfs::Preview;
use stillpoint_repository::Cancellation;

use super::place::Place;
use super::snapshot::{self, MirrorSnapshot};
use super::source::Point;
use super::{MirrorSource, backup, delete, records, restore};
use crate::jobs::Reporter;
use crate::provider::{Layout, not_as_known};

#[async_trait]
impl Layout for MirrorSource {
    async fn reach(&self) -> Result<Vec<Finding>> {
        self.look().await.map(|()| Vec::new())
    }

    fn store_url(&self) -> &str {
        self.store().description()
    }

    async fn look_at_base(&self, base: &SnapshotRef) -> Result<Vec<Finding>> {
        let url = self.store_url();
        let known = base.store.as_ref().is_some_and(|store| store.url == url);
        let Ok(place) = Place::of_snapshot(&base.id) else { return Ok(Vec::new()) };
        if !known || self.has_folder_of(&place.space).await? {
            return Ok(Vec::new());
        }
        Ok(vec![not_as_known(url, &format!("nothing of {} is there", place.space))])
    }

    async fn is_here(&self, snapshot: &SnapshotRef) -> Result<()> {
        Self::is_here(self, snapshot).await
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
        restore::preview::run(self, job, stop).await
    }

    async fn found_job(&self, provider: &ProviderId, token: &str) -> Result<Option<JobStatus>> {
        for space in self.spaces().await? {
            for point in self.points(&space).await? {
                if let Point::Ours(place, completion) = point
                    && completion.claim.job == token
                {
                    return Ok(Some(completion.status(self.reference(provider, &place)?)));
                }
            }
        }
        Ok(None)
    }

    async fn open(self: Arc<Self>, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        Ok(Arc::new(MirrorSnapshot::open(self, snapshot.clone()).await?))
    }

    async fn snapshots(&self, provider: &ProviderId, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        snapshot::fitting(self, provider, query).await
    }

    async fn delete(&self, snapshot: &SnapshotRef) -> Result<DeleteState> {
        delete::run(self, snapshot).await
    }

    async fn put_record(&self, record: &BackupRecord) -> Result<()> {
        records::put(self, record).await
    }

    async fn records(&self, provider: &ProviderId) -> Result<Records> {
        records::all(self, provider).await
    }

    async fn delete_record(&self, backup: &BackupId) -> Result<()> {
        records::delete(self, backup).await
    }
}
