//! A request for a deletion.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::TIMEOUT_DEFAULT;
use crate::id::{BackupId, OperationId, WorkspaceId};

/// A request to delete one backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeleteRequest {
    /// Made by the submitter; the same id twice is one operation.
    pub id: OperationId,
    /// What to delete.
    pub backup: BackupId,
    /// The workspace the backup belongs to.
    pub workspace: WorkspaceId,
    /// Who asked for it.
    pub creator: Option<String>,
    /// The time from submission to the deadline.
    pub timeout: Duration,
}

impl DeleteRequest {
    /// Delete `backup` of `workspace`.
    pub fn new(id: OperationId, backup: BackupId, workspace: WorkspaceId) -> Self {
        Self { id, backup, workspace, creator: None, timeout: TIMEOUT_DEFAULT }
    }
}
