//! What a mortal process holds: the catalog, the provider, the workspace and the provisioner behind its fuse.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::*;

use super::fuse::Fuse;

/// A catalog behind a fuse. Each write is a boundary.
#[derive(Debug)]
pub struct FusedCatalog {
    inner: Arc<dyn Catalog>,
    fuse: Arc<Fuse>,
}

/// A provider behind a fuse. Each mutating call is a boundary.
#[derive(Debug)]
pub struct FusedProvider {
    inner: Arc<dyn Provider>,
    fuse: Arc<Fuse>,
}

/// A workspace behind a fuse. Quiesce and resume are boundaries.
#[derive(Debug)]
pub struct FusedWorkspace {
    inner: Arc<dyn Workspace>,
    fuse: Arc<Fuse>,
}

/// A provisioner behind a fuse. Each call but the preflight is a boundary.
#[derive(Debug)]
pub struct FusedProvisioner {
    inner: Arc<dyn Provisioner>,
    fuse: Arc<Fuse>,
}

macro_rules! fused {
    ($name:ident, $inner:ty) => {
        impl $name {
            /// Puts `inner` behind `fuse`.
            pub fn new(inner: Arc<$inner>, fuse: Arc<Fuse>) -> Self {
                Self { inner, fuse }
            }
        }
    };
}

fused!(FusedCatalog, dyn Catalog);
fused!(FusedProvider, dyn Provider);
fused!(FusedWorkspace, dyn Workspace);
fused!(FusedProvisioner, dyn Provisioner);

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Catalog for FusedCatalog {
    async fn create_operation(
        &self,
        record: &OperationRecord,
        holder: &Holder,
        ttl: Duration,
    ) -> Result<Creation> {
        self.fuse.cross(self.inner.create_operation(record, holder, ttl)).await
    }
    async fn operation(&self, id: &OperationId) -> Result<Option<StoredOperation>> {
        self.fuse.read(self.inner.operation(id)).await
    }
    async fn count_backups(&self, query: &BackupQuery) -> Result<u64> {
        self.fuse.read(self.inner.count_backups(query)).await
    }
    async fn operations(&self, query: &OperationQuery) -> Result<Page<StoredOperation>> {
        self.fuse.read(self.inner.operations(query)).await
    }
    async fn claim_operation(
        &self,
        id: &OperationId,
        holder: &Holder,
        ttl: Duration,
        takeover: Option<u64>,
    ) -> Result<Claim> {
        self.fuse.cross(self.inner.claim_operation(id, holder, ttl, takeover)).await
    }
    async fn renew_lease(&self, lease: &Lease, ttl: Duration) -> Result<Renewal> {
        // A lease that was renewed or not makes no difference to anybody but its dead holder.
        self.fuse.read(self.inner.renew_lease(lease, ttl)).await
    }
    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        self.fuse.cross(self.inner.release_lease(lease)).await
    }
    async fn reserve(&self, lease: &Lease, extents: &[Extent]) -> Result<Vec<OperationId>> {
        self.fuse.cross(self.inner.reserve(lease, extents)).await
    }
    async fn commit(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<()> {
        self.fuse.cross(self.inner.commit(lease, change)).await
    }
    async fn request_cancel(&self, id: &OperationId) -> Result<()> {
        self.fuse.cross(self.inner.request_cancel(id)).await
    }
    async fn ledger(&self, id: &OperationId) -> Result<Vec<LedgerEntry>> {
        self.fuse.read(self.inner.ledger(id)).await
    }
    async fn put_workspace(&self, record: &WorkspaceRecord) -> Result<()> {
        self.fuse.cross(self.inner.put_workspace(record)).await
    }
    async fn workspace(&self, id: &WorkspaceId) -> Result<Option<WorkspaceRecord>> {
        self.fuse.read(self.inner.workspace(id)).await
    }
    async fn workspaces(&self, after: Option<&WorkspaceId>, limit: usize) -> Result<Page<WorkspaceRecord>> {
        self.fuse.read(self.inner.workspaces(after, limit)).await
    }
    async fn backup(&self, id: &BackupId) -> Result<Option<StoredBackup>> {
        self.fuse.read(self.inner.backup(id)).await
    }
    async fn backups(&self, query: &BackupQuery) -> Result<Page<StoredBackup>> {
        self.fuse.read(self.inner.backups(query)).await
    }
    async fn put_backup(&self, record: &BackupRecord, expected: Option<Revision>) -> Result<Revision> {
        self.fuse.cross(self.inner.put_backup(record, expected)).await
    }
    async fn add_backups(&self, records: &[BackupRecord]) -> Result<Vec<bool>> {
        self.fuse.cross(self.inner.add_backups(records)).await
    }
    async fn put_schedule(&self, record: &ScheduleRecord, expected: Option<Revision>) -> Result<Revision> {
        self.fuse.cross(self.inner.put_schedule(record, expected)).await
    }
    async fn schedule(&self, id: &ScheduleId) -> Result<Option<StoredSchedule>> {
        self.fuse.read(self.inner.schedule(id)).await
    }
    async fn schedules(&self, query: &ScheduleQuery) -> Result<Page<StoredSchedule>> {
        self.fuse.read(self.inner.schedules(query)).await
    }
    async fn remove_schedule(&self, id: &ScheduleId) -> Result<()> {
        self.fuse.cross(self.inner.remove_schedule(id)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provider for FusedProvider {
    fn id(&self) -> &ProviderId {
        self.inner.id()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    async fn preflight(&self, cx: &OpContext, component: &Component) -> Result<Vec<Finding>> {
        self.fuse.read(self.inner.preflight(cx, component)).await
    }
    async fn place(&self, cx: &OpContext, component: &Component) -> Result<BTreeMap<String, String>> {
        self.fuse.read(self.inner.place(cx, component)).await
    }

    async fn preflight_base(&self, cx: &OpContext, base: &SnapshotRef) -> Result<Vec<Finding>> {
        self.fuse.read(self.inner.preflight_base(cx, base)).await
    }

    async fn extents(&self, cx: &OpContext, component: &Component) -> Result<Vec<Extent>> {
        self.fuse.read(self.inner.extents(cx, component)).await
    }
    async fn reaches(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<()> {
        self.fuse.read(self.inner.reaches(cx, snapshot)).await
    }
    async fn foresee(&self, cx: &OpContext, request: &JobRequest) -> Result<Foreseen> {
        self.fuse.read(self.inner.foresee(cx, request)).await
    }
    async fn estimate(&self, cx: &OpContext, component: &Component) -> Result<Option<Estimate>> {
        self.fuse.read(self.inner.estimate(cx, component)).await
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
        self.fuse.read(self.inner.preflight_guard(cx, component, tags)).await
    }
    async fn foresee_guard(&self, cx: &OpContext, component: &Component) -> Result<Foreseen> {
        self.fuse.read(self.inner.foresee_guard(cx, component)).await
    }
    async fn guard(
        &self,
        cx: &OpContext,
        component: &Component,
        operation: &OperationId,
        tags: &Tags,
    ) -> Result<Tags> {
        self.fuse.cross(self.inner.guard(cx, component, operation, tags)).await
    }
    async fn unguard(&self, cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        self.fuse.cross(self.inner.unguard(cx, component, operation)).await
    }
    async fn guarded(&self, cx: &OpContext, component: &Component) -> Result<Option<OperationId>> {
        self.fuse.read(self.inner.guarded(cx, component)).await
    }
    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        self.fuse.cross(self.inner.start(cx, request)).await
    }
    async fn poll(&self, cx: &OpContext, job: &JobRef, wait: Duration) -> Result<JobStatus> {
        self.fuse.read(self.inner.poll(cx, job, wait)).await
    }
    async fn find(&self, cx: &OpContext, request: &JobRequest, since: Timestamp) -> Result<Vec<Candidate>> {
        self.fuse.read(self.inner.find(cx, request, since)).await
    }
    async fn cancel(&self, cx: &OpContext, job: &JobRef) -> Result<CancelOutcome> {
        self.fuse.cross(self.inner.cancel(cx, job)).await
    }
    async fn open(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<Arc<dyn Snapshot>> {
        self.fuse.read(self.inner.open(cx, snapshot)).await
    }
    async fn snapshots(&self, cx: &OpContext, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        self.fuse.read(self.inner.snapshots(cx, query)).await
    }
    async fn delete(&self, cx: &OpContext, snapshot: &SnapshotRef) -> Result<DeleteState> {
        self.fuse.cross(self.inner.delete(cx, snapshot)).await
    }
    async fn keep(&self, cx: &OpContext, snapshot: &SnapshotRef, until: Option<Timestamp>) -> Result<()> {
        self.fuse.cross(self.inner.keep(cx, snapshot, until)).await
    }
    async fn finish_restore(&self, cx: &OpContext, resource: &RestoredResource) -> Result<Readiness> {
        self.fuse.cross(self.inner.finish_restore(cx, resource)).await
    }
    async fn discard(&self, cx: &OpContext, resource: &RestoredResource) -> Result<()> {
        self.fuse.cross(self.inner.discard(cx, resource)).await
    }
    async fn put_record(&self, cx: &OpContext, record: &BackupRecord) -> Result<()> {
        self.fuse.cross(self.inner.put_record(cx, record)).await
    }
    async fn records(&self, cx: &OpContext) -> Result<Records> {
        self.fuse.read(self.inner.records(cx)).await
    }
    async fn delete_record(&self, cx: &OpContext, backup: &BackupId) -> Result<()> {
        self.fuse.cross(self.inner.delete_record(cx, backup)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Workspace for FusedWorkspace {
    fn id(&self) -> &WorkspaceId {
        self.inner.id()
    }
    async fn definition(&self, cx: &OpContext) -> Result<Definition> {
        self.fuse.read(self.inner.definition(cx)).await
    }
    async fn inventory(&self, cx: &OpContext) -> Result<Vec<Component>> {
        self.fuse.read(self.inner.inventory(cx)).await
    }
    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        self.fuse.cross(self.inner.quiesce(cx, id, options)).await
    }
    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()> {
        self.fuse.cross(self.inner.resume(cx, id)).await
    }
    async fn hold(&self, cx: &OpContext) -> Result<Option<HoldInfo>> {
        self.fuse.read(self.inner.hold(cx)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Provisioner for FusedProvisioner {
    async fn preflight(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Finding>> {
        self.fuse.read(self.inner.preflight(cx, request)).await
    }
    async fn extents(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Extent>> {
        self.fuse.read(self.inner.extents(cx, request)).await
    }
    async fn provision(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        self.fuse.cross(self.inner.provision(cx, request)).await
    }
    async fn attach(&self, cx: &OpContext, made: &Provisioned, resources: &[RestoredResource]) -> Result<()> {
        self.fuse.cross(self.inner.attach(cx, made, resources)).await
    }
    async fn activate(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        self.fuse.cross(self.inner.activate(cx, made)).await
    }
    async fn discard(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        self.fuse.cross(self.inner.discard(cx, made)).await
    }
}
