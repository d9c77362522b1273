//! Volumes of Azure NetApp Files: snapshots of names that follow from the job, backups in a vault where one is named, new
//! volumes from either.

mod backup;
mod points;
mod restore;
mod said;

use serde_json::{Value, json};
use stillpoint_core::{BackupJob, Component, Error, ErrorKind, Result, Settings, Wanted};

use super::kind::NETAPP_VOLUME;
use super::netapp::{VAULTS, VOLUMES, Volume};
use super::resource_id::ResourceId;
pub(super) use points::VolumePoint;
pub(super) use restore::body;
pub(super) use said::Said;

/// The setting of a component of kind `netapp-volume` that names the backup vault (its full resource id) into which each
/// snapshot is copied. Without it the snapshot itself is the backup, which lives in the volume and dies with it.
pub const BACKUP_VAULT: &str = "backup_vault";

/// The setting of a volume, and of where one is restored, that names its subnet: the full resource id.
pub(super) const SUBNET: &str = "subnet";

/// How many snapshots one volume may have.
/// Source: <https://learn.microsoft.com/azure/azure-netapp-files/azure-netapp-files-resource-limits>.
pub(super) const SNAPSHOTS_MAX: usize = 255;

/// A volume that is a component.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) id: ResourceId,
    /// Where its snapshots are copied to.
    pub(super) vault: Option<ResourceId>,
}

impl Source {
    /// The volume that `component` is.
    ///
    /// # Errors
    /// `InvalidInput` where the resource does not name one; `InvalidConfig` where the setting names no vault of its account.
    pub(super) fn of(component: &Component) -> Result<Self> {
        let id: ResourceId = component.resource.parse()?;
        if !id.is(VOLUMES) {
            let message =
                format!("{id} does not name what component {} of kind {NETAPP_VOLUME} is", component.id);
            return Err(Error::new(ErrorKind::InvalidInput, message).with("component", &component.id));
        }
        let vault = Wanted::new(&component.settings, None).text(BACKUP_VAULT)?;
        let vault = vault.map(|vault| vault.parse::<ResourceId>()).transpose()?;
        if let Some(vault) = &vault {
            let account = id.parent()?.parent()?;
            if !vault.is(VAULTS) || vault.parent()? != account {
                let message = format!("{vault} is no backup vault of the NetApp account of {id}");
                return Err(Error::new(ErrorKind::InvalidConfig, message).with("setting", BACKUP_VAULT));
            }
        }
        Ok(Self { id, vault })
    }

    /// The snapshot of it that `job` makes, and the backup of that.
    ///
    /// # Errors
    /// `InvalidInput` where the job's ids do not fit into a name.
    pub(super) fn makes(&self, job: &BackupJob) -> Result<(ResourceId, Option<ResourceId>)> {
        let name = Said::of(job).name()?;
        let backup = self.vault.as_ref().map(|vault| vault.child("backups", &name)).transpose()?;
        Ok((self.id.child("snapshots", &name)?, backup))
    }
}

/// What a volume says of itself that a restore of it will need.
pub(super) fn settings(id: &ResourceId, volume: &Volume) -> Settings {
    let properties = &volume.properties;
    let pool = id.parent().map(|pool| pool.to_string()).ok();
    let protocols = Some(&properties.protocol_types).filter(|protocols| !protocols.is_empty());
    let settings: [(&str, Value); 9] = [
        ("pool", json!(pool)),
        ("zone", json!(volume.zones.first())),
        ("size_gib", json!(properties.usage_threshold.map(|bytes| bytes >> 30))),
        (SUBNET, json!(properties.subnet_id)),
        ("service_level", json!(properties.service_level)),
        ("protocols", json!(protocols)),
        ("export_policy", json!(properties.export_policy)),
        ("network_features", json!(properties.network_features)),
        ("security_style", json!(properties.security_style)),
    ];
    let settings = settings.into_iter().filter(|(_, value)| !value.is_null());
    settings.map(|(name, value)| (name.to_owned(), value)).collect()
}
