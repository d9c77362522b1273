//! The provider: the contract on one side, jobs and layout on the other.

mod layout;
mod preflight;
mod preview;
mod store;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Error, ErrorKind,
    Evidence, Extent, Finding, JobId, JobRef, JobRequest, JobState, JobStatus, OpContext, Provider,
    ProviderId, Readiness, Records, RestoreJob, RestoredResource, Result, Snapshot, SnapshotInfo,
    SnapshotQuery, SnapshotRef, Timestamp,
};

use crate::error::blocking;
use crate::extent;
use crate::jobs::Jobs;
use crate::mirror::MirrorSource;
use crate::repository::RepositorySource;
use crate::target;
use crate::workspace::root_of;

pub(crate) use layout::Layout;
pub use preview::RestorePreview;
pub(crate) use store::{is_of, not_as_known, not_as_opened};

const BACKUP: &str = "backup-";
const RESTORE: &str = "restore-";

/// Backs directories up into a repository, or as mirrored timestamps, and restores them, in jobs that run inside this
/// process.
///
/// A job's id follows from its key. A job that this process does not know is looked for in the store: a backup that
/// stored its snapshot had succeeded; anything else is [`JobState::Lost`], and starting it again with its key
/// goes on from what it left. Dropping the provider stops its jobs as the end of the process would.
#[derive(Debug)]
pub struct S3SyncProvider {
    id: ProviderId,
    layout: Arc<dyn Layout>,
    jobs: Arc<Jobs>,
}

impl S3SyncProvider {
    /// A provider named `s3sync` over a repository. Nothing is contacted yet.
    pub fn new(source: impl Into<Arc<RepositorySource>>) -> Self {
        Self::over(source.into())
    }

    /// A provider named `s3sync` over mirrored timestamps. Nothing is contacted yet.
    pub fn mirrored(source: impl Into<Arc<MirrorSource>>) -> Self {
        Self::over(source.into())
    }

    fn over(layout: Arc<dyn Layout>) -> Self {
        #[expect(clippy::expect_used, reason = "the constant is a valid id")]
        let id = ProviderId::new("s3sync").expect("a valid id");
        Self { id, layout, jobs: Arc::default() }
    }

    /// The same under another name.
    #[must_use]
    pub fn with_id(mut self, id: ProviderId) -> Self {
        self.id = id;
        self
    }

    fn job_ref(&self, request: &JobRequest) -> Result<JobRef> {
        let kind = match request {
            JobRequest::Backup(_) => BACKUP,
            JobRequest::Restore(_) => RESTORE,
            _ => return Err(Error::new(ErrorKind::Unsupported, "jobs of this kind are not known here")),
        };
        Ok(JobRef::new(self.id.clone(), JobId::new(format!("{kind}{}", request.key().token()))?))
    }

    /// Refuses to restore over what backups lie in.
    async fn keep_off_the_store(&self, restore: &RestoreJob) -> Result<()> {
        let Some(store) = self.layout.store_url().strip_prefix("file://") else { return Ok(()) };
        let path = target::path_in(&restore.destination)?;
        if !extent::of(Path::new(store)).await?.overlaps(&extent::of(&path).await?) {
            return Ok(());
        }
        let message =
            format!("the target {path:?} and the store {store} lie within each other; choose another target");
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// Where a job stands that this process did not start.
    async fn lost(&self, id: &JobId) -> Result<JobStatus> {
        if let Some(token) = token_of(id, BACKUP) {
            match self.layout.found_job(&self.id, token).await {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => {}
                Err(error) if matches!(error.retry(), stillpoint_core::Retry::After { .. }) => {
                    return Err(error);
                }
                // Starting the job again meets the same error and reports it as its end.
                Err(error) => tracing::debug!(job = %id, %error, "the job's snapshot cannot be looked for"),
            }
        } else if token_of(id, RESTORE).is_none() {
            return Err(Error::new(ErrorKind::NotFound, format!("there is no job {id}")));
        }
        Ok(JobStatus::new(JobState::Lost))
    }
}

/// The token in a job id of this kind.
fn token_of<'a>(id: &'a JobId, kind: &str) -> Option<&'a str> {
    let token = id.as_str().strip_prefix(kind)?;
    (token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(token)
}

#[async_trait]
impl Provider for S3SyncProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut can = Capabilities::default();
        can.in_process_jobs = true;
        can.cancel_backup = true;
        can.cancel_restore = true;
        can.holds_records = true;
        can.lists_entries = true;
        can.restores_items = true;
        can
    }

    async fn preflight(&self, _cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        // A wrong password or a store out of reach is better met before anything is held still.
        let mut findings = self.layout.reach().await?;
        let component = component.clone();
        findings.extend(blocking(move || Ok(preflight::look(&component))).await?);
        Ok(findings)
    }

    async fn preflight_base(&self, _cx: &OpContext, base: &SnapshotRef) -> Result<Vec<Finding>> {
        self.layout.look_at_base(base).await
    }

    async fn place(&self, _cx: &OpContext, _component: &Component) -> Result<BTreeMap<String, String>> {
        Ok([("store".to_owned(), self.layout.store_url().to_owned())].into())
    }

    async fn extents(&self, _cx: &OpContext, component: &Component) -> Result<Vec<Extent>> {
        Ok(vec![extent::of(Path::new(root_of(component))).await?])
    }

    async fn reaches(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<()> {
        self.layout.is_here(snapshot).await
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let job = self.job_ref(request)?;
        let (layout, id) = (Arc::clone(&self.layout), self.id.clone());
        match request {
            JobRequest::Backup(backup) => {
                let (backup, clock) = (backup.clone(), Arc::clone(cx.clock()));
                let work = |reporter| layout.back_up(id, backup, clock, reporter);
                self.jobs.start(job.id.clone(), work)?;
            }
            JobRequest::Restore(restore) => {
                layout.is_here(&restore.snapshot).await?;
                self.keep_off_the_store(restore).await?;
                let restore = restore.clone();
                self.jobs.start(job.id.clone(), |reporter| layout.restore(id, restore, reporter))?;
            }
            _ => {}
        }
        self.jobs.tie(&job.id, cx.cancellation());
        Ok(job)
    }

    async fn poll(&self, _cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus> {
        match self.jobs.poll(&job.id, wait).await {
            Some(status) => Ok(status),
            None => self.lost(&job.id).await,
        }
    }

    async fn find(&self, _cx: &OpContext, request: &JobRequest, _since: Timestamp) -> Result<Vec<Candidate>> {
        let job = self.job_ref(request)?;
        let known = self.jobs.knows(&job.id)
            || match token_of(&job.id, BACKUP) {
                Some(token) => self.layout.found_job(&self.id, token).await?.is_some(),
                None => false,
            };
        Ok(known.then(|| Candidate::new(job, Evidence::Proven)).into_iter().collect())
    }

    async fn cancel(&self, _cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        Ok(self.jobs.cancel(&job.id))
    }

    async fn open(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        self.layout.is_here(snapshot).await?;
        Arc::clone(&self.layout).open(snapshot).await
    }

    async fn snapshots(&self, _cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        self.layout.snapshots(&self.id, query).await
    }

    async fn delete(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        self.layout.is_here(snapshot).await?;
        self.layout.delete(snapshot).await
    }

    async fn finish_restore(&self, _cx: &OpContext, resource: &RestoredResource) -> Result<Readiness> {
        let path = std::path::PathBuf::from(&resource.resource);
        let there = blocking(move || Ok(path.is_dir())).await?;
        if there {
            return Ok(Readiness::Initialized);
        }
        Err(Error::new(
            ErrorKind::NotFound,
            format!("the restored directory {:?} is gone", resource.resource),
        ))
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        let (path, operation) = (resource.resource.clone(), cx.operation().cloned());
        blocking(move || target::discard(Path::new(&path), operation.as_ref())).await
    }

    async fn put_record(&self, _cx: &OpContext, record: &BackupRecord) -> Result<()> {
        let snapshots = record.components.iter().filter_map(|component| component.snapshot.as_ref());
        for snapshot in snapshots.filter(|snapshot| snapshot.provider == self.id) {
            self.layout.is_here(snapshot).await?;
        }
        self.layout.put_record(record).await
    }

    async fn records(&self, _cx: &OpContext) -> Result<Records> {
        self.layout.records(&self.id).await
    }

    async fn delete_record(&self, _cx: &OpContext, backup: &BackupId) -> Result<()> {
        self.layout.delete_record(backup).await
    }
}
