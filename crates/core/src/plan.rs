//! The plan: what an operation would do, found out without doing it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::Origin;
use crate::forecast::Forecast;
use crate::id::{BackupId, OperationId};
use crate::outlook::Outlook;
use crate::provider::Finding;
use crate::snapshot::SnapshotRef;
use crate::workspace::{Component, Definition};

/// What a backup would capture, and what stands against it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Plan {
    /// The workspace's definition, read now.
    pub definition: Definition,
    /// Its components, the excluded ones too.
    pub components: Vec<PlannedComponent>,
    /// What stands out about the workspace as a whole, such as a component that it does not have any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// The newest backup with a verified snapshot on which this one would build; it may be a partial one.
    pub parent: Option<BackupId>,
    /// Where the workspace comes from, as far as the catalog knows that a restore made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<Origin>,
    /// How long the capture will take; `None` where nothing is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<Forecast>,
    /// Detached operations of the same workspace, whose jobs still run outside. Nothing is held still, and no job
    /// is started, before they have ended: what they capture is what this backup builds on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<OperationId>,
    /// What the backup would do outside; only where the plan was asked for ([`Orchestrator::plan`]).
    ///
    /// [`Orchestrator::plan`]: crate::Orchestrator::plan
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlook: Option<Outlook>,
}

impl Plan {
    /// A plan.
    pub fn new(definition: Definition, components: Vec<PlannedComponent>, parent: Option<BackupId>) -> Self {
        Self {
            definition,
            components,
            findings: Vec::new(),
            parent,
            restored_from: None,
            forecast: None,
            waits_for: Vec::new(),
            outlook: None,
        }
    }
}

impl Plan {
    /// What was found about the workspace and about each of its components.
    pub fn all_findings(&self) -> impl Iterator<Item = &Finding> + Clone {
        self.findings.iter().chain(self.components.iter().flat_map(|planned| &planned.findings))
    }

    /// Whether a job would run inside this process and die with it.
    pub fn runs_in_process(&self) -> bool {
        self.components.iter().any(|planned| planned.in_process)
    }
}

/// One component in a [`Plan`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PlannedComponent {
    /// The component.
    pub component: Component,
    /// What its provider's preflight found.
    pub findings: Vec<Finding>,
    /// The snapshot it would build on.
    pub base: Option<SnapshotRef>,
    /// Why it has nothing to build on although earlier backups hold it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_lost: Option<String>,
    /// Whether its jobs run inside this process and die with it.
    pub in_process: bool,
    /// Whether its source is guarded while it is captured ([`Definition::source_tags`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guarded: bool,
    /// Where its provider would keep it ([`Provider::place`](crate::Provider::place)).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub place: BTreeMap<String, String>,
}

impl PlannedComponent {
    /// `component` with nothing found against it.
    pub fn new(component: Component) -> Self {
        Self {
            component,
            findings: Vec::new(),
            base: None,
            base_lost: None,
            in_process: false,
            guarded: false,
            place: BTreeMap::new(),
        }
    }
}
