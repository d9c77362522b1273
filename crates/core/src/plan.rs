//! The plan: what an operation would do, found out without doing it.

use serde::{Deserialize, Serialize};

use crate::id::BackupId;
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
    /// The newest good backup, on which this one would build.
    pub parent: Option<BackupId>,
}

impl Plan {
    /// A plan.
    pub fn new(definition: Definition, components: Vec<PlannedComponent>, parent: Option<BackupId>) -> Self {
        Self { definition, components, parent }
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
    /// Whether its jobs run inside this process and die with it.
    pub in_process: bool,
}

impl PlannedComponent {
    /// `component` with nothing found against it.
    pub fn new(component: Component) -> Self {
        Self { component, findings: Vec::new(), base: None, in_process: false }
    }
}
