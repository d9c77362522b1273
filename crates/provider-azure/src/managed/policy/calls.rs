//! Every action that a call of this provider needs: the one table behind plans and policies.
//!
//! Source: <https://learn.microsoft.com/azure/role-based-access-control/permissions/compute> and the pages beside it; that a
//! copy needs `beginGetAccess` of what it is made from:
//! <https://learn.microsoft.com/azure/virtual-machines/disks-incremental-snapshots>.

use super::Task;

/// Where an action is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum On {
    /// The resource groups of disks and snapshots.
    Groups,
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

/// All actions.
pub(in super::super) const CALLS: &[Call] = &[
    call(
        "Microsoft.Compute/disks/read",
        On::Groups,
        &[Task::Discover, Task::Preflight, Task::Backup, Task::Restore],
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
    call("Microsoft.Authorization/permissions/read", On::Groups, &[Task::Preflight]),
    call("Microsoft.Authorization/locks/read", On::Groups, &[Task::Preflight]),
    call("Microsoft.Resources/subscriptions/resourceGroups/read", On::Groups, &[Task::Preflight]),
    // The states of running operations, which each service calls otherwise.
    call("Microsoft.Compute/locations/*/read", On::Subscription, &[Task::Backup, Task::Restore, Task::Copy]),
    call("Microsoft.Resources/subscriptions/read", On::Subscription, &[Task::Preflight]),
    call("Microsoft.Resources/subscriptions/providers/read", On::Subscription, &[Task::Preflight]),
];

/// The actions of a task on one of the resource groups.
pub(in super::super) fn on_groups(task: Task) -> impl Iterator<Item = &'static str> {
    CALLS
        .iter()
        .filter(move |call| call.on == On::Groups && call.tasks.contains(&task))
        .map(|call| call.action)
}

/// All actions of a task.
pub(in super::super) fn actions(task: Task) -> impl Iterator<Item = &'static str> {
    CALLS.iter().filter(move |call| call.tasks.contains(&task)).map(|call| call.action)
}
