//! A provider or control plane that is away for a while ends no operation that only looked.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{FaultPlan, LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A backup, and an orchestrator that has one operation at work at a time.
async fn backed_up() -> (SimWorld, LocalOrchestrator) {
    let files = ("home", SimKind::FileSystem, 20 * GB, 10_000);
    let world = SimWorld::new(SimConfig::default(), &[files]).unwrap();
    let orchestrator = LocalOrchestrator::builder(world.catalog.clone() as Arc<dyn Catalog>)
        .clock(Arc::clone(&world.clock))
        .lease_ttl(LEASE_TTL)
        .operation_limits(OperationLimits::new(Some(1), Some(1)))
        .provider(Arc::new(world.cloud.provider("sim".parse().unwrap())))
        .workspace(world.workspace.clone())
        .provisioner("sim", world.provisioner.clone())
        .build();
    let status = world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    (world, orchestrator)
}

/// Submits a request at the beginning of an outage, which the operation is to live through.
async fn outlives_an_outage(request: impl FnOnce(&SimWorld) -> Request) {
    let (world, orchestrator) = backed_up().await;
    let (from, request) = (world.clock.now(), request(&world));
    let until = from.after(20 * MINUTE);
    world.cloud.set_faults(FaultPlan::none().outage(from, until));
    let ended = world.run(&orchestrator, request).await.unwrap().operation;
    assert_eq!((ended.state, ended.error), (OperationState::Completed, None));
    assert!(ended.finished_at.unwrap() > until);
}

#[tokio::test(start_paused = true)]
async fn a_backup_waits_until_its_provider_can_be_asked() {
    outlives_an_outage(|world| Request::Backup(world.backup("backup-2").unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn a_restore_waits_until_its_provider_can_be_asked() {
    outlives_an_outage(|world| Request::Restore(world.restore("restore", "backup", "ws-2").unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_waits_until_its_provider_can_be_asked() {
    outlives_an_outage(|world| Request::Copy(world.copy("copy", "backup").unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_waits_for_its_provider_can_be_cancelled() {
    let (world, orchestrator) = backed_up().await;
    let from = world.clock.now();
    world.cloud.set_faults(FaultPlan::none().outage(from, from.after(20 * MINUTE)));
    let request = Request::Restore(world.restore("restore", "backup", "ws-2").unwrap());
    orchestrator.submit(request).await.unwrap();
    world.pass(10 * MINUTE).await;
    let id: OperationId = "restore".parse().unwrap();
    orchestrator.cancel(&id).await.unwrap();
    let ended = world.finish(&orchestrator, &id).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Cancelled);
    assert!(ended.finished_at.unwrap() < from.after(12 * MINUTE), "{:?}", ended.finished_at);
}
