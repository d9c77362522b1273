//! Following a backup job to its end, and proving what it made.

use std::time::Duration;

use stillpoint_core::{
    CaptureWindow, Error, ErrorKind, JobState, JobStatus, OpContext, Result, Tags, Timestamp,
};

use super::super::AwsProvider;
use super::super::clients::Clients;
use super::super::names::{JobName, PointName};
use super::super::points::{PointState, Usable};
use super::super::tags;
use super::job::Job;
use super::{KEY, OURS};

/// What a job made must be there, and carry its mark, so long after its end at the latest.
const SETTLE: Duration = Duration::from_secs(10 * 60);
/// Ask again after this time while it is not.
const SETTLE_POLL: Duration = Duration::from_secs(15);

/// What a recovery point of a volume says of itself beyond what AWS Backup knows.
#[derive(Debug, Default)]
struct VolumePoint {
    /// When its content was captured, all of it at once.
    captured: Option<Timestamp>,
    tags: Option<Tags>,
}

impl AwsProvider {
    pub(in super::super) async fn poll_backup(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        let clients = self.clients(&name.region)?;
        let job = Job::describe(&clients, &name.id).await?;
        let point = job.point();
        let volume = match &point {
            Some(point) if point.is_snapshot() => volume_point(&clients, point).await?,
            _ => VolumePoint::default(),
        };
        let key = name.note(KEY);
        let mark = volume.tags.as_ref().and_then(|tags| tags.get(tags::JOB)).map(String::as_str);
        if mark.is_some() && mark != key {
            return Err(other_mark(&job));
        }
        let is_ours = name.note(OURS).is_some() || mark.is_some();
        let now = cx.clock().now();
        let mut status = JobStatus::new(job.job_state());
        status.progress = job.progress();
        // What somebody else captured is no reason to let the workspace go.
        status.captured = captured(&job, point.as_ref(), &volume).filter(|_| is_ours);
        status.poll_after = job.poll_after(now, status.captured.is_some());
        status.counts = counts(&job, point.as_ref());
        status.issues.extend(job.remark().filter(|_| !job.is_active()));
        status.snapshot =
            point.as_ref().map(|point| point.of(self.provider_id(), job.vault_arn.as_ref())).transpose()?;
        if matches!(status.state, JobState::Succeeded | JobState::SucceededWithIssues) {
            let made = Made { clients: &clients, name, job: &job, point: point.as_ref(), tags: volume.tags };
            if let Some(other) = made.judge(now).await? {
                status.poll_after = (!other.is_terminal()).then_some(SETTLE_POLL);
                status.state = other;
            }
        }
        Ok(status)
    }
}

async fn volume_point(clients: &Clients, point: &PointName) -> Result<VolumePoint> {
    match clients.ec2().snapshot(point.arn.resource_id()).await {
        Ok(snapshot) => Ok(VolumePoint {
            captured: snapshot.started.and_then(|started| started.parse().ok()),
            tags: Some(snapshot.tags),
        }),
        // It is not shown yet, or a job that was stopped took it along.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(VolumePoint::default()),
        Err(error) => Err(error),
    }
}

/// When the content was read, once all of it is captured.
///
/// A snapshot of a volume is one instant, long before its blocks are copied. A file system is read from the start of its
/// job to the end, and what is written meanwhile may or may not be in it.
/// Source: <https://docs.aws.amazon.com/efs/latest/ug/awsbackup.html>, on backup consistency.
fn captured(job: &Job, point: Option<&PointName>, volume: &VolumePoint) -> Option<CaptureWindow> {
    if point?.is_snapshot() {
        return volume.captured.map(|instant| CaptureWindow::new(instant, instant));
    }
    let done = job.completed.filter(|_| job.state == "COMPLETED")?;
    Some(CaptureWindow::new(job.initiated.or(job.created)?, done))
}

/// AWS calls two things by one name: of a volume the job's size is all of it, of a file system what the job moved.
/// Source: the model of `DescribeBackupJob`.
fn counts(job: &Job, point: Option<&PointName>) -> std::collections::BTreeMap<String, u64> {
    let is_volume = point.is_some_and(PointName::is_snapshot);
    let scanned = job.size_bytes.filter(|_| is_volume);
    let moved = job.transferred_bytes.or(job.size_bytes.filter(|_| !is_volume));
    let counted = [("bytes_scanned", scanned), ("bytes_read", moved), ("bytes_stored", moved)];
    counted.into_iter().filter_map(|(name, count)| Some((name.to_owned(), count?))).collect()
}

/// The search for our own job begins anew.
fn other_mark(job: &Job) -> Error {
    let message = format!("backup job {} makes what carries the mark of another request", job.id);
    job.error(ErrorKind::NotFound, &message)
}

/// What a job claims to have made.
struct Made<'a> {
    clients: &'a Clients,
    name: &'a JobName,
    job: &'a Job,
    point: Option<&'a PointName>,
    tags: Option<Tags>,
}

impl Made<'_> {
    /// What a completed job is worth: `None` where its success stands, else the state that is true instead.
    ///
    /// # Errors
    /// `NotFound` where the recovery point carries another job's mark, or none although nothing else says that the job is
    /// ours: it is not the one that was asked about, so the search begins anew.
    async fn judge(self, now: Timestamp) -> Result<Option<JobState>> {
        let last_seen = self.job.completed.or(self.job.initiated).or(self.job.created);
        let fresh = last_seen.is_some_and(|at| now.since(at) < SETTLE);
        let missing = |what: &str| {
            let message = format!("backup job {} completed, but {what}", self.job.id);
            let failed = JobState::Failed(self.job.error(ErrorKind::NotFound, &message).record());
            Ok(Some(if fresh { JobState::Running } else { failed }))
        };
        let Some(point) = self.point else { return missing("it names no recovery point") };
        let state = match PointState::describe(self.clients, point).await {
            Ok(state) => state,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return missing("its recovery point does not exist");
            }
            Err(error) => return Err(error),
        };
        let tags = match &self.tags {
            Some(tags) => tags.clone(),
            None => match point.tags(self.clients).await {
                Ok(tags) => tags,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    return missing("its recovery point is not shown where its tags are kept");
                }
                Err(error) => return Err(error),
            },
        };
        match tags.get(tags::JOB) {
            Some(mark) if self.name.note(KEY) == Some(mark.as_str()) => {}
            Some(_) => return Err(other_mark(self.job)),
            None if fresh => return Ok(Some(JobState::Running)),
            None => return self.unmarked(point).map(Some),
        }
        Ok(match state.usable() {
            Usable::Now => None,
            Usable::NotYet => Some(JobState::Running),
            Usable::Unknown => Some(JobState::Unknown(state.status)),
            Usable::Never => {
                let message = format!(
                    "backup job {} completed, but its recovery point is {}",
                    self.job.id,
                    state.in_words()
                );
                Some(JobState::Failed(self.job.error(ErrorKind::Corrupt, &message).record()))
            }
        })
    }

    /// The marks never came, or somebody took them away.
    ///
    /// # Errors
    /// `NotFound` where nothing else says that the job is ours.
    fn unmarked(&self, point: &PointName) -> Result<JobState> {
        if self.name.note(OURS).is_none() {
            let message = format!("backup job {} made what carries no mark of this request", self.job.id);
            return Err(self.job.error(ErrorKind::NotFound, &message));
        }
        // Another job would end like this one.
        let message = format!(
            "backup job {} made {} without the tags it was to carry, or somebody took them away; let nothing remove tags \
             that begin with stillpoint:, and delete that recovery point by hand",
            self.job.id, point.arn
        );
        Ok(JobState::Failed(self.job.error(ErrorKind::NeedsAttention, &message).record()))
    }
}
