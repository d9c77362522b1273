//! The provider suite finds what it is there to find: each planted defect fails the check that names it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_conformance::memory::MemoryHarness;
use stillpoint_conformance::provider::{self, Content, Harness, Occupied};
use stillpoint_core::layer::ProviderLayer;
use stillpoint_core::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    SeesNoBlocker,
    ForgetsKeys,
    KnowsEveryJob,
    FindsNothing,
    FindsForEverybody,
    ClaimsUnsupported,
    SaysNoCapture,
    KeepsWhatItDeletes,
    IgnoresQueries,
    OverclaimsDepth,
    ListsBackwards,
    DropsAnEntry,
    RestoresOverWhatIsThere,
    RestoresEverything,
    DiscardsForAnybody,
    KeepsTwoRecords,
    UnguardsForAnybody,
}

/// A provider with one defect.
#[derive(Debug)]
struct Broken {
    inner: Arc<dyn Provider>,
    defect: Defect,
    counter: Arc<AtomicU32>,
}

impl Broken {
    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    /// The request as the defect lets it through.
    fn bent(&self, request: &JobRequest) -> JobRequest {
        let mut request = request.clone();
        if let JobRequest::Restore(job) = &mut request {
            if self.has(Defect::RestoresOverWhatIsThere) {
                job.landing = Landing::Replace;
            }
            if self.has(Defect::RestoresEverything) {
                job.include.clear();
            }
        }
        if self.has(Defect::ForgetsKeys)
            && let JobRequest::Backup(job) = &mut request
        {
            let attempt = self.counter.fetch_add(1, Ordering::Relaxed) + 2;
            job.key = JobKey::new(job.key.operation().clone(), job.key.component().clone(), attempt);
        }
        request
    }
}

impl ProviderLayer for Broken {
    fn inner(&self) -> &dyn Provider {
        &*self.inner
    }
    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        let found = self.inner.preflight(cx, component).await?;
        Ok(if self.has(Defect::SeesNoBlocker) { Vec::new() } else { found })
    }
    async fn unguard(&self, cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        let stands =
            self.inner.guarded(cx, component).await?.filter(|_| self.has(Defect::UnguardsForAnybody));
        self.inner.unguard(cx, component, &stands.unwrap_or_else(|| operation.clone())).await
    }
    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        self.inner.start(cx, &self.bent(request)).await
    }
    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus> {
        match self.inner.poll(cx, job, wait).await {
            Ok(mut status) => {
                status.captured = status.captured.filter(|_| !self.has(Defect::SaysNoCapture));
                Ok(status)
            }
            Err(_) if self.has(Defect::KnowsEveryJob) => Ok(JobStatus::new(JobState::Running)),
            Err(error) => Err(error),
        }
    }
    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        let found = self.inner.find(cx, request, since).await?;
        Ok(match self.defect {
            Defect::FindsNothing => Vec::new(),
            Defect::FindsForEverybody => {
                let job = JobRef::new(self.id().clone(), JobId::new("somebody's")?);
                vec![Candidate::new(job, Evidence::Proven)]
            }
            _ => found,
        })
    }
    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        let outcome = self.inner.cancel(cx, job).await?;
        Ok(if self.has(Defect::ClaimsUnsupported) { CancelOutcome::Unsupported } else { outcome })
    }
    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        let inner = self.inner.open(cx, snapshot).await?;
        Ok(Arc::new(BrokenSnapshot { inner, defect: self.defect }))
    }
    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        let all = SnapshotQuery::all();
        self.inner.snapshots(cx, if self.has(Defect::IgnoresQueries) { &all } else { query }).await
    }
    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        if self.has(Defect::KeepsWhatItDeletes) {
            return Ok(DeleteState::Gone);
        }
        self.inner.delete(cx, snapshot).await
    }
    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        match self.inner.discard(cx, resource).await {
            Err(_) if self.has(Defect::DiscardsForAnybody) => Ok(()),
            answer => answer,
        }
    }
    async fn records(&self, cx: &OpContext) -> Result<Records> {
        let mut records = self.inner.records(cx).await?;
        if self.has(Defect::KeepsTwoRecords) {
            records.readable.extend_from_within(..);
        }
        Ok(records)
    }
}

#[derive(Debug)]
struct BrokenSnapshot {
    inner: Arc<dyn Snapshot>,
    defect: Defect,
}

#[async_trait]
impl Snapshot for BrokenSnapshot {
    async fn describe(&self, cx: &OpContext) -> Result<SnapshotInfo> {
        self.inner.describe(cx).await
    }
    async fn verify(&self, cx: &OpContext, depth: Depth) -> Result<Verification> {
        let mut verified = self.inner.verify(cx, depth).await?;
        if self.defect == Defect::OverclaimsDepth {
            verified.depth = Depth::Restored;
        }
        Ok(verified)
    }
    async fn entries(&self, cx: &OpContext, path: &str, after: Option<&str>) -> Result<EntryPage> {
        let mut page = self.inner.entries(cx, path, after).await?;
        match self.defect {
            Defect::ListsBackwards => page.entries.reverse(),
            Defect::DropsAnEntry => page.entries.truncate(2),
            _ => {}
        }
        Ok(page)
    }
}

struct BrokenHarness {
    inner: MemoryHarness,
    defect: Defect,
    counter: Arc<AtomicU32>,
}

#[async_trait]
impl Harness for BrokenHarness {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        let inner = self.inner.provider().await?;
        Ok(Arc::new(Broken { inner, defect: self.defect, counter: Arc::clone(&self.counter) }))
    }
    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        self.inner.source(name, seed).await
    }
    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        self.inner.change(source, seed).await
    }
    fn missing(&self) -> Component {
        self.inner.missing()
    }
    async fn source_content(&self, source: &Component) -> Result<Content> {
        self.inner.source_content(source).await
    }
    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        self.inner.restored_content(resource).await
    }
    async fn destination(&self, name: &str) -> Result<Settings> {
        self.inner.destination(name).await
    }
    async fn occupied(&self, name: &str) -> Result<Option<Occupied>> {
        self.inner.occupied(name).await
    }
}

/// Whether a check fails on a provider with this defect.
async fn finds<F, Fut>(defect: Defect, check: F) -> bool
where
    F: FnOnce(Arc<BrokenHarness>) -> Fut,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    let harness = BrokenHarness { inner: MemoryHarness::new(), defect, counter: Arc::default() };
    let ended = tokio::spawn(check(Arc::new(harness))).await;
    !matches!(ended, Ok(Ok(())))
}

macro_rules! planted {
    ($($test:ident: $defect:ident is found by $check:ident;)+) => {
        $(#[tokio::test]
        async fn $test() {
            let check = |harness: Arc<BrokenHarness>| async move { provider::$check(harness.as_ref()).await };
            assert!(finds(Defect::$defect, check).await, "{:?} was not found", Defect::$defect);
        })+

        #[test]
        fn each_defect_is_planted_once() {
            let planted = [$(Defect::$defect),+];
            for (index, defect) in planted.iter().enumerate() {
                assert_eq!(planted.iter().position(|other| other == defect).unwrap(), index);
            }
        }
    };
}

planted! {
    a_missing_blocker: SeesNoBlocker is found by a_missing_source_is_a_blocker;
    a_forgotten_key: ForgetsKeys is found by the_same_key_is_one_job;
    an_invented_job: KnowsEveryJob is found by an_unknown_job_is_not_found;
    a_lost_job: FindsNothing is found by a_found_job_is_proven_ours;
    a_stranger_s_job: FindsForEverybody is found by a_job_never_started_is_not_there;
    a_denied_capability: ClaimsUnsupported is found by cancelling_follows_the_capability;
    a_hidden_capture: SaysNoCapture is found by a_job_says_when_its_content_was_captured;
    a_deletion_that_keeps: KeepsWhatItDeletes is found by a_deleted_snapshot_is_gone_and_stays_gone;
    an_ignored_query: IgnoresQueries is found by snapshots_are_found_by_what_is_written_on_them;
    an_overclaimed_depth: OverclaimsDepth is found by verification_never_claims_more_than_was_asked;
    a_backward_list: ListsBackwards is found by entries_come_whole_and_in_order;
    a_dropped_entry: DropsAnEntry is found by entries_come_whole_and_in_order;
    an_overwritten_target: RestoresOverWhatIsThere is found by a_restore_never_writes_over_what_is_there;
    a_restore_of_too_much: RestoresEverything is found by a_single_path_is_restored_as_the_capability_says;
    a_foreign_discard: DiscardsForAnybody is found by a_resource_of_another_operation_is_not_discarded;
    a_foreign_unguard: UnguardsForAnybody is found by a_guard_stands_as_the_capability_says;
    a_doubled_record: KeepsTwoRecords is found by records_are_kept_as_the_capability_says;
}
