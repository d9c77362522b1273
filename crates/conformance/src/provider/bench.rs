//! The steps that the checks share: a request, a run to the end, a capture, a restore.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{
    BackupId, BackupJob, Component, DeleteState, ErrorKind, JobKey, JobRef, JobRequest, JobState, JobStatus,
    OpContext, OperationId, Provider, RestoreJob, RestoredResource, Result, Settings, SnapshotRef,
    WorkspaceId,
};

use super::harness::Harness;

/// Longest run of polls until a job counts as stuck; with real clocks it takes minutes, with virtual ones days.
const POLLS_MAX: u32 = 20_000;

/// The provider under test with a context of its own.
pub(super) struct Bench<'a> {
    pub(super) harness: &'a dyn Harness,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) cx: OpContext,
}

impl<'a> Bench<'a> {
    pub(super) async fn new(harness: &'a dyn Harness) -> Result<Self> {
        Ok(Self { harness, provider: harness.provider().await?, cx: OpContext::new(harness.clock()) })
    }

    /// The same bench after the process was restarted.
    pub(super) async fn restarted(&self) -> Result<Self> {
        Self::new(self.harness).await
    }

    pub(super) fn cx_of(&self, operation: &OperationId) -> OpContext {
        self.cx.clone().for_operation(operation.clone(), 1)
    }

    pub(super) fn workspace(&self, operation: &OperationId) -> Result<WorkspaceId> {
        WorkspaceId::new(format!("workspace-of-{operation}"))
    }

    pub(super) fn backup(
        &self,
        operation: &OperationId,
        source: &Component,
        base: Option<SnapshotRef>,
    ) -> Result<BackupJob> {
        let key = JobKey::new(operation.clone(), source.id.clone(), 1);
        let now = self.cx.clock().now();
        let workspace = self.workspace(operation)?;
        let mut job = BackupJob::new(key, workspace, BackupId::of(operation), source.clone(), now);
        job.base = base;
        Ok(job)
    }

    pub(super) fn restore(
        &self,
        operation: &OperationId,
        snapshot: &SnapshotRef,
        source: &Component,
        destination: Settings,
    ) -> Result<RestoreJob> {
        let key = JobKey::new(operation.clone(), source.id.clone(), 1);
        let target = WorkspaceId::new(format!("restored-by-{operation}"))?;
        Ok(RestoreJob::new(key, snapshot.clone(), source.clone(), target, destination))
    }

    pub(super) async fn start(&self, request: &JobRequest) -> Result<JobRef> {
        self.provider.start(&self.cx_of(request.key().operation()), request).await
    }

    /// Polls until the job ended. Progress must never go back on the way.
    pub(super) async fn settle(&self, job: &JobRef) -> Result<JobStatus> {
        self.watch(job, |_| {}).await
    }

    /// Polls until the job ended and shows each answer to `see`.
    pub(super) async fn watch(
        &self,
        job: &JobRef,
        mut see: impl FnMut(&JobStatus) + Send,
    ) -> Result<JobStatus> {
        let mut done = 0;
        for _ in 0..POLLS_MAX {
            let status = self.provider.poll(&self.cx, job, Duration::from_secs(1)).await?;
            assert!(status.progress.bytes_done >= done, "the progress of {job:?} went back: {status:?}");
            done = status.progress.bytes_done;
            see(&status);
            if status.state.is_terminal() {
                return Ok(status);
            }
            self.pause(status.poll_after).await;
        }
        Err(stuck(&format!("job {} did not end", job.id)))
    }

    pub(super) async fn run(&self, request: &JobRequest) -> Result<JobStatus> {
        let job = self.start(request).await?;
        self.settle(&job).await
    }

    /// Captures a source; the job must succeed and name its snapshot.
    pub(super) async fn capture(
        &self,
        operation: &OperationId,
        source: &Component,
        base: Option<SnapshotRef>,
    ) -> Result<SnapshotRef> {
        let status = self.run(&JobRequest::Backup(self.backup(operation, source, base)?)).await?;
        assert_eq!(status.state, JobState::Succeeded, "the capture must succeed: {status:?}");
        status.snapshot.ok_or_else(|| stuck("a succeeded capture must name its snapshot"))
    }

    /// Restores a snapshot into a new place; the job must succeed and the resource become ready.
    pub(super) async fn bring_back(
        &self,
        operation: &OperationId,
        snapshot: &SnapshotRef,
        source: &Component,
    ) -> Result<RestoredResource> {
        let destination = self.harness.destination(operation.as_str()).await?;
        let request = JobRequest::Restore(self.restore(operation, snapshot, source, destination)?);
        let status = self.run(&request).await?;
        assert_eq!(status.state, JobState::Succeeded, "the restore must succeed: {status:?}");
        let resource = status.restored.ok_or_else(|| stuck("a succeeded restore must name its resource"))?;
        self.finish(operation, &resource).await?;
        Ok(resource)
    }

    /// Calls `finish_restore` until the resource is ready.
    pub(super) async fn finish(&self, operation: &OperationId, resource: &RestoredResource) -> Result<()> {
        for _ in 0..POLLS_MAX {
            let ready = self.provider.finish_restore(&self.cx_of(operation), resource).await?;
            if ready != stillpoint_core::Readiness::Pending {
                return Ok(());
            }
            self.pause(None).await;
        }
        Err(stuck("the restored resource never became ready"))
    }

    /// Deletes a snapshot until it is read back as gone.
    pub(super) async fn delete(&self, snapshot: &SnapshotRef) -> Result<()> {
        for _ in 0..POLLS_MAX {
            match self.provider.delete(&self.cx, snapshot).await? {
                DeleteState::Gone => return Ok(()),
                DeleteState::Pending => self.pause(None).await,
                other => return Err(stuck(&format!("the snapshot could not be deleted: {other:?}"))),
            }
        }
        Err(stuck("the snapshot stayed on its way out"))
    }

    async fn pause(&self, hint: Option<Duration>) {
        self.cx.clock().sleep(hint.unwrap_or(Duration::from_millis(20))).await;
    }
}

/// An operation id of its own for one step of one check.
pub(super) fn operation(check: &str, step: u32) -> Result<OperationId> {
    OperationId::new(format!("{check}-{step}"))
}

pub(super) fn stuck(message: &str) -> stillpoint_core::Error {
    stillpoint_core::Error::new(ErrorKind::Unexpected, message)
}

/// The kind of error a call ended with; `None` where it succeeded.
pub(super) fn refusal<T>(result: &Result<T>) -> Option<ErrorKind> {
    result.as_ref().err().map(stillpoint_core::Error::kind)
}

/// The kind of error a job ended with, at its start or later; `None` where it succeeded.
pub(super) fn job_refusal(result: &Result<JobStatus>) -> Option<ErrorKind> {
    match result {
        Ok(JobStatus { state: JobState::Failed(error), .. }) => Some(error.kind),
        other => refusal(other),
    }
}
