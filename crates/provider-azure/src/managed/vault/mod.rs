//! Backups through the vaults of Azure Backup: disks and blobs by Data Protection, SMB shares by Recovery Services.
//!
//! A vault keeps backups behind a boundary of its own: whoever may delete a disk and all its snapshots may not delete what
//! the vault has of it. So Stillpoint asks for jobs there and follows them, and configures nothing.

mod backup;
mod cancel;
mod container;
mod disk;
mod follow;
mod item;
mod job;
mod known;
mod mark;
mod points;
mod protection;
mod recovery;
mod restore;
mod share;
mod source;

use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

use super::names::JobName;
use super::resource_id::ResourceId;
pub(super) use item::Item;
pub(super) use known::Heard;
pub(super) use points::VaultPoint;
pub(super) use source::{Service, Source};

/// The setting of a component that names the vault which backs it up: in full, or by its name in the resource group
/// [`VAULT_RESOURCE_GROUP`]. A disk and a container of blobs need a backup vault of Data Protection, an SMB share one of
/// Recovery Services. Without it, or where it is empty, snapshots are taken directly.
pub const VAULT: &str = "vault";
/// The setting of a component that names the resource group of its vault; without it that of the source.
pub const VAULT_RESOURCE_GROUP: &str = "vault_resource_group";
/// The setting of a component that names the rule of its policy by which a backup vault backs it up; needed where the
/// policy has several.
pub const BACKUP_RULE: &str = "backup_rule";
/// The setting of a component that names the retention of its policy under which a backup vault keeps its backups;
/// without it the policy's default.
pub const RETENTION_TAG: &str = "retention_tag";

/// The setting of a destination that names, in full, the storage account in which a restore through a vault makes the new
/// share or container. Of a share it may be left out for the source's own; containers need another account than theirs.
pub const STORAGE_ACCOUNT: &str = "storage_account";

/// How old a job may be that is looked for.
const RECENT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How old a job may be that recovery points are recognised by. Azure keeps them about as long.
const REMEMBERED: Duration = Duration::from_secs(180 * 24 * 3600);
/// The note of a job's name that carries the mark of its request.
const MARK: &str = "mark";
/// The note of a job's name that says which job of the vault it is, of one that nothing proves to be ours.
const JOB: &str = "job";
/// The note of a restore's name that says from which item it is.
const ITEM: &str = "item";

/// Proves that a list of jobs which shows none means that there was none.
///
/// # Errors
/// `NeedsAttention` where a job that was asked for at `since` may be too old to be listed.
fn reaches_back(now: Timestamp, since: Timestamp, item: &ResourceId) -> Result<()> {
    if now.since(since) <= RECENT {
        return Ok(());
    }
    let message = format!(
        "whether a job was begun on {item} can no longer be told: jobs of the last 30 days are looked through"
    );
    Err(Error::new(ErrorKind::NeedsAttention, message))
}

/// The item that the job called `name` works on, where it is one of a vault.
pub(super) fn item_of(name: &JobName) -> Option<Item> {
    let noted = name.note(ITEM).and_then(|id| id.parse().ok());
    Item::of(noted.as_ref().unwrap_or(&name.id))
}
