//! A catalog that is lost or slow leaves no workspace frozen, makes no step twice, and misleads nobody about what began.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stillpoint_core::layer::CatalogLayer;
use stillpoint_core::memory::{MemoryCatalog, MemoryProvider, MemoryWorkspace};
use stillpoint_core::*;

/// What goes wrong with a commit.
#[derive(Debug)]
enum Fault {
    /// The disk is full as soon as the workspace is held still.
    FullOnceHeld(Arc<MemoryWorkspace>),
    /// No commit answers as soon as the workspace is held still.
    HangsOnceHeld(Arc<MemoryWorkspace>),
    /// The replies of every other call are lost, whether the commit was made (an even half of them) or not.
    LostReplies(AtomicU32),
    /// Whether an operation was created or claimed is answered only after this time.
    SlowReplies(Duration),
    /// Changes take a second each, one at a time, as where there is one connection that writes.
    OneWriter(tokio::sync::Mutex<()>),
}

#[derive(Debug)]
struct Faulty {
    inner: MemoryCatalog,
    fault: Fault,
}

impl Faulty {
    /// The right to write, a second after it was had.
    async fn turn(&self) -> Option<tokio::sync::MutexGuard<'_, ()>> {
        let Fault::OneWriter(writer) = &self.fault else { return None };
        let turn = writer.lock().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some(turn)
    }

    async fn reply_slowly(&self) {
        if let Fault::SlowReplies(by) = &self.fault {
            tokio::time::sleep(*by).await;
        }
    }
}

impl CatalogLayer for Faulty {
    fn inner(&self) -> &dyn Catalog {
        &self.inner
    }
    async fn create_operation(&self, r: &OperationRecord, h: &Holder, ttl: Duration) -> Result<Creation> {
        let created = self.inner.create_operation(r, h, ttl).await;
        self.reply_slowly().await;
        created
    }
    async fn reserve(&self, lease: &Lease, extents: &[Extent]) -> Result<Vec<OperationId>> {
        let _turn = self.turn().await;
        self.inner.reserve(lease, extents).await
    }
    async fn claim_operation(
        &self,
        id: &OperationId,
        holder: &Holder,
        ttl: Duration,
        takeover: Option<u64>,
    ) -> Result<Claim> {
        let claimed = self.inner.claim_operation(id, holder, ttl, takeover).await;
        self.reply_slowly().await;
        claimed
    }
    async fn commit(&self, lease: &Lease, change: &OperationChange<'_>) -> Result<()> {
        let _turn = self.turn().await;
        match &self.fault {
            Fault::FullOnceHeld(workspace) if workspace.held_by().is_some() => {
                Err(Error::new(ErrorKind::QuotaExceeded, "the catalog's disk is full"))
            }
            Fault::HangsOnceHeld(workspace) if workspace.held_by().is_some() => std::future::pending().await,
            Fault::FullOnceHeld(_)
            | Fault::HangsOnceHeld(_)
            | Fault::SlowReplies(_)
            | Fault::OneWriter(_) => self.inner.commit(lease, change).await,
            Fault::LostReplies(calls) => {
                let call = calls.fetch_add(1, Ordering::Relaxed) % 4;
                if call != 0 {
                    self.inner.commit(lease, change).await?;
                }
                let lost = Error::new(ErrorKind::Unavailable, "the connection was lost").maybe_applied();
                if call % 2 == 0 { Err(lost) } else { Ok(()) }
            }
        }
    }
    async fn put_workspace(&self, record: &WorkspaceRecord) -> Result<()> {
        let _turn = self.turn().await;
        self.inner.put_workspace(record).await
    }
}

#[tokio::test]
async fn a_workspace_is_let_go_when_the_catalog_is_lost() {
    let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
    provider.write("/home/ada", "notes.txt", b"first");
    let home = Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada");
    let workspace = Arc::new(MemoryWorkspace::new(Definition::new("ada".parse().unwrap()), vec![home]));
    let fault = Fault::FullOnceHeld(workspace.clone());
    let catalog = Faulty { inner: MemoryCatalog::new(), fault };
    let orchestrator =
        LocalOrchestrator::builder(Arc::new(catalog)).provider(provider).workspace(workspace.clone()).build();

    let id: OperationId = "op-1".parse().unwrap();
    let request = BackupRequest::new(id.clone(), "ada".parse().unwrap());
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    let error = orchestrator.wait(&id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert_eq!(workspace.held_by(), None, "nobody is left to let it go");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_in_order_lets_go_although_its_catalog_never_answers() {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at("2026-03-01T10:00:00Z".parse().unwrap()));
    let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
    provider.write("/home/ada", "notes.txt", b"first");
    let home = Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada");
    let workspace = Arc::new(MemoryWorkspace::new(Definition::new("ada".parse().unwrap()), vec![home]));
    let fault = Fault::HangsOnceHeld(workspace.clone());
    let catalog = Faulty { inner: MemoryCatalog::with_clock(clock.clone()), fault };
    let builder = LocalOrchestrator::builder(Arc::new(catalog)).clock(clock.clone());
    let orchestrator = builder.provider(provider).workspace(workspace.clone()).build();

    let id: OperationId = "op-1".parse().unwrap();
    let request = BackupRequest::new(id.clone(), "ada".parse().unwrap());
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(workspace.held_by().is_some());
    let asked = clock.now();
    let left = orchestrator.hand_over().await.unwrap();
    assert_eq!(workspace.held_by(), None, "nobody is left to let it go");
    assert_eq!((left.operations, left.still_held), (vec![id], vec![]));
    assert!(clock.now().since(asked) < Duration::from_secs(10), "{:?}", clock.now().since(asked));
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_reply_was_lost_is_read_back_and_made_once() {
    let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
    provider.write("/home/ada", "notes.txt", b"first");
    let home = Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada");
    let workspace = Arc::new(MemoryWorkspace::new(Definition::new("ada".parse().unwrap()), vec![home]));
    let fault = Fault::LostReplies(AtomicU32::new(0));
    let catalog = Arc::new(Faulty { inner: MemoryCatalog::new(), fault });
    let orchestrator =
        LocalOrchestrator::builder(catalog.clone()).provider(provider).workspace(workspace.clone()).build();

    let id: OperationId = "op-1".parse().unwrap();
    let request = BackupRequest::new(id.clone(), "ada".parse().unwrap());
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    let ended = orchestrator.wait(&id).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Completed);
    let ledger = catalog.inner.ledger(&id).await.unwrap();
    let calls: Vec<_> = ledger
        .iter()
        .map(|entry| format!("{:?} {} {} {}", entry.kind, entry.action, entry.subject, entry.attempt))
        .collect();
    let mut once = calls.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), calls.len(), "a line stands in the ledger twice: {calls:#?}");
    let backup = catalog.inner.backup(&ended.backup.unwrap().id).await.unwrap().unwrap();
    assert_eq!(backup.revision, Revision(1), "the backup was written once");
}

/// An orchestrator whose catalog answers what began only after ten seconds, and that catalog.
fn slow() -> (Arc<Faulty>, LocalOrchestrator) {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at("2026-03-01T10:00:00Z".parse().unwrap()));
    let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
    provider.write("/home/ada", "notes.txt", b"first");
    let home = Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada");
    let workspace = Arc::new(MemoryWorkspace::new(Definition::new("ada".parse().unwrap()), vec![home]));
    let fault = Fault::SlowReplies(Duration::from_secs(10));
    let catalog = Arc::new(Faulty { inner: MemoryCatalog::with_clock(clock.clone()), fault });
    let builder = LocalOrchestrator::builder(catalog.clone()).clock(clock);
    (catalog, builder.provider(provider).workspace(workspace).build())
}

fn queued(id: &OperationId, seconds: u64) -> Request {
    let mut request = BackupRequest::new(id.clone(), "ada".parse().unwrap());
    request.when_busy = WhenBusy::Queue;
    request.timeout = Some(Duration::from_secs(seconds));
    Request::Backup(request)
}

#[tokio::test(start_paused = true)]
async fn a_queued_submission_is_not_refused_while_its_operation_is_being_stored() {
    let (catalog, orchestrator) = slow();
    let id: OperationId = "op-1".parse().unwrap();
    let answer = orchestrator.submit(queued(&id, 5)).await;
    let stored = catalog.inner.operation(&id).await.unwrap();
    assert_eq!(answer.is_ok(), stored.is_some(), "{answer:?}");
    answer.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_queued_submission_that_is_refused_never_begins() {
    let (catalog, orchestrator) = slow();
    let (other, id): (OperationId, OperationId) = ("other".parse().unwrap(), "op-1".parse().unwrap());
    let request = Request::Backup(BackupRequest::new(other, "ada".parse().unwrap()));
    let record = OperationRecord::submitted(request, "2026-03-01T10:00:00Z".parse().unwrap());
    let elsewhere = Holder::new("another-host", "1");
    catalog.inner.create_operation(&record, &elsewhere, Duration::from_secs(3600)).await.unwrap();

    let error = orchestrator.submit(queued(&id, 5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(catalog.inner.operation(&id).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_driven_although_nobody_waits_for_the_answer_to_its_submission() {
    let (catalog, orchestrator) = slow();
    let id: OperationId = "op-1".parse().unwrap();
    let submitted = tokio::time::timeout(Duration::from_secs(1), orchestrator.submit(queued(&id, 60))).await;
    assert!(submitted.is_err(), "the caller went away");
    // Far less than its lease lasts.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let state = catalog.inner.operation(&id).await.unwrap().unwrap().operation.state;
    assert_eq!(state, OperationState::Completed);
}

/// Whatever the operation has in the catalog when it is told to stop: storing that it was told must not wait for a call that
/// nobody looks at meanwhile.
#[tokio::test(start_paused = true)]
async fn an_operation_that_is_stopped_while_it_writes_into_the_catalog_comes_to_its_end() {
    for millis in (0..6000).step_by(250) {
        let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
        provider.write("/home/ada", "notes.txt", b"first");
        let home =
            Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada");
        let workspace = Arc::new(MemoryWorkspace::new(Definition::new("ada".parse().unwrap()), vec![home]));
        let catalog =
            Faulty { inner: MemoryCatalog::new(), fault: Fault::OneWriter(tokio::sync::Mutex::default()) };
        let orchestrator = LocalOrchestrator::builder(Arc::new(catalog))
            .provider(provider)
            .workspace(workspace.clone())
            .build();
        let id: OperationId = "op-1".parse().unwrap();
        orchestrator.submit(queued(&id, 3600)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        orchestrator.cancel(&id).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), orchestrator.wait(&id)).await;
        assert!(ended.is_ok_and(|ended| ended.is_ok()), "stopped after {millis} ms");
        assert_eq!(workspace.held_by(), None);
    }
}
