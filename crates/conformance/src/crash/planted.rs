//! The bugs of the field, planted one at a time: a measure of how much the simulation sees.
//!
//! Nothing of this is compiled into core. Each bug is a wrapper around what a process holds, in which the mistake is
//! made that was made elsewhere, and the invariants must notice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::layer::{CatalogLayer, ProviderLayer};
use stillpoint_core::*;

/// A bug of the field, by its number in the list that the goals name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Planted {
    /// C1. A timeout ends the operation in the catalog; its jobs run on and nobody knows of them.
    TimeoutForgetsJobs,
    /// C2. A failed job is reported as a success, and nobody looks at what it made.
    FailureIsSuccess,
    /// C3. A lock that ran out still lets its old owner write.
    StaleOwnerWrites,
    /// C4. Deleting one thing takes live data with it.
    DeleteTakesMore,
    /// C5. A cache outlives what it describes: a deleted snapshot is still called good.
    CacheCallsGoneGood,
    /// C6. Repair after a crash removes what is good.
    RepairDestroys,
    /// C7. An index names one thing for another.
    IndexMixesUp,
    /// C8. The database loses a committed write when a second crash hits its recovery.
    SecondCrashLosesACommit,
    /// C9. A part of an upload is taken for the whole.
    PartIsWhole,
    /// C10. No answer is taken for a refusal, and the call is made once more as a new one.
    NoAnswerIsRefusal,
}

impl Planted {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::TimeoutForgetsJobs,
        Self::FailureIsSuccess,
        Self::StaleOwnerWrites,
        Self::DeleteTakesMore,
        Self::CacheCallsGoneGood,
        Self::RepairDestroys,
        Self::IndexMixesUp,
        Self::SecondCrashLosesACommit,
        Self::PartIsWhole,
        Self::NoAnswerIsRefusal,
    ];
}

/// What all processes of one case share of a planted bug.
#[derive(Debug, Default)]
pub(super) struct Ground {
    claims: AtomicU32,
    snapshots: Mutex<BTreeMap<ComponentId, SnapshotRef>>,
}

/// A catalog with a bug.
#[derive(Debug)]
pub(super) struct PlantedCatalog {
    pub(super) inner: Arc<dyn Catalog>,
    pub(super) bug: Planted,
    pub(super) ground: Arc<Ground>,
}

impl CatalogLayer for PlantedCatalog {
    fn inner(&self) -> &dyn Catalog {
        &*self.inner
    }
    async fn claim_operation(
        &self,
        id: &OperationId,
        holder: &Holder,
        ttl: Duration,
        takeover: Option<u64>,
    ) -> Result<Claim> {
        let claim = self.inner.claim_operation(id, holder, ttl, takeover).await?;
        if matches!(claim, Claim::Claimed(_)) {
            self.ground.claims.fetch_add(1, Ordering::Relaxed);
        }
        Ok(claim)
    }
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Renewal> {
        match self.inner.renew_lease(lease, ttl).await {
            Err(error) if self.bug == Planted::StaleOwnerWrites && error.kind() == ErrorKind::Conflict => {
                Ok(Renewal::new(lease.clone(), false))
            }
            answer => answer,
        }
    }
    async fn commit(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<()> {
        let mut change = change.clone();
        let mut forgotten = change.operation.clone();
        if self.bug == Planted::TimeoutForgetsJobs && forgotten.state == OperationState::Detached {
            forgotten.state = OperationState::Failed;
            change.operation = &forgotten;
        }
        if self.bug == Planted::SecondCrashLosesACommit && self.ground.claims.load(Ordering::Relaxed) >= 2 {
            change.put_backup = None;
        }
        match self.inner.commit(lease, &change).await {
            Err(error) if self.bug == Planted::StaleOwnerWrites && error.kind() == ErrorKind::Conflict => {
                let Some(now) = self.inner.operation(&lease.operation).await? else { return Err(error) };
                let thief = Lease::new(lease.operation.clone(), now.lease.epoch, now.lease.expires_at);
                self.inner.commit(&thief, &change).await
            }
            answer => answer,
        }
    }
}

/// A provider with a bug.
#[derive(Debug)]
pub(super) struct PlantedProvider {
    pub(super) inner: Arc<dyn Provider>,
    pub(super) bug: Planted,
    pub(super) ground: Arc<Ground>,
}

impl PlantedProvider {
    fn has(&self, bug: Planted) -> bool {
        self.bug == bug
    }

    /// Deletes every snapshot of the component that `keep` does not spare.
    async fn sweep(
        &self,
        cx: &OpContext,
        component: &ComponentId,
        keep: impl Fn(&SnapshotInfo) -> bool + Send,
    ) -> Result<()> {
        for found in self.inner.snapshots(cx, &SnapshotQuery::all()).await? {
            if found.component.as_ref() == Some(component) && !keep(&found) {
                self.inner.delete(cx, &found.snapshot).await?;
            }
        }
        Ok(())
    }

    /// The snapshot that was reported before this one, for whatever component it was.
    fn mixed_up(&self, component: &ComponentId, right: SnapshotRef) -> SnapshotRef {
        let mut known = self.ground.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(component.clone(), right.clone());
        let other = known.iter().find(|(id, _)| *id != component);
        other.map_or(right, |(_, snapshot)| snapshot.clone())
    }
}

impl ProviderLayer for PlantedProvider {
    fn inner(&self) -> &dyn Provider {
        &*self.inner
    }
    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        match (self.inner.start(cx, request).await, request) {
            (Err(error), JobRequest::Backup(job))
                if self.has(Planted::NoAnswerIsRefusal) && error.effect() == Effect::MaybeApplied =>
            {
                let mut again = job.clone();
                let attempt = job.key.attempt() + 100;
                again.key = JobKey::new(job.key.operation().clone(), job.key.component().clone(), attempt);
                self.inner.start(cx, &JobRequest::Backup(again)).await
            }
            (answer, _) => answer,
        }
    }
    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus> {
        let mut status = self.inner.poll(cx, job, wait).await?;
        if self.has(Planted::FailureIsSuccess) && matches!(status.state, JobState::Failed(_)) {
            status.state = JobState::Succeeded;
            status.snapshot = Some(SnapshotRef::new(self.id().clone(), SnapshotId::new(job.id.as_str())?));
        }
        if self.has(Planted::IndexMixesUp)
            && let Some(right) = status.snapshot.take()
        {
            let all = self.inner.snapshots(cx, &SnapshotQuery::all()).await.unwrap_or_default();
            let component =
                all.into_iter().find(|info| info.snapshot == right).and_then(|info| info.component);
            status.snapshot = Some(match component {
                Some(component) => self.mixed_up(&component, right),
                None => right,
            });
        }
        Ok(status)
    }
    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        if self.has(Planted::RepairDestroys) {
            let own = cx.operation().cloned();
            self.sweep(cx, request.key().component(), |found| found.operation == own).await?;
        }
        self.inner.find(cx, request, since).await
    }
    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        if self.has(Planted::CacheCallsGoneGood) {
            self.inner.delete(cx, snapshot).await?;
            return Ok(Arc::new(Remembered {
                snapshot: snapshot.clone(),
                operation: cx.operation().cloned(),
            }));
        }
        let blind = self.has(Planted::FailureIsSuccess);
        match self.inner.open(cx, snapshot).await {
            Err(error) if blind && error.kind() == ErrorKind::NotFound => {
                Ok(Arc::new(Remembered { snapshot: snapshot.clone(), operation: cx.operation().cloned() }))
            }
            answer => answer,
        }
    }
    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        if self.has(Planted::DeleteTakesMore) {
            let all = self.inner.snapshots(cx, &SnapshotQuery::all()).await?;
            let named = all.iter().find(|info| info.snapshot == *snapshot);
            if let Some(component) = named.and_then(|info| info.component.clone()) {
                self.sweep(cx, &component, |_| false).await?;
            }
        }
        self.inner.delete(cx, snapshot).await
    }
    async fn put_record(&self, cx: &OpContext, record: &BackupRecord) -> Result<()> {
        let mut stored = record.clone();
        if self.has(Planted::PartIsWhole) {
            stored.components.truncate(1);
        }
        self.inner.put_record(cx, &stored).await
    }
}

/// A snapshot as a cache remembers it, though it is gone.
#[derive(Debug)]
struct Remembered {
    snapshot: SnapshotRef,
    operation: Option<OperationId>,
}

#[async_trait]
impl Snapshot for Remembered {
    async fn describe(&self, cx: &OpContext) -> Result<SnapshotInfo> {
        let mut info = SnapshotInfo::new(self.snapshot.clone(), cx.clock().now());
        info.operation.clone_from(&self.operation);
        Ok(info)
    }
    async fn verify(&self, _cx: &OpContext, depth: Depth) -> Result<Verification> {
        Ok(Verification::new(depth, Vec::new()))
    }
    async fn entries(&self, _cx: &OpContext, _path: &str, _after: Option<&str>) -> Result<EntryPage> {
        Err(Error::new(ErrorKind::Unsupported, "entries are not listed"))
    }
}
