//! What an operation would do outside, found out without doing it: the calls, what they need, what they write, how much
//! there is to do, and what stands in the way.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::forecast::Forecast;
use crate::id::{OperationId, WorkspaceId};
use crate::operation::OperationState;
use crate::plan::Plan;
use crate::provider::{Finding, Tags};

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
    /// The tags that are written on what is made.
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
}

impl AcceptedPlan {
    /// `plan`, accepted.
    pub fn of(plan: &Plan) -> Self {
        Self { components: plan.components.iter().map(|planned| line(&planned.component)).collect() }
    }

    /// What `plan` has that was not accepted, and what it lacks; `None` where it is the accepted one.
    pub fn departure(&self, plan: &Plan) -> Option<String> {
        let now = Self::of(plan);
        let list = |what: &str, lines: BTreeSet<&String>| {
            let lines: Vec<_> = lines.into_iter().map(String::as_str).collect();
            (!lines.is_empty()).then(|| format!("{what} {}", lines.join(", ")))
        };
        let new = list("not planned:", now.components.difference(&self.components).collect());
        let gone = list("planned and no longer so:", self.components.difference(&now.components).collect());
        let said: Vec<_> = new.into_iter().chain(gone).collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// What makes a component the one that was planned.
fn line(component: &crate::workspace::Component) -> String {
    let protection = match &component.protection {
        crate::workspace::Protection::Protected => "protected",
        crate::workspace::Protection::Excluded { .. } => "excluded",
    };
    format!(
        "{} ({} {} of {}, {protection})",
        component.id, component.kind, component.resource, component.provider
    )
}
