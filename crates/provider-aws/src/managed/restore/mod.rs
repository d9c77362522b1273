//! Restores into new resources: volumes from snapshots, file systems through AWS Backup.
//!
//! A job's name carries what its polls must know, since AWS keeps nothing of ours with a restore job; what comes after
//! the job is written on the resource itself (`finish`).

mod discard;
mod finish;
mod follow;
mod job;
mod metadata;
mod place;
mod point;
mod room;
mod volume;

use stillpoint_core::{
    Candidate, Error, ErrorKind, Evidence, Landing, OpContext, RestoreJob, Result, Timestamp, Wanted,
};

use super::AwsProvider;
use super::clients::Clients;
use super::listing;
use super::marks::Marks;
use super::names::{JobKind, JobName, PointName};

/// The note of a job's name that says for which component it makes a resource.
const COMPONENT: &str = "component";
/// The note of a job's name that says what finishes its resource.
const PLAN: &str = "plan";

/// A restore with everything that its start and the search for it need.
struct Restore<'a> {
    job: &'a RestoreJob,
    point: PointName,
    clients: Clients,
    wanted: Wanted,
    marks: Marks,
}

impl AwsProvider {
    fn restore<'a>(&self, job: &'a RestoreJob) -> Result<Restore<'a>> {
        let point: PointName = job.snapshot.id.as_str().parse()?;
        let clients = self.clients(&point.arn.region)?;
        let wanted = Wanted::new(&job.destination, Some(&point::recorded_for(&job.component, &point.arn)));
        Ok(Restore { job, point, clients, wanted, marks: Marks::of_restore(job)? })
    }

    pub(super) async fn start_restore(&self, cx: &OpContext, job: &RestoreJob) -> Result<JobName> {
        if !matches!(job.landing, Landing::Empty | Landing::Side) {
            let message =
                "a volume or file system is restored into a new one; merge with or replace files afterwards";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let restore = self.restore(job)?;
        // So that a name that will not fit is refused before anything is made.
        restore.name(JobKind::Restore, &unknown_id()).of(self.provider_id())?;
        cx.check()?;
        if restore.makes_volume_itself()? {
            restore.start_volume().await
        } else {
            restore.start_job(cx).await
        }
    }

    pub(super) async fn find_restore(
        &self,
        cx: &OpContext,
        job: &RestoreJob,
        since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        let restore = self.restore(job)?;
        let found = if restore.makes_volume_itself()? {
            let found = restore.find_volume().await?;
            let (now, arn) = (cx.clock().now(), &restore.point.arn);
            listing::settled_after(volume::VISIBLE_AFTER, now, since, found.is_none(), arn)?;
            found.map(|name| (name, Evidence::Proven)).into_iter().collect()
        } else {
            restore.find_jobs(cx, since).await?
        };
        let candidate = |(name, evidence): (JobName, Evidence)| {
            Ok(Candidate::new(name.of(self.provider_id())?, evidence))
        };
        found.into_iter().map(candidate).collect()
    }
}

impl Restore<'_> {
    /// Whether the volume is made from the snapshot directly, without a restore job.
    fn makes_volume_itself(&self) -> Result<bool> {
        if !self.point.is_snapshot() {
            return Ok(false);
        }
        match self.wanted.text("restore_with")?.as_deref() {
            None | Some("ec2") => Ok(true),
            Some("backup") => Ok(false),
            Some(other) => {
                let message = format!("restore_with is \"ec2\" or \"backup\", not {other:?}");
                Err(Error::new(ErrorKind::InvalidConfig, message))
            }
        }
    }

    /// The name of the job `id` of this restore.
    fn name(&self, kind: JobKind, id: &str) -> JobName {
        let name = JobName::new(kind, &self.point.arn.region, id);
        self.marks.note(name.with(COMPONENT, self.job.key.component().as_str()))
    }
}

/// Stands for an id that AWS has not given yet, and is as long as one may be.
fn unknown_id() -> String {
    "0".repeat(64)
}

/// The component that a job's name notes.
fn component(name: &JobName) -> Result<stillpoint_core::ComponentId> {
    let missing = || Error::new(ErrorKind::NotFound, format!("job {name} does not say what it restores"));
    name.note(COMPONENT).ok_or_else(missing)?.parse()
}
