//! The provider: one per cloud or data plane.
//!
//! Long work is a *job* with an id that any process can poll. Two kinds of provider fit the same trait: one whose
//! jobs run for hours in a cloud that this process merely watches, and one that moves the bytes itself and whose
//! jobs therefore die with the process ([`Capabilities::in_process_jobs`]).

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::{ErrorRecord, Result};
use crate::id::{BackupId, ComponentId, JobId, OperationId, ProviderId, WorkspaceId};
use crate::snapshot::{Snapshot, SnapshotInfo, SnapshotRef};
use crate::workspace::{Component, Settings};

/// Names and values that a provider writes on what it makes.
pub type Tags = BTreeMap<String, String>;

/// What a provider can do. The suite checks that each flag is true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Jobs run inside the calling process and die with it; starting one again with its key goes on from where it
    /// stopped.
    pub in_process_jobs: bool,
    /// A running backup job can be cancelled.
    pub cancel_backup: bool,
    /// A running restore job can be cancelled.
    pub cancel_restore: bool,
    /// A job reports that its point is captured before the copy is done, so that services can resume early.
    pub early_capture: bool,
    /// The provider keeps backup records beside the data ([`Provider::put_record`]).
    pub holds_records: bool,
    /// Snapshots can list their entries.
    pub lists_entries: bool,
    /// Single paths can be restored.
    pub restores_items: bool,
}

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
        Self {
            operation,
            component,
            attempt,
        }
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
        crate::id::digest(&[
            self.operation.as_str(),
            self.component.as_str(),
            &self.attempt.to_string(),
        ])
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
        Self {
            key,
            workspace,
            backup,
            component,
            created_at,
            base: None,
            retain: None,
            tags: Tags::new(),
        }
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
}

impl JobRequest {
    /// The idempotency key.
    pub fn key(&self) -> &JobKey {
        match self {
            Self::Backup(job) => &job.key,
            Self::Restore(job) => &job.key,
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

/// Where a job stands. A word that nobody knew stays [`JobState::Unknown`], which is never an end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// Waits to run.
    Queued,
    /// Runs.
    Running,
    /// Was asked to stop and has not yet.
    Cancelling,
    /// Done; nothing to report.
    Succeeded,
    /// Done, but something was left out, torn or remarked on: see the issues. Not a success.
    SucceededWithIssues,
    /// Ended without a result.
    Failed(ErrorRecord),
    /// Stopped on request.
    Cancelled,
    /// Never started within its window; a new attempt may.
    Expired,
    /// The process it ran in is gone; start it again with the same key.
    Lost,
    /// A word this version does not know.
    Unknown(String),
}

impl JobState {
    /// Whether the job has ended.
    pub fn is_terminal(&self) -> bool {
        !matches!(
            self,
            Self::Queued | Self::Running | Self::Cancelling | Self::Unknown(_)
        )
    }
}

/// How far a job is. Numbers never go back within one job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// Bytes dealt with.
    pub bytes_done: u64,
    /// Bytes in all, where known.
    pub bytes_total: Option<u64>,
    /// Files dealt with.
    pub files_done: u64,
    /// Files in all, where known.
    pub files_total: Option<u64>,
}

impl Progress {
    /// `bytes` and `files` dealt with, totals unknown.
    pub fn new(bytes_done: u64, files_done: u64) -> Self {
        Self {
            bytes_done,
            bytes_total: None,
            files_done,
            files_total: None,
        }
    }

    /// The same with totals.
    #[must_use]
    pub fn of(mut self, bytes_total: Option<u64>, files_total: Option<u64>) -> Self {
        self.bytes_total = bytes_total;
        self.files_total = files_total;
        self
    }
}

/// The span in which the content of a snapshot was read. A point-in-time capture begins and ends at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CaptureWindow {
    /// Nothing older than this is missing from the snapshot.
    pub from: Timestamp,
    /// Nothing newer than this is in the snapshot.
    pub to: Timestamp,
}

impl CaptureWindow {
    /// The window from `from` to `to`.
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self { from, to }
    }
}

/// One thing that did not go as planned, itemised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Issue {
    /// A stable word: `skipped`, `torn`, `late`, `metadata`, `message`, …
    pub kind: String,
    /// The path, resource or component it concerns.
    pub item: String,
    /// What happened.
    pub message: String,
}

impl Issue {
    /// An issue of `kind` with `item`.
    pub fn new(kind: impl Into<String>, item: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            item: item.into(),
            message: message.into(),
        }
    }
}

/// The answer to a poll.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct JobStatus {
    /// Where the job stands.
    pub state: JobState,
    /// How far it is.
    pub progress: Progress,
    /// The snapshot, once it has a name.
    pub snapshot: Option<SnapshotRef>,
    /// When the content was read, once all of it is captured (possibly long before the job ends).
    pub captured: Option<CaptureWindow>,
    /// The new resource of a restore, once it has a name.
    pub restored: Option<RestoredResource>,
    /// What did not go as planned; a bounded list.
    pub issues: Vec<Issue>,
    /// Worth saying, but nothing is missing because of it.
    pub warnings: Vec<String>,
    /// The provider's own counts (`files_new`, `bytes_added`, …).
    pub counts: BTreeMap<String, u64>,
    /// Do not ask again sooner.
    pub poll_after: Option<Duration>,
}

impl JobStatus {
    /// A status that knows the state only.
    pub fn new(state: JobState) -> Self {
        Self {
            state,
            progress: Progress::default(),
            snapshot: None,
            captured: None,
            restored: None,
            issues: Vec::new(),
            warnings: Vec::new(),
            counts: BTreeMap::new(),
            poll_after: None,
        }
    }
}

/// A resource that a restore made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoredResource {
    /// The provider that made it.
    pub provider: ProviderId,
    /// The component it stands for.
    pub component: ComponentId,
    /// The provider's name of it.
    pub resource: String,
}

impl RestoredResource {
    /// `resource` of `provider` stands for `component`.
    pub fn new(provider: ProviderId, component: ComponentId, resource: impl Into<String>) -> Self {
        Self {
            provider,
            component,
            resource: resource.into(),
        }
    }
}

/// How sure it is that a job found outside is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// It carries our key: it may be adopted.
    Proven,
    /// Everything fits but nothing proves it: it may be polled, and joins only once proven.
    Likely,
    /// Somebody else's: never touched; it makes the resource busy.
    Foreign,
}

/// A job found outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The job.
    pub job: JobRef,
    /// How sure it is that it is ours.
    pub evidence: Evidence,
}

impl Candidate {
    /// `job`, with this `evidence`.
    pub fn new(job: JobRef, evidence: Evidence) -> Self {
        Self { job, evidence }
    }
}

/// What came of asking a job to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelOutcome {
    /// It will stop; poll until it has.
    Requested,
    /// It had ended already.
    AlreadyTerminal,
    /// Jobs of this kind cannot be stopped; it runs on.
    Unsupported,
}

/// Where a deletion stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeleteState {
    /// Read back: it is gone.
    Gone,
    /// On its way; ask again.
    Pending,
    /// The provider answered success and kept it.
    Stuck {
        /// What to do about it.
        reason: String,
    },
    /// A lock or hold forbids it.
    Locked {
        /// When the lock ends, where known.
        until: Option<Timestamp>,
        /// Whose lock it is and what to do.
        reason: String,
    },
}

/// How ready a restored resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Readiness {
    /// Not yet; call again.
    Pending,
    /// Usable, though its data may still be arriving lazily.
    Available,
    /// Usable and all data is local.
    Initialized,
}

/// One thing a preflight found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// The check's stable name, with which it can be waived (`vault-exists`, `source-readable`, …).
    pub check: String,
    /// How bad it is.
    pub severity: Severity,
    /// What was found and what to do.
    pub message: String,
}

impl Finding {
    /// A finding of the check named `check`.
    pub fn new(check: impl Into<String>, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            severity,
            message: message.into(),
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// The operation goes on.
    Warning,
    /// The operation does not start, unless this check is waived by name.
    Blocker,
}

/// Which snapshots to look for. Every condition that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotQuery {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Of this backup.
    pub backup: Option<BackupId>,
    /// Made by this operation.
    pub operation: Option<OperationId>,
}

impl SnapshotQuery {
    /// All snapshots that Stillpoint made.
    pub fn all() -> Self {
        Self::default()
    }

    /// The snapshots of `backup`.
    pub fn of_backup(backup: BackupId) -> Self {
        Self {
            backup: Some(backup),
            ..Self::default()
        }
    }

    /// The snapshots that `operation` made.
    pub fn of_operation(operation: OperationId) -> Self {
        Self {
            operation: Some(operation),
            ..Self::default()
        }
    }

    /// The snapshots of `workspace`.
    pub fn of_workspace(workspace: WorkspaceId) -> Self {
        Self {
            workspace: Some(workspace),
            ..Self::default()
        }
    }
}

/// A cloud or data plane: starts, finds, polls and cancels jobs; opens, finds and deletes snapshots.
///
/// A provider never retries and never waits for a job's end; layers and the orchestrator do. Every mutating call is
/// idempotent on an id that its caller made. Deleting what is absent succeeds.
///
/// ```
/// use std::sync::Arc;
/// use stillpoint_core::*;
/// use stillpoint_core::memory::MemoryProvider;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let cx = OpContext::background();
/// let provider = MemoryProvider::new("memory".parse()?);
/// provider.write("/home/ada", "notes.txt", b"first");
///
/// let home = Component::new("home".parse()?, "directory", "memory".parse()?, "/home/ada");
/// let operation: OperationId = "op-1".parse()?;
/// let key = JobKey::new(operation.clone(), home.id.clone(), 1);
/// let job = BackupJob::new(key, "ada".parse()?, BackupId::of(&operation), home, cx.clock().now());
///
/// // The same key twice is one job, in this process or in the next.
/// let first = provider.start(&cx, &JobRequest::Backup(job.clone())).await?;
/// let second = provider.start(&cx, &JobRequest::Backup(job)).await?;
/// assert_eq!(first, second);
///
/// let status = provider.poll(&cx, &first, std::time::Duration::ZERO).await?;
/// assert_eq!(status.state, JobState::Succeeded);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Provider: Debug + Send + Sync + 'static {
    /// Names the provider inside its host.
    fn id(&self) -> &ProviderId;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Looks for whatever would make a job for `component` fail, without changing anything.
    ///
    /// # Errors
    /// Only where it cannot even look; what it finds are [`Finding`]s.
    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>>;

    /// Starts a job, or answers the job that this key already started.
    ///
    /// - The same key never makes a second snapshot or resource.
    /// - Where jobs run in the process, starting a [`JobState::Lost`] job again goes on from what it left.
    ///
    /// # Errors
    /// `Busy` where another job holds the resource; `MaybeApplied` where the answer was lost.
    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef>;

    /// Where a job stands. May wait up to `wait` for a change, and answers at once where it ended.
    ///
    /// # Errors
    /// `NotFound` where the provider no longer knows the job. A job that failed is not an error here.
    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus>;

    /// Looks outside for the job of a request whose answer was lost. `since` is when its intent was written.
    ///
    /// # Errors
    /// Whatever listing can meet. An empty list states that no such job exists.
    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>>;

    /// Asks a job to stop; does not wait.
    ///
    /// # Errors
    /// Whatever asking can meet. Cancelling an ended or unknown job succeeds.
    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome>;

    /// Opens a snapshot.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>>;

    /// Finds snapshots by what is written on them, without any catalog.
    ///
    /// # Errors
    /// Whatever listing can meet.
    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>>;

    /// Deletes a snapshot and reads back what became of it. Absent is [`DeleteState::Gone`].
    ///
    /// # Errors
    /// Whatever asking can meet; being refused by a lock is not an error but [`DeleteState::Locked`].
    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState>;

    /// Does what is left to do after a restore job before the resource can be used; called until it is ready.
    ///
    /// # Errors
    /// Whatever it meets; a repeat goes on.
    async fn finish_restore(&self, cx: &OpContext, resource: &RestoredResource) -> Result<Readiness>;

    /// Removes a resource that a failed restore made, only where it carries that restore's own mark.
    ///
    /// # Errors
    /// `PermissionDenied` where the resource does not carry the mark of `cx`'s operation.
    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()>;

    /// Keeps a backup's self-describing record beside the data; overwrites an older one of the same backup.
    ///
    /// Requires [`Capabilities::holds_records`].
    ///
    /// # Errors
    /// `Unsupported` without the capability.
    async fn put_record(&self, cx: &OpContext, record: &BackupRecord) -> Result<()>;

    /// The records kept beside the data.
    ///
    /// # Errors
    /// `Unsupported` without the capability.
    async fn records(&self, cx: &OpContext) -> Result<Vec<BackupRecord>>;

    /// Removes the record of a deleted backup. Absent is a success.
    ///
    /// # Errors
    /// `Unsupported` without the capability.
    async fn delete_record(&self, cx: &OpContext, backup: &BackupId) -> Result<()>;
}
