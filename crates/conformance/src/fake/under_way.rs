//! Knows how many calls of a provider are under way, so that no virtual time passes while a real answer is waited for;
//! and lets a process die with an answer that is lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{
    BackupId, BackupRecord, CancelOutcome, Candidate, Capabilities, Component, DeleteState, Depth, EntryPage,
    ErrorKind, Estimate, Extent, Finding, Foreseen, JobRef, JobRequest, JobStatus, OpContext, OperationId,
    Provider, ProviderId, Readiness, Records, RestoredResource, Result, Snapshot, SnapshotInfo,
    SnapshotQuery, SnapshotRef, Tags, Timestamp, Verification,
};
use tokio::sync::Notify;

/// Calls under way, and a bell that rings when none is any more.
#[derive(Clone, Debug, Default)]
pub(super) struct UnderWay(Arc<(AtomicUsize, Notify)>);

/// The end of a process, which comes with the first answer that it does not get.
#[derive(Clone, Debug, Default)]
pub struct Death(Arc<(AtomicBool, Notify)>);

impl Death {
    /// Returns when the process is dead.
    pub async fn comes(&self) {
        let notified = self.0.1.notified();
        if !self.is_here() {
            notified.await;
        }
    }

    /// Whether it is.
    pub fn is_here(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    fn strike(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.notify_one();
    }
}

/// One call, for as long as it is waited for.
struct Call(UnderWay);

impl Drop for Call {
    fn drop(&mut self) {
        if self.0.0.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.ring();
        }
    }
}

impl UnderWay {
    pub(super) fn is_any(&self) -> bool {
        self.0.0.load(Ordering::SeqCst) > 0
    }

    /// Wakes whoever waits for something to happen.
    pub(super) fn ring(&self) {
        self.0.1.notify_one();
    }

    /// Returns when something has happened since the last time.
    pub(super) async fn rings(&self) {
        self.0.1.notified().await;
    }

    async fn of<T>(&self, call: impl Future<Output = T>) -> T {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let _call = Call(self.clone());
        call.await
    }
}

/// Whatever is called, counted while it is under way.
#[derive(Debug)]
pub(super) struct Counted<T: ?Sized> {
    calls: UnderWay,
    /// The end of whoever calls, if it is to die of a lost answer.
    death: Option<Death>,
    inner: Arc<T>,
}

impl<T: ?Sized + Send + Sync> Counted<T> {
    pub(super) fn new(inner: Arc<T>, calls: UnderWay, death: Option<Death>) -> Self {
        Self { calls, death, inner }
    }

    async fn call<R: Send>(&self, call: impl Future<Output = Result<R>> + Send) -> Result<R> {
        let Some(death) = &self.death else { return self.calls.of(call).await };
        if !death.is_here() {
            let answer = self.calls.of(call).await;
            if !matches!(&answer, Err(error) if error.kind() == ErrorKind::Unavailable) {
                return answer;
            }
            death.strike();
        }
        std::future::pending().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provider for Counted<dyn Provider> {
    fn id(&self) -> &ProviderId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        self.call(self.inner.preflight(cx, component)).await
    }

    async fn place(&self, cx: &OpContext, component: &Component) -> Result<BTreeMap<String, String>> {
        self.call(self.inner.place(cx, component)).await
    }

    async fn preflight_base(&self, cx: &OpContext, base: &SnapshotRef) -> Result<Vec<Finding>> {
        self.call(self.inner.preflight_base(cx, base)).await
    }

    async fn extents(&self, cx: &OpContext, component: &Component) -> Result<Vec<Extent>> {
        self.call(self.inner.extents(cx, component)).await
    }

    async fn reaches(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<()> {
        self.call(self.inner.reaches(cx, snapshot)).await
    }

    async fn estimate(&self, cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        self.call(self.inner.estimate(cx, component)).await
    }

    async fn preflight_guard(
        &self,
        cx: &OpContext,
        component: &Component,
        tags: &Tags,
    ) -> Result<Vec<Finding>> {
        self.call(self.inner.preflight_guard(cx, component, tags)).await
    }

    async fn foresee_guard(&self, cx: &OpContext, component: &Component) -> Result<Foreseen> {
        self.call(self.inner.foresee_guard(cx, component)).await
    }

    async fn guard(
        &self,
        cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        self.call(self.inner.guard(cx, component, operation, tags)).await
    }

    async fn unguard(&self, cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        self.call(self.inner.unguard(cx, component, operation)).await
    }

    async fn guarded(&self, cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        self.call(self.inner.guarded(cx, component)).await
    }

    async fn foresee(&self, cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        self.call(self.inner.foresee(cx, request)).await
    }

    fn address(&self, job: &JobRef) -> Option<String> {
        self.inner.address(job)
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        self.call(self.inner.start(cx, request)).await
    }

    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus> {
        self.call(self.inner.poll(cx, job, wait)).await
    }

    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        self.call(self.inner.find(cx, request, since)).await
    }

    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        self.call(self.inner.cancel(cx, job)).await
    }

    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let opened = self.call(self.inner.open(cx, snapshot)).await?;
        Ok(Arc::new(Counted::new(opened, self.calls.clone(), self.death.clone())))
    }

    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        self.call(self.inner.snapshots(cx, query)).await
    }

    async fn keep(&self, cx: &OpContext, snapshot: &SnapshotRef, until: Option<Timestamp>) -> Result<()> {
        self.call(self.inner.keep(cx, snapshot, until)).await
    }

    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        self.call(self.inner.delete(cx, snapshot)).await
    }

    async fn finish_restore(&self, cx: &OpContext, resource: &RestoredResource) -> Result<Readiness> {
        self.call(self.inner.finish_restore(cx, resource)).await
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        self.call(self.inner.discard(cx, resource)).await
    }

    async fn put_record(&self, cx: &OpContext, record: &BackupRecord) -> Result<()> {
        self.call(self.inner.put_record(cx, record)).await
    }

    async fn records(&self, cx: &OpContext) -> Result<Records> {
        self.call(self.inner.records(cx)).await
    }

    async fn delete_record(&self, cx: &OpContext, backup: &BackupId) -> Result<()> {
        self.call(self.inner.delete_record(cx, backup)).await
    }
}

#[async_trait]
impl Snapshot for Counted<dyn Snapshot> {
    async fn describe(&self, cx: &OpContext) -> Result<SnapshotInfo> {
        self.call(self.inner.describe(cx)).await
    }

    async fn verify(&self, cx: &OpContext, depth: Depth) -> Result<Verification> {
        self.call(self.inner.verify(cx, depth)).await
    }

    async fn entries(&self, cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage> {
        self.call(self.inner.entries(cx, path, after)).await
    }
}
