//! Backup jobs: started once, found again, followed, stopped.

use stillpoint_core::{
    BackupJob, CancelOutcome, Candidate, Component, Error, ErrorKind, Estimate, Foreseen, JobRequest,
    JobStatus, OpContext, Result, Timestamp,
};

use super::AwsProvider;
use super::names::JobName;

impl AwsProvider {
    pub(super) async fn estimate_capture(&self, _cx: &OpContext, _c: &Component) -> Result<Option<Estimate>> {
        Ok(None)
    }

    pub(super) async fn foresee_job(&self, _cx: &OpContext, _request: &JobRequest) -> Result<Foreseen> {
        Ok(Foreseen::default())
    }

    pub(super) async fn start_backup(&self, _cx: &OpContext, _job: &BackupJob) -> Result<JobName> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn poll_backup(&self, _cx: &OpContext, _name: &JobName) -> Result<JobStatus> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn find_backup(
        &self,
        _cx: &OpContext,
        _job: &BackupJob,
        _since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn cancel_backup(&self, _cx: &OpContext, _name: &JobName) -> Result<CancelOutcome> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }
}
