//! A new disk from a recovery point of Data Protection.
//!
//! The vault makes the disk under its own identity and writes nothing of ours on it, so the tags are written at first sight.

use serde_json::{Value, json};
use stillpoint_core::{Error, ErrorKind, RestoreJob, Result, Tags, Wanted};

use super::super::AzureProvider;
use super::super::compute::{DISKS, Disk};
use super::super::names::made_by;
use super::super::resource_id::ResourceId;
use super::super::settings::{DISK, RESOURCE_GROUP};
use super::super::tags;
use super::item::Item;
use super::protection;
use super::restore::{Restore, Standing};
use crate::connection::Begun;

/// The disk that `job` makes.
///
/// # Errors
/// `Unsupported` for blobs, which a vault restores into an account that is there.
pub(super) fn disk_to_make(job: &RestoreJob, wanted: &Wanted, item: &Item) -> Result<ResourceId> {
    if job.component.kind != DISK {
        let message = format!(
            "a vault restores a {} into a storage account that is there, and Stillpoint writes into new resources only; \
             restore {} with Azure's own tools",
            job.component.kind, item.id
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let source: Option<ResourceId> = job.component.resource.parse().ok();
    let home = source.as_ref().unwrap_or(&item.id);
    let group = wanted.text(RESOURCE_GROUP)?.unwrap_or_else(|| home.group.clone());
    // What a name was recorded for is there already.
    let name = Wanted::new(&job.destination, None).text("name")?.unwrap_or_else(|| made_by(&job.key));
    let (provider, kind) = DISKS.split_once('/').unwrap_or_default();
    ResourceId::new(&home.subscription, &group, provider, kind, &name)
}

impl AzureProvider {
    pub(super) async fn disk_standing(&self, restore: &Restore<'_>) -> Result<Standing> {
        let Some(disk) = Disk::known(self.connection(), &restore.id).await? else {
            return Ok(Standing::Nothing);
        };
        let token = restore.job.key.token();
        Ok(match disk.tags.get(tags::JOB) {
            Some(mark) if *mark == token => Standing::Ours,
            // The vault has just made it: nothing else has the name that follows from the key.
            None if restore.id.name() == made_by(&restore.job.key) => Standing::Ours,
            _ => Standing::Others,
        })
    }

    pub(super) async fn ask_for_disk(&self, restore: &Restore<'_>, region: &str) -> Result<(Begun, Value)> {
        let id = &restore.id;
        let body = json!({
            "objectType": "AzureBackupRecoveryPointBasedRestoreRequest",
            "recoveryPointId": restore.point.id.name(),
            "sourceDataStoreType": "OperationalStore",
            "restoreTargetInfo": {
                "objectType": "RestoreTargetInfo",
                "recoveryOption": "FailIfExists",
                "restoreLocation": region,
                "datasourceInfo": {
                    "objectType": "Datasource", "datasourceType": DISKS, "resourceType": DISKS,
                    "resourceID": id.to_string(), "resourceName": id.name(), "resourceLocation": region,
                    "resourceUri": id.to_string(),
                },
            },
        });
        let path = format!("{}/restore", restore.item.id);
        restore.item.begin(self.connection(), protection::RESTORE, path, &restore.mark, &body).await
    }

    /// Whether the disk `id` is there; if so, it carries `wanted` from now on.
    ///
    /// # Errors
    /// `NotFound` where it carries the mark of another job.
    pub(super) async fn disk_landed(&self, id: &ResourceId, wanted: &Tags) -> Result<bool> {
        let Some(disk) = Disk::known(self.connection(), id).await? else { return Ok(false) };
        let mark = disk.tags.get(tags::JOB);
        if mark.is_some() && mark != wanted.get(tags::JOB) {
            return Err(Error::new(ErrorKind::NotFound, format!("the disk {id} is not what this job makes")));
        }
        let missing = tags::missing(wanted, &disk.tags);
        if !missing.is_empty() {
            let mut all = disk.tags;
            all.extend(missing);
            Disk::write_tags(self.connection(), id, &all).await?;
        }
        Ok(true)
    }
}
