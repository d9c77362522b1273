//! What an operation would do outside, found out without doing it: the calls, what they need, what they write, how much
//! there is to do, and what stands in the way.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::forecast::Forecast;
use crate::id::{OperationId, WorkspaceId, digest};
use crate::operation::OperationState;
use crate::plan::{Plan, PlannedComponent};
use crate::provider::{Finding, Tags};
use crate::workspace::{Component, Protection};

/// How many digits of its digest tell one value of a setting from another.
const SETTING_DIGITS: usize = 12;

/// What one job would do outside, as its provider knows it: the answer to [`Provider::foresee`].
///
/// [`Provider::foresee`]: crate::Provider::foresee
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Foreseen {
    /// The vendor's calls, by the vendor's names (`StartBackupJob`).
    pub calls: Vec<String>,
    /// The vendor's permissions that they need (`backup:StartBackupJob`).
    pub permissions: BTreeSet<String>,
    /// The tags that the provider writes of its own accord.
    pub tags: Tags,
    /// Bytes it would move, where it can say.
    pub bytes: Option<u64>,
    /// Files it would move, where it can say.
    pub files: Option<u64>,
}

/// What an operation would do outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Outlook {
    /// The calls, in their order as far as it is known.
    pub calls: Vec<PlannedCall>,
    /// The permissions that they need.
    pub permissions: BTreeSet<String>,
    /// The tags that are written on what is made, and on guarded sources meanwhile.
    pub tags: Tags,
    /// Bytes to move, where all of the providers, or the backup before, can say.
    pub bytes: Option<u64>,
    /// Files to move, where all of them can say.
    pub files: Option<u64>,
    /// How long it will take, where anything is known.
    pub forecast: Option<Forecast>,
    /// Operations that are in the way.
    pub conflicts: Vec<Conflict>,
}

/// One call that an operation would make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedCall {
    /// Who is called: `workspace`, `provisioner`, or a provider's id.
    pub whom: String,
    /// What is called: a method of the contract, or a vendor's call.
    pub call: String,
    /// What for: a component, or `workspace`.
    pub subject: String,
}

impl PlannedCall {
    /// `call` of `whom` for `subject`.
    pub fn new(whom: impl Into<String>, call: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { whom: whom.into(), call: call.into(), subject: subject.into() }
    }
}

/// An operation that is in the way of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Conflict {
    /// The operation.
    pub operation: OperationId,
    /// `backup`, `restore`, …
    pub kind: String,
    /// The workspace it has to itself.
    pub workspace: WorkspaceId,
    /// Where it stands.
    pub state: OperationState,
    /// When it was submitted.
    pub since: Timestamp,
}

/// What a restore would do, and what stands against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestorePlan {
    /// The backup as catalogued.
    pub backup: BackupRecord,
    /// What the preflight found.
    pub findings: Vec<Finding>,
    /// What it would do outside.
    pub outlook: Outlook,
}

/// What a deletion would do, and what stands against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeletePlan {
    /// The backup as catalogued.
    pub backup: BackupRecord,
    /// What stands against it, such as a hold.
    pub findings: Vec<Finding>,
    /// What it would do outside.
    pub outlook: Outlook,
}

/// A plan that somebody accepted: the operation refuses to do anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AcceptedPlan {
    /// One line per component, as it was planned.
    pub components: BTreeSet<String>,
    /// One line for each setting of a protected component, by its digest, and for each part of the place where it would be
    /// kept. `None` in a plan that was accepted before they were noted: nothing is said of them then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub particulars: Option<BTreeSet<String>>,
}

impl AcceptedPlan {
    /// `plan`, accepted.
    pub fn of(plan: &Plan) -> Self {
        let components = plan.components.iter().map(|planned| line(&planned.component)).collect();
        Self { components, particulars: Some(plan.components.iter().flat_map(particulars).collect()) }
    }

    /// What `plan` has that was not accepted, and what it lacks; `None` where it is the accepted one.
    pub fn departure(&self, plan: &Plan) -> Option<String> {
        let now = Self::of(plan);
        let list = |what: &str, lines: Vec<&String>| {
            let lines: Vec<_> = lines.into_iter().map(String::as_str).collect();
            (!lines.is_empty()).then(|| format!("{what} {}", lines.join(", ")))
        };
        let beyond = |these: &Self, those: &Self| {
            let mut lines: Vec<_> = these.components.difference(&those.components).cloned().collect();
            if let (Some(these), Some(those)) = (&these.particulars, &those.particulars) {
                lines.extend(these.difference(those).cloned());
            }
            lines
        };
        let new = list("not planned:", beyond(&now, self).iter().collect());
        let gone = list("planned and no longer so:", beyond(self, &now).iter().collect());
        let said: Vec<_> = new.into_iter().chain(gone).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// What makes a component the one that was planned.
fn line(component: &Component) -> String {
    let protection = match &component.protection {
        Protection::Protected => "protected",
        Protection::Excluded { .. } => "excluded",
    };
    format!(
        "{} ({} {} of {}, {protection})",
        component.id, component.kind, component.resource, component.provider
    )
}

/// How and where a component was planned to be kept. What a setting means only its provider knows, so its value is not
/// shown.
fn particulars(planned: &PlannedComponent) -> Vec<String> {
    let Component { id, settings, protection: Protection::Protected, .. } = &planned.component else {
        return Vec::new();
    };
    let settings = settings.iter().map(|(key, value)| {
        let digest = digest(&[key, &value.to_string()]);
        format!("{id}'s setting {key} #{}", &digest[..SETTING_DIGITS])
    });
    let place = planned.place.iter().map(|(key, value)| format!("{id}'s {key} {value}"));
    settings.chain(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Definition;

    /// A plan of one component with this vault in its settings, to be kept in this account.
    fn plan(vault: &str, account: &str) -> Plan {
        let mut component =
            Component::new("home".parse().unwrap(), "efs", "cloud".parse().unwrap(), "fs-0123");
        component.settings.insert("vault".into(), vault.into());
        let mut planned = PlannedComponent::new(component);
        planned.place = [("account".to_owned(), account.to_owned())].into();
        Plan::new(Definition::new("ada".parse().unwrap()), vec![planned], None)
    }

    #[test]
    fn a_plan_is_accepted_for_its_settings_and_its_place_and_for_no_other() {
        let accepted = AcceptedPlan::of(&plan("nightly", "111122223333"));
        assert_eq!(accepted.departure(&plan("nightly", "111122223333")), None);

        let elsewhere = accepted.departure(&plan("nightly", "444455556666")).unwrap();
        let expected = "not planned: home's account 444455556666; \
                        planned and no longer so: home's account 111122223333";
        assert_eq!(elsewhere, expected);

        let other = accepted.departure(&plan("open-to-all", "111122223333")).unwrap();
        assert!(other.contains("home's setting vault") && !other.contains("open-to-all"), "{other}");
        let mut without = plan("nightly", "111122223333");
        without.components[0].component.settings.clear();
        assert!(accepted.departure(&without).unwrap().starts_with("planned and no longer so"));
        let excluded = |vault: &str| {
            let mut plan = plan(vault, "111122223333");
            plan.components[0].component.protection = Protection::Excluded { reason: "scratch".into() };
            plan
        };
        assert_eq!(AcceptedPlan::of(&excluded("a")).departure(&excluded("b")), None, "it is not kept at all");
    }

    #[test]
    fn a_plan_that_was_accepted_before_places_were_noted_can_be_read_and_holds_what_it_held() {
        let text = r#"{"components": ["home (efs fs-0123 of cloud, protected)"]}"#;
        let old: AcceptedPlan = serde_json::from_str(text).unwrap();
        assert_eq!(old.departure(&plan("nightly", "111122223333")), None);
        let mut other = plan("nightly", "111122223333");
        other.components[0].component.resource = "fs-9999".into();
        assert!(old.departure(&other).unwrap().contains("fs-9999"));
    }
}
