//! What the caller may do, and what nobody may.

use std::collections::BTreeSet;

use serde::Deserialize;
use stillpoint_core::{Finding, Result};

use super::super::policy::Task;
use super::super::policy::calls;
use super::{Subject, blocker, warning};
use crate::connection::{Connection, Request};

const PERMISSIONS: &str = "2022-04-01";
const LOCKS: &str = "2020-05-01";

/// What one assignment of a role allows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub(super) struct Permission {
    actions: Vec<String>,
    not_actions: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Lock {
    id: String,
    properties: LockProperties,
}

#[derive(Deserialize)]
struct LockProperties {
    level: String,
}

impl Permission {
    pub(super) fn allows(&self, action: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        any(&self.actions) && !any(&self.not_actions)
    }
}

/// Whether `pattern`, in which a star stands for anything, is `action`, in any case.
fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_lowercase(), action.to_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| action.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or_default();
    }
    rest.ends_with(last)
}

/// What roles allow the caller in a resource group.
pub(super) async fn granted(
    connection: &Connection,
    subscription: &str,
    group: &str,
) -> Result<Vec<Permission>> {
    let scope = format!("/subscriptions/{subscription}/resourcegroups/{group}");
    let path = format!("{scope}/providers/Microsoft.Authorization/permissions");
    connection.list(&Request::new("Microsoft.Authorization/permissions/read", path, PERMISSIONS)).await
}

/// The locks on a resource group and above it.
pub(super) async fn locked(connection: &Connection, subscription: &str, group: &str) -> Result<Vec<Lock>> {
    let scope = format!("/subscriptions/{subscription}/resourceGroups/{group}");
    let path = format!("{scope}/providers/Microsoft.Authorization/locks");
    connection.list(&Request::new("Microsoft.Authorization/locks/read", path, LOCKS)).await
}

impl Lock {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.properties.level == "ReadOnly"
    }
}

impl Subject<'_> {
    /// Asks Azure for everything that a backup of this component needs. What roles grant is known; deny assignments and
    /// conditions are not told here.
    pub(super) async fn permissions(&self) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let groups = BTreeSet::from([self.source.id.group.clone(), self.source.group.to_lowercase()]);
        for group in groups {
            let granted = granted(self.connection, &self.source.id.subscription, &group).await?;
            let of_disk = |action: &&str| action.contains("/disks/") == (group == self.source.id.group);
            let alone = self.source.group.eq_ignore_ascii_case(&self.source.id.group);
            let denied: Vec<&str> = calls::on_groups(Task::Backup, self.kind)
                .filter(|action| alone || of_disk(action))
                .filter(|action| !granted.iter().any(|permission| permission.allows(action)))
                .collect();
            if !denied.is_empty() {
                let message = format!(
                    "the caller may not {} in resource group {group}; assign what `policy` prints",
                    denied.join(", ")
                );
                findings.push(blocker("permissions", message));
            }
        }
        Ok(findings)
    }

    pub(super) async fn locks(&self) -> Result<Vec<Finding>> {
        let group = &self.source.group;
        let locks = locked(self.connection, &self.source.id.subscription, group).await?;
        let finding = |lock: Lock| match lock.properties.level.as_str() {
            "ReadOnly" => {
                let message =
                    format!("the lock {} lets nothing be made in resource group {group}; lift it", lock.id);
                Some(blocker("locks", message))
            }
            "CanNotDelete" => {
                let message = format!(
                    "the lock {} keeps snapshots in resource group {group} from being deleted, so no retention frees them",
                    lock.id
                );
                Some(warning("locks", message))
            }
            _ => None,
        };
        Ok(locks.into_iter().filter_map(finding).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_wherever_it_is() {
        let action = "Microsoft.Compute/snapshots/write";
        for good in [
            "*",
            "Microsoft.Compute/*",
            "*/write",
            "microsoft.compute/SNAPSHOTS/write",
            "*/snapshots/*",
            "Microsoft.*/*/write",
        ] {
            assert!(matches(good, action), "{good}");
        }
        for bad in [
            "",
            "Microsoft.Compute",
            "*/read",
            "Microsoft.Network/*",
            "Microsoft.Compute/snapshots/writes",
            "*/disks/*",
        ] {
            assert!(!matches(bad, action), "{bad}");
        }
    }

    #[test]
    fn what_a_role_takes_from_itself_it_does_not_allow() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let permission = Permission { actions: list(&["*"]), not_actions: list(&["*/delete"]) };
        assert!(permission.allows("A/b/write") && !permission.allows("A/b/delete"));
    }
}
