//! A request for a verification.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::TIMEOUT_DEFAULT;
use crate::id::{BackupId, OperationId, WorkspaceId};
use crate::snapshot::Depth;

/// A request to verify the snapshots of one backup and to record what was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct VerifyRequest {
    /// Made by the submitter; the same id twice is one operation.
    pub id: OperationId,
    /// What to verify.
    pub backup: BackupId,
    /// The workspace the backup belongs to.
    pub workspace: WorkspaceId,
    /// How deep. A provider that cannot go so deep goes as deep as it can, and that depth is recorded.
    pub depth: Depth,
    /// Who asked for it.
    pub creator: Option<String>,
    /// The time from submission to the deadline.
    pub timeout: Duration,
}

impl VerifyRequest {
    /// Verify `backup` of `workspace` to `depth`.
    pub fn new(id: OperationId, backup: BackupId, workspace: WorkspaceId, depth: Depth) -> Self {
        Self { id, backup, workspace, depth, creator: None, timeout: TIMEOUT_DEFAULT }
    }
}
