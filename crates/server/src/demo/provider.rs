//! A provider whose jobs are invented: they take their time, move nothing, and end well.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Error, ErrorKind,
    Evidence, Finding, JobId, JobRef, JobRequest, JobState, JobStatus, OpContext, Provider, ProviderId,
    Readiness, Records, RestoredResource, Result, Severity, Snapshot, SnapshotId, SnapshotInfo,
    SnapshotQuery, SnapshotRef, Timestamp,
};

use super::jobs::{Job, snapshot};
use super::snapshot::DemoSnapshot;

/// The longest wait of one poll.
const POLL_MAX: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct DemoProvider {
    id: ProviderId,
    pace: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    jobs: BTreeMap<JobId, Job>,
    snapshots: BTreeMap<SnapshotId, SnapshotInfo>,
    records: BTreeMap<BackupId, BackupRecord>,
}

impl DemoProvider {
    /// The provider of this id, with the snapshots that `backups` name.
    pub(super) fn new(id: ProviderId, pace: Duration, backups: &[BackupRecord]) -> Self {
        let mut state = State::default();
        for backup in backups {
            for record in &backup.components {
                if let Some(reference) = record.snapshot.as_ref().filter(|reference| reference.provider == id)
                {
                    let mut info = SnapshotInfo::new(reference.clone(), backup.created_at);
                    info.workspace = Some(backup.workspace.clone());
                    info.component = Some(record.component.id.clone());
                    info.backup = Some(backup.id.clone());
                    info.operation = Some(backup.operation.clone());
                    state.snapshots.insert(reference.id.clone(), info);
                }
            }
            state.records.insert(backup.id.clone(), backup.clone());
        }
        Self { id, pace, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it keeps files rather than volumes.
    fn keeps_files(&self) -> bool {
        self.id.as_str() == "s3sync"
    }

    fn status(&self, job: &JobId, now: Timestamp) -> Result<JobStatus> {
        let mut state = self.state();
        let Some(known) = state.jobs.get(job).cloned() else { return Ok(JobStatus::new(JobState::Lost)) };
        let status = known.status(now)?;
        if let (Some(reference), JobRequest::Backup(backup)) = (&status.snapshot, &known.request) {
            let mut info = SnapshotInfo::new(reference.clone(), backup.created_at);
            info.workspace = Some(backup.workspace.clone());
            info.component = Some(backup.component.id.clone());
            info.backup = Some(backup.backup.clone());
            info.operation = Some(backup.key.operation().clone());
            state.snapshots.entry(reference.id.clone()).or_insert(info);
        }
        Ok(status)
    }
}

#[async_trait]
impl Provider for DemoProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.in_process_jobs = true;
        capabilities.cancel_backup = true;
        capabilities.cancel_restore = true;
        capabilities.early_capture = true;
        capabilities.holds_records = true;
        capabilities.lists_entries = self.keeps_files();
        capabilities.restores_items = self.keeps_files();
        capabilities
    }

    async fn preflight(&self, _cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        let file_system = matches!(component.kind.as_str(), "efs" | "file-share");
        let message =
            "the file system is read while services are held still; backing up off-peak keeps that short";
        Ok(file_system.then(|| Finding::new("off-peak", Severity::Info, message)).into_iter().collect())
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let id = JobId::new(request.key().token())?;
        let job = Job::new(request.clone(), cx.clock().now(), self.pace);
        self.state().jobs.entry(id.clone()).or_insert(job);
        Ok(JobRef::new(self.id.clone(), id))
    }

    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus> {
        let status = self.status(&job.id, cx.clock().now())?;
        if status.state.is_terminal() || wait.is_zero() {
            return Ok(status);
        }
        cx.clock().sleep(wait.min(POLL_MAX)).await;
        self.status(&job.id, cx.clock().now())
    }

    async fn find(&self, _cx: &OpContext, request: &JobRequest, _since: Timestamp) -> Result<Vec<Candidate>> {
        let id = JobId::new(request.key().token())?;
        let known = self.state().jobs.contains_key(&id);
        let found = Candidate::new(JobRef::new(self.id.clone(), id), Evidence::Proven);
        Ok(known.then_some(found).into_iter().collect())
    }

    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        if self.status(&job.id, cx.clock().now())?.state.is_terminal() {
            return Ok(CancelOutcome::AlreadyTerminal);
        }
        if let Some(known) = self.state().jobs.get_mut(&job.id) {
            known.cancelled = true;
        }
        Ok(CancelOutcome::Requested)
    }

    async fn open(&self, _cx: &OpContext, reference: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let info = self.state().snapshots.get(&reference.id).cloned();
        let info = info.ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("the snapshot {} does not exist", reference.id))
        })?;
        Ok(Arc::new(DemoSnapshot::new(info, self.keeps_files())))
    }

    async fn snapshots(&self, _cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        let wanted = |info: &&SnapshotInfo| {
            (query.workspace.is_none() || info.workspace == query.workspace)
                && (query.backup.is_none() || info.backup == query.backup)
                && (query.operation.is_none() || info.operation == query.operation)
        };
        Ok(self.state().snapshots.values().filter(wanted).cloned().collect())
    }

    async fn delete(&self, _cx: &OpContext, reference: &SnapshotRef) -> Result<DeleteState> {
        let mut state = self.state();
        state.snapshots.remove(&reference.id);
        state.jobs.retain(|_, job| snapshot(&job.request).is_ok_and(|made| made != reference.id));
        Ok(DeleteState::Gone)
    }

    async fn finish_restore(&self, _cx: &OpContext, _resource: &RestoredResource) -> Result<Readiness> {
        Ok(Readiness::Initialized)
    }

    async fn discard(&self, _cx: &OpContext, _resource: &RestoredResource) -> Result<()> {
        Ok(())
    }

    async fn put_record(&self, _cx: &OpContext, record: &BackupRecord) -> Result<()> {
        self.state().records.insert(record.id.clone(), record.clone());
        Ok(())
    }

    async fn records(&self, _cx: &OpContext) -> Result<Records> {
        Ok(Records::new(self.state().records.values().cloned()))
    }

    async fn delete_record(&self, _cx: &OpContext, backup: &BackupId) -> Result<()> {
        self.state().records.remove(backup);
        Ok(())
    }
}
