//! What is written about a timestamp as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stillpoint_core::{
    BackupId, BackupJob, CaptureWindow, ComponentId, Issue, JobState, JobStatus, OperationId, Progress,
    SnapshotInfo, SnapshotQuery, SnapshotRef, Timestamp, WorkspaceId,
};
use stillpoint_repository::Id;

/// What the object `claim` is.
pub(super) const CLAIM: &str = "claim";
/// What the object `complete` is.
pub(super) const COMPLETION: &str = "completion";

/// Whose timestamp it is. Written before the first file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    /// The operation.
    pub(crate) operation: OperationId,
    /// The backup.
    pub(crate) backup: BackupId,
    /// The workspace.
    pub(crate) workspace: WorkspaceId,
    /// The component.
    pub(super) component: ComponentId,
    /// The token of the job that claimed it.
    pub(super) job: String,
    /// When the backup was begun.
    pub(crate) created_at: Timestamp,
    /// When this job began to read.
    pub(super) started_at: Timestamp,
    /// The directory.
    pub(crate) source: String,
    /// What the host asked to write on it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) tags: BTreeMap<String, String>,
    /// Set when another job gave the timestamp up: whoever still fills it must not complete it.
    #[serde(default)]
    pub(super) abandoned: bool,
}

impl Claim {
    pub(super) fn of_job(job: &BackupJob, started_at: Timestamp) -> Self {
        Self {
            operation: job.key.operation().clone(),
            backup: job.backup.clone(),
            workspace: job.workspace.clone(),
            component: job.component.id.clone(),
            job: job.key.token(),
            created_at: job.created_at,
            started_at,
            source: job.component.resource.clone(),
            tags: job.tags.clone(),
            abandoned: false,
        }
    }

    /// Whether it was made for this operation's component, by whichever attempt.
    pub(super) fn is_of_capture(&self, job: &BackupJob) -> bool {
        self.operation == *job.key.operation() && self.component == job.component.id
    }

    /// Whether it was made for the same component of the same workspace.
    pub(super) fn is_of_line(&self, job: &BackupJob) -> bool {
        self.workspace == job.workspace && self.component == job.component.id
    }

    pub(super) fn fits(&self, query: &SnapshotQuery) -> bool {
        query.workspace.as_ref().is_none_or(|id| *id == self.workspace)
            && query.backup.as_ref().is_none_or(|id| *id == self.backup)
            && query.operation.as_ref().is_none_or(|id| *id == self.operation)
    }

    pub(super) fn info(&self, reference: SnapshotRef) -> SnapshotInfo {
        let mut info = SnapshotInfo::new(reference, self.created_at);
        info.workspace = Some(self.workspace.clone());
        info.component = Some(self.component.clone());
        info.backup = Some(self.backup.clone());
        info.operation = Some(self.operation.clone());
        info
    }
}

/// One object of the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Its name below the timestamp's folder of records.
    pub(super) name: String,
    /// What the whole object hashes to.
    pub(super) sha256: Id,
    /// How many entries it lists.
    pub(super) entries: u64,
}

/// What one exclusion rule left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(super) pattern: String,
    pub(super) files: u64,
    pub(super) directories: u64,
    pub(super) bytes: u64,
}

/// Says that a timestamp is whole. Written last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Completion {
    pub(crate) claim: Claim,
    /// When the content was read.
    pub(crate) captured: CaptureWindow,
    /// The timestamp that unchanged files were copied from.
    #[serde(default)]
    pub(super) parent: Option<String>,
    /// Why the timestamp that it was to be built on was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base_lost: Option<String>,
    /// The manifest.
    pub(super) parts: Vec<Part>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) counts: BTreeMap<String, u64>,
    /// What is missing or doubtful; a bounded list.
    pub(super) issues: Vec<Issue>,
    pub(super) warnings: Vec<String>,
    /// The exclusion report.
    pub(super) left_out: Vec<LeftOut>,
    pub(super) written_by: String,
}

impl Completion {
    /// The status of the job that made it.
    pub(super) fn status(&self, snapshot: SnapshotRef) -> JobStatus {
        let whole = self.issues.is_empty();
        let mut status =
            JobStatus::new(if whole { JobState::Succeeded } else { JobState::SucceededWithIssues });
        status.snapshot = Some(snapshot);
        status.captured = Some(self.captured);
        status.progress = Progress::new(self.bytes, self.files).of(Some(self.bytes), Some(self.files));
        status.issues.clone_from(&self.issues);
        status.warnings.clone_from(&self.warnings);
        status.counts.clone_from(&self.counts);
        status.base_lost.clone_from(&self.base_lost);
        status
    }
}
