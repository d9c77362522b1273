//! Every action that vaults are asked for, beside the table of all others.
//!
//! Source: <https://learn.microsoft.com/azure/role-based-access-control/permissions/management-and-governance>.

use super::Task;
use super::calls::On;

/// What a caller of vaults has to do with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum What {
    /// A disk that a vault protects.
    VaultedDisk,
    /// A share that a vault protects.
    VaultedShare,
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

const fn call(what: What, action: &'static str, on: On, tasks: &'static [Task]) -> Call {
    Call { what, action, on, tasks }
}

const FOLLOWED: &[Task] = &[Task::Backup, Task::Restore];

/// What vaults are asked: their actions are granted on the resource groups of the vaults, and those on what they protect and
/// restore on these resources' own.
pub(super) const CALLS: &[Call] = &[
    call(
        What::VaultedDisk,
        "Microsoft.Compute/disks/read",
        On::Groups,
        &[Task::Discover, Task::Preflight, Task::Backup, Task::Restore],
    ),
    call(What::VaultedDisk, "Microsoft.Compute/disks/write", On::Groups, &[Task::Restore]),
    call(What::VaultedDisk, "Microsoft.Compute/disks/delete", On::Groups, &[Task::Restore]),
    // Where backups lie is looked for what there was before a vault, too.
    call(What::VaultedDisk, "Microsoft.Compute/snapshots/read", On::Groups, &[Task::List]),
    call(What::VaultedShare, "Microsoft.Compute/snapshots/read", On::Groups, &[Task::List]),
    call(What::VaultedShare, "Microsoft.Storage/storageAccounts/read", On::Groups, &[Task::Preflight]),
    call(
        What::VaultedShare,
        "Microsoft.Storage/storageAccounts/fileServices/shares/read",
        On::Groups,
        &[Task::Preflight, Task::Backup, Task::Restore],
    ),
    call(
        What::VaultedShare,
        "Microsoft.Storage/storageAccounts/fileServices/shares/write",
        On::Groups,
        &[Task::Restore],
    ),
    call(
        What::VaultedShare,
        "Microsoft.Storage/storageAccounts/fileServices/shares/delete",
        On::Groups,
        &[Task::Restore],
    ),
    call(What::BackupVault, "Microsoft.Authorization/permissions/read", On::Vaults, &[Task::Preflight]),
    call(
        What::BackupVault,
        "Microsoft.DataProtection/backupVaults/read",
        On::Vaults,
        &[Task::Preflight, Task::List, Task::Restore],
    ),
    call(
        What::BackupVault,
        "Microsoft.DataProtection/backupVaults/backupInstances/read",
        On::Vaults,
        &[Task::Preflight, Task::Backup, Task::List],
    ),
    call(
        What::BackupVault,
        "Microsoft.DataProtection/backupVaults/backupPolicies/read",
        On::Vaults,
        &[Task::Preflight, Task::Backup],
    ),
    call(
        What::BackupVault,
        "Microsoft.DataProtection/backupVaults/backupInstances/backup/action",
        On::Vaults,
        &[Task::Backup],
    ),
    call(
        What::BackupVault,
        "Microsoft.DataProtection/backupVaults/backupInstances/restore/action",
        On::Vaults,
        &[Task::Restore],
    ),
    call(
        What::BackupVault,
        "Microsoft.DataProtection/backupVaults/backupJobs/read",
        On::Vaults,
        &[Task::Preflight, Task::Backup, Task::List, Task::Restore],
    ),
    call(
        What::BackupVault,
        "Microsoft.DataProtection/backupVaults/backupInstances/recoveryPoints/read",
        On::Vaults,
        &[Task::Backup, Task::List, Task::Delete, Task::Restore],
    ),
    call(What::BackupVault, "Microsoft.DataProtection/locations/*/read", On::Subscription, FOLLOWED),
    call(What::RecoveryVault, "Microsoft.Authorization/permissions/read", On::Vaults, &[Task::Preflight]),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/read",
        On::Vaults,
        &[Task::Preflight, Task::List, Task::Restore],
    ),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/backupProtectedItems/read",
        On::Vaults,
        &[Task::Preflight, Task::Backup, Task::List],
    ),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/read",
        On::Vaults,
        &[Task::Preflight, Task::Backup, Task::List, Task::Restore],
    ),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/backup/action",
        On::Vaults,
        &[Task::Backup],
    ),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/restore/action",
        On::Vaults,
        &[Task::Restore],
    ),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/read",
        On::Vaults,
        &[Task::Backup, Task::List, Task::Delete, Task::Restore],
    ),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/backupJobs/read",
        On::Vaults,
        &[Task::Preflight, Task::Backup, Task::List, Task::Restore],
    ),
    call(
        What::RecoveryVault,
        "Microsoft.RecoveryServices/vaults/backupJobs/cancel/action",
        On::Vaults,
        FOLLOWED,
    ),
    call(What::RecoveryVault, "Microsoft.RecoveryServices/locations/*/read", On::Subscription, FOLLOWED),
];

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
