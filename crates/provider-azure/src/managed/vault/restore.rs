//! Restores through a vault, into a new disk, a new share or a new container.

use stillpoint_core::{
    Candidate, Error, ErrorKind, Evidence, JobState, JobStatus, OpContext, RestoreJob, RestoredResource,
    Result, Tags, Timestamp, Wanted,
};

use super::super::AzureProvider;
use super::super::kind::BLOB_CONTAINER;
use super::super::names::{JobKind, JobName, made_by};
use super::super::resource_id::ResourceId;
use super::super::restore::{COMPONENT, prove_place, whole};
use super::super::storage::{CONTAINERS, Metadata, SHARES};
use super::super::tags;
use super::container::container_to_make;
use super::disk::disk_to_make;
use super::follow::Found;
use super::item::Item;
use super::job::Job;
use super::mark::Mark;
use super::points::VaultPoint;
use super::source::Service;
use super::{ITEM, MARK, RECENT, reaches_back};

/// A restore with everything that its start and the search for it need.
pub(super) struct Restore<'a> {
    pub(super) job: &'a RestoreJob,
    pub(super) point: VaultPoint,
    pub(super) item: Item,
    /// The disk or share to be made.
    pub(super) id: ResourceId,
    pub(super) wanted: Wanted,
    pub(super) tags: Tags,
    pub(super) mark: Mark,
}

/// What a restore makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Makes {
    /// By the vault, a disk.
    Disk,
    /// By the vault, a container of blobs.
    Container,
    /// By us, a share; the vault fills it.
    Share,
}

impl Makes {
    fn of(id: &ResourceId) -> Self {
        match id {
            id if id.is(SHARES) => Self::Share,
            id if id.is(CONTAINERS) => Self::Container,
            _ => Self::Disk,
        }
    }
}

/// What stands where a restore is to make something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Nothing,
    /// What this restore made.
    Ours,
    Others,
}

impl Restore<'_> {
    /// Whose what stands there is that the vault has made, which carries this mark.
    pub(super) fn owned_by(&self, mark: Option<&String>) -> Standing {
        match mark {
            Some(mark) if *mark == self.job.key.token() => Standing::Ours,
            // The vault has just made it: nothing else has the name that follows from the key.
            None if self.id.name() == made_by(&self.job.key) => Standing::Ours,
            _ => Standing::Others,
        }
    }

    fn name(&self) -> JobName {
        let name = JobName::new(JobKind::Restore, self.id.clone())
            .with(ITEM, self.item.id.to_string())
            .with(MARK, self.mark.as_str())
            .with(COMPONENT, self.job.key.component().as_str());
        tags::note(&self.tags, name)
    }
}

impl AzureProvider {
    pub(in super::super) async fn start_vault_restore(
        &self,
        cx: &OpContext,
        job: &RestoreJob,
        point: VaultPoint,
    ) -> Result<JobName> {
        whole(job)?;
        cx.check()?;
        let restore = self.vault_restore(job, point).await?;
        let name = restore.name();
        name.of(self.provider_id())?;
        if self.heard().of(&name.to_string()).is_some()
            || restore.item.marked(cx, self.connection(), &restore.mark).await?.is_some()
        {
            return Ok(name);
        }
        let standing = self.standing(&restore).await?;
        if standing == Standing::Others {
            let id = &restore.id;
            let message = format!("{id} exists already; a restore makes a new one, so name another");
            return Err(Error::new(ErrorKind::AlreadyExists, message).with("resource", id));
        }
        let region = self.usable(&restore).await?;
        cx.check()?;
        let now = cx.clock().now();
        let asked = match Makes::of(&restore.id) {
            // What the vault has made already is not asked for again.
            Makes::Disk if standing == Standing::Ours => return Ok(name),
            Makes::Container if standing == Standing::Ours => return Err(untold(&restore.id)),
            // A share that is full already refuses a second job, and nothing would tell that from one that was never filled.
            Makes::Share if standing == Standing::Ours && self.may_be_filled(&restore, now).await? => {
                return Err(untold(&restore.id));
            }
            Makes::Disk => self.ask_for_disk(&restore, &region).await?,
            Makes::Container => self.ask_for_container(&restore, &region).await?,
            Makes::Share => {
                if standing == Standing::Nothing {
                    self.make_share_to_fill(&restore).await?;
                }
                // Whatever becomes of the request, a share is there from now on.
                self.ask_for_share(&restore).await.map_err(Error::maybe_applied)?
            }
        };
        self.heard().accepted(&name.to_string(), now, &asked.0, &asked.1);
        Ok(name)
    }

    pub(in super::super) async fn find_vault_restore(
        &self,
        cx: &OpContext,
        job: &RestoreJob,
        point: VaultPoint,
        since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        cx.check()?;
        let restore = self.vault_restore(job, point).await?;
        let name = restore.name().of(self.provider_id())?;
        let jobs = restore.item.jobs(self.connection(), cx.clock().now(), RECENT).await?;
        let standing = self.standing(&restore).await?;
        let evidence = match standing {
            _ if jobs.iter().any(|job| restore.mark.is_of(&job.activity)) => Evidence::Proven,
            Standing::Others => Evidence::Foreign,
            // A disk that the vault made is the end of it. A container is there while it is filled, a share before.
            Standing::Ours if Makes::of(&restore.id) == Makes::Disk => Evidence::Proven,
            _ if jobs.iter().any(|job| may_be_ours(job, since)) => Evidence::Likely,
            _ => {
                reaches_back(cx.clock().now(), since, &restore.item.id)?;
                return Ok(Vec::new());
            }
        };
        Ok(vec![Candidate::new(name, evidence)])
    }

    pub(in super::super) async fn poll_vault_restore(
        &self,
        cx: &OpContext,
        name: &JobName,
        item: &Item,
    ) -> Result<JobStatus> {
        let (now, makes) = (cx.clock().now(), Makes::of(&name.id));
        let mut status = match self.vault_job(cx, item, name).await? {
            Found::Told(status) => return Ok(*status),
            Found::Job(job) => job.job_status(now),
            // Jobs are forgotten; a disk that they made is not.
            Found::Nothing if makes == Makes::Disk => JobStatus::new(JobState::Succeeded),
            Found::Nothing => {
                let message = format!("the vault of {} knows no job that restores into {}", item.id, name.id);
                return Err(Error::new(ErrorKind::NotFound, message));
            }
        };
        let ended = matches!(status.state, JobState::Succeeded | JobState::SucceededWithIssues);
        if !ended && makes != Makes::Share {
            return Ok(status);
        }
        let wanted = tags::noted(name);
        let landed = match makes {
            Makes::Disk => self.disk_landed(&name.id, &wanted).await?,
            Makes::Container => self.container_landed(&name.id, &wanted).await?,
            Makes::Share => self.share_landed(&name.id, &wanted).await?,
        };
        if !landed {
            let message = format!(
                "{} is not there; look for a housekeeper that deletes what lacks its tag, and restore again",
                name.id
            );
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        if makes != Makes::Disk {
            status.warnings.extend(Metadata::of(&wanted)?.told(&name.id));
        }
        let component = name.note(COMPONENT).unwrap_or_default().parse()?;
        status.restored =
            Some(RestoredResource::new(self.provider_id().clone(), component, name.id.to_string()));
        Ok(status)
    }

    /// Whether a job that carries no mark of ours, and may have ended by now, may have filled what this restore made.
    async fn may_be_filled(&self, restore: &Restore<'_>, now: Timestamp) -> Result<bool> {
        let jobs = restore.item.jobs(self.connection(), now, RECENT).await?;
        Ok(jobs.iter().any(|job| !job.is_backup() && Mark::read(&job.activity).is_none()))
    }

    /// The restore of `job`, with the place where it makes something.
    async fn vault_restore<'a>(&self, job: &'a RestoreJob, point: VaultPoint) -> Result<Restore<'a>> {
        let item = point.item()?;
        let wanted = Wanted::new(&job.destination, Some(&job.component.settings));
        let id = match item.service {
            Service::Protection if job.component.kind == BLOB_CONTAINER => container_to_make(job, &wanted)?,
            Service::Protection => disk_to_make(job, &wanted, &item)?,
            Service::Recovery => self.share_to_make(job, &wanted, &item).await?,
        };
        let (tags, mark) = (tags::of_restore(job)?, Mark::of_restore(job)?);
        Ok(Restore { job, point, item, id, wanted, tags, mark })
    }

    async fn standing(&self, restore: &Restore<'_>) -> Result<Standing> {
        match Makes::of(&restore.id) {
            Makes::Disk => self.disk_standing(restore).await,
            Makes::Container => self.container_standing(restore).await,
            Makes::Share => self.share_standing(restore).await,
        }
    }

    /// Proves that the recovery point can be restored where it is wanted, and answers the region.
    async fn usable(&self, restore: &Restore<'_>) -> Result<String> {
        let point = restore.item.point(self.connection(), &restore.point.id).await?;
        if !point.is_usable() {
            let message = format!("{} is not whole, or was deleted; restore another backup", point.id);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let region = restore.item.region(self.connection()).await?;
        prove_place(&restore.id.subscription, &region, &restore.wanted)?;
        Ok(region)
    }
}

/// The error of what the vault may have begun to fill, where nothing tells of the job any more.
fn untold(id: &ResourceId) -> Error {
    let message = format!(
        "{id} was made for this restore, and the vault does not tell which job fills it, so nobody can say whether all of it \
         is there; look at it, remove it, and restore again"
    );
    Error::new(ErrorKind::NeedsAttention, message).with("resource", id)
}

/// Whether a restore that carries no mark of ours may be the one that was asked for at `since`.
fn may_be_ours(job: &Job, since: Timestamp) -> bool {
    !job.is_backup() && job.is_active() && Mark::read(&job.activity).is_none() && job.started >= Some(since)
}
