//! Effects, the steps they belong to, and the events that answer them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::catalog::{BackupRecord, Revision, StoredBackup};
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::id::{BackupId, ComponentId, OperationId, ProviderId, QuiesceId};
use crate::plan::Plan;
use crate::provider::{
    CancelOutcome, Candidate, DeleteState, Finding, JobRef, JobRequest, JobStatus, Readiness,
    RestoredResource, Tags,
};
use crate::provisioner::{ProvisionRequest, Provisioned};
use crate::snapshot::{Depth, SnapshotRef, Verification};
use crate::workspace::{Component, Consistency};

/// The kind of the problem that a verification reports of a snapshot without this operation's mark.
pub(crate) const FOREIGN: &str = "foreign";

/// One call to the outside that is due.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Read the workspace and run every preflight.
    InspectWorkspace,
    /// Read the backup and run the preflight of the restore.
    InspectBackup,
    /// Write protective tags on a source.
    Guard {
        /// Whose source.
        component: Box<Component>,
        /// For whom.
        operation: OperationId,
        /// The tags.
        tags: Tags,
    },
    /// Remove those that were added.
    Unguard {
        /// Whose source.
        component: Box<Component>,
        /// For whom they were written.
        operation: OperationId,
    },
    /// Wait for a place among the operations at work, before the workspace is held still once more.
    Admit {
        /// The providers whose places are needed.
        providers: BTreeSet<ProviderId>,
    },
    /// Hold the workspace still.
    Quiesce {
        /// The hold's id.
        id: QuiesceId,
        /// The longest time it may last.
        budget: Duration,
        /// So many holds the operation gave up before: one of them may stand yet, or take effect only now.
        earlier: u32,
    },
    /// Let the workspace go.
    Resume {
        /// The hold's id.
        id: QuiesceId,
        /// So many holds the operation gave up before: the host may know the workspace to be held by one of them.
        earlier: u32,
    },
    /// Start a job.
    Start(JobRequest),
    /// Look for a job whose start had no answer.
    Find {
        /// The request whose answer was lost.
        request: JobRequest,
        /// When its intent was written.
        since: Timestamp,
        /// Not sooner than this from now.
        after: Duration,
    },
    /// Ask a job how it is.
    Poll {
        /// Whose job.
        component: ComponentId,
        /// The job.
        job: JobRef,
        /// Not sooner than this from now.
        after: Duration,
    },
    /// Ask a job to stop.
    CancelJob {
        /// Whose job.
        component: ComponentId,
        /// The job.
        job: JobRef,
    },
    /// Verify a snapshot before it is relied upon.
    Verify {
        /// Whose snapshot.
        component: ComponentId,
        /// The snapshot.
        snapshot: SnapshotRef,
        /// How deep.
        depth: Depth,
        /// The operation whose mark it has to carry.
        made_by: OperationId,
    },
    /// Write the backup's record beside the data.
    WriteRecord(Box<BackupRecord>),
    /// Make the new workspace.
    Provision(Box<ProvisionRequest>),
    /// Do what is left after a restore job.
    FinishRestore(RestoredResource),
    /// Attach the restored resources.
    Attach {
        /// The new workspace.
        made: Provisioned,
        /// What was restored.
        resources: Vec<RestoredResource>,
    },
    /// Start the new workspace.
    Activate(Provisioned),
    /// Remove a resource that this restore made.
    Discard(RestoredResource),
    /// Remove the new workspace.
    DiscardWorkspace(Provisioned),
    /// Write a deletion's mark or a verification's verdict into the backup, if it still is as it was inspected.
    MarkBackup(Box<StoredBackup>),
    /// Delete a snapshot.
    DeleteSnapshot {
        /// Whose snapshot.
        component: ComponentId,
        /// The snapshot.
        snapshot: SnapshotRef,
    },
    /// Remove the backup's record beside the data.
    DeleteRecord(Box<BackupRecord>),
}

/// Names the place of an effect in its operation. No two effects of one step run at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// [`Effect::InspectWorkspace`] or [`Effect::InspectBackup`].
    Inspect,
    /// [`Effect::Guard`].
    Guard(ComponentId),
    /// [`Effect::Unguard`].
    Unguard(ComponentId),
    /// [`Effect::Admit`].
    Admit,
    /// [`Effect::Quiesce`].
    Quiesce,
    /// [`Effect::Resume`].
    Resume,
    /// [`Effect::Start`] and [`Effect::Find`].
    Start(ComponentId),
    /// [`Effect::Poll`].
    Poll(ComponentId),
    /// [`Effect::CancelJob`].
    CancelJob(ComponentId),
    /// [`Effect::Verify`].
    Verify(ComponentId),
    /// [`Effect::WriteRecord`].
    WriteRecord,
    /// [`Effect::Provision`].
    Provision,
    /// [`Effect::FinishRestore`].
    FinishRestore(ComponentId),
    /// [`Effect::Attach`].
    Attach,
    /// [`Effect::Activate`].
    Activate,
    /// [`Effect::Discard`].
    Discard(ComponentId),
    /// [`Effect::DiscardWorkspace`].
    DiscardWorkspace,
    /// [`Effect::MarkBackup`].
    Mark,
    /// [`Effect::DeleteSnapshot`].
    Delete(ComponentId),
    /// [`Effect::DeleteRecord`].
    DeleteRecord,
}

impl Effect {
    /// The step this effect belongs to.
    pub fn step(&self) -> Step {
        match self {
            Self::InspectWorkspace | Self::InspectBackup => Step::Inspect,
            Self::Guard { component, .. } => Step::Guard(component.id.clone()),
            Self::Unguard { component, .. } => Step::Unguard(component.id.clone()),
            Self::Admit { .. } => Step::Admit,
            Self::Quiesce { .. } => Step::Quiesce,
            Self::Resume { .. } => Step::Resume,
            Self::Start(request) | Self::Find { request, .. } => {
                Step::Start(request.key().component().clone())
            }
            Self::Poll { component, .. } => Step::Poll(component.clone()),
            Self::CancelJob { component, .. } => Step::CancelJob(component.clone()),
            Self::Verify { component, .. } => Step::Verify(component.clone()),
            Self::WriteRecord(_) => Step::WriteRecord,
            Self::Provision(_) => Step::Provision,
            Self::FinishRestore(resource) => Step::FinishRestore(resource.component.clone()),
            Self::Attach { .. } => Step::Attach,
            Self::Activate(_) => Step::Activate,
            Self::Discard(resource) => Step::Discard(resource.component.clone()),
            Self::DiscardWorkspace(_) => Step::DiscardWorkspace,
            Self::MarkBackup(_) => Step::Mark,
            Self::DeleteSnapshot { component, .. } => Step::Delete(component.clone()),
            Self::DeleteRecord(_) => Step::DeleteRecord,
        }
    }

    /// The action's name in the ledger; `None` for calls that change nothing outside.
    pub fn ledger_action(&self) -> Option<&'static str> {
        match self {
            Self::InspectWorkspace
            | Self::InspectBackup
            | Self::Find { .. }
            | Self::Poll { .. }
            | Self::Admit { .. }
            | Self::MarkBackup(_)
            | Self::Verify { .. } => None,
            Self::Guard { .. } => Some("guard"),
            Self::Unguard { .. } => Some("unguard"),
            Self::Quiesce { .. } => Some("quiesce"),
            Self::Resume { .. } => Some("resume"),
            Self::Start(_) => Some("start"),
            Self::CancelJob { .. } => Some("cancel"),
            Self::WriteRecord(_) => Some("write-record"),
            Self::Provision(_) => Some("provision"),
            Self::FinishRestore(_) => Some("finish-restore"),
            Self::Attach { .. } => Some("attach"),
            Self::Activate(_) => Some("activate"),
            Self::Discard(_) => Some("discard"),
            Self::DiscardWorkspace(_) => Some("discard-workspace"),
            Self::DeleteSnapshot { .. } => Some("delete"),
            Self::DeleteRecord(_) => Some("delete-record"),
        }
    }
}

impl Step {
    /// The component this step works on, or `workspace`.
    pub fn subject(&self) -> &str {
        match self {
            Self::Guard(id)
            | Self::Unguard(id)
            | Self::Start(id)
            | Self::Poll(id)
            | Self::CancelJob(id)
            | Self::Verify(id)
            | Self::FinishRestore(id)
            | Self::Discard(id)
            | Self::Delete(id) => id.as_str(),
            _ => "workspace",
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The operation was just submitted.
    Begun,
    /// This process took the operation over: nothing of it runs now, and any call may have been cut short.
    Recovered,
    /// Time passed.
    Tick,
    /// Somebody asked the operation to stop.
    CancelRequested,
    /// This process is about to end: what it holds still is to be let go, and nothing else is begun any more. Whoever takes
    /// the operation over goes on from here.
    Leaving,
    /// An effect answered.
    Done(Step, Result<Outcome, ErrorRecord>),
}

/// What an effect answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// To [`Effect::InspectWorkspace`].
    Planned(Box<Plan>),
    /// To [`Effect::InspectBackup`].
    Inspected(Box<Inspection>),
    /// To [`Effect::Guard`]: what stands there with another value of somebody else.
    Guarded(Tags),
    /// To [`Effect::Quiesce`].
    Quiesced(Consistency),
    /// To [`Effect::Resume`] where the workspace was found free already: somebody else, or a switch of its own, had let it
    /// go before, and nobody knows when.
    FoundFree,
    /// To [`Effect::Start`].
    Started(JobRef),
    /// To [`Effect::Find`].
    Found(Vec<Candidate>),
    /// To [`Effect::Poll`].
    Polled(Box<JobStatus>),
    /// To [`Effect::CancelJob`].
    CancelAsked(CancelOutcome),
    /// To [`Effect::Verify`].
    Verified(Verification),
    /// To [`Effect::Provision`].
    Provisioned(Box<Provisioned>),
    /// To [`Effect::FinishRestore`].
    Finished(Readiness),
    /// To [`Effect::DeleteSnapshot`].
    Deleted(DeleteState),
    /// To every effect that answers nothing else.
    Done,
}

/// What is known before a restore or a deletion begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The backup; `None` where the catalog has none with this id.
    pub backup: Option<BackupRecord>,
    /// Its revision, which changes with every write.
    pub revision: Option<Revision>,
    /// Active operations that work on the same data, which are waited for.
    pub waits_for: Vec<OperationId>,
    /// Why the backup cannot be deleted now: something reads it.
    pub in_use: Option<ErrorRecord>,
    /// What the preflight found.
    pub findings: Vec<Finding>,
    /// Whether a component's jobs run inside this process.
    pub in_process: BTreeMap<ComponentId, bool>,
}

impl Inspection {
    /// An inspection.
    pub fn new(
        backup: Option<BackupRecord>,
        findings: Vec<Finding>,
        in_process: BTreeMap<ComponentId, bool>,
    ) -> Self {
        Self { backup, revision: None, waits_for: Vec::new(), in_use: None, findings, in_process }
    }
}

/// The id of a backup as an effect needs it in messages.
pub(super) fn missing_backup(id: &BackupId) -> ErrorRecord {
    crate::error::Error::new(crate::error::ErrorKind::NotFound, format!("backup {id} is not in the catalog"))
        .record()
}
