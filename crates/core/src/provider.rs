//! The provider: one per cloud or data plane.
//!
//! Long work is a *job* with an id that any process can poll. Two kinds of provider fit the same trait: one whose
//! jobs run for hours in a cloud that this process merely watches, and one that moves the bytes itself and whose
//! jobs therefore die with the process ([`Capabilities::in_process_jobs`]).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::Result;
use crate::extent::Extent;
use crate::forecast::Estimate;
use crate::id::{BackupId, OperationId, ProviderId, WorkspaceId};
pub use crate::job::{
    BackupJob, CancelOutcome, Candidate, CaptureWindow, CopyJob, Evidence, Issue, JobKey, JobRef, JobRequest,
    JobState, JobStatus, Landing, Progress, RestoreJob, RestoredResource, Tags,
};
use crate::outlook::Foreseen;
use crate::records::Records;
use crate::snapshot::{Snapshot, SnapshotInfo, SnapshotRef};
use crate::workspace::Component;

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
    /// Snapshots can be copied to another place ([`JobRequest::Copy`]); without it such a job is `Unsupported`.
    pub copies: bool,
    /// Sources can carry protective tags while they are captured ([`Provider::guard`]).
    pub guards_sources: bool,
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

/// The check that finds jobs of others on a resource. They end by themselves, so that is a warning and no blocker: while it
/// stands, a backup waits with the services running, for up to a quarter of its time.
pub const RESOURCE_BUSY: &str = "resource-busy";

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
        Self { check: check.into(), severity, message: message.into() }
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
        Self { backup: Some(backup), ..Self::default() }
    }

    /// The snapshots that `operation` made.
    pub fn of_operation(operation: OperationId) -> Self {
        Self { operation: Some(operation), ..Self::default() }
    }

    /// The snapshots of `workspace`.
    pub fn of_workspace(workspace: WorkspaceId) -> Self {
        Self { workspace: Some(workspace), ..Self::default() }
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

    /// Looks at what a backup would build on, the newest good snapshot of the same component here: where that is not where it
    /// was stored, its store may not be connected, and nobody would notice that a new one is begun in its place.
    ///
    /// # Errors
    /// Only where it cannot even look; what it finds are [`Finding`]s.
    async fn preflight_base(&self, cx: &OpContext, base: &SnapshotRef) -> Result<Vec<Finding>> {
        let _unused = (cx, base);
        Ok(Vec::new())
    }

    /// How much a capture of `component` would read, and how fast this provider usually reads; `None` where it
    /// cannot say. Deadlines that a request leaves open follow from it until there is something measured.
    ///
    /// # Errors
    /// Whatever looking can meet; the operation goes on without an estimate then.
    async fn estimate(&self, cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        // What a provider that does not answer knows of neither.
        let _unused = (cx, component);
        Ok(None)
    }

    /// Where what it captures of `component` lies and whose it is, by the provider's own names: an account, a region, a
    /// vault, a store. Never a secret. A plan that was accepted for one place is carried out at no other; a provider that
    /// does not say is taken for one that is always at the same.
    ///
    /// # Errors
    /// Whatever looking can meet; the operation cannot begin then.
    async fn place(&self, cx: &OpContext, component: &Component) -> Result<BTreeMap<String, String>> {
        let _unused = (cx, component);
        Ok(BTreeMap::new())
    }

    /// What a backup of `component` works on. Operations of one catalog whose extents overlap are never at work at a time,
    /// whatever workspaces they belong to. A provider that does not say works on the component's resource, and on nothing
    /// that another resource is a part of.
    ///
    /// # Errors
    /// Whatever looking can meet; the operation cannot begin then.
    async fn extents(&self, cx: &OpContext, component: &Component) -> Result<Vec<Extent>> {
        let _unused = cx;
        Ok(vec![Extent::resource(self.id().as_str(), component.resource.as_str())])
    }

    /// Refuses a snapshot that lies in another store than the one this provider is pointed at ([`SnapshotRef::store`]).
    /// Asked before anything is decided about a backup, because there its absence means nothing. A provider that has only
    /// one store refuses none.
    ///
    /// # Errors
    /// `InvalidInput` that names both stores; whatever looking can meet.
    async fn reaches(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<()> {
        let _unused = (cx, snapshot);
        Ok(())
    }

    /// What stands against keeping a backup of `component` for `retain`, or for ever where that is none: the lock of a vault for
    /// example, which would refuse the job when services are held still already.
    ///
    /// # Errors
    /// As [`Provider::preflight`].
    async fn preflight_retention(
        &self,
        cx: &OpContext,
        component: &Component,
        retain: Option<Duration>,
    ) -> Result<Vec<Finding>> {
        let _unused = (cx, component, retain);
        Ok(Vec::new())
    }

    /// As [`Provider::reaches`], for a snapshot whose store nobody noted, in a backup that belongs to `account`
    /// ([`Definition::account`](crate::Definition::account)). A provider whose snapshots name where they lie refuses none.
    ///
    /// # Errors
    /// As [`Provider::reaches`].
    async fn reaches_account(&self, cx: &OpContext, snapshot: &SnapshotRef, account: &str) -> Result<()> {
        let _unused = (cx, snapshot, account);
        Ok(())
    }

    /// What `request` would do outside, without doing it: for plans. A provider that does not say foresees nothing.
    ///
    /// # Errors
    /// Whatever looking can meet; the plan cannot be made then.
    async fn foresee(&self, cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        // What a provider that does not answer knows of neither.
        let _unused = (cx, request);
        Ok(Foreseen::default())
    }

    /// Looks for whatever would keep `tags` from standing on the source of `component` while it is captured, or would make a job
    /// fail because they do; changes nothing. Asked beside [`Provider::preflight`] where the source is to be guarded.
    ///
    /// # Errors
    /// Only where it cannot even look; what it finds are [`Finding`]s.
    async fn preflight_guard(
        &self,
        cx: &OpContext,
        component: &Component,
        tags: &Tags,
    ) -> Result<Vec<Finding>> {
        let _unused = (cx, component, tags);
        Ok(Vec::new())
    }

    /// What writing and removing a guard on the source of `component` would do outside, without doing it: for plans. What would
    /// be written is known without asking.
    ///
    /// # Errors
    /// Whatever looking can meet; the plan cannot be made then.
    async fn foresee_guard(&self, cx: &OpContext, component: &Component) -> Result<Foreseen> {
        let _unused = (cx, component);
        Ok(Foreseen::default())
    }

    /// Writes on the source of `component` those of `tags` whose keys it lacks, in one call with marks that name `operation`
    /// and these keys, and reads back that they stand. Answers those keys that stand there with another value of somebody
    /// else, with that value: they stay as they are. [`GuardChange`](crate::GuardChange) says what to write.
    ///
    /// - The same again changes nothing.
    /// - The guard of another operation is taken over with its keys, so that one `unguard` removes them all.
    ///
    /// Asked only with [`Capabilities::guards_sources`]; without it there is nothing to write.
    ///
    /// # Errors
    /// `NotFound` where the source is gone; `MaybeApplied` where the answer was lost, or what was read back lacks something;
    /// whatever writing tags can meet.
    async fn guard(
        &self,
        cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        let _unused = (cx, component, operation, tags);
        Ok(Tags::new())
    }

    /// Removes from the source of `component` the keys that the guard of `operation` added, and its marks. A key whose value
    /// was changed since stays. Where no guard stands, or one of another operation, or the source is gone, it is a success
    /// that changes nothing.
    ///
    /// Needs no catalog, and works in a process that did not guard. Asked only with [`Capabilities::guards_sources`].
    ///
    /// # Errors
    /// `MaybeApplied` where the answer was lost, or what was read back still has something; whatever removing tags can meet.
    async fn unguard(&self, cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        let _unused = (cx, component, operation);
        Ok(())
    }

    /// The operation whose guard stands on the source of `component`; `None` where none does or the source is gone.
    ///
    /// Asked only with [`Capabilities::guards_sources`].
    ///
    /// # Errors
    /// Whatever reading tags can meet.
    async fn guarded(&self, cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        let _unused = (cx, component);
        Ok(None)
    }

    /// Starts a job, or answers the job that this key already started.
    ///
    /// - The same key never makes a second snapshot or resource.
    /// - Where jobs run in the process, starting a [`JobState::Lost`] job again goes on from what it left.
    ///
    /// # Errors
    /// `Busy` where another job holds the resource; `MaybeApplied` where the answer was lost.
    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef>;

    /// Where the service itself tells of a job that this process has started, for people who look into it: written into the
    /// ledger beside the start's outcome. A help and no truth, as it may be forgotten by the service at any time; nothing
    /// rests on it. It holds no secret: what proves or signs a request is left out.
    fn address(&self, job: &JobRef) -> Option<String> {
        let _unused = job;
        None
    }

    /// Where a job stands. May wait up to `wait` for a change, and answers at once where it ended.
    ///
    /// # Errors
    /// `NotFound` where the provider no longer knows the job. A job that failed is not an error here.
    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus>;

    /// Looks outside for the job of a request whose answer was lost. `since` is when its intent was written,
    /// by the clock of whoever wrote it. A provider that tells jobs by their times allows for clocks that differ, and its
    /// preflight blocks where they differ by more than it allows for.
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

    /// Lets a snapshot end by itself at `until`, or never. The same again changes nothing.
    ///
    /// Only a provider that gave its snapshots a retention of their own has anything to do.
    ///
    /// # Errors
    /// `NotFound` where it does not exist; whatever refuses the change, and the snapshot ends then as it would have.
    async fn keep(&self, cx: &OpContext, snapshot: &SnapshotRef, until: Option<Timestamp>) -> Result<()> {
        // What never ends by itself is kept already.
        let _unused = (cx, snapshot, until);
        Ok(())
    }

    /// Does what is left to do after a restore job before the resource can be used; called until it is ready.
    ///
    /// # Errors
    /// `NotFound` where the resource itself is gone, `Corrupt` where it is broken for good and has to be restored again,
    /// `Unsupported` where nothing can finish it: after a few repeats the restore fails and is undone. `NeedsAttention` where
    /// somebody may use it already or only a person can go on: it is never thrown away then. Whatever else it meets says
    /// nothing of the resource; a repeat goes on, until an hour after the restore's deadline.
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

    /// The records kept beside the data, as far as they can be read. One that cannot be read is named and keeps no other
    /// from being found.
    ///
    /// # Errors
    /// `Unsupported` without the capability.
    async fn records(&self, cx: &OpContext) -> Result<Records>;

    /// Removes the record of a deleted backup. Absent is a success.
    ///
    /// # Errors
    /// `Unsupported` without the capability.
    async fn delete_record(&self, cx: &OpContext, backup: &BackupId) -> Result<()>;
}
