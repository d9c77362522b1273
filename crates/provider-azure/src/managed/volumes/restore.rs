//! New volumes from snapshots and backups, with all tags at their birth.

use std::time::Duration;

use serde_json::{Map, Value, json};
use stillpoint_core::{
    Candidate, Error, ErrorKind, Evidence, JobState, JobStatus, OpContext, Progress, Readiness, RestoreJob,
    RestoredResource, Result, Tags, Wanted,
};

use super::super::AzureProvider;
use super::super::names::{JobKind, JobName, made_by};
use super::super::netapp::{Backup, Standing, VOLUME_WRITE, VOLUMES, Volume, latest_restore};
use super::super::resource_id::ResourceId;
use super::super::restore::{COMPONENT, whole};
use super::super::tags;
use super::points::VolumePoint;
use super::settings;

const POLL_AFTER: Duration = Duration::from_secs(30);

struct Restore<'a> {
    job: &'a RestoreJob,
    point: VolumePoint,
    /// The volume to be made.
    id: ResourceId,
    wanted: Wanted,
    tags: Tags,
}

impl AzureProvider {
    pub(in super::super) async fn start_volume_restore(
        &self,
        cx: &OpContext,
        job: &RestoreJob,
    ) -> Result<JobName> {
        whole(job)?;
        cx.check()?;
        let restore = self.volume_restore(job).await?;
        let name = restore.name();
        name.of(self.provider_id())?;
        if self.made_volume(&restore).await?.is_some() {
            return Ok(name);
        }
        let region = restore.region(self).await?;
        let body = body(&restore.wanted, &restore.id, &region, &restore.tags, Some(&restore.point))?;
        let begun = Volume::put(self.connection(), &restore.id, &body).await?;
        self.under_way().keep(&restore.id.to_string(), &begun);
        Ok(name)
    }

    pub(in super::super) async fn find_volume_restore(
        &self,
        cx: &OpContext,
        job: &RestoreJob,
    ) -> Result<Vec<Candidate>> {
        cx.check()?;
        let restore = self.volume_restore(job).await?;
        let evidence = match self.made_volume(&restore).await {
            Ok(None) => return Ok(Vec::new()),
            Ok(Some(_)) => Evidence::Proven,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Evidence::Foreign,
            Err(error) => return Err(error),
        };
        Ok(vec![Candidate::new(restore.name().of(self.provider_id())?, evidence)])
    }

    /// The restore of `job`; what neither its destination nor the backup says is asked of the source, as long as that exists.
    async fn volume_restore<'a>(&self, job: &'a RestoreJob) -> Result<Restore<'a>> {
        let point: VolumePoint = job.snapshot.id.as_str().parse()?;
        let source = if point.is_backup() {
            let backup = Backup::get(self.connection(), &point.0).await?;
            backup.properties.volume_resource_id.parse()?
        } else {
            point.0.parent()?
        };
        let mut wanted = Wanted::new(&job.destination, Some(&job.component.settings));
        if (wanted.lacks("subnet") || wanted.lacks("pool"))
            && let Some(volume) = Volume::known(self.connection(), &source).await?
        {
            wanted = wanted.over(settings(&source, &volume));
        }
        let pool = wanted.needed("pool", "a new volume")?;
        let account = source.parent()?.parent()?;
        let pool: ResourceId =
            if pool.starts_with('/') { pool.parse()? } else { account.child("capacityPools", &pool)? };
        if pool.parent()? != account {
            let message = format!(
                "{} is in the NetApp account {account}, and a volume is made of it in that account only, not in {pool}",
                point.0
            );
            return Err(Error::new(ErrorKind::InvalidInput, message).with("setting", "pool"));
        }
        // Where the source lies is recorded of it; only the destination names the new volume.
        let name = Wanted::new(&job.destination, None).text("name")?.unwrap_or_else(|| made_by(&job.key));
        let id = pool.child("volumes", &name)?;
        Ok(Restore { job, point, id, wanted, tags: tags::of_restore(job)? })
    }

    /// The volume that this key made.
    ///
    /// # Errors
    /// `AlreadyExists` where a volume of the name is there that it did not make.
    async fn made_volume(&self, restore: &Restore<'_>) -> Result<Option<Volume>> {
        let Some(volume) = Volume::known(self.connection(), &restore.id).await? else { return Ok(None) };
        if volume.tags.get(tags::JOB) == Some(&restore.job.key.token()) {
            return Ok(Some(volume));
        }
        let id = &restore.id;
        let message = format!("the volume {id} exists already; a restore makes a new one, so name another");
        Err(Error::new(ErrorKind::AlreadyExists, message).with("resource", id))
    }

    /// Looks at a new volume until it is there and all of its data has arrived.
    pub(in super::super) async fn poll_volume(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        cx.check()?;
        let id = &name.id;
        let Some(volume) = Volume::known(self.connection(), id).await? else {
            let now = cx.clock().now();
            let absent = (POLL_AFTER, format!("Azure knows no volume {id}"));
            return self
                .under_way()
                .unseen(self.connection(), VOLUME_WRITE, &id.to_string(), now, absent)
                .await;
        };
        self.under_way().shown(&id.to_string());
        let wanted = tags::noted(name);
        if volume.tags.get(tags::JOB) != wanted.get(tags::JOB) {
            let message = format!("the volume {id} is not what this job makes");
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        let transfer = latest_restore(self.connection(), id).await?;
        let failed = transfer.as_ref().filter(|transfer| transfer.has_failed());
        let mut status = match (volume.standing(), failed) {
            (Standing::Unknown(word), _) => running(JobState::Unknown(word)),
            (Standing::NotYet, None) => running(JobState::Running),
            (Standing::Failed | Standing::Going, _) | (_, Some(_)) => {
                let why = failed.map(|transfer| transfer.in_words()).unwrap_or_default();
                let message = format!("the volume {id} could not be restored; {why}");
                let reason = self.reason(VOLUME_WRITE, id, message).await;
                JobStatus::new(JobState::Failed(reason.record()))
            }
            (Standing::There, None) if volume.properties.is_restoring == Some(true) => {
                running(JobState::Running)
            }
            (Standing::There, None) => JobStatus::new(JobState::Succeeded),
        };
        let component = name.note(COMPONENT).unwrap_or_default().parse()?;
        status.restored = Some(RestoredResource::new(self.provider_id().clone(), component, id.to_string()));
        if let Some(transfer) = &transfer {
            let (done, total) = transfer.bytes();
            let done = if status.state == JobState::Succeeded { total.unwrap_or(done) } else { done };
            status.progress = Progress::new(done, 0).of(total, None);
        }
        if status.state == JobState::Succeeded {
            status.warnings.extend(self.put_back_on_volume(id, &wanted, &volume.tags).await?);
        }
        Ok(status)
    }

    /// Writes those of `wanted` again that somebody took off, and says so.
    async fn put_back_on_volume(
        &self,
        id: &ResourceId,
        wanted: &Tags,
        found: &Tags,
    ) -> Result<Option<String>> {
        let missing = tags::missing(wanted, found);
        if missing.is_empty() {
            return Ok(None);
        }
        let mut all = found.clone();
        all.extend(missing.clone());
        Volume::write_tags(self.connection(), id, &all).await?;
        let keys: Vec<&str> = missing.keys().map(String::as_str).collect();
        let keys = keys.join(", ");
        Ok(Some(format!("somebody took the tags {keys} off {id} while it was restored; they are back on it")))
    }

    pub(in super::super) async fn finish_volume(&self, cx: &OpContext, id: &ResourceId) -> Result<Readiness> {
        let volume = Volume::get(self.connection(), id).await?;
        tags::owned(cx, id, &volume.tags)?;
        match volume.standing() {
            Standing::There if volume.properties.is_restoring != Some(true) => Ok(Readiness::Initialized),
            Standing::Failed | Standing::Going => {
                let message = format!("the restored volume {id} failed, or is being deleted; restore again");
                Err(Error::new(ErrorKind::Corrupt, message))
            }
            _ => Ok(Readiness::Pending),
        }
    }

    pub(in super::super) async fn discard_volume(&self, cx: &OpContext, id: &ResourceId) -> Result<()> {
        if !id.is(VOLUMES) {
            let message = format!("{id} is no resource that this provider makes");
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        let Some(volume) = Volume::known(self.connection(), id).await? else { return Ok(()) };
        tags::owned(cx, id, &volume.tags)?;
        if volume.standing() == Standing::Going {
            return Ok(());
        }
        match Volume::delete(self.connection(), id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Restore<'_> {
    fn name(&self) -> JobName {
        let name = JobName::new(JobKind::Restore, self.id.clone());
        tags::note(&self.tags, name.with(COMPONENT, self.job.key.component().as_str()))
    }

    /// The region of the point, where a restore must be.
    async fn region(&self, provider: &AzureProvider) -> Result<String> {
        let (standing, region) = self.point.read(provider.connection()).await?;
        let refused = |kind, what: &str| Err(Error::new(kind, format!("{} {what}", self.point.0)));
        match standing {
            Standing::There => {}
            Standing::NotYet | Standing::Unknown(_) => {
                return refused(ErrorKind::Busy, "is not whole yet; wait until it is");
            }
            Standing::Failed | Standing::Going => {
                return refused(ErrorKind::Corrupt, "cannot be used; restore another backup");
            }
        }
        super::super::restore::prove_place(&self.point.0.subscription, &region, &self.wanted)?;
        Ok(region)
    }
}

/// The request for the volume `id` in `region`, empty or made of `point`.
///
/// # Errors
/// `InvalidConfig` where a setting is missing or cannot be used.
pub(in super::super) fn body(
    wanted: &Wanted,
    id: &ResourceId,
    region: &str,
    tags: &Tags,
    point: Option<&VolumePoint>,
) -> Result<Value> {
    let size: u64 = wanted.get("size_gib")?.unwrap_or(0);
    if size == 0 {
        let message = "a new volume needs the setting size_gib";
        return Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", "size_gib"));
    }
    let made_of = if point.is_some_and(VolumePoint::is_backup) { "backupId" } else { "snapshotId" };
    let members: [(&str, Value); 9] = [
        ("creationToken", json!(id.name())),
        ("usageThreshold", json!(size << 30)),
        ("subnetId", json!(wanted.needed("subnet", "a new volume")?)),
        ("serviceLevel", json!(wanted.text("service_level")?)),
        ("protocolTypes", json!(wanted.get::<Vec<String>>("protocols")?)),
        ("exportPolicy", json!(wanted.get::<Value>("export_policy")?)),
        ("networkFeatures", json!(wanted.text("network_features")?)),
        ("securityStyle", json!(wanted.text("security_style")?)),
        (made_of, json!(point.map(|point| point.0.to_string()))),
    ];
    let properties: Map<String, Value> = members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let mut body = json!({"location": region, "tags": tags, "properties": properties});
    if let (Some(zone), Some(body)) = (wanted.text("zone")?, body.as_object_mut()) {
        body.insert("zones".to_owned(), json!([zone]));
    }
    Ok(body)
}

fn running(state: JobState) -> JobStatus {
    let mut status = JobStatus::new(state);
    status.poll_after = Some(POLL_AFTER);
    status
}
