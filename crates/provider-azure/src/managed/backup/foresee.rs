//! How much there is to capture, and what a job would do, found out without doing it.

use stillpoint_core::{
    BackupJob, Component, Error, ErrorKind, Estimate, Foreseen, JobRequest, OpContext, Result, Tags,
};

use super::super::AzureProvider;
use super::super::compute::Disk;
use super::super::kind::Kind;
use super::super::policy::{Task, calls, vaults};
use super::super::settings::Source;
use super::super::tags;
use super::super::vault::{self, VaultPoint};

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
        if let Some(of_vault) = self.foresee_in_vault(cx, request).await? {
            return Ok(of_vault);
        }
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

    /// What a job of a vault would do. Nothing is written on what a vault makes but on a restored resource.
    async fn foresee_in_vault(&self, cx: &OpContext, request: &JobRequest) -> Result<Option<Foreseen>> {
        let (component, task) = match request {
            JobRequest::Backup(job) => (&job.component, Task::Backup),
            JobRequest::Restore(job) if job.snapshot.id.as_str().parse::<VaultPoint>().is_ok() => {
                (&job.component, Task::Restore)
            }
            _ => return Ok(None),
        };
        let Some(source) = vault::Source::of(component)? else { return Ok(None) };
        let mut foreseen = Foreseen::default();
        if let JobRequest::Restore(job) = request {
            foreseen.tags = tags::of_restore(job)?;
        } else if !source.is_of_blobs() {
            let size = match Kind::of(component) {
                Kind::Share => self.estimate_share(cx, component).await?,
                _ => self.estimate_capture(cx, component).await?,
            };
            foreseen.bytes = size.and_then(|size| size.bytes);
        }
        foreseen.calls = vaults::actions(source.what(), task).map(str::to_owned).collect();
        foreseen.permissions = foreseen.calls.iter().cloned().collect();
        Ok(Some(foreseen))
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
