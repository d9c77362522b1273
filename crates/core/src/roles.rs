//! Roles as a difference that a person reviews: what is to be granted by hand after a restore, which grants none.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::workspace::RoleGrant;

/// How the grants that a backup recorded and those of a workspace differ. Each list is in order and names a grant once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoleDiff {
    /// Recorded, and not there: for a person to grant, or not.
    pub to_grant: Vec<RoleGrant>,
    /// Recorded, and there.
    pub already_there: Vec<RoleGrant>,
    /// There, and not recorded.
    pub only_in_the_new_one: Vec<RoleGrant>,
}

/// Compares the grants that a backup `recorded` with those that are `present` in a workspace. It grants and takes nothing.
///
/// ```
/// use stillpoint_core::{RoleGrant, compare_roles};
///
/// let (ada, bob) = (RoleGrant::new("ada", "admin"), RoleGrant::new("bob", "viewer"));
/// let diff = compare_roles(&[ada.clone(), bob.clone()], std::slice::from_ref(&bob));
/// assert_eq!((diff.to_grant, diff.already_there), (vec![ada], vec![bob]));
/// ```
pub fn compare_roles(recorded: &[RoleGrant], present: &[RoleGrant]) -> RoleDiff {
    let (recorded, present): (BTreeSet<_>, BTreeSet<_>) =
        (recorded.iter().collect(), present.iter().collect());
    let listed = |grants: Vec<&&RoleGrant>| grants.into_iter().map(|grant| (*grant).clone()).collect();
    RoleDiff {
        to_grant: listed(recorded.difference(&present).collect()),
        already_there: listed(recorded.intersection(&present).collect()),
        only_in_the_new_one: listed(present.difference(&recorded).collect()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grants() -> impl Strategy<Value = Vec<RoleGrant>> {
        let grant = ("[ab]{0,2}", "[xy]{0,1}").prop_map(|(principal, role)| RoleGrant::new(principal, role));
        proptest::collection::vec(grant, 0..8)
    }

    proptest! {
        #[test]
        fn each_grant_is_in_the_one_list_where_it_belongs(recorded in grants(), present in grants()) {
            let diff = compare_roles(&recorded, &present);
            for grant in recorded.iter().chain(&present) {
                let expected = (recorded.contains(grant), present.contains(grant));
                let listed = [
                    (&diff.to_grant, (true, false)),
                    (&diff.already_there, (true, true)),
                    (&diff.only_in_the_new_one, (false, true)),
                ];
                for (list, belongs) in listed {
                    let times = list.iter().filter(|other| *other == grant).count();
                    prop_assert_eq!(times, usize::from(belongs == expected));
                }
            }
            for list in [&diff.to_grant, &diff.already_there, &diff.only_in_the_new_one] {
                prop_assert!(list.is_sorted());
            }
        }
    }
}
