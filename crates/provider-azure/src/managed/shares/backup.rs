//! Taking the snapshot of a share, once for each key, and looking at it.

use stillpoint_core::{
    BackupJob, Candidate, CaptureWindow, Component, Error, ErrorKind, Estimate, Evidence, Foreseen, JobState,
    JobStatus, OpContext, Progress, Result,
};

use super::super::AzureProvider;
use super::super::names::{JobKind, JobName};
use super::super::resource_id::ResourceId;
use super::super::storage::{Metadata, Share, Taken};
use super::super::tags;
use super::{SNAPSHOTS_MAX, SharePoint, source};

/// The note of a job's name that carries the mark of what it makes.
const KEY: &str = "key";
/// The note of a job's name that lists the tags which a share cannot carry.
const LEFT_OUT: &str = "left-out";

impl AzureProvider {
    pub(in super::super) async fn estimate_share(
        &self,
        cx: &OpContext,
        component: &Component,
    ) -> Result<Option<Estimate>> {
        cx.check()?;
        let bytes = Share::usage(self.connection(), &source(component)?).await?;
        Ok(Some(Estimate::of_size(bytes, None)))
    }

    pub(in super::super) async fn foresee_share(&self, cx: &OpContext, job: &BackupJob) -> Result<Foreseen> {
        let mut foreseen = Foreseen::default();
        let mut written = tags::of_backup(job)?;
        let metadata = Metadata::of(&written)?;
        written.retain(|key, _| !metadata.left_out.contains(key));
        foreseen.tags = written;
        foreseen.bytes = self.estimate_share(cx, &job.component).await?.and_then(|size| size.bytes);
        Ok(foreseen)
    }

    /// Takes the snapshot, unless one with the job's mark is there: a lost answer must not make two.
    pub(in super::super) async fn start_share_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
    ) -> Result<JobName> {
        let share = source(&job.component)?;
        let metadata = Metadata::of(&tags::of_backup(job)?)?;
        let name = name(job, &share, &metadata);
        // So that a name that will not fit is refused before anything is made.
        name.of(self.provider_id())?;
        let token = job.key.token();
        if self.taken(&share, &token).await?.is_some() {
            return Ok(name);
        }
        cx.check()?;
        let taken = match Share::take(self.connection(), &share, &metadata.written).await {
            Ok(taken) => taken,
            Err(error) => return Err(limited(error, &share)),
        };
        if let Some(taken) = taken {
            self.times().keep(&place(&share, &token), &taken.time);
        }
        Ok(name)
    }

    pub(in super::super) async fn find_share_backup(
        &self,
        cx: &OpContext,
        job: &BackupJob,
    ) -> Result<Vec<Candidate>> {
        cx.check()?;
        let share = source(&job.component)?;
        if self.taken(&share, &job.key.token()).await?.is_none() {
            return Ok(Vec::new());
        }
        let metadata = Metadata::of(&tags::of_backup(job)?)?;
        Ok(vec![Candidate::new(name(job, &share, &metadata).of(self.provider_id())?, Evidence::Proven)])
    }

    pub(in super::super) async fn poll_share(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        cx.check()?;
        let token = name.note(KEY).unwrap_or_default();
        let Some(taken) = self.taken(&name.id, token).await? else {
            let message = format!("the share {} has no snapshot of this job", name.id);
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let mut status = JobStatus::new(JobState::Succeeded);
        status.captured = taken.at().map(|instant| CaptureWindow::new(instant, instant));
        let point = SharePoint { share: name.id.clone(), time: taken.time };
        status.snapshot = Some(point.of(self.provider_id())?);
        status.progress = Progress::new(0, 0);
        status.warnings.extend(name.note(LEFT_OUT).map(|keys| {
            format!("a share has metadata and no tags, and metadata cannot hold {keys}; it was left out")
        }));
        Ok(status)
    }

    /// The snapshot of `share` that carries the mark `token`; the oldest, where an answer was lost and two were taken.
    async fn taken(&self, share: &ResourceId, token: &str) -> Result<Option<Taken>> {
        let ours =
            |taken: &Taken| !token.is_empty() && taken.tags.get(tags::JOB).is_some_and(|mark| mark == token);
        let listed = match Share::snapshots(self.connection(), share).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        if let Some(found) = listed.into_iter().find(ours) {
            return Ok(Some(found));
        }
        // The list may be behind what this process did itself.
        let Some(time) = self.times().of(&place(share, token)) else { return Ok(None) };
        Ok(Share::snapshot(self.connection(), share, &time).await?.filter(ours))
    }
}

fn place(share: &ResourceId, token: &str) -> String {
    format!("{token}{}", share.to_string().to_lowercase())
}

fn name(job: &BackupJob, share: &ResourceId, metadata: &Metadata) -> JobName {
    let name = JobName::new(JobKind::Backup, share.clone()).with(KEY, job.key.token());
    if metadata.left_out.is_empty() { name } else { name.with(LEFT_OUT, metadata.left_out.join(", ")) }
}

/// A refusal with the rule that it most likely follows.
fn limited(error: Error, share: &ResourceId) -> Error {
    let rule = match (error.kind(), error.context("code")) {
        (ErrorKind::QuotaExceeded, _) => {
            format!("a share may have {SNAPSHOTS_MAX} snapshots; delete old backups of {share}")
        }
        (ErrorKind::InvalidInput, Some("UnsupportedOperation")) => {
            format!(
                "{share} takes no snapshots; an NFS share takes them in an account of kind FileStorage only"
            )
        }
        _ => return error,
    };
    let code = error.context("code").unwrap_or_default().to_owned();
    Error::new(error.kind(), rule)
        .with_retry(error.retry())
        .with("resource", share)
        .with("code", code)
        .with_source(error)
}
