//! Every action that a call of this provider needs: the one table behind plans and policies.
//!
//! Source: <https://learn.microsoft.com/azure/role-based-access-control/permissions/compute> and the pages beside it (storage,
//! NetApp: <https://learn.microsoft.com/azure/role-based-access-control/permissions/storage>); that a
//! copy needs `beginGetAccess` of what it is made from:
//! <https://learn.microsoft.com/azure/virtual-machines/disks-incremental-snapshots>.

use super::super::kind::Kind;
use super::Task;

/// Where an action is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum On {
    /// The resource groups of disks and snapshots.
    Groups,
    /// The resource groups of vaults.
    Vaults,
    /// The subnets of new volumes.
    Subnets,
    /// The subscription.
    Subscription,
}

/// One action.
#[derive(Debug)]
pub(in super::super) struct Call {
    /// Azure's name of it.
    pub(in super::super) action: &'static str,
    pub(in super::super) on: On,
    pub(in super::super) tasks: &'static [Task],
}

const fn call(action: &'static str, on: On, tasks: &'static [Task]) -> Call {
    Call { action, on, tasks }
}

/// What writes some tags of a resource and leaves the others as they are.
pub(in super::super) const TAGS: &str = "Microsoft.Resources/tags/write";

/// All actions.
pub(in super::super) const CALLS: &[Call] = &[
    call(
        "Microsoft.Compute/disks/read",
        On::Groups,
        &[Task::Discover, Task::Preflight, Task::Backup, Task::Restore, Task::Guard],
    ),
    call("Microsoft.Compute/disks/beginGetAccess/action", On::Groups, &[Task::Backup]),
    call("Microsoft.Compute/disks/write", On::Groups, &[Task::Restore]),
    call("Microsoft.Compute/disks/delete", On::Groups, &[Task::Restore]),
    call(
        "Microsoft.Compute/snapshots/read",
        On::Groups,
        &[Task::Preflight, Task::Backup, Task::List, Task::Delete, Task::Restore, Task::Copy],
    ),
    call("Microsoft.Compute/snapshots/write", On::Groups, &[Task::Backup, Task::Copy]),
    call("Microsoft.Compute/snapshots/beginGetAccess/action", On::Groups, &[Task::Restore, Task::Copy]),
    call("Microsoft.Compute/snapshots/delete", On::Groups, &[Task::Delete]),
    call(
        "Microsoft.Storage/storageAccounts/fileServices/shares/read",
        On::Groups,
        &[Task::Preflight, Task::Backup, Task::List, Task::Delete, Task::Restore, Task::Guard],
    ),
    call(
        "Microsoft.Storage/storageAccounts/fileServices/shares/write",
        On::Groups,
        &[Task::Backup, Task::Restore, Task::Guard],
    ),
    call(
        "Microsoft.Storage/storageAccounts/fileServices/shares/delete",
        On::Groups,
        &[Task::Delete, Task::Restore],
    ),
    call("Microsoft.Storage/storageAccounts/read", On::Groups, &[Task::List]),
    call(
        "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/read",
        On::Groups,
        &[Task::Preflight, Task::Backup, Task::Restore, Task::Guard],
    ),
    call("Microsoft.NetApp/netAppAccounts/capacityPools/volumes/write", On::Groups, &[Task::Restore]),
    call("Microsoft.NetApp/netAppAccounts/capacityPools/volumes/delete", On::Groups, &[Task::Restore]),
    call(
        "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/snapshots/read",
        On::Groups,
        &[Task::Preflight, Task::Backup, Task::List, Task::Delete, Task::Restore],
    ),
    call(
        "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/snapshots/write",
        On::Groups,
        &[Task::Backup],
    ),
    call(
        "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/snapshots/delete",
        On::Groups,
        &[Task::Delete],
    ),
    call(
        "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/latestBackupStatus/current/read",
        On::Groups,
        &[Task::Backup],
    ),
    call(
        "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/latestRestoreStatus/current/read",
        On::Groups,
        &[Task::Restore],
    ),
    call(
        "Microsoft.NetApp/netAppAccounts/backupVaults/backups/read",
        On::Groups,
        &[Task::Backup, Task::List, Task::Delete, Task::Restore],
    ),
    call("Microsoft.NetApp/netAppAccounts/backupVaults/backups/write", On::Groups, &[Task::Backup]),
    call("Microsoft.NetApp/netAppAccounts/backupVaults/backups/delete", On::Groups, &[Task::Delete]),
    call("Microsoft.NetApp/netAppAccounts/backupVaults/read", On::Groups, &[Task::List, Task::Restore]),
    call("Microsoft.NetApp/netAppAccounts/read", On::Groups, &[Task::Restore]),
    // A volume is made in somebody's network.
    call("Microsoft.Network/virtualNetworks/subnets/join/action", On::Subnets, &[Task::Restore]),
    call(TAGS, On::Groups, &[Task::Guard]),
    call("Microsoft.Authorization/permissions/read", On::Groups, &[Task::Preflight]),
    call("Microsoft.Authorization/locks/read", On::Groups, &[Task::Preflight]),
    call("Microsoft.Resources/subscriptions/resourceGroups/read", On::Groups, &[Task::Preflight]),
    // The states of running operations, which each service calls otherwise.
    call("Microsoft.Compute/locations/*/read", On::Subscription, &[Task::Backup, Task::Restore, Task::Copy]),
    call("Microsoft.NetApp/locations/*/read", On::Subscription, &[Task::Backup, Task::Restore]),
    call("Microsoft.Resources/subscriptions/read", On::Subscription, &[Task::Preflight]),
    call("Microsoft.Resources/subscriptions/providers/read", On::Subscription, &[Task::Preflight]),
];

/// Services whose actions only some components need.
const SERVICES: [(&str, Kind); 6] = [
    ("Microsoft.Compute/", Kind::Disk),
    ("Microsoft.Storage/", Kind::Share),
    ("Microsoft.NetApp/", Kind::Volume),
    ("Microsoft.Network/", Kind::Volume),
    // A share has metadata.
    (TAGS, Kind::Disk),
    (TAGS, Kind::Volume),
];

impl Call {
    /// Whether it is made for components of this kind.
    pub(in super::super) fn is_of(&self, kind: Kind) -> bool {
        let known = || SERVICES.iter().filter(|(service, _)| self.action.starts_with(service));
        known().next().is_none() || known().any(|(_, of)| *of == kind)
    }
}

/// The actions of a task for components of `kind` on one of the resource groups.
pub(in super::super) fn on_groups(task: Task, kind: Kind) -> impl Iterator<Item = &'static str> {
    let wanted = move |call: &&Call| call.on == On::Groups && call.tasks.contains(&task) && call.is_of(kind);
    CALLS.iter().filter(wanted).map(|call| call.action)
}

/// All actions of a task for components of `kind`.
pub(in super::super) fn actions(task: Task, kind: Kind) -> impl Iterator<Item = &'static str> {
    CALLS.iter().filter(move |call| call.tasks.contains(&task) && call.is_of(kind)).map(|call| call.action)
}
