//! What a job would do, found out without doing it: how much there is, the calls, their permissions, the tags.

use stillpoint_core::{Component, Error, ErrorKind, Estimate, Foreseen, JobRequest, OpContext, Result, Tags};

use super::super::AwsProvider;
use super::super::marks::Marks;
use super::super::names::PointName;
use super::super::policy::{Task, calls};
use super::super::settings::{BackupSettings, Source, SourceKind};
use super::super::tags;
use super::super::vault::NewVault;

/// Bytes a second that AWS Backup reaches with large files of a file system.
/// Source: <https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html>, on performance.
const FILE_SYSTEM_BYTES_PER_SECOND: u64 = 100_000_000;
/// Files a second that it reaches with small ones. Source: the same page.
const FILE_SYSTEM_FILES_PER_SECOND: u64 = 500;
/// A gibibyte as a power of two: what EC2 counts volumes in.
const GIB_BITS: u32 = 30;

impl AwsProvider {
    pub(in super::super) async fn estimate_capture(
        &self,
        _cx: &OpContext,
        component: &Component,
    ) -> Result<Option<Estimate>> {
        let source = Source::of(component)?;
        Ok(Some(self.estimate_source(&source).await?))
    }

    /// Of a volume only the size is known: AWS publishes no rate, and a snapshot copies only what is new. Of a file system
    /// AWS does not tell the number of files, which often is what counts.
    async fn estimate_source(&self, source: &Source) -> Result<Estimate> {
        let clients = self.clients(&source.arn.region)?;
        let id = source.arn.resource_id();
        match source.kind {
            SourceKind::Volume => {
                let volume = clients.ec2().volume(id).await?;
                Ok(Estimate::of_size(volume.size_gib.checked_shl(GIB_BITS), None))
            }
            SourceKind::FileSystem => {
                let system = clients.file_system(id).await?;
                let size = system.size_in_bytes().map(aws_sdk_efs::types::FileSystemSize::value);
                let bytes = size.and_then(|bytes| u64::try_from(bytes).ok());
                let rates = (Some(FILE_SYSTEM_BYTES_PER_SECOND), Some(FILE_SYSTEM_FILES_PER_SECOND));
                Ok(Estimate::of_size(bytes, None).at(rates.0, rates.1))
            }
        }
    }

    pub(in super::super) async fn foresee_job(
        &self,
        cx: &OpContext,
        request: &JobRequest,
    ) -> Result<Foreseen> {
        match request {
            JobRequest::Backup(job) => {
                let source = Source::of(&job.component)?;
                let settings = BackupSettings::of(&job.component)?;
                let tags = tags::of_backup(job, &settings.vault_arn(&source.arn))?;
                let mut foreseen = foreseen(Task::Backup, source.kind, tags);
                if settings.new_vault.is_some() {
                    foresee(&mut foreseen, Task::CreateVault, source.kind);
                }
                foreseen.bytes = self.estimate_capture(cx, &job.component).await?.and_then(|size| size.bytes);
                Ok(foreseen)
            }
            JobRequest::Restore(job) => {
                let point: PointName = job.snapshot.id.as_str().parse()?;
                Ok(foreseen(Task::Restore, kind_of(&point), Marks::of_restore(job)?.tags().clone()))
            }
            JobRequest::Copy(job) => {
                let point: PointName = job.snapshot.id.as_str().parse()?;
                let mut foreseen = foreseen(Task::Copy, kind_of(&point), Marks::of_copy(job)?.tags().clone());
                if NewVault::of(&job.destination)?.is_some() {
                    foresee(&mut foreseen, Task::CreateVault, kind_of(&point));
                }
                Ok(foreseen)
            }
            _ => Err(Error::new(ErrorKind::Unsupported, "AWS knows no such job")),
        }
    }
}

fn kind_of(point: &PointName) -> SourceKind {
    if point.is_snapshot() { SourceKind::Volume } else { SourceKind::FileSystem }
}

pub(in super::super) fn foreseen(task: Task, kind: SourceKind, tags: Tags) -> Foreseen {
    let mut foreseen = Foreseen::default();
    foresee(&mut foreseen, task, kind);
    foreseen.tags = tags;
    foreseen
}

/// Adds what one more task needs.
fn foresee(foreseen: &mut Foreseen, task: Task, kind: SourceKind) {
    for call in calls::calls(task, kind) {
        if !foreseen.calls.iter().any(|known| known == call.name) {
            foreseen.calls.push(call.name.to_owned());
        }
        foreseen.permissions.extend(call.needs.iter().map(|(action, _)| (*action).to_owned()));
    }
}
