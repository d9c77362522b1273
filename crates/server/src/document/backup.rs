//! Backups as documents: the items of the list, one backup in full.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stillpoint_core::{
    BackupId, BackupRecord, BackupState, Consistency, DamagedRow, Definition, Issue, OperationId, Origin,
    Settings, Timestamp, WorkspaceId,
};
use utoipa::ToSchema;

use super::component::ComponentItem;

/// One backup in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct BackupItem {
    /// The backup.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// Its name for people.
    pub name: Option<String>,
    /// The workspace it is of.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// The host whose directory it holds, where the workspace is known by its path alone.
    #[serde(default)]
    pub host: Option<String>,
    /// The environment that the workspace belonged to.
    #[serde(default)]
    pub environment: Option<String>,
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// Who asked for it.
    pub creator: Option<String>,
    /// Where it stands: `completed`, `partial`, `deleting`, `damaged`.
    #[schema(value_type = String)]
    pub state: BackupState,
    /// What the whole set can be trusted to be.
    #[schema(value_type = String)]
    pub consistency: Consistency,
    /// The software version that the workspace ran.
    pub software_version: Option<String>,
    /// Bytes of content it holds.
    pub size_bytes: u64,
    /// Bytes it added to storage.
    pub added_bytes: u64,
    /// How long services were held still for it, in milliseconds.
    #[serde(default)]
    pub downtime_ms: u64,
    /// The backup it builds on.
    #[schema(value_type = Option<String>)]
    pub parent_id: Option<BackupId>,
    /// The backup it is a copy of.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub copy_of: Option<BackupId>,
    /// Where a copy was made, as it was asked for: a vault, a region, an account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = Object)]
    pub copied_to: Settings,
    /// Where its workspace came from, if a restore had made it.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub restored_from: Option<Origin>,
    /// Kept whatever the retention says.
    pub held: bool,
    /// When its retention ends; `None` for never.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

impl BackupItem {
    /// `backup` as an item of the list.
    pub fn new(backup: &BackupRecord) -> Self {
        Self {
            id: backup.id.clone(),
            name: backup.name.clone(),
            workspace: backup.workspace.clone(),
            host: backup.host().map(str::to_owned),
            environment: backup.definition.environment.clone(),
            created_at: backup.created_at,
            creator: backup.creator.clone(),
            state: backup.state,
            consistency: backup.consistency,
            software_version: backup.definition.software_version.clone(),
            size_bytes: backup.size_bytes,
            added_bytes: backup.added_bytes,
            downtime_ms: u64::try_from(backup.downtime.as_millis()).unwrap_or(u64::MAX),
            parent_id: backup.parent.clone(),
            copy_of: backup.copy_of.clone(),
            copied_to: backup.copied_to.clone(),
            restored_from: backup.restored_from.clone(),
            held: backup.held,
            expires_at: backup.expires_at,
        }
    }
}

/// One page of the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct BackupPage {
    /// The backups, newest first unless the oldest were asked for.
    pub backups: Vec<BackupItem>,
    /// Where the next page starts; `None` after the last one. A page may hold fewer items than were asked for, or none,
    /// and still have a next one.
    pub next: Option<String>,
    /// What belongs on this page and cannot be read.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub damaged: Vec<DamagedRow>,
}

/// One backup in full: the keys of the list and everything else that is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct BackupDetail {
    /// The keys of the list.
    #[serde(flatten)]
    pub item: BackupItem,
    /// The operation that made it.
    #[schema(value_type = String)]
    pub operation_id: OperationId,
    /// When it was sealed.
    #[schema(value_type = String, format = DateTime)]
    pub finished_at: Timestamp,
    /// Its components, the excluded ones too.
    pub components: Vec<ComponentItem>,
    /// The workspace's definition at that time.
    #[schema(value_type = Object)]
    pub definition: Definition,
    /// Preflight checks that were waived by name.
    pub waivers: Vec<String>,
    /// What did not go as planned, over all components.
    #[schema(value_type = Vec<Object>)]
    pub issues: Vec<Issue>,
    /// The version of Stillpoint that wrote it.
    pub written_by: String,
}

impl BackupDetail {
    /// `backup` in full.
    pub fn new(backup: &BackupRecord) -> Self {
        Self {
            item: BackupItem::new(backup),
            operation_id: backup.operation.clone(),
            finished_at: backup.finished_at,
            components: backup.components.iter().map(ComponentItem::new).collect(),
            definition: backup.definition.clone(),
            waivers: backup.waivers.clone(),
            issues: backup.issues().cloned().collect(),
            written_by: backup.written_by.clone(),
        }
    }
}
