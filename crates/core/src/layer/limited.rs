//! A bounded number of calls at a time and a second, shared fairly between operations.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::fair::{FairQueue, Place};
use crate::catalog::BackupRecord;
use crate::clock::Timestamp;
use crate::context::OpContext;
use crate::error::Result;
use crate::extent::Extent;
use crate::forecast::Estimate;
use crate::id::{BackupId, OperationId, ProviderId};
use crate::outlook::Foreseen;
use crate::provider::{
    CancelOutcome, Candidate, Capabilities, DeleteState, Finding, JobRef, JobRequest, JobStatus, Provider,
    Readiness, RestoredResource, SnapshotQuery, Tags,
};
use crate::records::Records;
use crate::snapshot::{Snapshot, SnapshotInfo, SnapshotRef};
use crate::workspace::Component;

/// How many calls a provider gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallLimits {
    /// At a time; `None` for any number.
    pub at_once: Option<usize>,
    /// A second; `None` for any number.
    pub per_second: Option<u32>,
}

impl CallLimits {
    /// `at_once` at a time and `per_second` a second; `None` for any number.
    pub fn new(at_once: Option<usize>, per_second: Option<u32>) -> Self {
        Self { at_once, per_second }
    }
}

/// A provider that is called by a bounded number of callers at a time, and so often a second.
///
/// Operations take turns: one with many components does not keep another one waiting. Calls outside an operation are
/// one party among them. What is read from a snapshot once it is open is not counted. A call that no longer waits loses its turn and nothing else.
pub struct Limited {
    inner: Arc<dyn Provider>,
    places: Option<FairQueue>,
    pace: Option<Pace>,
}

impl fmt::Debug for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limited").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// Spaces calls evenly.
#[derive(Debug)]
struct Pace {
    apart: Duration,
    next: Mutex<Timestamp>,
}

impl Pace {
    async fn wait(&self, cx: &OpContext) {
        let now = cx.clock().now();
        let mine = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = (*next).max(now);
            *next = mine.after(self.apart);
            mine
        };
        if mine > now {
            cx.clock().sleep(mine.since(now)).await;
        }
    }
}

impl Limited {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Provider>, limits: CallLimits) -> Self {
        let pace = limits.per_second.filter(|rate| *rate > 0).map(|rate| Pace {
            // Timestamps count milliseconds, and no call may come too early.
            apart: Duration::from_millis(1000u64.div_ceil(u64::from(rate))),
            next: Mutex::new(Timestamp::from_millis(0)),
        });
        Self { inner, places: limits.at_once.map(FairQueue::new), pace }
    }

    async fn enter(&self, cx: &OpContext) -> Result<Option<Place>> {
        let place = match &self.places {
            Some(places) => Some(places.enter(cx.operation().map_or("", OperationId::as_str)).await?),
            None => None,
        };
        if let Some(pace) = &self.pace {
            pace.wait(cx).await;
        }
        Ok(place)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provider for Limited {
    fn id(&self) -> &ProviderId {
        self.inner.id()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        let _place = self.enter(cx).await?;
        self.inner.preflight(cx, component).await
    }

    async fn place(&self, cx: &OpContext, component: &Component) -> Result<BTreeMap<String, String>> {
        let _place = self.enter(cx).await?;
        self.inner.place(cx, component).await
    }

    async fn preflight_base(&self, cx: &OpContext, base: &SnapshotRef) -> Result<Vec<Finding>> {
        let _place = self.enter(cx).await?;
        self.inner.preflight_base(cx, base).await
    }

    async fn extents(&self, cx: &OpContext, component: &Component) -> Result<Vec<Extent>> {
        let _place = self.enter(cx).await?;
        self.inner.extents(cx, component).await
    }

    async fn reaches(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<()> {
        let _place = self.enter(cx).await?;
        self.inner.reaches(cx, snapshot).await
    }

    async fn foresee(&self, cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        let _place = self.enter(cx).await?;
        self.inner.foresee(cx, request).await
    }

    async fn estimate(&self, cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        let _place = self.enter(cx).await?;
        self.inner.estimate(cx, component).await
    }

    fn address(&self, job: &JobRef) -> Option<String> {
        self.inner.address(job)
    }

    async fn preflight_guard(
        &self,
        cx: &OpContext,
        component: &Component,
        tags: &Tags,
    ) -> Result<Vec<Finding>> {
        let _place = self.enter(cx).await?;
        self.inner.preflight_guard(cx, component, tags).await
    }

    async fn foresee_guard(&self, cx: &OpContext, component: &Component) -> Result<Foreseen> {
        let _place = self.enter(cx).await?;
        self.inner.foresee_guard(cx, component).await
    }

    async fn guard(
        &self,
        cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        let _place = self.enter(cx).await?;
        self.inner.guard(cx, component, operation, tags).await
    }

    async fn unguard(&self, cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        let _place = self.enter(cx).await?;
        self.inner.unguard(cx, component, operation).await
    }

    async fn guarded(&self, cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        let _place = self.enter(cx).await?;
        self.inner.guarded(cx, component).await
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let _place = self.enter(cx).await?;
        self.inner.start(cx, request).await
    }

    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus> {
        let _place = self.enter(cx).await?;
        self.inner.poll(cx, job, wait).await
    }

    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        let _place = self.enter(cx).await?;
        self.inner.find(cx, request, since).await
    }

    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        let _place = self.enter(cx).await?;
        self.inner.cancel(cx, job).await
    }

    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let _place = self.enter(cx).await?;
        self.inner.open(cx, snapshot).await
    }

    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        let _place = self.enter(cx).await?;
        self.inner.snapshots(cx, query).await
    }

    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        let _place = self.enter(cx).await?;
        self.inner.delete(cx, snapshot).await
    }

    async fn keep(&self, cx: &OpContext, snapshot: &SnapshotRef, until: Option<Timestamp>) -> Result<()> {
        let _place = self.enter(cx).await?;
        self.inner.keep(cx, snapshot, until).await
    }

    async fn finish_restore(&self, cx: &OpContext, resource: &RestoredResource) -> Result<Readiness> {
        let _place = self.enter(cx).await?;
        self.inner.finish_restore(cx, resource).await
    }

    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        let _place = self.enter(cx).await?;
        self.inner.discard(cx, resource).await
    }

    async fn put_record(&self, cx: &OpContext, record: &BackupRecord) -> Result<()> {
        let _place = self.enter(cx).await?;
        self.inner.put_record(cx, record).await
    }

    async fn records(&self, cx: &OpContext) -> Result<Records> {
        let _place = self.enter(cx).await?;
        self.inner.records(cx).await
    }

    async fn delete_record(&self, cx: &OpContext, backup: &BackupId) -> Result<()> {
        let _place = self.enter(cx).await?;
        self.inner.delete_record(cx, backup).await
    }
}
