//! Copies of recovery points into another vault, region or account.

use stillpoint_core::{Candidate, CopyJob, Error, ErrorKind, JobStatus, OpContext, Result, Timestamp};

use super::AwsProvider;
use super::names::JobName;

impl AwsProvider {
    pub(super) async fn start_copy(&self, _cx: &OpContext, _job: &CopyJob) -> Result<JobName> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn poll_copy(&self, _cx: &OpContext, _name: &JobName) -> Result<JobStatus> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }

    pub(super) async fn find_copy(
        &self,
        _cx: &OpContext,
        _job: &CopyJob,
        _since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        Err(Error::new(ErrorKind::Unsupported, "not yet"))
    }
}
