//! Verifications and copies of backups, on a simulated cloud under virtual time.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fate, Fault, FaultPlan, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);

async fn backed_up() -> (SimWorld, LocalOrchestrator) {
    let components =
        [("data", SimKind::Volume, 20 * GB, 20_000), ("home", SimKind::FileSystem, 10 * GB, 10_000)];
    let world = SimWorld::new(SimConfig::default(), &components).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    (world, orchestrator)
}

fn of(operation: &str) -> BackupId {
    BackupId::of(&operation.parse().unwrap())
}

async fn catalogued(world: &SimWorld, operation: &str) -> Option<BackupRecord> {
    world.catalog.backup(&of(operation)).await.unwrap().map(|stored| stored.backup)
}

async fn verified(world: &SimWorld, orchestrator: &LocalOrchestrator, id: &str) -> OperationRecord {
    let request = Request::Verify(world.verify(id, "backup").unwrap());
    world.run(orchestrator, request).await.unwrap().operation
}

#[tokio::test(start_paused = true)]
async fn a_good_backup_is_proven_and_the_proof_is_recorded_with_its_time_and_depth() {
    let (world, orchestrator) = backed_up().await;
    world.pass(HOUR).await;
    let before = world.clock.now();
    assert_eq!(verified(&world, &orchestrator, "verify").await.state, OperationState::Completed);
    let backup = catalogued(&world, "backup").await.unwrap();
    assert_eq!(backup.state, BackupState::Completed);
    for component in backup.components.iter().filter(|component| component.snapshot.is_some()) {
        assert_eq!(component.verified, Some(Depth::Sized), "as deep as this cloud can look");
        assert!(component.verified_at.unwrap() >= before);
    }
    assert_eq!(world.cloud.records(), [backup], "the record beside the data says the same");
}

#[tokio::test(start_paused = true)]
async fn a_damaged_backup_is_no_longer_the_latest_good_one_until_it_is_whole_again() {
    let (world, orchestrator) = backed_up().await;
    let next = world.backup("backup-2").unwrap();
    world.run(&orchestrator, Request::Backup(next)).await.unwrap();
    let newest = catalogued(&world, "backup-2").await.unwrap();
    assert_eq!(world.catalog.latest_good(None).await.unwrap().unwrap().id, newest.id);
    let lost = newest.components[0].snapshot.clone().unwrap();
    world.cloud.lose(&lost.id);

    let mut request = world.verify("verify", "backup-2").unwrap();
    request.creator = Some("ada".into());
    let ended = world.run(&orchestrator, Request::Verify(request)).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Partial);
    assert_eq!((ended.issues[0].kind.as_str(), ended.issues[0].item.as_str()), ("damaged", lost.id.as_str()));
    let judged = catalogued(&world, "backup-2").await.unwrap();
    assert_eq!(judged.state, BackupState::Damaged);
    assert_eq!(judged.components[0].state, ComponentState::Damaged);
    assert_eq!(judged.components[1].state, ComponentState::Completed, "the other one is as good as it was");
    assert_eq!(world.catalog.latest_good(None).await.unwrap().unwrap().id, of("backup"));
}

#[tokio::test(start_paused = true)]
async fn a_hold_set_while_a_verification_runs_is_kept() {
    let (world, orchestrator) = backed_up().await;
    let slow = FaultPlan::none().outage(world.clock.now(), world.clock.now().after(HOUR / 6));
    world.cloud.set_faults(slow);
    let request = world.verify("verify", "backup").unwrap();
    orchestrator.submit(Request::Verify(request)).await.unwrap();
    world.pass(Duration::from_secs(60)).await;
    let stored = world.catalog.backup(&of("backup")).await.unwrap().unwrap();
    let mut held = stored.backup.clone();
    held.held = true;
    world.catalog.put_backup(&held, Some(stored.revision)).await.unwrap();
    let ended = world.finish(&orchestrator, &"verify".parse().unwrap()).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Completed);
    let backup = catalogued(&world, "backup").await.unwrap();
    assert!(backup.held && backup.components[0].verified_at.is_some(), "{backup:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_is_not_called_damaged() {
    let (world, orchestrator) = backed_up().await;
    world.cloud.set_faults(FaultPlan::none().outage(world.clock.now(), world.clock.now().after(100 * HOUR)));
    let ended = verified(&world, &orchestrator, "verify").await;
    assert_eq!(ended.state, OperationState::Failed, "{ended:?}");
    assert_eq!(catalogued(&world, "backup").await.unwrap().state, BackupState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_a_backup_of_its_own_that_restores_when_the_original_is_gone() {
    let (world, orchestrator) = backed_up().await;
    let mut request = world.copy("copy", "backup").unwrap();
    request.retain = Some(24 * HOUR);
    let ended = world.run(&orchestrator, Request::Copy(request)).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Completed, "{:?}", ended.operation);
    let (original, copy) = (catalogued(&world, "backup").await.unwrap(), ended.backup.unwrap());
    assert_eq!((copy.id.clone(), copy.copy_of.clone()), (of("copy"), Some(original.id.clone())));
    assert_eq!((copy.state, copy.created_at), (BackupState::Completed, original.created_at));
    assert_eq!(copy.expires_at, Some(ended.operation.started_at.after(24 * HOUR)));
    assert_eq!(copy.added_bytes, original.added_bytes, "both are full");
    for (one, other) in original.components.iter().zip(&copy.components) {
        assert!(one.snapshot.is_none() == other.snapshot.is_none());
        assert!(one.snapshot.is_none() || one.snapshot != other.snapshot);
    }
    assert_eq!(world.cloud.records().len(), 2);
    let latest = world.catalog.latest_good(Some(&world.workspace_id())).await.unwrap().unwrap();
    assert_eq!(latest.id, original.id, "the copy does not hide it");
    assert_eq!(world.catalog.resolve(&format!("ws@{}", original.created_at)).await.unwrap().id, original.id);

    let deleted = world.run(&orchestrator, Request::Delete(world.delete("delete", "backup").unwrap())).await;
    assert_eq!(deleted.unwrap().operation.state, OperationState::Completed);
    let latest = world.catalog.latest_good(None).await.unwrap().unwrap();
    assert_eq!(latest.id, copy.id);
    let restore = world.restore("restore", "copy", "ws-2").unwrap();
    let restored = world.run(&orchestrator, Request::Restore(restore)).await.unwrap();
    assert_eq!(restored.operation.state, OperationState::Completed, "{:?}", restored.operation);
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_which_one_part_fails_leaves_nothing_behind() {
    let (world, orchestrator) = backed_up().await;
    let failing = Fate::failing(ErrorKind::QuotaExceeded, "the vault is full");
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, failing));
    let ended = world.run(&orchestrator, Request::Copy(world.copy("copy", "backup").unwrap())).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Failed);
    assert!(ended.operation.error.unwrap().message.contains("the vault is full"));
    assert_eq!(catalogued(&world, "copy").await, None);
    assert_eq!(world.cloud.snapshots().len(), 2, "the originals, and nothing else");
    assert_eq!(world.cloud.records().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_past_its_deadline_frees_the_workspace_and_is_followed_to_its_end() {
    let (world, orchestrator) = backed_up().await;
    let mut request = world.copy("copy", "backup").unwrap();
    request.timeout = HOUR / 60;
    orchestrator.submit(Request::Copy(request)).await.unwrap();
    let status = orchestrator.wait(&"copy".parse().unwrap()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Detached);
    let backup = world.backup("backup-2").unwrap();
    let meanwhile = world.run(&orchestrator, Request::Backup(backup)).await.unwrap();
    assert_eq!(meanwhile.operation.state, OperationState::Completed);
    let ended = world.finish(&orchestrator, &"copy".parse().unwrap()).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_copy_is_undone() {
    let (world, orchestrator) = backed_up().await;
    orchestrator.submit(Request::Copy(world.copy("copy", "backup").unwrap())).await.unwrap();
    world.pass(HOUR / 10).await;
    orchestrator.cancel(&"copy".parse().unwrap()).await.unwrap();
    let ended = world.finish(&orchestrator, &"copy".parse().unwrap()).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Cancelled);
    assert_eq!((world.cloud.snapshots().len(), world.cloud.records().len()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_no_second_copy() {
    let (world, orchestrator) = backed_up().await;
    world.cloud.set_faults(FaultPlan::none().call(Call::Start, 1, Fault::LostAfter));
    let ended = world.run(&orchestrator, Request::Copy(world.copy("copy", "backup").unwrap())).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Completed, "{:?}", ended.operation);
    assert_eq!(world.cloud.snapshots().len(), 4);
}
