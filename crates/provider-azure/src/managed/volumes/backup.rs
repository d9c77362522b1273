//! A volume captured: its snapshot, and where a vault is named the backup of that.

use std::time::Duration;

use stillpoint_core::{
    BackupJob, Candidate, CaptureWindow, Error, ErrorKind, Evidence, Foreseen, JobState, JobStatus,
    OpContext, Progress, Result, Retry, SnapshotRef,
};

use super::super::AzureProvider;
use super::super::names::{JobKind, JobName};
use super::super::netapp::{BACKUP_WRITE, Backup, SNAPSHOT_WRITE, Snapshot, Standing, Volume, latest_backup};
use super::super::resource_id::ResourceId;
use super::super::under_way::Reason;
use super::points::VolumePoint;
use super::{SNAPSHOTS_MAX, Source};

/// The note of a job's name that says into which backup the snapshot is copied.
const BACKUP: &str = "backup";
const POLL_SNAPSHOT: Duration = Duration::from_secs(2);
const POLL_TRANSFER: Duration = Duration::from_secs(30);

impl AzureProvider {
    /// Nothing but a name is written on what this job makes.
    pub(in super::super) async fn foresee_volume(&self, cx: &OpContext, job: &BackupJob) -> Result<Foreseen> {
        cx.check()?;
        Source::of(&job.component)?.makes(job)?;
        Ok(Foreseen::default())
    }

    pub(in super::super) async fn start_volume_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
    ) -> Result<JobName> {
        let source = Source::of(&job.component)?;
        let name = name(&source, job)?;
        name.of(self.provider_id())?;
        if Snapshot::known(self.connection(), &name.id).await?.is_some() {
            return Ok(name);
        }
        let volume = Volume::get(self.connection(), &source.id).await?;
        cx.check()?;
        match Snapshot::put(self.connection(), &name.id, &volume.location).await {
            Ok(begun) => self.under_way().keep(&name.id.to_string(), &begun),
            Err(error) => return Err(limited(error, &source.id)),
        }
        Ok(name)
    }

    pub(in super::super) async fn find_volume_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
    ) -> Result<Vec<Candidate>> {
        cx.check()?;
        let name = name(&Source::of(&job.component)?, job)?;
        if Snapshot::known(self.connection(), &name.id).await?.is_none() {
            return Ok(Vec::new());
        }
        Ok(vec![Candidate::new(name.of(self.provider_id())?, Evidence::Proven)])
    }

    /// Looks at the snapshot and then at its backup, which is begun as soon as the snapshot is there: by its name, so that
    /// doing so twice begins one.
    pub(in super::super) async fn poll_volume_backup(
        &self,
        cx: &OpContext,
        name: &JobName,
    ) -> Result<JobStatus> {
        cx.check()?;
        let Some(snapshot) = Snapshot::known(self.connection(), &name.id).await? else {
            return self.no_snapshot(cx, name).await;
        };
        self.under_way().shown(&name.id.to_string());
        let mut status = JobStatus::new(JobState::Running);
        status.poll_after = Some(POLL_SNAPSHOT);
        match snapshot.standing() {
            Standing::NotYet => return Ok(status),
            Standing::Unknown(word) => {
                status.state = JobState::Unknown(word);
                return Ok(status);
            }
            Standing::Failed | Standing::Going => {
                let message = format!("the snapshot {} could not be taken, or is being deleted", name.id);
                let reason = self.reason(SNAPSHOT_WRITE, &name.id, message).await;
                return Ok(JobStatus::new(JobState::Failed(reason.record())));
            }
            Standing::There => {}
        }
        status.captured = snapshot.captured().map(|instant| CaptureWindow::new(instant, instant));
        let Some(backup) = name.note(BACKUP) else {
            status.state = JobState::Succeeded;
            status.poll_after = None;
            status.snapshot = Some(self.point(name.id.clone())?);
            return Ok(status);
        };
        self.poll_transfer(name, &backup.parse()?, status).await
    }

    async fn poll_transfer(
        &self,
        name: &JobName,
        backup: &ResourceId,
        mut status: JobStatus,
    ) -> Result<JobStatus> {
        let volume = name.id.parent()?;
        status.poll_after = Some(POLL_TRANSFER);
        let Some(known) = Backup::known(self.connection(), backup).await? else {
            match Backup::put(self.connection(), backup, &volume, name.id.name()).await {
                Ok(begun) => self.under_way().keep(&backup.to_string(), &begun),
                // One backup of a volume runs at a time; whosesoever it is, ours comes next.
                Err(error) if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Conflict) => {
                    status.warnings.push(format!("the backup waits for another one of {volume} ({error})"));
                }
                Err(error) if error.effect() == stillpoint_core::Effect::MaybeApplied => return Err(error),
                Err(error) if error.retry() != Retry::Never => return Err(error),
                Err(error) => {
                    status.state = JobState::Failed(error.record());
                    status.poll_after = None;
                }
            }
            return Ok(status);
        };
        status.snapshot = Some(self.point(backup.clone())?);
        match known.standing() {
            Standing::There => {
                status.state = JobState::Succeeded;
                status.progress =
                    Progress::new(known.properties.size.unwrap_or(0), 0).of(known.properties.size, None);
                status.poll_after = None;
            }
            Standing::NotYet => {
                if let Some(transfer) = latest_backup(self.connection(), &volume).await? {
                    let (done, total) = transfer.bytes();
                    if transfer.is_running() {
                        status.progress = Progress::new(done, 0).of(total, None);
                    } else if transfer.has_failed() {
                        status
                            .warnings
                            .push(format!("the last transfer of {volume}: {}", transfer.in_words()));
                    }
                }
            }
            Standing::Unknown(word) => status.state = JobState::Unknown(word),
            Standing::Failed | Standing::Going => {
                let why = known.properties.failure_reason.clone().unwrap_or_default();
                let message = format!("the backup {backup} failed, or is being deleted; {why}");
                let reason = self.reason(BACKUP_WRITE, backup, message).await;
                status.state = JobState::Failed(reason.record());
                status.poll_after = None;
            }
        }
        Ok(status)
    }

    async fn no_snapshot(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        let (id, now) = (name.id.to_string(), cx.clock().now());
        let absent = (POLL_SNAPSHOT, format!("Azure knows no snapshot {id}"));
        self.under_way().unseen(self.connection(), SNAPSHOT_WRITE, &id, now, absent).await
    }

    /// Why what `id` names could not be made, as far as this process has heard.
    pub(super) async fn reason(&self, action: &str, id: &ResourceId, message: String) -> Error {
        self.under_way().ask(self.connection(), action, &id.to_string()).await.reason(message)
    }

    fn point(&self, id: ResourceId) -> Result<SnapshotRef> {
        VolumePoint(id).of(self.provider_id())
    }
}

fn name(source: &Source, job: &BackupJob) -> Result<JobName> {
    let (snapshot, backup) = source.makes(job)?;
    let name = JobName::new(JobKind::Backup, snapshot);
    Ok(match backup {
        Some(backup) => name.with(BACKUP, backup.to_string()),
        None => name,
    })
}

/// A refusal with the rule that it most likely follows.
fn limited(error: Error, volume: &ResourceId) -> Error {
    if error.kind() != ErrorKind::QuotaExceeded {
        return error;
    }
    let rule = format!("a volume may have {SNAPSHOTS_MAX} snapshots; delete old backups of {volume}");
    Error::new(error.kind(), rule).with_retry(error.retry()).with("resource", volume).with_source(error)
}
