//! A new disk from a recovery point of Data Protection.
//!
//! The vault makes the disk under its own identity and writes nothing of ours on it, so the tags are written at first sight.

use serde_json::{Value, json};
use stillpoint_core::{RestoreJob, Result, Tags, Wanted};

use super::super::AzureProvider;
use super::super::compute::{DISKS, Disk};
use super::super::names::made_by;
use super::super::resource_id::ResourceId;
use super::super::settings::RESOURCE_GROUP;
use super::super::tags;
use super::item::Item;
use super::protection;
use super::restore::{Restore, Standing};
use crate::connection::Begun;

/// The disk that `job` makes.
///
/// # Errors
/// `InvalidConfig` where a setting cannot be one.
pub(super) fn disk_to_make(job: &RestoreJob, wanted: &Wanted, item: &Item) -> Result<ResourceId> {
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
        Ok(restore.owned_by(disk.tags.get(tags::JOB)))
    }

    pub(super) async fn ask_for_disk(&self, restore: &Restore<'_>, region: &str) -> Result<(Begun, Value)> {
        let id = &restore.id;
        let body = json!({
            "objectType": "AzureBackupRecoveryPointBasedRestoreRequest",
            "recoveryPointId": restore.point.id.name(),
            "sourceDataStoreType": protection::OPERATIONAL_STORE,
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
        if let Some(all) = tags::landed(id, wanted, disk.tags)? {
            Disk::write_tags(self.connection(), id, &all).await?;
        }
        Ok(true)
    }
}
