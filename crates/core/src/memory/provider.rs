//! A provider in memory: resources are named sets of small files, and every job is done when it starts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::{Error, ErrorKind, Result};
use crate::guard::{GuardChange, guard_of};
use crate::id::{BackupId, JobId, OperationId, ProviderId, SnapshotId};
use crate::provider::{
    BackupJob, CancelOutcome, Candidate, Capabilities, CaptureWindow, CopyJob, DeleteState, Evidence,
    Finding, JobRef, JobRequest, JobState, JobStatus, Landing, Progress, Provider, Readiness, RestoreJob,
    RestoredResource, Severity, SnapshotQuery, Tags,
};
use crate::records::Records;
use crate::snapshot::{Depth, Entry, EntryPage, Snapshot, SnapshotInfo, SnapshotRef, Verification};
use crate::workspace::Component;

type Files = BTreeMap<String, Vec<u8>>;

/// A provider that lives as long as it is held.
#[derive(Debug)]
pub struct MemoryProvider {
    id: ProviderId,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    resources: BTreeMap<String, Resource>,
    snapshots: BTreeMap<SnapshotId, Stored>,
    jobs: BTreeMap<JobId, JobStatus>,
    records: BTreeMap<BackupId, BackupRecord>,
}

#[derive(Debug, Default)]
struct Resource {
    files: Files,
    made_by: Option<OperationId>,
    tags: Tags,
}

#[derive(Clone, Debug)]
struct Stored {
    info: SnapshotInfo,
    files: Files,
}

impl MemoryProvider {
    /// A provider without resources.
    pub fn new(id: ProviderId) -> Self {
        Self { id, state: Arc::default() }
    }

    /// Writes one file of a resource, making the resource where it is missing.
    pub fn write(&self, resource: &str, path: &str, content: &[u8]) {
        let mut state = self.lock();
        let resource = state.resources.entry(resource.to_owned()).or_default();
        resource.files.insert(path.to_owned(), content.to_vec());
    }

    /// All files of a resource.
    pub fn files(&self, resource: &str) -> Option<BTreeMap<String, Vec<u8>>> {
        self.lock().resources.get(resource).map(|resource| resource.files.clone())
    }

    /// Writes one tag of a resource; nothing happens where there is no such resource.
    pub fn tag(&self, resource: &str, key: &str, value: &str) {
        if let Some(resource) = self.lock().resources.get_mut(resource) {
            resource.tags.insert(key.to_owned(), value.to_owned());
        }
    }

    /// All tags of a resource.
    pub fn tags(&self, resource: &str) -> Option<Tags> {
        self.lock().resources.get(resource).map(|resource| resource.tags.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn job_ref(&self, request: &JobRequest) -> Result<JobRef> {
        Ok(JobRef::new(self.id.clone(), JobId::new(request.key().token())?))
    }

    fn back_up(&self, cx: &OpContext, job: &BackupJob) -> Result<JobStatus> {
        let mut state = self.lock();
        let files = state.resources.get(&job.component.resource).map(|resource| resource.files.clone());
        let files = files.ok_or_else(|| missing(&job.component.resource))?;
        let reference = SnapshotRef::new(self.id.clone(), SnapshotId::new(format!("snap-{}", job.key))?);
        let mut info = SnapshotInfo::new(reference.clone(), job.created_at);
        info.workspace = Some(job.workspace.clone());
        info.component = Some(job.component.id.clone());
        info.backup = Some(job.backup.clone());
        info.operation = Some(job.key.operation().clone());
        let bytes = size(&files);
        let mut status = JobStatus::new(JobState::Succeeded);
        status.progress = Progress::new(bytes, files.len() as u64).of(Some(bytes), Some(files.len() as u64));
        status.counts = [("bytes_scanned".to_owned(), bytes), ("bytes_stored".to_owned(), bytes)].into();
        status.captured = Some(CaptureWindow::new(cx.clock().now(), cx.clock().now()));
        status.snapshot = Some(reference.clone());
        state.snapshots.insert(reference.id, Stored { info, files });
        Ok(status)
    }

    fn copy(&self, job: &CopyJob) -> Result<JobStatus> {
        let mut state = self.lock();
        let stored = state.snapshots.get(&job.snapshot.id).cloned();
        let mut stored = stored.ok_or_else(|| missing(job.snapshot.id.as_str()))?;
        let reference = SnapshotRef::new(self.id.clone(), SnapshotId::new(format!("copy-{}", job.key))?);
        stored.info.snapshot = reference.clone();
        stored.info.backup = Some(job.backup.clone());
        stored.info.operation = Some(job.key.operation().clone());
        let bytes = size(&stored.files);
        let mut status = JobStatus::new(JobState::Succeeded);
        status.progress = Progress::new(bytes, stored.files.len() as u64);
        status.counts = [("bytes_stored".to_owned(), bytes)].into();
        status.snapshot = Some(reference.clone());
        state.snapshots.insert(reference.id, stored);
        Ok(status)
    }

    fn restore(&self, job: &RestoreJob) -> Result<JobStatus> {
        let mut state = self.lock();
        let stored = state.snapshots.get(&job.snapshot.id).cloned();
        let stored = stored.ok_or_else(|| missing(job.snapshot.id.as_str()))?;
        let place = job.destination.get("resource").and_then(|value| value.as_str());
        let place =
            place.ok_or_else(|| Error::new(ErrorKind::InvalidInput, "the destination names no resource"))?;
        let target = state.resources.entry(place.to_owned()).or_default();
        if !target.files.is_empty() && job.landing == Landing::Empty {
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                format!("{place} is not empty; choose another target"),
            ));
        }
        let wanted =
            |path: &String| job.include.is_empty() || job.include.iter().any(|include| below(path, include));
        target.files.extend(stored.files.into_iter().filter(|(path, _)| wanted(path)));
        target.made_by = Some(job.key.operation().clone());
        let bytes = size(&target.files);
        let mut status = JobStatus::new(JobState::Succeeded);
        status.progress = Progress::new(bytes, target.files.len() as u64);
        status.restored = Some(RestoredResource::new(self.id.clone(), job.component.id.clone(), place));
        Ok(status)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn size(files: &Files) -> u64 {
    files.values().map(|content| content.len() as u64).sum()
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{what} does not exist"))
}

#[async_trait]
impl Provider for MemoryProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            cancel_backup: true,
            cancel_restore: true,
            holds_records: true,
            lists_entries: true,
            restores_items: true,
            copies: true,
            guards_sources: true,
            ..Capabilities::default()
        }
    }

    async fn preflight(&self, _cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        if self.lock().resources.contains_key(&component.resource) {
            return Ok(Vec::new());
        }
        let message = format!("{} does not exist", component.resource);
        Ok(vec![Finding::new("source-exists", Severity::Blocker, message)])
    }

    async fn guard(
        &self,
        _cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        let mut state = self.lock();
        let name = &component.resource;
        let source = state.resources.get_mut(name).ok_or_else(|| missing(name))?;
        let change = GuardChange::to_guard(&source.tags, name, operation, tags);
        change.apply(&mut source.tags);
        Ok(change.kept)
    }

    async fn unguard(&self, _cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        let name = &component.resource;
        if let Some(source) = self.lock().resources.get_mut(name) {
            GuardChange::to_unguard(&source.tags, name, operation).apply(&mut source.tags);
        }
        Ok(())
    }

    async fn guarded(&self, _cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        let state = self.lock();
        let source = state.resources.get(&component.resource);
        Ok(source.and_then(|source| guard_of(&source.tags, &component.resource)))
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let job = self.job_ref(request)?;
        if self.lock().jobs.contains_key(&job.id) {
            return Ok(job);
        }
        let status = match request {
            JobRequest::Backup(backup) => self.back_up(cx, backup),
            JobRequest::Restore(restore) => self.restore(restore),
            JobRequest::Copy(copy) => self.copy(copy),
        };
        let status = status.unwrap_or_else(|error| JobStatus::new(JobState::Failed(error.record())));
        self.lock().jobs.insert(job.id.clone(), status);
        Ok(job)
    }

    async fn poll(&self, _cx: &OpContext, job: &JobRef, _wait: Duration) -> Result<JobStatus> {
        self.lock().jobs.get(&job.id).cloned().ok_or_else(|| missing(job.id.as_str()))
    }

    async fn find(&self, _cx: &OpContext, request: &JobRequest, _since: Timestamp) -> Result<Vec<Candidate>> {
        let job = self.job_ref(request)?;
        let known = self.lock().jobs.contains_key(&job.id);
        Ok(known.then(|| Candidate::new(job, Evidence::Proven)).into_iter().collect())
    }

    async fn cancel(&self, _cx: &OpContext, _job: &JobRef) -> Result<CancelOutcome> {
        Ok(CancelOutcome::AlreadyTerminal)
    }

    async fn open(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let opened = MemorySnapshot { id: snapshot.id.clone(), state: Arc::clone(&self.state) };
        opened.read(|_| ())?;
        Ok(Arc::new(opened))
    }

    async fn snapshots(&self, _cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        let wanted = |info: &SnapshotInfo| {
            (query.workspace.is_none() || info.workspace == query.workspace)
                && (query.backup.is_none() || info.backup == query.backup)
                && (query.operation.is_none() || info.operation == query.operation)
        };
        let state = self.lock();
        Ok(state.snapshots.values().map(|stored| stored.info.clone()).filter(wanted).collect())
    }

    async fn delete(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        self.lock().snapshots.remove(&snapshot.id);
        Ok(DeleteState::Gone)
    }

    async fn finish_restore(&self, _cx: &OpContext, _resource: &RestoredResource) -> Result<Readiness> {
        Ok(Readiness::Initialized)
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        let mut state = self.lock();
        let Some(found) = state.resources.get(&resource.resource) else {
            return Ok(());
        };
        if found.made_by.is_none() || found.made_by.as_ref() != cx.operation() {
            let message = format!("{} was not made by this restore", resource.resource);
            return Err(Error::new(ErrorKind::PermissionDenied, message));
        }
        state.resources.remove(&resource.resource);
        Ok(())
    }

    async fn put_record(&self, _cx: &OpContext, record: &BackupRecord) -> Result<()> {
        self.lock().records.insert(record.id.clone(), record.clone());
        Ok(())
    }

    async fn records(&self, _cx: &OpContext) -> Result<Records> {
        Ok(Records::new(self.lock().records.values().cloned()))
    }

    async fn delete_record(&self, _cx: &OpContext, backup: &BackupId) -> Result<()> {
        self.lock().records.remove(backup);
        Ok(())
    }
}

#[derive(Debug)]
struct MemorySnapshot {
    id: SnapshotId,
    state: Arc<Mutex<State>>,
}

impl MemorySnapshot {
    fn read<T>(&self, what: impl FnOnce(&Stored) -> T) -> Result<T> {
        lock(&self.state).snapshots.get(&self.id).map(what).ok_or_else(|| missing(self.id.as_str()))
    }
}

/// Whether `name` is `path` or lies below it.
fn below(name: &str, path: &str) -> bool {
    path.is_empty() || name == path || name.starts_with(&format!("{path}/"))
}

#[async_trait]
impl Snapshot for MemorySnapshot {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        self.read(|stored| stored.info.clone())
    }

    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        self.read(|_| Verification::new(depth.min(Depth::Decrypted), Vec::new()))
    }

    async fn entries(&self, _cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage> {
        let entries: Vec<_> = self.read(|stored| {
            stored
                .files
                .iter()
                .filter(|(name, _)| below(name, path) && after.is_none_or(|after| name.as_str() > after))
                .map(|(name, content)| Entry::new(name, "file", content.len() as u64))
                .collect()
        })?;
        if entries.is_empty() && !path.is_empty() && after.is_none() {
            return Err(missing(path));
        }
        Ok(EntryPage::new(entries, None))
    }
}
