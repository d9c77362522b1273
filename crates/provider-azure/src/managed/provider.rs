//! The provider itself: which part answers which call.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Error, ErrorKind,
    Estimate, Finding, Foreseen, JobRef, JobRequest, JobStatus, OpContext, Provider, ProviderId, Readiness,
    RestoredResource, Result, Snapshot, SnapshotInfo, SnapshotQuery, SnapshotRef, Timestamp,
};

use super::compute::{DISKS, SNAPSHOTS};
use super::names::{JobName, PointName};
use super::settings::Source;
use super::under_way::UnderWay;
use crate::connection::Connection;

/// Managed disks of Azure, in any subscription that the connection's credentials reach.
///
/// It never retries (the retry layer does, within the operation's one budget). Whatever it must know again after a crash
/// stands in the names and tags of what it makes; the addresses of running operations are a help of this process alone.
#[derive(Debug)]
pub struct AzureProvider {
    id: ProviderId,
    connection: Connection,
    /// Where [`Provider::snapshots`] looks.
    groups: BTreeSet<GroupPlace>,
    under_way: UnderWay,
}

/// A resource group in its subscription.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct GroupPlace {
    /// The subscription's id, in lower case.
    pub subscription: String,
    /// The resource group's name, in lower case.
    pub resource_group: String,
}

impl GroupPlace {
    /// The resource group `resource_group` of `subscription`, both in any case.
    pub fn new(subscription: &str, resource_group: &str) -> Self {
        Self { subscription: subscription.to_lowercase(), resource_group: resource_group.to_lowercase() }
    }
}

impl AzureProvider {
    /// The provider `id` on `connection`, which looks for snapshots in `groups`.
    pub fn new(id: ProviderId, connection: Connection, groups: impl IntoIterator<Item = GroupPlace>) -> Self {
        Self { id, connection, groups: groups.into_iter().collect(), under_way: UnderWay::default() }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn provider_id(&self) -> &ProviderId {
        &self.id
    }

    pub(super) fn groups(&self) -> &BTreeSet<GroupPlace> {
        &self.groups
    }

    pub(super) fn under_way(&self) -> &UnderWay {
        &self.under_way
    }
}

#[async_trait]
impl Provider for AzureProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::default();
        // A disk's snapshot is one instant, before its data is copied.
        can.early_capture = true;
        can.copies = true;
        can
    }

    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        self.check(cx, component).await
    }

    async fn estimate(&self, cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        self.estimate_capture(cx, component).await
    }

    async fn place(&self, _cx: &OpContext, component: &Component) -> Result<BTreeMap<String, String>> {
        let source = Source::of(component)?;
        let place = [("subscription", source.id.subscription), ("resource_group", source.group)];
        Ok(place.into_iter().map(|(name, value)| (name.to_owned(), value.to_lowercase())).collect())
    }

    async fn foresee(&self, cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        self.foresee_job(cx, request).await
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let name = match request {
            JobRequest::Backup(job) => self.start_backup(cx, job).await?,
            JobRequest::Restore(job) => self.start_restore(cx, job).await?,
            JobRequest::Copy(job) => self.start_copy(cx, job).await?,
            _ => return Err(Error::new(ErrorKind::Unsupported, "Azure knows no such job")),
        };
        // The job runs, whatever becomes of its name.
        name.of(&self.id).map_err(Error::maybe_applied)
    }

    async fn poll(&self, cx: &OpContext, job: &JobRef, _wait: Duration) -> Result<JobStatus> {
        let name: JobName = job.id.as_str().parse()?;
        match name.id.resource_type() {
            kind if kind == SNAPSHOTS => self.poll_snapshot(cx, &name).await,
            kind if kind == DISKS => self.poll_disk(cx, &name).await,
            _ => Err(Error::new(ErrorKind::NotFound, format!("{name} is no job of this provider"))),
        }
    }

    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        match request {
            JobRequest::Backup(job) => self.find_backup(cx, job, since).await,
            JobRequest::Restore(job) => self.find_restore(cx, job).await,
            JobRequest::Copy(job) => self.find_copy(cx, job).await,
            _ => Ok(Vec::new()),
        }
    }

    async fn cancel(&self, _cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        // Compute has no call that stops making a snapshot or a disk.
        Ok(match job.id.as_str().parse::<JobName>() {
            Ok(_) => CancelOutcome::Unsupported,
            Err(_) => CancelOutcome::AlreadyTerminal,
        })
    }

    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let name: PointName = snapshot.id.as_str().parse()?;
        self.open_point(cx, name).await
    }

    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        self.find_points(cx, query).await
    }

    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        match snapshot.id.as_str().parse::<PointName>() {
            Ok(name) => self.delete_point(cx, &name).await,
            Err(_) => Ok(DeleteState::Gone),
        }
    }

    async fn finish_restore(&self, cx: &OpContext, resource: &RestoredResource) -> Result<Readiness> {
        self.finish(cx, resource).await
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        self.discard_resource(cx, resource).await
    }

    async fn put_record(&self, _cx: &OpContext, _record: &BackupRecord) -> Result<()> {
        Err(no_records())
    }

    async fn records(&self, _cx: &OpContext) -> Result<Vec<BackupRecord>> {
        Err(no_records())
    }

    async fn delete_record(&self, _cx: &OpContext, _backup: &BackupId) -> Result<()> {
        Err(no_records())
    }
}

fn no_records() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "a resource group keeps no records; the catalog is rebuilt from the tags of its snapshots",
    )
}
