//! How much there is to capture, and what a job would do, found out without doing it.

use stillpoint_core::{
    BackupJob, Component, Error, ErrorKind, Estimate, Foreseen, JobRequest, OpContext, Result, Tags,
};

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
        let (task, kind, mut foreseen) = match request {
            JobRequest::Backup(job) => {
                let kind = Kind::of(&job.component);
                let foreseen = match kind {
                    Kind::Share => self.foresee_share(cx, job).await?,
                    Kind::Volume => self.foresee_volume(cx, job).await?,
                    Kind::Disk => self.foresee_disk(cx, job).await?,
                };
                (Task::Backup, kind, foreseen)
            }
            JobRequest::Restore(job) => {
                let kind = Kind::of_point(job.snapshot.id.as_str());
                (Task::Restore, kind, carrying(tags::of_restore(job)?))
            }
            JobRequest::Copy(job) => (Task::Copy, Kind::Disk, carrying(tags::of_copy(job)?)),
            _ => return Err(Error::new(ErrorKind::Unsupported, "Azure knows no such job")),
        };
        // Azure calls each of its calls by the action that it needs.
        foreseen.calls = calls::actions(task, kind).map(str::to_owned).collect();
        foreseen.permissions = foreseen.calls.iter().cloned().collect();
        Ok(foreseen)
    }
    async fn foresee_disk(&self, cx: &OpContext, job: &BackupJob) -> Result<Foreseen> {
        let id = Source::of(&job.component)?.snapshot(&job.key)?;
        let mut foreseen = carrying(tags::placed(tags::of_backup(job)?, &id));
        foreseen.bytes = self.estimate_capture(cx, &job.component).await?.and_then(|size| size.bytes);
        Ok(foreseen)
    }
}

fn carrying(tags: Tags) -> Foreseen {
    let mut foreseen = Foreseen::default();
    foreseen.tags = tags;
    foreseen
}
