//! Requests: what a host submits, of one of five kinds.

mod backup;
mod copy;
mod delete;
mod restore;
mod verify;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use backup::{BackupRequest, OnDeadline};
pub use copy::CopyRequest;
pub use delete::DeleteRequest;
pub use restore::{OnFailure, RestoreRequest};
pub use verify::VerifyRequest;

use crate::error::{Error, ErrorKind, Result};
use crate::id::{OperationId, WorkspaceId};

/// The deadline of an operation that names none and of which nothing is known: 12 hours.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(12 * 3600);

/// What to do when a workspace is busy with another operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WhenBusy {
    /// Answer `Busy` with who runs it and since when.
    #[default]
    Refuse,
    /// Answer the status of the running operation instead of starting one.
    Attach,
    /// Take an interrupted operation over and drive it to its end; refuse while its process lives. Where it is what is
    /// asked for, it answers the request, unless it was being cancelled: then the request runs after it.
    Resume,
    /// Wait in line until the workspace is free, for no longer than the request's own timeout. The submission
    /// returns when its turn has come. First come is first served among those who wait in one orchestrator, at most
    /// 64 for one workspace; the line is in memory, so whoever waited in a process that died submits again.
    Queue,
}

/// What can be submitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Request {
    /// Back a workspace up.
    Backup(BackupRequest),
    /// Restore a backup into a new workspace.
    Restore(RestoreRequest),
    /// Delete a backup.
    Delete(DeleteRequest),
    /// Verify a backup.
    Verify(VerifyRequest),
    /// Copy a backup.
    Copy(CopyRequest),
}

impl Request {
    /// The operation's id.
    pub fn id(&self) -> &OperationId {
        match self {
            Self::Backup(request) => &request.id,
            Self::Restore(request) => &request.id,
            Self::Delete(request) => &request.id,
            Self::Verify(request) => &request.id,
            Self::Copy(request) => &request.id,
        }
    }

    /// The workspace that the operation has to itself: a restore's is the new one.
    pub fn workspace(&self) -> &WorkspaceId {
        match self {
            Self::Backup(request) => &request.workspace,
            Self::Restore(request) => &request.target,
            Self::Delete(request) => &request.workspace,
            Self::Verify(request) => &request.workspace,
            Self::Copy(request) => &request.workspace,
        }
    }

    /// `backup`, `restore`, `delete`, `verify` or `copy`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Backup(_) => "backup",
            Self::Restore(_) => "restore",
            Self::Delete(_) => "delete",
            Self::Verify(_) => "verify",
            Self::Copy(_) => "copy",
        }
    }

    /// Who asked for it.
    pub fn creator(&self) -> Option<&str> {
        match self {
            Self::Backup(request) => request.creator.as_deref(),
            Self::Restore(request) => request.creator.as_deref(),
            Self::Delete(request) => request.creator.as_deref(),
            Self::Verify(request) => request.creator.as_deref(),
            Self::Copy(request) => request.creator.as_deref(),
        }
    }

    /// What to do when the workspace is busy. All but backups go on with an interrupted one.
    pub fn when_busy(&self) -> WhenBusy {
        match self {
            Self::Backup(request) => request.when_busy,
            Self::Restore(_) | Self::Delete(_) | Self::Verify(_) | Self::Copy(_) => WhenBusy::Resume,
        }
    }

    /// Whether `other` asks for the same thing under another id, so that its end answers this request too.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Backup(a), Self::Backup(b)) => {
                (&a.workspace, &a.name, a.retain) == (&b.workspace, &b.name, b.retain)
            }
            (Self::Restore(a), Self::Restore(b)) => a.makes_the_same(b),
            (Self::Delete(a), Self::Delete(b)) => a.backup == b.backup,
            (Self::Verify(a), Self::Verify(b)) => (&a.backup, a.depth) == (&b.backup, b.depth),
            (Self::Copy(a), Self::Copy(b)) => {
                (&a.backup, &a.provider, &a.destination, a.retain)
                    == (&b.backup, &b.provider, &b.destination, b.retain)
            }
            _ => false,
        }
    }

    /// Whether `other`, which has the same id, can be this request told once more. A backup's name, retention and settings
    /// are those of the first; all else must be asked for alike.
    pub(crate) fn is_told_again_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Backup(a), Self::Backup(b)) => a.workspace == b.workspace,
            (first, second) => first.is_equivalent(second),
        }
    }

    /// The time from submission to the deadline, as long as no forecast says otherwise.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Backup(request) => request.timeout.unwrap_or(TIMEOUT_DEFAULT),
            Self::Restore(request) => request.timeout.unwrap_or(TIMEOUT_DEFAULT),
            Self::Delete(request) => request.timeout,
            Self::Verify(request) => request.timeout,
            Self::Copy(request) => request.timeout,
        }
    }

    /// Refuses texts that no list can show as they are, and that not every catalog can hold. Submitting does so; whoever
    /// keeps a request for later asks before.
    ///
    /// # Errors
    /// `InvalidInput` where the name or the creator holds control characters.
    pub fn check(&self) -> Result<()> {
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
