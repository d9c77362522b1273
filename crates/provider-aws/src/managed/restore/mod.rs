//! Restores into new resources: volumes from snapshots, file systems through AWS Backup.

use stillpoint_core::{
    Candidate, Error, ErrorKind, JobStatus, OpContext, Readiness, RestoreJob, RestoredResource, Result,
    Timestamp,
};

use super::AwsProvider;
use super::names::JobName;

impl AwsProvider {
    pub(super) async fn start_restore(&self, _cx: &OpContext, _job: &RestoreJob) -> Result<JobName> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn poll_restore(&self, _cx: &OpContext, _name: &JobName) -> Result<JobStatus> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn poll_volume(&self, _cx: &OpContext, _name: &JobName) -> Result<JobStatus> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn find_restore(
        &self,
        _cx: &OpContext,
        _job: &RestoreJob,
        _since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn finish(&self, _cx: &OpContext, _resource: &RestoredResource) -> Result<Readiness> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn discard_resource(&self, _cx: &OpContext, _resource: &RestoredResource) -> Result<()> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }
}
