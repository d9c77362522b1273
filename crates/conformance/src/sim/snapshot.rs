//! A snapshot in the simulated cloud, as a provider opens it.

use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{
    Depth, EntryPage, Error, ErrorKind, Issue, JobRequest, Locked, OpContext, Result, Snapshot, SnapshotInfo,
    SnapshotRef, Verification,
};

use super::cloud::SimCloud;
use super::fault::Call;
use super::state::{Point, PointPhase, State, missing};

#[derive(Debug)]
pub(super) struct SimSnapshotHandle {
    cloud: Arc<SimCloud>,
    process: u32,
    reference: SnapshotRef,
}

impl SimSnapshotHandle {
    pub(super) fn new(cloud: Arc<SimCloud>, process: u32, reference: SnapshotRef) -> Self {
        Self { cloud, process, reference }
    }

    fn read<T>(&self, act: impl FnOnce(&State, &Point) -> T) -> Result<T> {
        let id = &self.reference.id;
        self.cloud.call(self.process, Call::Read, id.as_str(), |state, _| {
            let point = state.points.get(id).ok_or_else(|| Error::from(missing(id.as_str())))?;
            Ok(act(state, point))
        })
    }
}

/// What a snapshot says of itself.
pub(super) fn info(state: &State, reference: &SnapshotRef, point: &Point) -> SnapshotInfo {
    let mut info = SnapshotInfo::new(reference.clone(), point.created_at);
    if let Some(JobRequest::Backup(job)) = &point.request {
        info.workspace = Some(job.workspace.clone());
        info.component = Some(job.component.id.clone());
        info.backup = Some(job.backup.clone());
        info.operation = Some(job.key.operation().clone());
        info.created_at = job.created_at;
    }
    if let Some(JobRequest::Copy(job)) = &point.request {
        info.workspace.clone_from(&job.workspace);
        info.component = Some(job.key.component().clone());
        info.backup = Some(job.backup.clone());
        info.operation = Some(job.key.operation().clone());
        info.created_at = job.created_at;
    }
    info.usable = point.phase == PointPhase::Available;
    info.account_region = Some(state.config.account_region.clone());
    info
}

#[async_trait]
impl Snapshot for SimSnapshotHandle {
    async fn describe(&self, _cx: &OpContext) -> Result<SnapshotInfo> {
        self.read(|state, point| info(state, &self.reference, point))
    }

    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        let looked = self.read(|_, point| point.phase == PointPhase::Available);
        let problem = match looked {
            Ok(true) => None,
            Ok(false) => Some("it is not available"),
            Err(error) if error.kind() == ErrorKind::NotFound => Some("it is gone"),
            Err(error) => return Err(error),
        };
        let problems = problem.map(|what| Issue::new("unusable", self.reference.id.as_str(), what));
        Ok(Verification::new(depth.min(Depth::Sized), problems.into_iter().collect()))
    }

    async fn locked(&self, cx: &OpContext) -> Result<Option<Locked>> {
        let now = cx.clock().now();
        let lock = self.read(|_, point| point.lock)?;
        let standing = lock.filter(|until| until.is_none_or(|until| now < until));
        Ok(standing.map(|until| Locked::new(until, "the vault is locked; wait for the lock to end")))
    }

    async fn entries(&self, _cx: &OpContext, _path: &str, _after: Option<&str>) -> Result<EntryPage> {
        Err(Error::new(ErrorKind::Unsupported, "snapshots of this cloud cannot list their entries"))
    }
}
