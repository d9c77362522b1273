//! What a backup would do, as a document.

use serde::{Deserialize, Serialize};
use stillpoint_core::{BackupId, Finding, Outlook, Plan, PlannedComponent, WorkspaceId};
use utoipa::ToSchema;

use super::component::excluded_reason;

/// What a backup would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct PlanDocument {
    /// The workspace.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// The backup on which this one would build.
    #[schema(value_type = Option<String>)]
    pub parent_id: Option<BackupId>,
    /// Its components, the excluded ones too.
    pub components: Vec<PlannedItem>,
    /// What stands out about the workspace as a whole.
    #[schema(value_type = Vec<Object>)]
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What it would do outside.
    #[schema(value_type = Option<Object>)]
    pub outlook: Option<Outlook>,
}

/// One component of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct PlannedItem {
    /// Names it inside the workspace.
    pub id: String,
    /// What it is.
    pub kind: String,
    /// The provider that protects it.
    pub provider: String,
    /// The provider's name of it.
    pub resource: String,
    /// Why it is left out, where it is.
    pub excluded_reason: Option<String>,
    /// The snapshot it would build on.
    pub base_snapshot_id: Option<String>,
    /// What its provider's preflight found.
    #[schema(value_type = Vec<Object>)]
    pub findings: Vec<Finding>,
}

impl PlanDocument {
    /// `plan` as a document.
    pub fn new(plan: &Plan) -> Self {
        let item = |planned: &PlannedComponent| PlannedItem {
            id: planned.component.id.to_string(),
            kind: planned.component.kind.clone(),
            provider: planned.component.provider.to_string(),
            resource: planned.component.resource.clone(),
            excluded_reason: excluded_reason(&planned.component).map(str::to_owned),
            base_snapshot_id: planned.base.as_ref().map(|base| base.id.to_string()),
            findings: planned.findings.clone(),
        };
        Self {
            workspace: plan.definition.id.clone(),
            parent_id: plan.parent.clone(),
            components: plan.components.iter().map(item).collect(),
            findings: plan.findings.clone(),
            outlook: plan.outlook.clone(),
        }
    }
}
