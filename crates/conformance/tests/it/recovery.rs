//! Hosts in which nobody waits: what a dead process left is taken over all the same.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use stillpoint_conformance::sim::{LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn world() -> SimWorld {
    SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 20 * GB, 10_000)]).unwrap()
}

/// A backup that a process began and did not live to end.
async fn left_behind(world: &SimWorld, timeout: Option<Duration>, dies_after: Duration) -> OperationId {
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op").unwrap();
    request.timeout = timeout;
    first.submit(Request::Backup(request)).await.unwrap();
    world.pass(dies_after).await;
    "op".parse().unwrap()
}

async fn stored(world: &SimWorld, id: &OperationId) -> StoredOperation {
    world.catalog.operation(id).await.unwrap().unwrap()
}

fn spawned(recovery: Recovery) -> (Cancellation, tokio::task::JoinHandle<()>) {
    let stop = Cancellation::new();
    let seen = stop.clone();
    (stop, tokio::spawn(async move { recovery.run(&seen).await }))
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_goes_on_within_a_lease_and_a_pause_though_nobody_asks() {
    let world = world();
    let second = Arc::new(world.orchestrator().unwrap());
    let (stop, task) = spawned(Recovery::new(second.clone(), Arc::clone(&world.clock)));
    let id = left_behind(&world, None, MINUTE).await;
    assert_eq!(stored(&world, &id).await.lease.epoch, 1);
    world.pass(LEASE_TTL + RECOVER_EVERY_DEFAULT).await;
    assert_eq!(stored(&world, &id).await.lease.epoch, 2, "taken over in time");
    world.pass(180 * MINUTE).await;
    assert_eq!(stored(&world, &id).await.operation.state, OperationState::Completed);
    assert_eq!((world.cloud.jobs().len(), world.workspace.held_by()), (1, None));

    stop.cancel();
    tokio::time::timeout(Duration::from_millis(1), task).await.expect("it does not sleep on").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_detached_operation_is_followed_to_its_end_though_nobody_asks() {
    let config = SimConfig::with(|config| config.bytes_per_second = 1_000_000);
    let world = SimWorld::new(config, &[("home", SimKind::FileSystem, 20 * GB, 10)]).unwrap();
    let second = Arc::new(world.orchestrator().unwrap());
    let (_stop, _task) = spawned(Recovery::new(second.clone(), Arc::clone(&world.clock)));
    let id = left_behind(&world, Some(60 * MINUTE), 61 * MINUTE).await;
    assert_eq!(stored(&world, &id).await.operation.state, OperationState::Detached);
    world.pass(Duration::from_secs(24 * 3600)).await;
    assert_eq!(stored(&world, &id).await.operation.state, OperationState::Partial);
    assert_eq!(world.cloud.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_begun_with_another_store_is_left_to_whoever_has_that() {
    let world = world();
    let of = |store: &str| {
        LocalOrchestrator::builder(Arc::clone(&world.catalog) as Arc<dyn Catalog>)
            .clock(Arc::clone(&world.clock))
            .holder(Holder::new("sim-host", store))
            .lease_ttl(LEASE_TTL)
            .provider(Arc::new(world.cloud.provider("sim".parse().unwrap())))
            .workspace(Arc::clone(&world.workspace) as Arc<dyn Workspace>)
            .note("store", store)
            .build()
    };
    let first = of("b1");
    first.submit(Request::Backup(world.backup("op").unwrap())).await.unwrap();
    world.pass(MINUTE).await;
    drop(first);
    world.pass(LEASE_TTL * 2).await;
    let (id, other) = ("op".parse().unwrap(), of("b2"));
    assert_eq!(other.recover().await.unwrap(), []);
    let mut next = world.backup("op-2").unwrap();
    next.when_busy = WhenBusy::Resume;
    let busy = other.submit(Request::Backup(next)).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    assert!(busy.to_string().contains("with the store b1 and interrupted"), "{busy}");
    let same = of("b1");
    assert_eq!(same.recover().await.unwrap(), [id]);
    let ended = world.finish(&same, &"op".parse().unwrap()).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Completed);

    // The store may be gone for good; nobody has to wait for it in order to cancel.
    same.submit(Request::Backup(world.backup("op-3").unwrap())).await.unwrap();
    world.pass(MINUTE).await;
    drop(same);
    world.pass(LEASE_TTL * 2).await;
    let id = "op-3".parse().unwrap();
    other.cancel(&id).await.unwrap();
    assert_eq!(other.recover().await.unwrap(), std::slice::from_ref(&id));
    let ended = world.finish(&other, &id).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn hosts_that_all_recover_drive_an_operation_once() {
    let world = world();
    let hosts: Vec<_> = (0..4).map(|_| Arc::new(world.orchestrator().unwrap())).collect();
    let tasks: Vec<_> = hosts
        .iter()
        .map(|host| spawned(Recovery::new(host.clone(), Arc::clone(&world.clock)).every(MINUTE / 6)))
        .collect();
    let id = left_behind(&world, None, MINUTE).await;
    world.pass(90 * MINUTE).await;
    let ended = stored(&world, &id).await;
    assert_eq!((ended.operation.state, ended.lease.epoch), (OperationState::Completed, 2));
    assert_eq!(world.cloud.jobs().len(), 1);
    tasks.iter().for_each(|(stop, _)| stop.cancel());
}

/// An orchestrator whose catalog cannot be asked at first.
#[derive(Debug)]
struct AwayAtFirst {
    inner: LocalOrchestrator,
    failures: AtomicU32,
    looks: AtomicU32,
}

#[async_trait]
impl Orchestrator for AwayAtFirst {
    async fn plan(&self, request: &BackupRequest) -> Result<Plan> {
        self.inner.plan(request).await
    }
    async fn plan_restore(&self, request: &RestoreRequest) -> Result<RestorePlan> {
        self.inner.plan_restore(request).await
    }
    async fn plan_delete(&self, request: &DeleteRequest) -> Result<DeletePlan> {
        self.inner.plan_delete(request).await
    }
    async fn submit(&self, request: Request) -> Result<OperationStatus> {
        self.inner.submit(request).await
    }
    async fn status(&self, id: &OperationId) -> Result<OperationStatus> {
        self.inner.status(id).await
    }
    async fn wait(&self, id: &OperationId) -> Result<OperationStatus> {
        self.inner.wait(id).await
    }
    fn events(&self) -> BoxStream<'static, OperationEvent> {
        self.inner.events()
    }
    async fn cancel(&self, id: &OperationId) -> Result<()> {
        self.inner.cancel(id).await
    }
    async fn recover(&self) -> Result<Vec<OperationId>> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let left = self.failures.load(Ordering::Relaxed);
        if left > 0 {
            self.failures.store(left - 1, Ordering::Relaxed);
            return Err(Error::new(ErrorKind::Unavailable, "the catalog is away"));
        }
        self.inner.recover().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_ends_nothing_and_looks_are_as_far_apart_as_was_said() {
    let world = world();
    let failures = AtomicU32::new(30);
    let second = AwayAtFirst { inner: world.orchestrator().unwrap(), failures, looks: AtomicU32::new(0) };
    let second = Arc::new(second);
    let recovery = Recovery::new(second.clone(), Arc::clone(&world.clock)).every(MINUTE);
    let (_stop, _task) = spawned(recovery);
    let id = left_behind(&world, None, MINUTE).await;
    world.pass(28 * MINUTE).await;
    assert_eq!(stored(&world, &id).await.lease.epoch, 1, "nobody could be asked");
    world.pass(3 * MINUTE + Duration::from_secs(1)).await;
    assert_eq!(second.looks.load(Ordering::Relaxed), 33);
    assert_eq!(stored(&world, &id).await.lease.epoch, 2);
}
