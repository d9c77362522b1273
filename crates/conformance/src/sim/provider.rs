//! One process's handle on the simulated cloud.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Error, ErrorKind,
    Estimate, Finding, Foreseen, GuardChange, JobRef, JobRequest, JobStatus, OpContext, OperationId,
    Provider, ProviderId, Readiness, Records, RestoredResource, Result, Severity, Snapshot, SnapshotInfo,
    SnapshotQuery, SnapshotRef, Tags, Timestamp, guard_of,
};

use super::cloud::{SILENT, SimCloud};
use super::fault::Call;
use super::listing;
use super::snapshot::{SimSnapshotHandle, info};
use super::state::{MADE_BY, State, missing};
use super::status;

/// A provider over a [`SimCloud`]. Dropping it changes nothing in the cloud.
#[derive(Debug)]
pub struct SimProvider {
    cloud: Arc<SimCloud>,
    id: ProviderId,
    process: u32,
    misdirected: bool,
}

impl SimProvider {
    pub(super) fn new(cloud: Arc<SimCloud>, id: ProviderId, process: u32) -> Self {
        Self { cloud, id, process, misdirected: false }
    }

    /// The same pointed at another store, which is empty: what it is asked to delete is not there, and it says of every
    /// snapshot that it does not reach it.
    #[must_use]
    pub fn misdirected(mut self) -> Self {
        self.misdirected = true;
        self
    }

    async fn call<T>(
        &self,
        call: Call,
        subject: &str,
        act: impl FnOnce(&mut State, Timestamp) -> Result<T> + Send,
    ) -> Result<T> {
        let latency = self.cloud.now().config.latency;
        self.cloud.clock.sleep(latency).await;
        let answer = self.cloud.call(self.process, call, subject, act);
        if answer.as_ref().is_err_and(|error| error.context(SILENT).is_some()) {
            std::future::pending::<()>().await;
        }
        answer
    }
}

#[async_trait]
impl Provider for SimProvider {
    fn id(&self) -> &ProviderId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        let state = self.cloud.now();
        let mut can = Capabilities::default();
        can.cancel_backup = state.config.cancels_backups;
        can.cancel_restore = state.config.cancels_restores;
        can.early_capture = state.resources.values().any(|resource| resource.kind == super::SimKind::Volume);
        can.holds_records = true;
        can.copies = true;
        can.guards_sources = true;
        can
    }

    async fn preflight(&self, _cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        let name = &component.resource;
        self.call(Call::Preflight, name, |state, _| {
            if !state.resources.contains_key(name) {
                let message = format!("{name} does not exist");
                return Ok(vec![Finding::new("source-exists", Severity::Blocker, message)]);
            }
            let strangers = state.jobs.iter().filter(|job| job.resource == *name && job.request.is_none());
            let busy = strangers.filter(|job| !job.has_ended()).map(|job| {
                let message = format!("job {} of somebody else holds {name}; ours will wait for it", job.id);
                Finding::new("source-busy", Severity::Warning, message)
            });
            Ok(busy.collect())
        })
        .await
    }

    async fn reaches(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<()> {
        let message = format!("snapshot {} lies in another store; name that one", snapshot.id);
        if self.misdirected { Err(Error::new(ErrorKind::InvalidInput, message)) } else { Ok(()) }
    }

    async fn place(&self, _cx: &OpContext, _component: &Component) -> Result<BTreeMap<String, String>> {
        let (account, region) = self.cloud.now().config.account_region.clone();
        Ok([("account".into(), account), ("region".into(), region)].into())
    }

    async fn foresee(&self, _cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        let state = self.cloud.now();
        let mut foreseen = Foreseen::default();
        let (calls, bytes) = match request {
            JobRequest::Backup(job) => {
                let resource = state.resources.get(&job.component.resource);
                let bytes = resource.map(|resource| resource.due_bytes(self.cloud.clock.now()));
                (vec!["StartBackupJob", "DescribeBackupJob"], bytes)
            }
            JobRequest::Restore(job) => {
                let point = state.points.get(&job.snapshot.id);
                (
                    vec!["StartRestoreJob", "DescribeRestoreJob", "TagResource"],
                    point.map(|p| p.image.size_bytes),
                )
            }
            _ => (vec!["StartCopyJob", "DescribeCopyJob"], None),
        };
        foreseen.calls = calls.iter().map(|call| (*call).to_owned()).collect();
        foreseen.permissions = calls.iter().map(|call| format!("cloud:{call}")).collect();
        foreseen.tags = [(MADE_BY.to_owned(), request.key().operation().to_string())].into();
        foreseen.bytes = bytes;
        Ok(foreseen)
    }

    async fn estimate(&self, _cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        let state = self.cloud.now();
        let size = state.resources.get(&component.resource).map(|resource| resource.size_bytes);
        let rate = Some(state.config.bytes_per_second);
        Ok(state.config.states_sizes.then(|| Estimate::of_size(size, None).at(rate, None)))
    }

    async fn guard(
        &self,
        _cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        let (name, subject) = (&component.resource, format!("{} of {operation}", component.id));
        self.call(Call::Guard, &subject, |state, _| {
            let source = state.resources.get_mut(name).ok_or_else(|| Error::from(missing(name)))?;
            let change = GuardChange::to_guard(&source.tags, name, operation, tags);
            change.apply(&mut source.tags);
            Ok(change.kept)
        })
        .await
    }

    async fn unguard(&self, _cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        let (name, subject) = (&component.resource, format!("{} of {operation}", component.id));
        self.call(Call::Unguard, &subject, |state, _| {
            if let Some(source) = state.resources.get_mut(name) {
                GuardChange::to_unguard(&source.tags, name, operation).apply(&mut source.tags);
            }
            Ok(())
        })
        .await
    }

    async fn guarded(&self, _cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        let name = &component.resource;
        self.call(Call::Guarded, component.id.as_str(), |state, _| {
            Ok(state.resources.get(name).and_then(|source| guard_of(&source.tags, name)))
        })
        .await
    }

    async fn start(&self, _cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let subject = format!("{} #{}", request.key().component(), request.key().attempt());
        let id = self.call(Call::Start, &subject, |state, now| state.start(&self.id, request, now)).await?;
        Ok(JobRef::new(self.id.clone(), id))
    }

    async fn poll(&self, _cx: &OpContext, job: &JobRef, _wait: Duration) -> Result<JobStatus> {
        self.call(Call::Poll, job.id.as_str(), |state, now| {
            state.tag_restored(&job.id);
            let found = state.job(&job.id).ok_or_else(|| Error::from(missing(job.id.as_str())))?;
            Ok(status::status(state, &self.id, found, now))
        })
        .await
    }

    async fn find(&self, _cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        let subject = request.key().component().as_str();
        self.call(Call::Find, subject, |state, now| listing::candidates(state, &self.id, request, since, now))
            .await
    }

    async fn cancel(&self, _cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        self.call(Call::Cancel, job.id.as_str(), |state, now| state.cancel(&job.id, now)).await
    }

    async fn open(&self, _cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let id = &snapshot.id;
        self.call(Call::Read, id.as_str(), |state, _| {
            state.points.contains_key(id).then_some(()).ok_or_else(|| Error::from(missing(id.as_str())))
        })
        .await?;
        Ok(Arc::new(SimSnapshotHandle::new(Arc::clone(&self.cloud), self.process, snapshot.clone())))
    }

    async fn snapshots(&self, _cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        self.call(Call::Snapshots, "", |state, _| {
            let all = state.points.iter().filter_map(|(id, point)| {
                point.request.as_ref()?;
                Some(info(state, &SnapshotRef::new(self.id.clone(), id.clone()), point))
            });
            let wanted = |info: &SnapshotInfo| {
                (query.workspace.is_none() || info.workspace == query.workspace)
                    && (query.backup.is_none() || info.backup == query.backup)
                    && (query.operation.is_none() || info.operation == query.operation)
            };
            Ok(all.filter(wanted).collect())
        })
        .await
    }

    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        self.reaches(cx, snapshot).await?;
        self.call(Call::Delete, snapshot.id.as_str(), |state, now| state.delete(&snapshot.id, now)).await
    }

    async fn finish_restore(&self, _cx: &OpContext, resource: &RestoredResource) -> Result<Readiness> {
        let name = &resource.resource;
        self.call(Call::FinishRestore, name, |state, now| state.finish_restore(name, now)).await
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        let name = &resource.resource;
        self.call(Call::Discard, name, |state, _| state.discard(name, cx.operation())).await
    }

    async fn put_record(&self, _cx: &OpContext, record: &BackupRecord) -> Result<()> {
        self.call(Call::PutRecord, record.id.as_str(), |state, _| {
            state.records.insert(record.id.clone(), record.clone());
            Ok(())
        })
        .await
    }

    async fn records(&self, _cx: &OpContext) -> Result<Records> {
        self.call(Call::Records, "", |state, _| Ok(Records::new(state.records.values().cloned()))).await
    }

    async fn delete_record(&self, _cx: &OpContext, backup: &BackupId) -> Result<()> {
        self.call(Call::DeleteRecord, backup.as_str(), |state, _| {
            if !self.misdirected {
                state.records.remove(backup);
            }
            Ok(())
        })
        .await
    }
}
