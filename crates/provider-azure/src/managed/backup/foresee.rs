//! How much there is to capture, and what a job would do, found out without doing it.

use stillpoint_core::{Component, Error, ErrorKind, Estimate, Foreseen, JobRequest, OpContext, Result};

use super::super::AzureProvider;
use super::super::compute::Disk;
use super::super::kind::Kind;
use super::super::policy::{Task, calls};
use super::super::settings::Source;
use super::super::tags;

impl AzureProvider {
    /// Only the size is known: Azure publishes no rate, and a snapshot is there at once.
    pub(in super::super) async fn estimate_capture(
        &self,
        cx: &OpContext,
        component: &Component,
    ) -> Result<Option<Estimate>> {
        cx.check()?;
        let source = Source::of(component)?;
        let disk = Disk::get(self.connection(), &source.id).await?;
        Ok(Some(Estimate::of_size(disk.properties.disk_size_bytes, None)))
    }

    pub(in super::super) async fn foresee_job(
        &self,
        cx: &OpContext,
        request: &JobRequest,
    ) -> Result<Foreseen> {
        let mut foreseen = Foreseen::default();
        let task = match request {
            JobRequest::Backup(job) if Kind::of(&job.component) == Kind::Share => {
                return self.foresee_share(cx, job).await;
            }
            JobRequest::Backup(job) if Kind::of(&job.component) == Kind::Volume => {
                return self.foresee_volume(cx, job).await;
            }
            JobRequest::Backup(job) => {
                let id = Source::of(&job.component)?.snapshot(&job.key)?;
                foreseen.tags = tags::placed(tags::of_backup(job)?, &id);
                foreseen.bytes = self.estimate_capture(cx, &job.component).await?.and_then(|size| size.bytes);
                Task::Backup
            }
            JobRequest::Restore(job) => {
                foreseen.tags = tags::of_restore(job)?;
                Task::Restore
            }
            JobRequest::Copy(job) => {
                foreseen.tags = tags::of_copy(job)?;
                Task::Copy
            }
            _ => return Err(Error::new(ErrorKind::Unsupported, "Azure knows no such job")),
        };
        // Azure calls each of its calls by the action that it needs.
        foreseen.calls = calls::actions(task).map(str::to_owned).collect();
        foreseen.permissions = foreseen.calls.iter().cloned().collect();
        Ok(foreseen)
    }
}
