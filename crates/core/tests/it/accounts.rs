//! A snapshot of which nobody noted the store is looked for in the account of its backup only, wherever something is concluded
//! from its absence.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use stillpoint_core::layer::ProviderLayer;
use stillpoint_core::memory::{MemoryCatalog, MemoryProvider, MemoryProvisioner, MemoryWorkspace};
use stillpoint_core::*;

const ACCOUNT: &str = "111122223333";

/// A provider that reaches the account of a backup so many times; then its credentials are those of another one.
#[derive(Debug)]
struct Moved {
    inner: Arc<MemoryProvider>,
    times: AtomicUsize,
}

impl ProviderLayer for Moved {
    fn inner(&self) -> &dyn Provider {
        self.inner.as_ref()
    }

    async fn reaches_account(&self, _cx: &OpContext, _snapshot: &SnapshotRef, account: &str) -> Result<()> {
        assert_eq!(account, ACCOUNT);
        let left = self.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        let refused = |_none| Error::new(ErrorKind::InvalidInput, "it lies in another account");
        left.map(drop).map_err(refused)
    }
}

/// A backup of a workspace in an account, and a host that reaches this account `times`.
struct Scene {
    provider: Arc<MemoryProvider>,
    moved: Arc<Moved>,
    catalog: Arc<MemoryCatalog>,
    orchestrator: LocalOrchestrator,
    backup: BackupId,
}

impl Scene {
    async fn new(account: Option<&str>, times: usize) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)));
        let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
        provider.write("/home/ada", "notes.txt", b"first");
        let home = Component::new("home".parse().unwrap(), "dir", "memory".parse().unwrap(), "/home/ada");
        let mut definition = Definition::new("ada".parse().unwrap());
        definition.account = account.map(str::to_owned);
        let workspace = Arc::new(MemoryWorkspace::new(definition, vec![home]));
        let catalog = Arc::new(MemoryCatalog::with_clock(Arc::clone(&clock)));
        let moved = Arc::new(Moved { inner: Arc::clone(&provider), times: AtomicUsize::new(times) });
        let orchestrator = LocalOrchestrator::builder(Arc::clone(&catalog) as _)
            .clock(Arc::clone(&clock))
            .provider(Arc::clone(&moved) as _)
            .workspace(workspace)
            .provisioner("memory", Arc::new(MemoryProvisioner::default()))
            .build();
        let id: OperationId = "op-1".parse().unwrap();
        let scene = Self { provider, moved, catalog, orchestrator, backup: BackupId::of(&id) };
        let request = BackupRequest::new(id, "ada".parse().unwrap());
        let ended = scene.run(Request::Backup(request)).await;
        assert_eq!(ended.state, OperationState::Completed);
        scene
    }

    async fn run(&self, request: Request) -> OperationRecord {
        let id = request.id().clone();
        self.orchestrator.submit(request).await.unwrap();
        self.orchestrator.wait(&id).await.unwrap().operation
    }

    fn delete(&self) -> Request {
        let workspace = "ada".parse().unwrap();
        Request::Delete(DeleteRequest::new("delete".parse().unwrap(), self.backup.clone(), workspace))
    }

    /// How many snapshots and records there are outside.
    async fn outside(&self) -> (usize, usize) {
        let cx = OpContext::background();
        let snapshots = self.provider.snapshots(&cx, &SnapshotQuery::all()).await.unwrap();
        (snapshots.len(), self.provider.records(&cx).await.unwrap().readable.len())
    }
}

#[tokio::test(start_paused = true)]
async fn no_operation_begins_with_a_backup_of_another_account() {
    let scene = Scene::new(Some(ACCOUNT), 0).await;
    let (backup, ada): (_, WorkspaceId) = (&scene.backup, "ada".parse().unwrap());
    let verify = VerifyRequest::new("verify".parse().unwrap(), backup.clone(), ada.clone(), Depth::Sized);
    let copy = CopyRequest::new("copy".parse().unwrap(), backup.clone(), ada, Settings::new());
    let target = "ada-2".parse().unwrap();
    let restore =
        RestoreRequest::new("restore".parse().unwrap(), backup.clone(), target, "memory", Settings::new());
    let requests = [Request::Verify(verify), Request::Copy(copy), Request::Restore(restore), scene.delete()];
    for request in requests {
        let kind = request.kind();
        let ended = scene.run(request).await;
        let error = ended.error.unwrap_or_else(|| panic!("{kind} ended {:?}", ended.state));
        assert!(error.message.contains("another account"), "{kind}: {error}");
        assert_eq!(scene.outside().await, (1, 1), "{kind} changed nothing outside");
    }
    let stored = scene.catalog.backup(backup).await.unwrap().unwrap();
    assert_eq!(stored.backup.state, BackupState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_asks_for_the_account_before_each_of_its_steps() {
    // As it is looked at, before its snapshot goes, and before its record does.
    for (times, left) in [(0, (1, 1)), (1, (1, 1)), (2, (0, 1))] {
        let scene = Scene::new(Some(ACCOUNT), times).await;
        let ended = scene.run(scene.delete()).await;
        assert_eq!(ended.state, OperationState::Failed, "after {times}: {ended:?}");
        assert_eq!(scene.outside().await, left, "after {times}");
        assert!(scene.catalog.backup(&scene.backup).await.unwrap().is_some(), "after {times}");
    }
    let scene = Scene::new(Some(ACCOUNT), 3).await;
    assert_eq!(scene.run(scene.delete()).await.state, OperationState::Completed);
    assert_eq!(scene.outside().await, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_backup_without_an_account_is_asked_for_in_none() {
    let scene = Scene::new(None, 0).await;
    assert_eq!(scene.run(scene.delete()).await.state, OperationState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_reconciliation_calls_nothing_lost_that_lies_in_another_account() {
    for (times, lost) in [(0, 0), (9, 1)] {
        let scene = Scene::new(Some(ACCOUNT), times).await;
        let info = scene.provider.snapshots(&OpContext::background(), &SnapshotQuery::all()).await.unwrap();
        scene.provider.delete(&OpContext::background(), &info[0].snapshot).await.unwrap();
        let cx = OpContext::background();
        let providers = [Arc::clone(&scene.moved) as Arc<dyn Provider>];
        let report = reconcile(&cx, scene.catalog.as_ref(), &providers).await.unwrap();
        assert_eq!(report.lost.len(), lost, "{report:?}");
    }
}
