//! Workspaces as documents: what is known of each, and how well it is protected.

use serde::{Deserialize, Serialize};
use stillpoint_core::{
    Component, DamagedRow, Definition, OperationState, Origin, Timestamp, WorkspaceId, WorkspaceRecord,
};
use utoipa::ToSchema;

use super::backup::BackupItem;
use super::component::excluded_reason;

/// One workspace with its summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct WorkspaceItem {
    /// The workspace.
    #[schema(value_type = String)]
    pub id: WorkspaceId,
    /// The environment it belongs to.
    pub environment: Option<String>,
    /// The software version it ran when it was last seen.
    pub software_version: Option<String>,
    /// When it was last seen.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub seen_at: Option<Timestamp>,
    /// Where it comes from, if a restore made it: the workspace and backup, by which operation, when, and both software
    /// versions.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub restored_from: Option<Origin>,
    /// Its newest completed backup.
    pub last_good: Option<BackupItem>,
    /// How old that one is, in seconds.
    pub last_good_age_seconds: Option<u64>,
    /// How the last backup that was begun ended, or that it is under way.
    #[schema(value_type = Option<String>)]
    pub last_backup_state: Option<OperationState>,
    /// Its operation.
    pub last_backup_operation: Option<String>,
    /// When it was begun.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_backup_at: Option<Timestamp>,
    /// Backups that can be restored.
    pub available: u64,
    /// When the next scheduled run is due.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_run: Option<Timestamp>,
}

/// One page of workspaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct WorkspacePage {
    /// The workspaces, by id.
    pub workspaces: Vec<WorkspaceItem>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
    /// What belongs on this page and cannot be read.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub damaged: Vec<DamagedRow>,
}

/// One workspace in full.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct WorkspaceDetail {
    /// The keys of the list.
    #[serde(flatten)]
    pub item: WorkspaceItem,
    /// Its definition when it was last seen.
    #[schema(value_type = Object)]
    pub definition: Definition,
    /// Its components when it was last seen, the excluded ones too.
    pub components: Vec<WorkspaceComponent>,
}

impl WorkspaceDetail {
    /// `record` in full, with its summary.
    pub fn new(item: WorkspaceItem, record: &WorkspaceRecord) -> Self {
        Self {
            item,
            definition: record.definition.clone(),
            components: record.components.iter().map(WorkspaceComponent::new).collect(),
        }
    }
}

/// One component of a workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct WorkspaceComponent {
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
}

impl WorkspaceComponent {
    fn new(component: &Component) -> Self {
        Self {
            id: component.id.to_string(),
            kind: component.kind.clone(),
            provider: component.provider.to_string(),
            resource: component.resource.clone(),
            excluded_reason: excluded_reason(component).map(str::to_owned),
        }
    }
}
