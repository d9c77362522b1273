//! Operations: what is stored of a request while it is carried out, and what is answered about it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::decide::Machine;
use crate::error::ErrorRecord;
use crate::id::{BackupId, OperationId, WorkspaceId};
pub use crate::ledger::{LedgerEntry, LedgerKind};
use crate::provider::{Issue, Progress};
pub use crate::request::*;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OperationState {
    /// Under way, or interrupted and waiting to be resumed.
    Running,
    /// Asked to stop; still bringing things in order.
    Cancelling,
    /// The deadline passed, the workspace is free, and jobs run on that are still followed.
    Detached,
    /// Done, whole and verified.
    Completed,
    /// Done, but something is missing: see the issues.
    Partial,
    /// Ended without a result.
    Failed,
    /// Stopped on request.
    Cancelled,
}

impl OperationState {
    /// Whether nothing is left to do.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Running | Self::Cancelling | Self::Detached)
    }

    /// Whether the operation has its workspace to itself.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Cancelling)
    }

    /// The word used in storage and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Detached => "detached",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is stored of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OperationRecord {
    /// The operation.
    pub id: OperationId,
    /// The workspace it has to itself while it is active.
    pub workspace: WorkspaceId,
    /// What was asked for.
    pub request: Request,
    /// Where it stands.
    pub state: OperationState,
    /// The step it is at, for people.
    pub step: String,
    /// When it was submitted.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When its deadline passes.
    pub deadline: Timestamp,
    /// How far its jobs are, summed.
    pub progress: Progress,
    /// When the progress last grew.
    pub last_advance: Timestamp,
    /// Why it failed.
    pub error: Option<ErrorRecord>,
    /// What did not go as planned.
    pub issues: Vec<Issue>,
    /// Worth saying, but nothing is missing because of it.
    pub warnings: Vec<String>,
    /// The backup it made, restored or deleted.
    pub backup: Option<BackupId>,
    /// What the host noted when it was submitted ([`Builder::note`](crate::Builder::note)).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub noted: BTreeMap<String, String>,
    /// The state from which the next step is decided.
    pub machine: Machine,
}

impl OperationRecord {
    /// The record of a request submitted at `now`.
    pub fn submitted(request: Request, now: Timestamp) -> Self {
        Self {
            id: request.id().clone(),
            workspace: request.workspace().clone(),
            state: OperationState::Running,
            step: "submitted".into(),
            started_at: now,
            finished_at: None,
            deadline: now.after(request.timeout()),
            progress: Progress::default(),
            last_advance: now,
            error: None,
            issues: Vec::new(),
            warnings: Vec::new(),
            backup: None,
            noted: BTreeMap::new(),
            machine: Machine::new(&request),
            request,
        }
    }
}

/// What an orchestrator answers about an operation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OperationStatus {
    /// What is stored of it.
    pub operation: OperationRecord,
    /// Who works on it, for people; `None` when nobody does.
    pub holder: Option<String>,
    /// The backup it made, as catalogued.
    pub backup: Option<BackupRecord>,
    /// Whether somebody asked it to stop.
    pub cancel_requested: bool,
}

impl OperationStatus {
    /// A status of an operation that nobody asked to stop.
    pub fn new(operation: OperationRecord, holder: Option<String>, backup: Option<BackupRecord>) -> Self {
        Self { operation, holder, backup, cancel_requested: false }
    }
}
