//! The result of a backup, as a document.

use serde::{Deserialize, Serialize};
use stillpoint_core::{
    BackupId, BackupRecord, Consistency, Issue, OperationId, OperationState, OperationStatus, Request,
    Timestamp, WorkspaceId,
};
use utoipa::ToSchema;

use super::component::ComponentItem;

/// The result of a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct BackupDocument {
    /// The operation.
    #[schema(value_type = String)]
    pub operation_id: OperationId,
    /// The backup it made.
    #[schema(value_type = Option<String>)]
    pub backup_id: Option<BackupId>,
    /// The workspace.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// Its name for people.
    pub name: Option<String>,
    /// How it ended.
    #[schema(value_type = String)]
    pub state: OperationState,
    /// What the whole set can be trusted to be.
    #[schema(value_type = Option<String>)]
    pub consistency: Option<Consistency>,
    /// When it was submitted.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Its components, the excluded ones too.
    pub components: Vec<ComponentItem>,
    /// Files, as far as its providers count them.
    pub files: BackupFileCounts,
    /// Bytes, as far as its providers count them.
    pub bytes: BackupByteCounts,
    /// Worth saying, but nothing is missing because of it.
    pub warnings: Vec<String>,
    /// What did not go as planned.
    #[schema(value_type = Vec<Object>)]
    pub issues: Vec<Issue>,
}

/// Files in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct BackupFileCounts {
    /// Not in the backup before.
    pub new: u64,
    /// Other than in the backup before.
    pub changed: u64,
    /// As in the backup before.
    pub unmodified: u64,
    /// Left out by an error.
    pub skipped: u64,
    /// Changed while they were read.
    pub torn: u64,
}

/// Bytes in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct BackupByteCounts {
    /// Of all files.
    pub scanned: u64,
    /// Read again.
    pub read: u64,
    /// New to the repository.
    pub added: u64,
    /// Stored for them.
    pub stored: u64,
}

impl BackupDocument {
    /// The result of the backup that `status` is of.
    pub fn new(status: &OperationStatus) -> Self {
        let operation = &status.operation;
        let backup = status.backup.as_ref();
        let count = |name: &str| backup.map_or(0, |backup| sum(backup, name));
        let name = match &operation.request {
            Request::Backup(request) => request.name.clone(),
            _ => None,
        };
        let components = backup.map(|backup| backup.components.iter().map(ComponentItem::new).collect());
        Self {
            operation_id: operation.id.clone(),
            backup_id: operation.backup.clone(),
            workspace: operation.workspace.clone(),
            name,
            state: operation.state,
            consistency: backup.map(|backup| backup.consistency),
            started_at: operation.started_at,
            finished_at: operation.finished_at,
            components: components.unwrap_or_default(),
            files: BackupFileCounts {
                new: count("files_new"),
                changed: count("files_changed"),
                unmodified: count("files_unmodified"),
                skipped: count("files_skipped"),
                torn: count("files_torn"),
            },
            bytes: BackupByteCounts {
                scanned: count("bytes_scanned"),
                read: count("bytes_read"),
                added: count("bytes_added"),
                stored: count("bytes_stored"),
            },
            warnings: operation.warnings.clone(),
            issues: operation.issues.clone(),
        }
    }
}

fn sum(backup: &BackupRecord, count: &str) -> u64 {
    backup.components.iter().filter_map(|component| component.counts.get(count)).sum()
}
