//! A request for a copy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::TIMEOUT_DEFAULT;
#[cfg(doc)]
use crate::catalog::BackupRecord;
use crate::id::{BackupId, OperationId, ProviderId, WorkspaceId};
use crate::workspace::Settings;

/// A request to copy one backup to another place. The copy is a backup of its own with
/// [`BackupRecord::copy_of`] set, and stays when the original goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CopyRequest {
    /// Made by the submitter; the same id twice is one operation.
    pub id: OperationId,
    /// What to copy.
    pub backup: BackupId,
    /// The workspace the backup belongs to.
    pub workspace: WorkspaceId,
    /// The provider that runs the copy and keeps it; `None` for each snapshot's own.
    pub provider: Option<ProviderId>,
    /// Where the copy is to lie: a vault, an account, a region, as the provider understands it. An `account` and a
    /// `region` in it become those of the copy's definition, so that it is restored where it lies.
    pub destination: Settings,
    /// Keep the copy for this long; `None` for ever.
    pub retain: Option<Duration>,
    /// Who asked for it.
    pub creator: Option<String>,
    /// Preflight checks to waive, by name.
    pub waivers: Vec<String>,
    /// The time from submission to the deadline. After it, copies that run outside this process are followed to their
    /// end, and the workspace is free for other operations.
    pub timeout: Duration,
}

impl CopyRequest {
    /// Copy `backup` of `workspace` to `destination`.
    pub fn new(id: OperationId, backup: BackupId, workspace: WorkspaceId, destination: Settings) -> Self {
        Self {
            id,
            backup,
            workspace,
            provider: None,
            destination,
            retain: None,
            creator: None,
            waivers: Vec::new(),
            timeout: TIMEOUT_DEFAULT,
        }
    }
}
