//! Jobs: what a provider is asked to do, and how the request is recognised again.

mod status;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use status::{
    CancelOutcome, Candidate, CaptureWindow, Evidence, Issue, JobState, JobStatus, Progress, RestoredResource,
};

use crate::clock::Timestamp;
use crate::id::{BackupId, ComponentId, JobId, OperationId, ProviderId, WorkspaceId};
use crate::snapshot::SnapshotRef;
use crate::workspace::{Component, Settings};

/// Names and values that a provider writes on what it makes.
pub type Tags = BTreeMap<String, String>;

/// Identifies one attempt at one job of one operation. It follows from these parts and never from the process, so
/// that a repeat after a crash is recognised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobKey {
    operation: OperationId,
    component: ComponentId,
    attempt: u32,
}

impl JobKey {
    /// The key of the `attempt`-th try (from 1) at `component` in `operation`.
    pub fn new(operation: OperationId, component: ComponentId, attempt: u32) -> Self {
        Self { operation, component, attempt }
    }

    /// The operation.
    pub fn operation(&self) -> &OperationId {
        &self.operation
    }

    /// The component.
    pub fn component(&self) -> &ComponentId {
        &self.component
    }

    /// The try, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// 32 hexadecimal digits that follow from the key: the idempotency token for the outside.
    pub fn token(&self) -> String {
        crate::id::digest(&[self.operation.as_str(), self.component.as_str(), &self.attempt.to_string()])
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token())
    }
}

/// A request to capture one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupJob {
    /// Idempotency key.
    pub key: JobKey,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The backup this capture belongs to.
    pub backup: BackupId,
    /// What to capture.
    pub component: Component,
    /// When the backup was begun: the time the snapshot carries.
    pub created_at: Timestamp,
    /// The component's newest good snapshot, as a base where the provider can use one.
    pub base: Option<SnapshotRef>,
    /// Keep for this long; `None` for ever.
    pub retain: Option<Duration>,
    /// Written on the snapshot beside the provider's own tags.
    pub tags: Tags,
}

impl BackupJob {
    /// A capture without base, retention or further tags.
    pub fn new(
        key: JobKey,
        workspace: WorkspaceId,
        backup: BackupId,
        component: Component,
        created_at: Timestamp,
    ) -> Self {
        Self { key, workspace, backup, component, created_at, base: None, retain: None, tags: Tags::new() }
    }
}

/// A request to fill a new resource from a snapshot. It never writes to the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoreJob {
    /// Idempotency key.
    pub key: JobKey,
    /// What to restore.
    pub snapshot: SnapshotRef,
    /// The component as it was recorded at backup time.
    pub component: Component,
    /// The new workspace.
    pub target: WorkspaceId,
    /// Where and how the new resource is to be made, as the provisioner answered.
    pub destination: Settings,
    /// Restrict to these paths; empty for all.
    pub include: Vec<String>,
    /// How a file restore meets what already stands at its target.
    pub landing: Landing,
    /// Written on the new resource at its birth, or at first sight.
    pub tags: Tags,
}

impl RestoreJob {
    /// A full restore into an empty target without further tags.
    pub fn new(
        key: JobKey,
        snapshot: SnapshotRef,
        component: Component,
        target: WorkspaceId,
        destination: Settings,
    ) -> Self {
        Self {
            key,
            snapshot,
            component,
            target,
            destination,
            include: Vec::new(),
            landing: Landing::default(),
            tags: Tags::new(),
        }
    }
}

/// A request to copy one snapshot to another place. It never changes the source, and the copy is a snapshot of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CopyJob {
    /// Idempotency key.
    pub key: JobKey,
    /// The provider that runs the copy and keeps what it makes.
    pub provider: ProviderId,
    /// The backup that the copy belongs to.
    pub backup: BackupId,
    /// What to copy.
    pub snapshot: SnapshotRef,
    /// The workspace, written on the copy.
    pub workspace: Option<WorkspaceId>,
    /// The component as it was recorded at backup time.
    pub component: Option<Component>,
    /// When the original was begun: the time the copy carries, too.
    pub created_at: Timestamp,
    /// Where the copy is to lie: a vault, an account, a region, as the provider understands it.
    pub destination: Settings,
    /// Keep for this long; `None` for ever.
    pub retain: Option<Duration>,
    /// Written on the copy beside the provider's own tags.
    pub tags: Tags,
}

impl CopyJob {
    /// A copy of `snapshot` by `provider`, as a part of `backup`.
    pub fn new(key: JobKey, provider: ProviderId, backup: BackupId, snapshot: SnapshotRef) -> Self {
        Self {
            key,
            provider,
            backup,
            snapshot,
            workspace: None,
            component: None,
            created_at: Timestamp::from_millis(0),
            destination: Settings::new(),
            retain: None,
            tags: Tags::new(),
        }
    }
}

/// How a restore of files meets what already stands at its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Landing {
    /// The target must be new or empty.
    #[default]
    Empty,
    /// Into a folder of its own beside what is there.
    Side,
    /// Keep what is there, add what is missing.
    Merge,
    /// Bring what is there to the snapshot's state.
    Replace,
}

/// What a job is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobRequest {
    /// Capture a component.
    Backup(BackupJob),
    /// Fill a new resource.
    Restore(RestoreJob),
    /// Copy a snapshot. Requires [`Capabilities::copies`](crate::Capabilities::copies).
    Copy(CopyJob),
}

impl JobRequest {
    /// The idempotency key.
    pub fn key(&self) -> &JobKey {
        match self {
            Self::Backup(job) => &job.key,
            Self::Restore(job) => &job.key,
            Self::Copy(job) => &job.key,
        }
    }

    /// The provider that is asked.
    pub fn provider(&self) -> &ProviderId {
        match self {
            Self::Backup(job) => &job.component.provider,
            Self::Restore(job) => &job.snapshot.provider,
            Self::Copy(job) => &job.provider,
        }
    }

    /// The same request as a further attempt.
    pub(crate) fn set_key(&mut self, key: JobKey) {
        match self {
            Self::Backup(job) => job.key = key,
            Self::Restore(job) => job.key = key,
            Self::Copy(job) => job.key = key,
        }
    }

    /// 32 hexadecimal digits that follow from the whole request: equal requests have equal hashes.
    pub fn params_hash(&self) -> String {
        crate::id::digest(&[&serde_json::to_string(self).unwrap_or_default()])
    }
}

/// A job as its provider names it. It is enough to poll the job from any process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobRef {
    /// The provider.
    pub provider: ProviderId,
    /// The provider's id of the job.
    pub id: JobId,
}

impl JobRef {
    /// Job `id` of `provider`.
    pub fn new(provider: ProviderId, id: JobId) -> Self {
        Self { provider, id }
    }
}
