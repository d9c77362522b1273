//! Requests about backups that are there: to verify one, to copy one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::catalog::BackupRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{BackupId, OperationId, ProviderId, WorkspaceId};
use crate::operation::{Request, TIMEOUT_DEFAULT};
use crate::snapshot::Depth;
use crate::workspace::Settings;

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

impl Request {
    /// Refuses texts that no list can show as they are, and that not every catalog can hold.
    pub(crate) fn check(&self) -> Result<()> {
        let name = match self {
            Self::Backup(backup) => backup.name.as_deref(),
            _ => None,
        };
        for (what, text) in [("name", name), ("creator", self.creator())] {
            if text.is_some_and(|text| text.chars().any(char::is_control)) {
                let message =
                    format!("the {what} of a {} must be text without control characters", self.kind());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        Ok(())
    }
}
