//! Every action that vaults are asked for, beside the table of all others.
//!
//! Source: <https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance>.

use super::Task;
use super::calls::{On, TAGS};

/// What a caller of vaults has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum What {
    /// A disk that a vault protects.
    VaultedDisk,
    /// A share that a vault protects.
    VaultedShare,
    /// A container of blobs that a vault protects.
    VaultedContainer,
    /// A vault of Data Protection.
    BackupVault,
    /// A vault of Recovery Services.
    RecoveryVault,
}

/// One action.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) what: What,
    pub(super) action: &'static str,
    pub(super) on: On,
    pub(super) tasks: &'static [Task],
}

/// What several actions have in common.
type Of = (What, On);

const DISK: Of = (What::VaultedDisk, On::Groups);
const SHARE: Of = (What::VaultedShare, On::Groups);
const CONTAINER: Of = (What::VaultedContainer, On::Groups);
const BACKUP: Of = (What::BackupVault, On::Vaults);
const RECOVERY: Of = (What::RecoveryVault, On::Vaults);

const fn call((what, on): Of, action: &'static str, tasks: &'static [Task]) -> Call {
    Call { what, action, on, tasks }
}

/// What vaults are asked: their actions are granted on the resource groups of the vaults, and those on what they protect and
/// restore on these resources' own.
#[rustfmt::skip]
pub(super) const CALLS: &[Call] = {
    use Task::{Backup, Delete, Discover, Guard, List, Preflight, Restore};
    &[
        call(DISK, "Microsoft.Compute/disks/read", &[Discover, Preflight, Backup, Restore, Guard]),
        call(DISK, TAGS, &[Guard]),
        call(DISK, "Microsoft.Compute/disks/write", &[Restore]),
        call(DISK, "Microsoft.Compute/disks/delete", &[Restore]),
        // Where backups lie is looked for what there was before a vault, too.
        call(DISK, "Microsoft.Compute/snapshots/read", &[List]),
        call(SHARE, "Microsoft.Compute/snapshots/read", &[List]),
        call(SHARE, "Microsoft.Storage/storageAccounts/read", &[Preflight]),
        call(SHARE, "Microsoft.Storage/storageAccounts/fileServices/shares/read", &[Preflight, Backup, Restore, Guard]),
        call(SHARE, "Microsoft.Storage/storageAccounts/fileServices/shares/write", &[Restore, Guard]),
        call(SHARE, "Microsoft.Storage/storageAccounts/fileServices/shares/delete", &[Restore]),
        call(CONTAINER, "Microsoft.Compute/snapshots/read", &[List]),
        call(CONTAINER, "Microsoft.Storage/storageAccounts/read", &[Preflight]),
        call(CONTAINER, "Microsoft.Storage/storageAccounts/blobServices/containers/read", &[Preflight, Restore, Guard]),
        call(CONTAINER, "Microsoft.Storage/storageAccounts/blobServices/containers/write", &[Restore, Guard]),
        call(CONTAINER, "Microsoft.Storage/storageAccounts/blobServices/containers/delete", &[Restore]),
        call(BACKUP, "Microsoft.Authorization/permissions/read", &[Preflight]),
        call(BACKUP, "Microsoft.DataProtection/backupVaults/read", &[Preflight, List, Restore]),
        call(BACKUP, "Microsoft.DataProtection/backupVaults/backupInstances/read", &[Preflight, Backup, List]),
        call(BACKUP, "Microsoft.DataProtection/backupVaults/backupPolicies/read", &[Preflight, Backup]),
        call(BACKUP, "Microsoft.DataProtection/backupVaults/backupInstances/backup/action", &[Backup]),
        call(BACKUP, "Microsoft.DataProtection/backupVaults/backupInstances/restore/action", &[Restore]),
        call(BACKUP, "Microsoft.DataProtection/backupVaults/backupJobs/read", &[Preflight, Backup, List, Restore]),
        call(BACKUP, "Microsoft.DataProtection/backupVaults/backupInstances/recoveryPoints/read",
            &[Backup, List, Delete, Restore]),
        call((What::BackupVault, On::Subscription), "Microsoft.DataProtection/locations/*/read", &[Backup, Restore]),
        call(RECOVERY, "Microsoft.Authorization/permissions/read", &[Preflight]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/read", &[Preflight, List, Restore]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/backupProtectedItems/read", &[Preflight, Backup, List]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read",
            &[Preflight, Backup, List, Restore]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/backup/action",
            &[Backup]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/restore/action",
            &[Restore]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/read",
            &[Backup, List, Delete, Restore]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/backupJobs/read", &[Preflight, Backup, List, Restore]),
        call(RECOVERY, "Microsoft.RecoveryServices/vaults/backupJobs/cancel/action", &[Backup, Restore]),
        call((What::RecoveryVault, On::Subscription), "Microsoft.RecoveryServices/locations/*/read", &[Backup, Restore]),
    ]
};

/// The actions of a task with `what` that are granted on these.
pub(in super::super) fn granted_on(on: On, what: &[What], task: Task) -> impl Iterator<Item = &'static str> {
    of_task(what, task).filter(move |call| call.on == on).map(|call| call.action)
}

/// All actions of a task with `what`.
pub(in super::super) fn actions(what: &[What], task: Task) -> impl Iterator<Item = &'static str> {
    of_task(what, task).map(|call| call.action)
}

fn of_task(what: &[What], task: Task) -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(move |call| what.contains(&call.what) && call.tasks.contains(&task))
}
