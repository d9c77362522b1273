//! Stories of restores and deletions, under virtual time.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{
    Call, Fate, Fault, FaultPlan, LEASE_TTL, SimConfig, SimKind, SimWorkspace, SimWorld,
};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A world whose workspace was backed up by operation `backup`.
async fn backed_up(config: SimConfig) -> (SimWorld, LocalOrchestrator) {
    let volume = ("data", SimKind::Volume, 20 * GB, 20_000);
    let world = SimWorld::new(config, &[volume, ("home", SimKind::FileSystem, 10 * GB, 10_000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    (world, orchestrator)
}

fn restored(world: &SimWorld) -> Vec<String> {
    world.cloud.resources().into_iter().filter(|found| found.restored).map(|found| found.name).collect()
}

fn target() -> WorkspaceId {
    "ws-2".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_restore_makes_a_new_workspace_with_a_full_copy() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    world.workspace.write("arn-home", "notes.txt", b"changed later").unwrap();
    let before = world.cloud.files("arn-home");
    let request = world.restore("restore", "backup", "ws-2").unwrap();
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    let progress = status.operation.progress;
    assert_eq!((progress.bytes_done, progress.bytes_total), (30 * GB, Some(30 * GB)), "the sum of both");
    assert!(world.provisioner.is_active(&target()));
    let attached = world.provisioner.attached(&target());
    assert_eq!(attached.into_iter().collect::<Vec<_>>(), restored(&world));
    let contents: Vec<_> = restored(&world).iter().map(|name| world.cloud.files(name).unwrap()).collect();
    assert!(contents.iter().any(|files| files["notes.txt"] == b"data"));
    assert!(contents.iter().any(|files| files["notes.txt"] == b"home"));
    assert_eq!(world.cloud.files("arn-home"), before, "the source is not touched");
    assert!(
        status.operation.warnings.iter().any(|warning| warning.contains("roles")),
        "roles are not applied"
    );
    assert!(status.operation.warnings.iter().any(|warning| warning.contains("external share")));
    let version = "the backup is of software version 2026.1, and the new workspace runs newest";
    assert!(status.operation.warnings.iter().any(|warning| warning == version));
}

#[tokio::test(start_paused = true)]
async fn the_catalog_knows_a_restored_workspace_by_its_origin_and_nothing_that_is_the_old_ones() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let request = world.restore("restore", "backup", "ws-2").unwrap();
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    let known = world.catalog.workspace(&target()).await.unwrap().unwrap();
    let origin = known.origin.clone().unwrap();
    assert_eq!(
        (&origin.workspace, &origin.operation, Some(&origin.backup)),
        (&world.workspace_id(), &status.operation.id, status.operation.backup.as_ref())
    );
    assert_eq!(Some(origin.restored_at), status.operation.finished_at);
    let versions = (origin.software_version_at_backup.as_deref(), origin.software_version.as_deref());
    assert_eq!(versions, (Some("2026.1"), Some("newest")));
    assert_eq!((known.components, known.definition.roles), (vec![], vec![]), "these are the old one's");
    assert_eq!(known.definition.software_version.as_deref(), Some("newest"));

    // Its first backup looks at it, and says where it comes from.
    let home = Component::new("home".parse().unwrap(), "fs", "sim".parse().unwrap(), "arn-ws-2");
    world.cloud.add_resource("arn-ws-2", SimKind::FileSystem, GB, 0);
    let new = SimWorkspace::new(Arc::clone(&world.cloud), Definition::new(target()), vec![home]);
    let provider = Arc::new(world.cloud.provider("sim".parse().unwrap()));
    let (catalog, provisioner) = (world.catalog.clone(), world.provisioner.clone());
    let later = world.orchestrator_on(catalog, provider, new, provisioner).unwrap();
    let first = BackupRequest::new("first".parse().unwrap(), target());
    let backup = world.run(&later, Request::Backup(first)).await.unwrap().backup.unwrap();
    assert_eq!(backup.restored_from.as_ref(), Some(&origin));
    let known = world.catalog.workspace(&target()).await.unwrap().unwrap();
    assert_eq!((known.components.len(), known.origin.as_ref()), (1, Some(&origin)));

    let empty = memory::MemoryCatalog::new();
    let older = world.catalog.backup(&origin.backup).await.unwrap().unwrap().backup;
    rebuild(&empty, &[older, backup], None).await.unwrap();
    let rebuilt = empty.workspace(&target()).await.unwrap().unwrap();
    assert_eq!(rebuilt.origin, Some(origin), "its backup tells it");
    let source = empty.workspace(&world.workspace_id()).await.unwrap().unwrap();
    assert_eq!(source.origin, None, "nothing is invented");
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_fails_or_only_adds_to_what_stands_catalogues_no_origin() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let mut request = world.restore("merge", "backup", "ws-2").unwrap();
    request.landing = Landing::Merge;
    let merged = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(merged.operation.state, OperationState::Completed, "{:?}", merged.operation);
    world.provisioner.fail("activate", 100);
    let request = world.restore("failed", "backup", "ws-3").unwrap();
    let failed = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(failed.operation.state, OperationState::Failed);
    for id in ["ws-2", "ws-3"] {
        assert_eq!(world.catalog.workspace(&id.parse().unwrap()).await.unwrap(), None, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_job_stops_the_others_unless_what_was_made_is_to_be_kept() {
    for on_failure in [OnFailure::Discard, OnFailure::Keep] {
        let config = SimConfig::with(|config| config.cancels_restores = true);
        let (world, orchestrator) = backed_up(config).await;
        let fails = Fate::failing(ErrorKind::PermissionDenied, "the role may not write");
        let plan = FaultPlan::none().job("data".parse().unwrap(), 1, fails);
        world.cloud.set_faults(plan.job("home".parse().unwrap(), 1, Fate::normal().slower(50)));
        let mut request = world.restore("restore", "backup", "ws-2").unwrap();
        request.on_failure = on_failure;
        let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Failed);
        assert_eq!(status.operation.error.unwrap().kind, ErrorKind::PermissionDenied);
        let took = status.operation.finished_at.unwrap().since(status.operation.started_at);
        assert_eq!(took < Duration::from_secs(3 * 3600), on_failure == OnFailure::Discard, "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn restored_volumes_are_tagged_before_the_garbage_collector_comes() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let request = world.restore("restore", "backup", "ws-2").unwrap();
    world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    world.pass(Duration::from_secs(30 * 24 * 3600)).await;
    assert_eq!(restored(&world).len(), 2, "both are still there a month later");
    for resource in world.cloud.resources().iter().filter(|resource| resource.restored) {
        assert_eq!(resource.tags["cloud:protected"], "true");
        assert_eq!(resource.tags["stillpoint:operation"], "restore");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_restore_removes_what_it_made() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let fate = Fate::failing(ErrorKind::QuotaExceeded, "too many file systems").slower(4);
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, fate));
    let request = world.restore("restore", "backup", "ws-2").unwrap();
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::QuotaExceeded);
    assert_eq!(restored(&world), [""; 0], "the volume that was restored already is gone again");
    assert!(!world.provisioner.exists(&target()));
    assert_eq!(world.cloud.snapshots().len(), 2, "the backup is as it was");
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_fails_in_the_control_plane_is_undone_and_can_be_run_again() {
    for verb in ["provision", "attach", "activate"] {
        let (world, orchestrator) = backed_up(SimConfig::default()).await;
        world.provisioner.fail(verb, 1);
        let request = world.restore("restore-1", "backup", "ws-2").unwrap();
        let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Failed, "{verb}");
        assert_eq!(restored(&world), [""; 0], "{verb}");
        assert!(!world.provisioner.exists(&target()), "{verb}");
        let request = world.restore("restore-2", "backup", "ws-2").unwrap();
        let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{verb}: {:?}", status.operation);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_restore_keeps_what_it_made_where_that_is_wanted() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    world.provisioner.fail("activate", 1);
    let mut request = world.restore("restore", "backup", "ws-2").unwrap();
    request.on_failure = OnFailure::Keep;
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(restored(&world).len(), 2);
    assert!(world.provisioner.exists(&target()));
}

#[tokio::test(start_paused = true)]
async fn a_taken_target_is_refused_before_anything_is_made() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let request = world.restore("restore-1", "backup", "ws-2").unwrap();
    world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    let request = world.restore("restore-2", "backup", "ws-2").unwrap();
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert!(status.operation.error.unwrap().message.contains("exists already"));
    assert_eq!(restored(&world).len(), 2);
    assert!(world.provisioner.is_active(&target()), "the first workspace is untouched");
}

#[tokio::test(start_paused = true)]
async fn a_restore_cancelled_in_any_phase_leaves_nothing_behind() {
    let millis = [0, 100, 200, 500, 900, 10_000, 300_000, 700_000, 1_100_000, 1_190_000];
    for time in millis.map(Duration::from_millis) {
        let (world, orchestrator) = backed_up(SimConfig::default()).await;
        let request = world.restore("restore", "backup", "ws-2").unwrap();
        orchestrator.submit(Request::Restore(request)).await.unwrap();
        world.pass(time).await;
        orchestrator.cancel(&"restore".parse().unwrap()).await.unwrap();
        let status = world.finish(&orchestrator, &"restore".parse().unwrap()).await.unwrap();
        if status.operation.state == OperationState::Completed {
            assert!(time > Duration::from_secs(1000), "it was done before it was cancelled");
            continue;
        }
        assert_eq!(
            status.operation.state,
            OperationState::Cancelled,
            "after {time:?}: {:?}",
            status.operation
        );
        assert_eq!(restored(&world), [""; 0], "after {time:?}");
        assert!(!world.provisioner.exists(&target()), "after {time:?}");
        assert!(
            world.cloud.jobs().iter().all(|job| job.ended_at.is_some()),
            "no restore job was left to itself"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_snapshot_is_found_out_before_anything_is_made() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let snapshot = world.cloud.snapshots()[0].id.clone();
    world.cloud.lose(&snapshot);
    let request = world.restore("restore", "backup", "ws-2").unwrap();
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert!(status.operation.error.unwrap().message.contains("no longer exists"));
    assert!(!world.provisioner.exists(&target()));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_backup_is_gone_everywhere() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let request = world.delete("delete", "backup").unwrap();
    let status = world.run(&orchestrator, Request::Delete(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert_eq!(world.cloud.snapshots(), []);
    assert_eq!(world.cloud.records(), []);
    assert_eq!(world.catalog.backups(&BackupQuery::all()).await.unwrap().items, []);
    let request = world.delete("delete-2", "backup").unwrap();
    let status = world.run(&orchestrator, Request::Delete(request)).await.unwrap();
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_locked_snapshot_is_not_deleted_and_its_backup_stays_good() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let until = world.clock.now().after(60 * MINUTE);
    for snapshot in world.cloud.snapshots() {
        world.cloud.lock(&snapshot.id, Some(until));
    }
    let request = world.delete("delete-1", "backup").unwrap();
    let status = world.run(&orchestrator, Request::Delete(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert!(status.operation.error.unwrap().message.contains(&until.to_string()), "it says until when");
    assert_eq!(world.catalog.latest_good(None).await.unwrap().unwrap().state, BackupState::Completed);
    world.pass(61 * MINUTE).await;
    let request = world.delete("delete-2", "backup").unwrap();
    let status = world.run(&orchestrator, Request::Delete(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_backup_of_which_one_snapshot_is_locked_loses_none() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let stored = world.catalog.latest_good(None).await.unwrap().unwrap();
    let last = stored.components.iter().filter_map(|part| part.snapshot.as_ref()).next_back().unwrap();
    world.cloud.lock(&last.id, None);
    let request = world.delete("delete-1", "backup").unwrap();
    let status = world.run(&orchestrator, Request::Delete(request)).await.unwrap();
    let error = status.operation.error.unwrap();
    assert!(error.kind == ErrorKind::PermissionDenied && error.message.contains("is locked"), "{error:?}");
    assert_eq!(world.cloud.snapshots().len(), 2, "the one that is not locked stays as well");
    assert_eq!(world.catalog.latest_good(None).await.unwrap().unwrap().state, BackupState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_only_claims_success_is_found_out() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let kept = world.cloud.snapshots()[0].id.clone();
    world.cloud.keep_on_delete(&kept);
    let request = world.delete("delete", "backup").unwrap();
    let status = world.run(&orchestrator, Request::Delete(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::NeedsAttention);
    let left = world.catalog.backups(&BackupQuery::all()).await.unwrap().items;
    assert_eq!(left.len(), 1, "the catalog still accounts for what is left");
    if world.cloud.snapshots().len() < 2 {
        assert_eq!(left[0].backup.state, BackupState::Deleting, "and never offers it for restore");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_goes_on_with_another_store_calls_nothing_gone() {
    // It dies while snapshots go, and when only the record beside them is left.
    for (dies_after, gone) in [(Duration::from_secs(2), 0), (2 * MINUTE, 2)] {
        let (world, first) = backed_up(SimConfig::default()).await;
        let backup = BackupId::of(&"backup".parse().unwrap());
        let mut faults = FaultPlan::none();
        for nth in 1..200 {
            faults = faults.call(Call::DeleteRecord, nth, Fault::Unavailable);
        }
        world.cloud.set_faults(faults);
        first.submit(Request::Delete(world.delete("delete", "backup").unwrap())).await.unwrap();
        world.pass(dies_after).await;
        drop(first);
        assert_eq!(2 - world.cloud.snapshots().len(), gone, "dies after {dies_after:?}");
        world.cloud.set_faults(FaultPlan::none());
        world.pass(LEASE_TTL + Duration::from_secs(1)).await;
        let elsewhere = world
            .orchestrator_on(
                Arc::clone(&world.catalog) as Arc<dyn Catalog>,
                Arc::new(world.cloud.provider("sim".parse().unwrap()).misdirected()),
                Arc::clone(&world.workspace) as Arc<dyn Workspace>,
                Arc::clone(&world.provisioner) as Arc<dyn Provisioner>,
            )
            .unwrap();
        elsewhere.recover().await.unwrap();
        let status = world.finish(&elsewhere, &"delete".parse().unwrap()).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Failed, "{:?}", status.operation);
        assert!(status.operation.error.unwrap().message.contains("another store"));
        let kept = world.catalog.backup(&backup).await.unwrap().expect("it is still listed");
        assert_eq!(kept.backup.state, BackupState::Deleting);
        let right = world.orchestrator().unwrap();
        let request = Request::Delete(world.delete("again", "backup").unwrap());
        let status = world.run(&right, request).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
        assert_eq!(world.cloud.snapshots(), []);
        assert!(world.catalog.backup(&backup).await.unwrap().is_none());
        let provider = world.cloud.provider("sim".parse().unwrap());
        assert_eq!(
            provider.records(&OpContext::background()).await.unwrap().readable,
            [],
            "nor the record beside it"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_provisioner_that_answers_a_workspace_that_stands_already_restores_nothing_into_it() {
    for (answer, whose) in [("ws", "which was backed up"), ("ws-3", "which stands already")] {
        let (world, orchestrator) = backed_up(SimConfig::default()).await;
        let other = WorkspaceRecord::new(Definition::new("ws-3".parse().unwrap()), vec![], world.clock.now());
        world.catalog.put_workspace(&other).await.unwrap();
        world.provisioner.answer(answer.parse().unwrap());
        let request = world.restore("restore", "backup", "ws-2").unwrap();
        let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
        let operation = status.operation;
        assert_eq!(operation.state, OperationState::Failed, "{operation:?}");
        let error = operation.error.unwrap();
        assert!(error.kind == ErrorKind::AlreadyExists && error.message.contains(whose), "{error:?}");
        assert_eq!((restored(&world), operation.issues), (vec![], vec![]), "what was made is gone");
        assert!(!world.provisioner.exists(&target()));
        let named = world.catalog.workspace(&answer.parse().unwrap()).await.unwrap().unwrap();
        assert!(named.origin.is_none(), "{named:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provisioner_may_name_a_new_workspace_otherwise_and_it_is_said() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    world.provisioner.answer("ws-9".parse().unwrap());
    world.provisioner.fail("attach", u32::MAX);
    let request = world.restore("restore", "backup", "ws-2").unwrap();
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    let said = |warning: &String| warning.contains("is ws-9") && warning.contains("not ws-2");
    assert!(status.operation.warnings.iter().any(said), "{:?}", status.operation);
}

#[tokio::test(start_paused = true)]
async fn what_holds_nothing_to_restore_makes_no_workspace() {
    let (world, orchestrator) = backed_up(SimConfig::default()).await;
    let id = BackupId::of(&"backup".parse().unwrap());
    let mut stored = world.catalog.backup(&id).await.unwrap().unwrap();
    stored.backup.components.iter_mut().for_each(|part| part.snapshot = None);
    stored.backup.state = BackupState::Partial;
    world.catalog.put_backup(&stored.backup, Some(stored.revision)).await.unwrap();
    // A hook that makes a workspace would be asked to throw it away again.
    world.provisioner.fail("provision", u32::MAX);
    let mut request = world.restore("restore", "backup", "ws-2").unwrap();
    request.allow_partial = true;
    let status = world.run(&orchestrator, Request::Restore(request)).await.unwrap();
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::NotFound);
}
