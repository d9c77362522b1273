//! Empty shares and volumes, which the data plane of files fills: the one way to make a share of what was backed up, since
//! Azure makes none of a share's snapshot, and the way for files that were never Azure's.

use std::time::Duration;

use serde_json::{Map, Value, json};
use stillpoint_core::{Error, ErrorKind, OpContext, RestoreJob, RestoredResource, Result, Tags, Wanted};

use super::AzureProvider;
use super::kind::Kind;
use super::names::made_by;
use super::netapp::{self, Standing, Volume};
use super::resource_id::ResourceId;
use super::storage::{Metadata, Share};
use super::tags;
use super::volumes::body;

/// The setting of a restore's destination that names the new share or volume itself, by its full resource id. Without it the
/// new one is made beside the old one: in its storage account or capacity pool, under a name that follows from the job.
pub const RESOURCE: &str = "resource";

/// When to look again for a volume that is being made.
const LOOK_AFTER: Duration = Duration::from_secs(10);

impl AzureProvider {
    /// The share or volume that [`Self::make_empty`] makes for `job`. Nothing is asked and nothing is made.
    ///
    /// # Errors
    /// `InvalidInput` where neither the destination nor the component names a share or volume; `InvalidConfig` where a
    /// setting cannot be used.
    pub fn empty(&self, job: &RestoreJob) -> Result<RestoredResource> {
        let id = place(job)?.to_string();
        Ok(RestoredResource::new(self.provider_id().clone(), job.key.component().clone(), id))
    }

    /// Those tags of `job` that [`Self::make_empty`] cannot write, because a share has metadata and no tags. Nothing is asked.
    ///
    /// # Errors
    /// Those of [`Self::empty`]; `InvalidInput` where a tag cannot be written at all.
    pub fn tags_left_out(&self, job: &RestoreJob) -> Result<Vec<String>> {
        let written = tags::of_restore(job)?;
        if Kind::of_id(&place(job)?) == Kind::Share {
            Ok(Metadata::of(&written)?.left_out)
        } else {
            Ok(Vec::new())
        }
    }

    /// Makes the empty share or volume into which the data plane of files restores the component of `job`, with the job's
    /// tags at its birth, or finds the one that this job made. [`stillpoint_core::Provider::discard`] removes it again.
    ///
    /// How it is made is the destination's word over what was recorded of the component: `protocol`, `size_gib`,
    /// `access_tier` and `root_squash` of a share; `size_gib`, `subnet`, `protocols`, `export_policy` and the like of a
    /// volume. A share has metadata and no tags; [`Self::tags_left_out`] says what metadata cannot hold.
    ///
    /// ```no_run
    /// use stillpoint_core::{OpContext, RestoreJob, Result};
    /// use stillpoint_provider_azure::managed::AzureProvider;
    ///
    /// # async fn filled(provider: &AzureProvider, job: &RestoreJob) -> Result<()> {
    /// let made = provider.make_empty(&OpContext::background(), job).await?;
    /// println!("mount {} and restore the files into it", made.resource);
    /// # Ok(()) }
    /// ```
    ///
    /// It may be called again, by any process, with the same job.
    ///
    /// # Errors
    /// `AlreadyExists` where one of the name is there that this job did not make; `Unavailable`, to call again, while a
    /// volume is being made; those of [`Self::empty`], and whatever the calls can meet.
    pub async fn make_empty(&self, cx: &OpContext, job: &RestoreJob) -> Result<RestoredResource> {
        cx.check()?;
        let id = place(job)?;
        let wanted = Wanted::new(&job.destination, Some(&job.component.settings));
        let written = tags::of_restore(job)?;
        match Kind::of_id(&id) {
            Kind::Share => self.make_share(&id, &wanted, &written).await?,
            _ => self.make_volume(&id, &wanted, &written).await?,
        }
        self.empty(job)
    }

    async fn make_share(&self, id: &ResourceId, wanted: &Wanted, written: &Tags) -> Result<()> {
        if let Some(share) = Share::known(self.connection(), id).await? {
            return own(id, &share.tags(), written);
        }
        let members: [(&str, Value); 5] = [
            ("metadata", json!(Metadata::of(written)?.written)),
            ("enabledProtocols", json!(wanted.text("protocol")?.unwrap_or_else(|| "NFS".to_owned()))),
            ("shareQuota", json!(wanted.get::<u64>("size_gib")?)),
            ("accessTier", json!(wanted.text("access_tier")?)),
            ("rootSquash", json!(wanted.text("root_squash")?)),
        ];
        let members = members.into_iter().filter(|(_, value)| !value.is_null());
        let properties: Map<String, Value> = members.map(|(name, value)| (name.to_owned(), value)).collect();
        Share::make(self.connection(), id, &json!({ "properties": properties })).await
    }

    async fn make_volume(&self, id: &ResourceId, wanted: &Wanted, written: &Tags) -> Result<()> {
        let again = || {
            let message = format!("the volume {id} is being made; look again");
            Error::new(ErrorKind::Unavailable, message).retry_after(LOOK_AFTER)
        };
        let Some(volume) = Volume::known(self.connection(), id).await? else {
            let account = id.parent()?.parent()?;
            let region = netapp::region(self.connection(), &account).await?;
            let begun =
                Volume::put(self.connection(), id, &body(wanted, id, &region, written, None)?).await?;
            self.under_way().keep(&id.to_string(), &begun);
            return Err(again());
        };
        own(id, &volume.tags, written)?;
        match volume.standing() {
            Standing::There => Ok(()),
            Standing::Failed | Standing::Going => {
                let message = format!("the new volume {id} failed, or is being deleted; restore again");
                Err(Error::new(ErrorKind::Unavailable, message).with_retry(stillpoint_core::Retry::Never))
            }
            Standing::NotYet | Standing::Unknown(_) => Err(again()),
        }
    }

    /// Removes a share that a restore of this operation made, where it carries that mark.
    ///
    /// # Errors
    /// `PermissionDenied` where it does not.
    pub(super) async fn discard_share(&self, cx: &OpContext, id: &ResourceId) -> Result<()> {
        let Some(share) = Share::known(self.connection(), id).await? else { return Ok(()) };
        tags::owned(cx, id, &share.tags())?;
        match Share::delete(self.connection(), id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

/// Refuses what is there under the name and was not made by the job with these marks.
fn own(id: &ResourceId, found: &Tags, written: &Tags) -> Result<()> {
    if found.get(tags::JOB) == written.get(tags::JOB) {
        return Ok(());
    }
    let message = format!("{id} is there already; a restore makes a new one, so name another");
    Err(Error::new(ErrorKind::AlreadyExists, message).with("resource", id))
}

/// Which share or volume a job makes.
fn place(job: &RestoreJob) -> Result<ResourceId> {
    let own = Wanted::new(&job.destination, None);
    if let Some(named) = own.text(RESOURCE)? {
        return fitting(named.parse()?);
    }
    let source = fitting(job.component.resource.parse()?)?;
    let name = own.text("name")?.unwrap_or_else(|| made_by(&job.key));
    let kind = if Kind::of_id(&source) == Kind::Share { "shares" } else { "volumes" };
    source.parent()?.child(kind, &name)
}

fn fitting(id: ResourceId) -> Result<ResourceId> {
    if id.is(super::storage::SHARES) || id.is(netapp::VOLUMES) {
        return Ok(id);
    }
    Err(Error::new(ErrorKind::InvalidInput, format!("{id} is no file share or NetApp volume")))
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{Component, JobKey, Settings, SnapshotRef};

    use super::*;

    const SHARE: &str = "/subscriptions/1/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a/fileServices/default/shares/s";

    fn job(kind: &str, resource: &str, destination: Value) -> RestoreJob {
        let key = JobKey::new("op".parse().unwrap(), "projects".parse().unwrap(), 1);
        let snapshot = SnapshotRef::new("s3sync".parse().unwrap(), "abc".parse().unwrap());
        let component =
            Component::new("projects".parse().unwrap(), kind, "s3sync".parse().unwrap(), resource);
        let destination: Settings = serde_json::from_value(destination).unwrap();
        RestoreJob::new(key, snapshot, component, "new".parse().unwrap(), destination)
    }

    #[test]
    fn the_new_share_lies_beside_the_old_one_unless_it_is_named() {
        let token = job("file-share", SHARE, json!({})).key.token();
        let beside = place(&job("file-share", SHARE, json!({}))).unwrap().to_string();
        assert_eq!(beside, format!("{}/stillpoint-{token}", SHARE.trim_end_matches("/s")));
        let there = SHARE.replace("Accounts/a", "Accounts/b");
        let made = place(&job("nfs", "nfs.example.com:/export", json!({"resource": there}))).unwrap();
        assert_eq!(made.to_string(), there);
        for (resource, destination) in [
            ("nfs.example.com:/export", json!({})),
            (
                SHARE,
                json!({"resource": "/subscriptions/1/resourceGroups/g/providers/Microsoft.Compute/disks/d"}),
            ),
        ] {
            assert_eq!(
                place(&job("nfs", resource, destination)).unwrap_err().kind(),
                ErrorKind::InvalidInput
            );
        }
    }
}
