//! What one run of the agent did.

use serde::Serialize;
use stillpoint_core::{BackupId, OperationId, OperationState};

/// The result of the agent, as JSON has it.
#[derive(Debug, Default, Serialize)]
pub(super) struct AgentDocument {
    /// What the agent kept backed up.
    pub(super) workspace: Option<String>,
    /// The restore that was asked for.
    pub(super) restore: Option<RestoreItem>,
    /// Whole backups that this run made.
    pub(super) completed: u64,
    /// Backups that this run made and in which something is missing.
    pub(super) partial: u64,
    /// Tries that made no backup.
    pub(super) failed: u64,
    /// The newest backup of this run.
    pub(super) last_backup: Option<BackupId>,
}

/// How a restore that was asked for stands.
#[derive(Debug, Serialize)]
pub(super) struct RestoreItem {
    pub(super) timestamp: String,
    /// `completed`, `partial`, `failed`, …
    pub(super) state: OperationState,
    /// `false` where an earlier run had made it and this one left everything as it was.
    pub(super) made_now: bool,
    /// Whether the request had ended before the restore was begun; then nothing was restored.
    pub(super) expired: bool,
    /// Whether this run was the first to find that.
    #[serde(skip)]
    pub(super) expired_now: bool,
    /// Entries that were to be replaced and stay, because an earlier try was stopped in the middle.
    pub(super) kept: u64,
    /// Entries that the restore was to bring and could not.
    pub(super) lost: u64,
    pub(super) operation_id: Option<OperationId>,
    pub(super) message: Option<String>,
}

impl RestoreItem {
    /// Whether something that was asked for is not there.
    pub(super) fn is_in_part(&self) -> bool {
        self.kept + self.lost > 0
    }
}
