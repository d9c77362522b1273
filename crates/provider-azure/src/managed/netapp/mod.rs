//! Calls to Azure NetApp Files: volumes, their snapshots, their backups in vaults.

mod backups;
mod snapshots;
mod volumes;

use serde::Deserialize;
use stillpoint_core::Result;

use super::resource_id::ResourceId;
use crate::connection::{Connection, Request};

pub(super) use backups::{Backup, WRITE as BACKUP_WRITE, latest_backup, latest_restore};
pub(super) use snapshots::{Snapshot, WRITE as SNAPSHOT_WRITE};
pub(super) use volumes::{Volume, WRITE as VOLUME_WRITE};

/// The full type of a volume.
pub(super) const VOLUMES: &str = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes";
/// The full type of a snapshot of one.
pub(super) const SNAPSHOTS: &str = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/snapshots";
/// The full type of a vault for backups.
pub(super) const VAULTS: &str = "Microsoft.NetApp/netAppAccounts/backupVaults";
/// The full type of a backup in one.
pub(super) const BACKUPS: &str = "Microsoft.NetApp/netAppAccounts/backupVaults/backups";
/// The version of the service's interface.
const VERSION: &str = "2026-08-01";

#[derive(Deserialize)]
struct Account {
    location: String,
}

/// The region of a NetApp account, in which all of it is.
///
/// # Errors
/// `NotFound` where it does not exist.
pub(super) async fn region(connection: &Connection, account: &ResourceId) -> Result<String> {
    let request = Request::new("Microsoft.NetApp/netAppAccounts/read", account.to_string(), VERSION);
    Ok(connection.get::<Account>(&request).await?.location)
}

/// How something of this service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    There,
    NotYet,
    Going,
    Failed,
    /// A word that nobody knows yet.
    Unknown(String),
}

impl Standing {
    /// What a `provisioningState` says.
    pub(super) fn of(word: Option<&str>) -> Self {
        let word = word.unwrap_or("Succeeded");
        match word.to_ascii_lowercase().as_str() {
            "succeeded" => Self::There,
            "creating" | "updating" | "patching" | "accepted" | "running" | "moving" => Self::NotYet,
            "deleting" => Self::Going,
            "failed" | "canceled" | "cancelled" | "error" => Self::Failed,
            _ => Self::Unknown(word.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_nobody_knows_is_kept_and_ends_nothing() {
        assert_eq!(Standing::of(Some("SUCCEEDED")), Standing::There);
        assert_eq!(Standing::of(Some("Creating")), Standing::NotYet);
        assert_eq!(Standing::of(Some("Hibernating")), Standing::Unknown("Hibernating".to_owned()));
        assert_eq!(Standing::of(None), Standing::There);
    }
}
