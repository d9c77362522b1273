//! The least permissions that a set of tasks needs, as role definitions.

pub(super) mod calls;
mod document;
mod scope;
pub(super) mod vaults;

use serde::{Deserialize, Serialize};

use calls::{CALLS, On};
pub use document::{PolicyDocuments, RoleDefinition};
pub use scope::PolicyScope;
pub(super) use scope::place;

/// What a caller is to be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Task {
    /// Find components by their tags.
    Discover,
    /// Look for what would make a backup fail.
    Preflight,
    /// Take and follow snapshots.
    Backup,
    /// Find and open snapshots: rebuilding and reconciling the catalog, verifying.
    List,
    /// Delete snapshots.
    Delete,
    /// Restore into new disks, and discard what a failed restore made.
    Restore,
    /// Copy snapshots to another resource group or region.
    Copy,
    /// Write protective tags on sources and remove them.
    Guard,
}

impl Task {
    /// All of them but [`Guard`](Self::Guard): sources are guarded only where that is asked for.
    pub const ALL: [Self; 7] =
        [Self::Discover, Self::Preflight, Self::Backup, Self::List, Self::Delete, Self::Restore, Self::Copy];
}

/// The exact role definitions for what `scope` says.
///
/// Each action is there because a call of this provider needs it. What Azure lets be granted on a resource group is in one
/// definition, what it asks of the whole subscription (all of it only reads) in another, what is asked of vaults, where
/// components go through any, in a third, and that new volumes join their subnets in a fourth.
///
/// ```
/// use stillpoint_core::Component;
/// use stillpoint_provider_azure::managed::{PolicyScope, Task, policy};
///
/// # fn main() -> stillpoint_core::Result<()> {
/// let disk = "/subscriptions/22222222/resourceGroups/ml/providers/Microsoft.Compute/disks/db";
/// let component = Component::new("db".parse()?, "disk", "azure".parse()?, disk);
/// let documents = policy(&PolicyScope::of(&[component], [Task::Backup])?);
/// assert!(documents.groups.actions.iter().any(|action| action == "Microsoft.Compute/snapshots/write"));
/// assert!(!documents.groups.actions.iter().any(|action| action.ends_with("/delete")));
/// assert_eq!(documents.groups.assignable_scopes, ["/subscriptions/22222222/resourceGroups/ml"]);
/// # Ok(()) }
/// ```
pub fn policy(scope: &PolicyScope) -> PolicyDocuments {
    let actions = |on: On| {
        let mut actions: Vec<String> = CALLS
            .iter()
            .filter(|call| call.on == on && call.tasks.iter().any(|task| scope.tasks.contains(task)))
            .filter(|call| scope.kinds.iter().any(|kind| call.is_of(*kind)))
            .map(|call| call.action.to_owned())
            .collect();
        let of_vaults = vaults::CALLS.iter().filter(|call| call.on == on && scope.what.contains(&call.what));
        let wanted = of_vaults.filter(|call| call.tasks.iter().any(|task| scope.tasks.contains(task)));
        actions.extend(wanted.map(|call| call.action.to_owned()));
        actions.sort_unstable();
        actions.dedup();
        actions
    };
    let subscription = &scope.subscription;
    let joins = actions(On::Subnets);
    PolicyDocuments {
        groups: RoleDefinition::new("Stillpoint backup and restore", actions(On::Groups), scope.groups()),
        vaults: (!scope.vaults.is_empty())
            .then(|| RoleDefinition::new("Stillpoint jobs of vaults", actions(On::Vaults), scope.vaults())),
        subnet_ids: scope.subnets.iter().filter(|_| !joins.is_empty()).cloned().collect(),
        subnets: (!joins.is_empty())
            .then(|| RoleDefinition::new("Stillpoint joins subnets", joins, scope.networks())),
        subscription: RoleDefinition::new(
            "Stillpoint reader of the subscription",
            actions(On::Subscription),
            vec![format!("/subscriptions/{subscription}")],
        ),
    }
}
