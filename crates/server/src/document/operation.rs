//! Operations as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{
    BackupId, ComponentProgress, DamagedRow, ErrorRecord, Issue, Liveness, OperationId, OperationRecord,
    OperationState, OperationStatus, ProcessLiveness, StoredOperation, Timestamp, WorkspaceId,
};
use utoipa::ToSchema;

use super::held::LeftHold;

/// One operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct OperationItem {
    /// The operation.
    #[schema(value_type = String)]
    pub id: OperationId,
    /// `backup`, `restore`, `delete`, `verify` or `copy`.
    pub kind: String,
    /// The workspace it has to itself: a restore's is the new one.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// Where it stands: `running`, `cancelling`, `detached`, `completed`, `partial`, `failed`, `cancelled`.
    #[schema(value_type = String)]
    pub state: OperationState,
    /// The step it is at, for people.
    pub step: String,
    /// When it was submitted.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// When its deadline passes.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
    /// Who works on it; `None` when nobody does.
    pub holder: Option<String>,
    /// How far it is, all of its jobs together.
    pub progress: ProgressItem,
    /// How far each component is.
    #[serde(default)]
    pub components: Vec<ComponentProgressItem>,
    /// Who asked for it.
    #[serde(default)]
    pub creator: Option<String>,
    /// The backup it made, restored, deleted or verified.
    #[schema(value_type = Option<String>)]
    pub backup_id: Option<BackupId>,
    /// Whether somebody asked it to stop.
    pub cancel_requested: bool,
    /// Why it failed.
    #[schema(value_type = Option<Object>)]
    pub error: Option<ErrorRecord>,
    /// Worth saying, but nothing is missing because of it.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// What did not go as planned.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub issues: Vec<Issue>,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ProgressItem {
    /// Bytes that are done.
    pub bytes_done: u64,
    /// Bytes to do, where that is known.
    pub bytes_total: Option<u64>,
    /// Files that are done.
    pub files_done: u64,
    /// When it last advanced.
    #[schema(value_type = String, format = DateTime)]
    pub last_advance: Timestamp,
    /// When it will be done if it goes on as it went.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expected_end: Option<Timestamp>,
}

/// How far one component is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ComponentProgressItem {
    /// The component.
    pub id: String,
    /// Where its job stands.
    pub step: String,
    /// Bytes that are done.
    pub bytes_done: u64,
    /// Bytes to do, where that is known.
    pub bytes_total: Option<u64>,
    /// Files that are done.
    pub files_done: u64,
    /// Bytes a second since the job was begun.
    pub bytes_per_second: Option<u64>,
    /// When it will be done if it goes on as it went.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expected_end: Option<Timestamp>,
}

impl ComponentProgressItem {
    fn new(of: ComponentProgress) -> Self {
        Self {
            id: of.component.to_string(),
            step: of.step,
            bytes_done: of.progress.bytes_done,
            bytes_total: of.progress.bytes_total,
            files_done: of.progress.files_done,
            bytes_per_second: of.bytes_per_second,
            expected_end: of.expected_end,
        }
    }
}

impl OperationItem {
    /// An operation as stored. A holder that is certainly dead is none.
    pub fn stored(stored: &StoredOperation) -> Self {
        let holder = stored.lease.holder.as_ref();
        let holder = holder.filter(|holder| stored.lease.live && !ProcessLiveness::default().is_dead(holder));
        let mut item = Self::new(&stored.operation, holder.map(ToString::to_string));
        item.cancel_requested = stored.cancel_requested;
        item
    }

    /// An operation as its orchestrator answers it.
    pub fn of_status(status: &OperationStatus) -> Self {
        let mut item = Self::new(&status.operation, status.holder.clone());
        item.cancel_requested = status.cancel_requested;
        item
    }

    fn new(operation: &OperationRecord, holder: Option<String>) -> Self {
        let components: Vec<_> = operation.components().into_iter().map(ComponentProgressItem::new).collect();
        Self {
            id: operation.id.clone(),
            kind: operation.request.kind().to_owned(),
            workspace: operation.workspace.clone(),
            state: operation.state,
            step: operation.step.clone(),
            started_at: operation.started_at,
            finished_at: operation.finished_at,
            deadline: operation.deadline,
            holder,
            progress: ProgressItem {
                bytes_done: operation.progress.bytes_done,
                bytes_total: operation.progress.bytes_total,
                files_done: operation.progress.files_done,
                last_advance: operation.last_advance,
                expected_end: components.iter().filter_map(|component| component.expected_end).max(),
            },
            components,
            creator: operation.request.creator().map(str::to_owned),
            backup_id: operation.backup.clone(),
            cancel_requested: false,
            error: operation.error.clone(),
            warnings: operation.warnings.clone(),
            issues: operation.issues.clone(),
        }
    }

    /// Whether somebody works on it.
    pub fn is_driven(&self) -> bool {
        self.holder.is_some()
    }
}

/// One page of operations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct OperationPage {
    /// The operations, newest first.
    pub operations: Vec<OperationItem>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
    /// What belongs on this page and cannot be read.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub damaged: Vec<DamagedRow>,
    /// On the first page: the workspaces that ended operations left held still on this server's host.
    #[serde(default)]
    pub held: Vec<LeftHold>,
}
