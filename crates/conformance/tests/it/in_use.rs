//! A backup that is being read is not deleted.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_conformance::sim::{SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;

/// A world with a backup, of which a restore is under way.
async fn restoring() -> (SimWorld, LocalOrchestrator) {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 20 * GB, 1000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    let restore = world.restore("restore", "backup", "ws-2").unwrap();
    orchestrator.submit(Request::Restore(restore)).await.unwrap();
    world.pass(Duration::from_secs(30)).await;
    (world, orchestrator)
}

async fn finish(world: &SimWorld, orchestrator: &LocalOrchestrator, id: &str) -> OperationRecord {
    world.finish(orchestrator, &id.parse().unwrap()).await.unwrap().operation
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_is_being_restored_is_deleted_only_after_that() {
    let (world, orchestrator) = restoring().await;
    let request = world.delete("too-early", "backup").unwrap();
    let id = request.backup.clone();
    let plan = orchestrator.plan_delete(&request).await.unwrap();
    assert!(plan.findings.iter().any(|finding| finding.check == "not-in-use"), "{:?}", plan.findings);
    let refused = world.run(&orchestrator, Request::Delete(request)).await.unwrap().operation;
    let error = refused.error.unwrap();
    assert_eq!((refused.state, error.kind), (OperationState::Failed, ErrorKind::Busy));
    assert!(error.message.contains("restore restore of workspace ws-2"), "{error}");
    let kept = world.catalog.backup(&id).await.unwrap().unwrap().backup;
    assert_eq!((kept.state, world.cloud.snapshots().len()), (BackupState::Completed, 1));

    assert_eq!(finish(&world, &orchestrator, "restore").await.state, OperationState::Completed);
    let request = world.delete("in-time", "backup").unwrap();
    let done = world.run(&orchestrator, Request::Delete(request)).await.unwrap().operation;
    assert_eq!((done.state, world.cloud.snapshots().len()), (OperationState::Completed, 0), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn retention_keeps_what_is_being_restored_until_the_next_time() {
    let (world, orchestrator) = restoring().await;
    let status = world.run(&orchestrator, Request::Backup(world.backup("newer").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    let restore = world.restore("again", "backup", "ws-3").unwrap();
    orchestrator.submit(Request::Restore(restore)).await.unwrap();
    let mut policy = RetentionPolicy::default();
    policy.last = 1;
    let (catalog, now) = (world.catalog.as_ref(), world.clock.now());
    let judged = preview(catalog, None, &policy, now).await.unwrap();
    assert_eq!(judged.remove.len(), 1);
    let entropy = SeededEntropy::new(1);
    let done = forget(&orchestrator, catalog, None, &policy, &judged, now, &entropy).await.unwrap();
    assert_eq!((done.deleted.len(), done.failed.len(), done.kept.len()), (0, 0, 1), "{done:?}");
    assert!(done.kept[0].1.contains("restore again"), "{done:?}");
    assert_eq!(finish(&world, &orchestrator, "again").await.state, OperationState::Completed);
}
