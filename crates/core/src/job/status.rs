//! What is answered of a job: where it stands, what it made, and what a search for it finds.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::JobRef;
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::id::{ComponentId, ProviderId};
use crate::snapshot::SnapshotRef;

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
        !matches!(self, Self::Queued | Self::Running | Self::Cancelling | Self::Unknown(_))
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
        Self { bytes_done, bytes_total: None, files_done, files_total: None }
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
        Self { kind: kind.into(), item: item.into(), message: message.into() }
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
    /// Why a capture could not build on the [`BackupJob::base`](super::BackupJob::base) that was named, and what it did instead. Such a capture
    /// is as complete as any other one. `None` where no base was named, where it was built on, or where the provider
    /// cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_lost: Option<String>,
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
            base_lost: None,
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
        Self { provider, component, resource: resource.into() }
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
