//! Operations: what a host submits, and what is stored of it while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::decide::Machine;
use crate::error::{Error, ErrorKind, ErrorRecord, Result};
use crate::id::{BackupId, ComponentId, OperationId, WorkspaceId};
pub use crate::ledger::{LedgerEntry, LedgerKind};
use crate::outlook::AcceptedPlan;
use crate::provider::{Issue, Landing, Progress};
pub use crate::request::{CopyRequest, VerifyRequest};
use crate::workspace::Settings;

/// The deadline of an operation that names none and of which nothing is known: 12 hours.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(12 * 3600);

/// What to do when the deadline passes. The workspace is let go at once in each case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnDeadline {
    /// The jobs run on and are followed to their end; the next backup builds on what they made.
    #[default]
    Detach,
    /// The jobs are asked to stop and their end is awaited.
    Cancel,
    /// The jobs go on as members, though the workspace is no longer held still.
    Extend,
}

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

/// A request for one backup of one workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupRequest {
    /// Made by the submitter; the same id twice is one operation.
    pub id: OperationId,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// A name for people.
    pub name: Option<String>,
    /// Who asked for it.
    pub creator: Option<String>,
    /// The time from submission to the deadline. `None` for one that follows from the [`Forecast`](crate::Forecast),
    /// or [`TIMEOUT_DEFAULT`] where nothing is known.
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// The longest time without progress; `None` for one that follows from the forecast, or none where nothing was
    /// measured yet.
    pub stall_timeout: Option<Duration>,
    /// The longest time that services are held still, where it is to be shorter than the deadline. When it is used up
    /// they are let go, and what was not captured by then is a matter of [`Self::on_deadline`].
    #[serde(default)]
    pub hold_at_most: Option<Duration>,
    /// What to do when a clock runs out.
    pub on_deadline: OnDeadline,
    /// Keep for this long; `None` for ever.
    pub retain: Option<Duration>,
    /// Preflight checks to waive, by name; recorded with the backup.
    pub waivers: Vec<String>,
    /// What to do when the workspace is busy.
    pub when_busy: WhenBusy,
    /// Settings over those that the workspace lists for itself and for each of its components, such as what is to be left
    /// out. They hold for this backup, whoever goes on with it; the workspace's own stay as they are.
    #[serde(default, skip_serializing_if = "Settings::is_empty")]
    pub settings: Settings,
    /// The plan that was accepted: a workspace that has other components by now, or whose components have other settings
    /// or would be kept at another place, is not backed up. `None` for whatever it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_plan: Option<AcceptedPlan>,
}

impl BackupRequest {
    /// A backup of `workspace` whose deadline follows from the forecast, kept for ever.
    pub fn new(id: OperationId, workspace: WorkspaceId) -> Self {
        Self {
            id,
            workspace,
            name: None,
            creator: None,
            timeout: None,
            stall_timeout: None,
            hold_at_most: None,
            on_deadline: OnDeadline::default(),
            retain: None,
            waivers: Vec::new(),
            when_busy: WhenBusy::default(),
            settings: Settings::new(),
            accepted_plan: None,
        }
    }
}

/// A request to restore one backup into a new workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoreRequest {
    /// Made by the submitter; the same id twice is one operation.
    pub id: OperationId,
    /// What to restore.
    pub backup: BackupId,
    /// The new workspace.
    pub target: WorkspaceId,
    /// The registered provisioner that makes it.
    pub provisioner: String,
    /// What the provisioner needs to know (a path, subnets, sizes).
    pub settings: Settings,
    /// Who asked for it.
    pub creator: Option<String>,
    /// Restrict to these paths; empty for all.
    pub include: Vec<String>,
    /// How files meet what already stands at the target.
    pub landing: Landing,
    /// The software version to run; `None` for the newest.
    pub software_version: Option<String>,
    /// The time from submission to the deadline; `None` for one that follows from the size of the backup
    /// ([`forecast_restore`](crate::forecast_restore)), never shorter than [`TIMEOUT_DEFAULT`].
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// The longest time without progress while components are filled; `None` for no such limit.
    #[serde(default)]
    pub stall_timeout: Option<Duration>,
    /// What happens to what was made when the restore fails.
    pub on_failure: OnFailure,
    /// Preflight checks to waive, by name; recorded with the operation.
    pub waivers: Vec<String>,
    /// Accept a backup that is not `Completed`.
    pub allow_partial: bool,
    /// Restrict to these components; empty for all. What a cloud keeps stays where it is, and the files beside it can be
    /// restored anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentId>,
}

impl RestoreRequest {
    /// `backup` with nothing but the components that are to be restored.
    ///
    /// # Errors
    /// `InvalidInput` where it lacks one of them.
    pub fn narrowed(&self, mut backup: BackupRecord) -> Result<BackupRecord> {
        if self.components.is_empty() {
            return Ok(backup);
        }
        let known = |id: &ComponentId| backup.components.iter().any(|record| record.component.id == *id);
        if let Some(unknown) = self.components.iter().find(|id| !known(id)) {
            let ids: Vec<_> = backup.components.iter().map(|record| record.component.id.as_str()).collect();
            let message =
                format!("backup {} has no component {unknown}; it has {}", backup.id, ids.join(", "));
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        backup.components.retain(|record| self.components.contains(&record.component.id));
        Ok(backup)
    }

    /// Whether both end with the same workspace: who asked, how long it may take and what a failure leaves may differ.
    fn makes_the_same(&self, other: &Self) -> bool {
        (&self.backup, &self.target, &self.provisioner, &self.settings)
            == (&other.backup, &other.target, &other.provisioner, &other.settings)
            && (&self.include, &self.components, self.landing)
                == (&other.include, &other.components, other.landing)
            && (&self.software_version, self.allow_partial) == (&other.software_version, other.allow_partial)
    }

    /// A full restore of `backup` into the new workspace `target` by the provisioner of that name.
    pub fn new(
        id: OperationId,
        backup: BackupId,
        target: WorkspaceId,
        provisioner: impl Into<String>,
        settings: Settings,
    ) -> Self {
        Self {
            id,
            backup,
            target,
            provisioner: provisioner.into(),
            settings,
            creator: None,
            include: Vec::new(),
            landing: Landing::default(),
            software_version: None,
            timeout: None,
            stall_timeout: None,
            on_failure: OnFailure::default(),
            waivers: Vec::new(),
            allow_partial: true,
            components: Vec::new(),
        }
    }
}

/// What happens to what a failed restore made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFailure {
    /// Discard it, newest first, as far as it carries this restore's mark.
    #[default]
    Discard,
    /// Keep it, so that the same restore can go on from there.
    Keep,
}

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
}

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
}

impl OperationStatus {
    /// A status.
    pub fn new(operation: OperationRecord, holder: Option<String>, backup: Option<BackupRecord>) -> Self {
        Self { operation, holder, backup }
    }
}
