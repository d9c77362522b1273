//! Backups of volumes in vaults, and how the latest transfer of a volume goes.

use serde::Deserialize;
use serde_json::json;
use stillpoint_core::Result;

use super::super::resource::resource;
use super::super::resource_id::ResourceId;
use super::{Standing, VERSION};
use crate::connection::{Begun, Connection, Request};

const READ: &str = "Microsoft.NetApp/netAppAccounts/backupVaults/backups/read";
pub(in super::super) const WRITE: &str = "Microsoft.NetApp/netAppAccounts/backupVaults/backups/write";
const DELETE: &str = "Microsoft.NetApp/netAppAccounts/backupVaults/backups/delete";
const VAULT_READ: &str = "Microsoft.NetApp/netAppAccounts/backupVaults/read";
const BACKUP_STATUS: &str =
    "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/latestBackupStatus/current/read";
const RESTORE_STATUS: &str =
    "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/latestRestoreStatus/current/read";

/// A backup of a volume. It carries no tags; what is to be known of it stands in its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Backup {
    pub(in super::super) id: String,
    pub(in super::super) properties: Properties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Properties {
    pub(in super::super) volume_resource_id: String,
    provisioning_state: Option<String>,
    pub(in super::super) failure_reason: Option<String>,
    pub(in super::super) size: Option<u64>,
}

/// How the latest backup or restore of a volume goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Transfer {
    relationship_status: Option<String>,
    error_message: Option<String>,
    unhealthy_reason: Option<String>,
    total_transfer_bytes: Option<u64>,
    transfer_progress_bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Vault {
    location: String,
}

resource!(Backup, READ, DELETE, VERSION);

impl Backup {
    /// All backups in `vault`.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(in super::super) async fn list(connection: &Connection, vault: &ResourceId) -> Result<Vec<Self>> {
        connection.list(&Request::new(READ, format!("{vault}/backups"), VERSION)).await
    }

    /// Copies the snapshot `name` of `volume` into the backup `id`. The same call again finds the same backup.
    ///
    /// # Errors
    /// `Busy` while another backup of the volume runs.
    pub(in super::super) async fn put(
        connection: &Connection,
        id: &ResourceId,
        volume: &ResourceId,
        name: &str,
    ) -> Result<Begun> {
        let body = json!({"properties": {
            "volumeResourceId": volume.to_string(), "snapshotName": name, "useExistingSnapshot": true,
        }});
        connection.put(&Request::new(WRITE, id.to_string(), VERSION), &body).await
    }

    /// The region of the vault of the backup `id`.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(in super::super) async fn region(connection: &Connection, id: &ResourceId) -> Result<String> {
        let vault = id.parent()?;
        Ok(connection.get::<Vault>(&Request::new(VAULT_READ, vault.to_string(), VERSION)).await?.location)
    }

    pub(in super::super) fn standing(&self) -> Standing {
        Standing::of(self.properties.provisioning_state.as_deref())
    }
}

/// How the latest backup of `volume` goes; nothing where there was none, or the volume is gone.
///
/// # Errors
/// Whatever else the call can meet.
pub(in super::super) async fn latest_backup(
    connection: &Connection,
    volume: &ResourceId,
) -> Result<Option<Transfer>> {
    latest(connection, BACKUP_STATUS, format!("{volume}/latestBackupStatus/current")).await
}

/// How the restore goes that makes `volume`; nothing where none does.
///
/// # Errors
/// Whatever else the call can meet.
pub(in super::super) async fn latest_restore(
    connection: &Connection,
    volume: &ResourceId,
) -> Result<Option<Transfer>> {
    latest(connection, RESTORE_STATUS, format!("{volume}/latestRestoreStatus/current")).await
}

async fn latest(connection: &Connection, action: &'static str, path: String) -> Result<Option<Transfer>> {
    connection.known(&Request::new(action, path, VERSION)).await
}

impl Transfer {
    pub(in super::super) fn is_running(&self) -> bool {
        self.is("Transferring")
    }

    pub(in super::super) fn has_failed(&self) -> bool {
        self.is("Failed")
    }

    fn is(&self, word: &str) -> bool {
        self.relationship_status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case(word))
    }

    /// What the service says about it.
    pub(in super::super) fn in_words(&self) -> String {
        let said = [&self.relationship_status, &self.error_message, &self.unhealthy_reason];
        let mut words: Vec<&str> = said.into_iter().flatten().map(String::as_str).collect();
        words.dedup();
        words.join(": ")
    }

    /// How many bytes were transferred, and how many there are.
    pub(in super::super) fn bytes(&self) -> (u64, Option<u64>) {
        (self.transfer_progress_bytes.unwrap_or(0), self.total_transfer_bytes)
    }
}
