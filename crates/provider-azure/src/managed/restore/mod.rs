//! Restores: a new disk from a snapshot, with all tags at its birth.

mod discard;
mod disk;
mod finish;
mod follow;
mod place;

use stillpoint_core::{
    Candidate, Error, ErrorKind, Evidence, Landing, OpContext, RestoreJob, Result, Tags, Wanted,
};

pub(super) use place::prove as prove_place;

use super::AzureProvider;
use super::compute::DISKS;
use super::names::{JobKind, JobName, PointName, made_by};
use super::resource_id::ResourceId;
use super::settings::RESOURCE_GROUP;
use super::tags;

/// The note of a job's name that says for which component it makes a resource.
pub(super) const COMPONENT: &str = "component";

/// A restore with everything that its start and the search for it need.
struct Restore<'a> {
    job: &'a RestoreJob,
    point: PointName,
    /// The disk to be made.
    id: ResourceId,
    wanted: Wanted,
    tags: Tags,
}

impl<'a> Restore<'a> {
    fn of(job: &'a RestoreJob) -> Result<Self> {
        let point: PointName = job.snapshot.id.as_str().parse()?;
        let wanted = Wanted::new(&job.destination, Some(&job.component.settings));
        let source: Option<ResourceId> = job.component.resource.parse().ok();
        let own = || source.map_or_else(|| point.0.group.clone(), |source| source.group);
        let group = wanted.text(RESOURCE_GROUP)?.unwrap_or_else(own);
        // What a name was recorded for is there already.
        let name = Wanted::new(&job.destination, None).text("name")?.unwrap_or_else(|| made_by(&job.key));
        let (provider, kind) = DISKS.split_once('/').unwrap_or_default();
        let id = ResourceId::new(&point.0.subscription, &group, provider, kind, &name)?;
        Ok(Self { job, point, id, wanted, tags: tags::of_restore(job)? })
    }

    fn name(&self) -> JobName {
        let name = JobName::new(JobKind::Restore, self.id.clone());
        tags::note(&self.tags, name.with(COMPONENT, self.job.key.component().as_str()))
    }
}

/// Refuses what no restore into a new disk or volume can do.
///
/// # Errors
/// `Unsupported` that says what to do instead.
pub(super) fn whole(job: &RestoreJob) -> Result<()> {
    let refused = |message: &str| Err(Error::new(ErrorKind::Unsupported, message));
    if !matches!(job.landing, Landing::Empty | Landing::Side) {
        return refused(
            "a disk or volume is restored into a new one; merge with or replace files afterwards",
        );
    }
    if !job.include.is_empty() {
        return refused("a disk or volume is restored as a whole; take single files from the restored one");
    }
    Ok(())
}

impl AzureProvider {
    pub(super) async fn start_restore(&self, cx: &OpContext, job: &RestoreJob) -> Result<JobName> {
        whole(job)?;
        let restore = Restore::of(job)?;
        let name = restore.name();
        // So that a name that will not fit is refused before anything is made.
        name.of(self.provider_id())?;
        cx.check()?;
        self.make_disk(&restore).await?;
        Ok(name)
    }

    pub(super) async fn find_restore(&self, cx: &OpContext, job: &RestoreJob) -> Result<Vec<Candidate>> {
        cx.check()?;
        let restore = Restore::of(job)?;
        let evidence = match self.made_disk(&restore).await {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(_)) => Evidence::Proven,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Evidence::Foreign,
            Err(error) => return Err(error),
        };
        Ok(vec![Candidate::new(restore.name().of(self.provider_id())?, evidence)])
    }
}
