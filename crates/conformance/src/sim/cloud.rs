//! The cloud as a test holds it: the scene, the faults, and the view behind every provider's back.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stillpoint_core::{BackupRecord, Clock, JobId, JobRequest, ProviderId, Result, SnapshotId, Timestamp};

use super::config::SimConfig;
use super::fault::{Call, Fate, Fault, FaultPlan};
use super::job::{End, Job, Phase};
use super::journal::JournalEntry;
use super::provider::SimProvider;
use super::resource::{Resource, SimKind};
use super::state::{MADE_BY, PointPhase, State};
use super::view::{SimJob, SimResource, SimSnapshot};

/// Marks the error of a call that never returns.
pub(super) const SILENT: &str = "silent";

/// A simulated cloud. It outlives the processes that use it and moves on with its clock.
#[derive(Debug)]
pub struct SimCloud {
    pub(super) clock: Arc<dyn Clock>,
    state: Mutex<State>,
    processes: AtomicU32,
}

impl SimCloud {
    /// An empty cloud that runs by `clock`.
    pub fn new(clock: Arc<dyn Clock>, config: SimConfig) -> Arc<Self> {
        let state = State { config, ..State::default() };
        Arc::new(Self { clock, state: Mutex::new(state), processes: AtomicU32::new(0) })
    }

    /// A new process's handle on this cloud, named `id` inside its host.
    pub fn provider(self: &Arc<Self>, id: ProviderId) -> SimProvider {
        SimProvider::new(Arc::clone(self), id, self.processes.fetch_add(1, Ordering::Relaxed))
    }

    /// Replaces everything that is to go wrong from now on.
    pub fn set_faults(&self, faults: FaultPlan) {
        self.now().faults = faults;
    }

    /// Makes a volume or a file system of `size_bytes` in which `change_per_second` bytes change while services
    /// run.
    pub fn add_resource(&self, name: &str, kind: SimKind, size_bytes: u64, change_per_second: u64) {
        let now = self.clock.now();
        let resource = Resource::new(kind, size_bytes, change_per_second, now);
        self.now().resources.insert(name.to_owned(), resource);
    }

    /// Writes one file of a resource; nothing happens where the resource is gone.
    pub fn write(&self, resource: &str, path: &str, content: &[u8]) {
        let now = self.clock.now();
        if let Some(found) = self.now().resources.get_mut(resource) {
            found.write(path, content, now);
        }
    }

    /// The files of a resource; `None` where it is gone.
    pub fn files(&self, resource: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        self.now().resources.get(resource).map(|found| found.files.clone())
    }

    /// Somebody else writes a tag on a resource.
    pub fn tag(&self, resource: &str, key: &str, value: &str) {
        if let Some(found) = self.now().resources.get_mut(resource) {
            found.tags.insert(key.to_owned(), value.to_owned());
        }
    }

    /// Somebody else writes the mark of another operation on a resource.
    pub fn mark(&self, resource: &str, operation: &str) {
        if let Some(found) = self.now().resources.get_mut(resource) {
            found.tags.insert(MADE_BY.to_owned(), operation.to_owned());
        }
    }

    /// From now on sources without the tag `cloud:protected` are removed so long after a job began to read them.
    pub fn collect_sources(&self, after: Duration) {
        self.now().config.collect_sources_after = Some(after);
    }

    /// From now on it is the cloud of another account and region.
    pub fn change_account_region(&self, account: &str, region: &str) {
        self.now().config.account_region = (account.to_owned(), region.to_owned());
    }

    /// Stops the services that write to a resource until a time at the most, or lets them write again.
    pub fn pause(&self, resource: &str, until: Option<Timestamp>) {
        let now = self.clock.now();
        if let Some(found) = self.now().resources.get_mut(resource) {
            found.pause(until, now);
        }
    }

    /// Somebody else starts a backup of a resource that runs for `duration`. It carries no key of ours; one that
    /// is `disguised` does not even show that a plan of theirs made it.
    ///
    /// # Errors
    /// None that a caller could meet.
    pub fn stranger_starts(&self, resource: &str, duration: Duration, disguised: bool) -> Result<JobId> {
        let now = self.clock.now();
        let mut state = self.now();
        let number = state.number();
        let id = JobId::new(format!("job-{number}"))?;
        let overhead = state.config.overhead;
        let bytes = duration.saturating_sub(overhead).as_secs().saturating_mul(state.config.bytes_per_second);
        let snapshot = disguised.then(|| SnapshotId::new(format!("snap-{number}"))).transpose()?;
        state.jobs.push(Job {
            id: id.clone(),
            request: None,
            resource: resource.to_owned(),
            created_at: now,
            fate: Fate::normal(),
            phase: Phase::Queued,
            bytes,
            snapshot,
            base_lost: None,
            twin: false,
        });
        Ok(id)
    }

    /// Locks a snapshot against deletion until a time, or for good.
    pub fn lock(&self, snapshot: &SnapshotId, until: Option<Timestamp>) {
        if let Some(point) = self.now().points.get_mut(snapshot) {
            point.lock = Some(until);
        }
    }

    /// From now on a deletion of this snapshot is answered with success and keeps it.
    pub fn keep_on_delete(&self, snapshot: &SnapshotId) {
        if let Some(point) = self.now().points.get_mut(snapshot) {
            point.sticky = true;
        }
    }

    /// Lets a snapshot disappear as if somebody else had deleted it.
    pub fn lose(&self, snapshot: &SnapshotId) {
        self.now().points.remove(snapshot);
    }

    /// All jobs ever accepted, oldest first.
    pub fn jobs(&self) -> Vec<SimJob> {
        self.now().jobs.iter().map(view).collect()
    }

    /// All snapshots there are.
    pub fn snapshots(&self) -> Vec<SimSnapshot> {
        let state = self.now();
        let points = state.points.iter().map(|(id, point)| SimSnapshot {
            id: id.clone(),
            operation: point.key().map(|key| key.operation().clone()),
            resource: point.resource.clone(),
            usable: point.phase == PointPhase::Available,
            still: point.image.still,
            twin: point.twin,
        });
        points.collect()
    }

    /// All resources there are.
    pub fn resources(&self) -> Vec<SimResource> {
        let state = self.now();
        let resources = state.resources.iter().map(|(name, resource)| SimResource {
            name: name.clone(),
            files: resource.files.clone(),
            tags: resource.tags.clone(),
            restored: resource.restored,
        });
        resources.collect()
    }

    /// All backup records kept beside the data.
    pub fn records(&self) -> Vec<BackupRecord> {
        self.now().records.values().cloned().collect()
    }

    /// Every call so far, oldest first; a bounded list.
    pub fn journal(&self) -> Vec<JournalEntry> {
        self.now().journal.entries()
    }

    /// How many calls no longer fitted the journal.
    pub fn journal_dropped(&self) -> u64 {
        self.now().journal.dropped()
    }

    /// The state, brought up to now.
    pub(super) fn now(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.advance(self.clock.now());
        state
    }

    /// Makes one call: draws its fault, does it, and writes it into the journal.
    pub(super) fn call<T>(
        &self,
        process: u32,
        call: Call,
        subject: &str,
        act: impl FnOnce(&mut State, Timestamp) -> Result<T>,
    ) -> Result<T> {
        let at = self.clock.now();
        let mut state = self.now();
        let answer = match state.faults.on_call(call, at) {
            None => act(&mut state, at),
            Some(Fault::LostAfter) => {
                // Whatever came of it, nobody hears of it.
                let _unheard = act(&mut state, at);
                Err(Fault::LostAfter.error(call))
            }
            Some(fault @ Fault::Silent) => Err(fault.error(call).with(SILENT, true)),
            Some(fault) => Err(fault.error(call)),
        };
        let said = answer.as_ref().map_or_else(ToString::to_string, |_| "ok".to_owned());
        let entry =
            JournalEntry { at, process, call: call.as_str(), subject: subject.to_owned(), answer: said };
        state.journal.add(entry);
        answer
    }
}

fn view(job: &Job) -> SimJob {
    let (word, ended_at) = match &job.phase {
        Phase::Queued => ("queued", None),
        Phase::Running { .. } => ("running", None),
        Phase::Cancelling { .. } => ("cancelling", None),
        Phase::Ended { at, end, .. } => (end.word(), Some(*at)),
    };
    SimJob {
        id: job.id.clone(),
        key: job.key().cloned(),
        restore: matches!(job.request, Some(JobRequest::Restore(_))),
        resource: job.resource.clone(),
        created_at: job.created_at,
        started_at: job.started_at(),
        ended_at,
        bytes: job.bytes,
        word: word.to_owned(),
        twin: job.twin,
    }
}

impl End {
    fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Issues(_) => "issues",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}
