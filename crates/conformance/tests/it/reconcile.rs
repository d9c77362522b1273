//! Provider and store against catalog: what a report finds, and what may be done about it.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{FaultPlan, SimConfig, SimKind, SimWorld};
use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

struct Scene {
    world: SimWorld,
    orchestrator: LocalOrchestrator,
    providers: Vec<Arc<dyn Provider>>,
    cx: OpContext,
}

impl Scene {
    async fn backed_up() -> Self {
        let components =
            [("data", SimKind::Volume, 20 * GB, 20_000), ("home", SimKind::FileSystem, 10 * GB, 10_000)];
        let world = SimWorld::new(SimConfig::default(), &components).unwrap();
        let orchestrator = world.orchestrator().unwrap();
        let request = Request::Backup(world.backup("backup").unwrap());
        let status = world.run(&orchestrator, request).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed);
        let providers = vec![Arc::new(world.cloud.provider("sim".parse().unwrap())) as Arc<dyn Provider>];
        let cx = OpContext::new(Arc::clone(&world.clock));
        Self { world, orchestrator, providers, cx }
    }

    async fn report(&self) -> Reconciliation {
        reconcile(&self.cx, self.world.catalog.as_ref(), &self.providers).await.unwrap()
    }

    async fn settle(&self, report: &Reconciliation, settlement: &Settlement) -> Settled {
        settle(&self.cx, self.world.catalog.as_ref(), &self.providers, report, settlement).await.unwrap()
    }

    async fn backup(&self) -> BackupRecord {
        let id = BackupId::of(&"backup".parse().unwrap());
        self.world.catalog.backup(&id).await.unwrap().unwrap().backup
    }

    /// A snapshot that carries the mark of `operation` and is in no backup.
    async fn orphan(&self, operation: &str) -> SnapshotRef {
        let operation: OperationId = operation.parse().unwrap();
        let component = self.backup().await.components[0].component.clone();
        let key = JobKey::new(operation.clone(), component.id.clone(), 7);
        let now = self.world.clock.now();
        let job = BackupJob::new(key, self.world.workspace_id(), BackupId::of(&operation), component, now);
        let provider = &self.providers[0];
        let job = provider.start(&self.cx, &JobRequest::Backup(job)).await.unwrap();
        self.world.pass(60 * MINUTE).await;
        provider.poll(&self.cx, &job, Duration::ZERO).await.unwrap().snapshot.unwrap()
    }
}

fn deleting(earlier: &Reconciliation) -> Settlement {
    let mut settlement = Settlement::default();
    settlement.delete_orphans_since = Some(earlier.clone());
    settlement
}

#[tokio::test(start_paused = true)]
async fn after_a_backup_all_agree_and_nothing_is_done() {
    let scene = Scene::backed_up().await;
    let report = scene.report().await;
    assert!(report.agrees(), "{report:?}");
    let mut everything = deleting(&report);
    (everything.catalogue_unknown, everything.write_records, everything.mark_damaged) = (true, true, true);
    assert_eq!(scene.settle(&report, &everything).await, Settled::default());
}

#[tokio::test(start_paused = true)]
async fn a_guard_is_removed_when_two_reports_call_it_stray_and_never_while_its_operation_runs() {
    let scene = Scene::backed_up().await;
    let (cloud, provider) = (&scene.world.cloud, &scene.providers[0]);
    let tags: Tags = [("keep".to_owned(), "true".to_owned())].into();
    let own = || cloud.resources().iter().all(|resource| resource.tags.is_empty());
    scene.world.workspace.guard_sources(tags.clone());
    scene.orchestrator.submit(Request::Backup(scene.world.backup("running").unwrap())).await.unwrap();
    scene.world.pass(2 * MINUTE).await;
    assert!(!own() && scene.report().await.agrees(), "an operation that runs needs its guard");
    scene.world.finish(&scene.orchestrator, &"running".parse().unwrap()).await.unwrap();
    assert!(own());

    let component = scene.backup().await.components[0].component.clone();
    for (operation, made_by) in [
        ("running", Maker::Ended("running".parse().unwrap())),
        ("nobody-s", Maker::Unknown("nobody-s".parse().unwrap())),
    ] {
        provider.guard(&scene.cx, &component, &operation.parse().unwrap(), &tags).await.unwrap();
        let first = scene.report().await;
        assert_eq!(first.guards.iter().map(|stray| &stray.made_by).collect::<Vec<_>>(), [&made_by]);
        assert!(!first.agrees());
        let mut settlement = Settlement::default();
        settlement.remove_guards_since = Some(Reconciliation::new(first.at));
        assert_eq!(scene.settle(&first, &settlement).await, Settled::default(), "it was reported once");
        settlement.remove_guards_since = Some(first.clone());
        let settled = scene.settle(&scene.report().await, &settlement).await;
        assert_eq!((settled.unguarded, settled.failed), (first.guards, vec![]));
        assert!(own() && scene.report().await.agrees());
    }
}

#[tokio::test(start_paused = true)]
async fn an_orphan_is_deleted_when_two_reports_in_a_row_call_it_one() {
    let scene = Scene::backed_up().await;
    let first = scene.report().await;
    let orphan = scene.orphan("backup").await;
    let second = scene.report().await;
    let found = &second.orphans[0];
    assert_eq!((&found.snapshot.snapshot, second.orphans.len()), (&orphan, 1));
    assert_eq!(found.made_by, Maker::Ended("backup".parse().unwrap()));
    assert_eq!(scene.settle(&second, &Settlement::default()).await, Settled::default(), "only on request");
    assert_eq!(scene.settle(&second, &deleting(&first)).await, Settled::default(), "not at first sight");

    let third = scene.report().await;
    let settled = scene.settle(&third, &deleting(&second)).await;
    assert_eq!(settled.remaining, [(orphan, "on its way out".to_owned())], "it is read back");
    scene.world.pass(MINUTE).await;
    assert!(scene.report().await.agrees());
    assert_eq!(scene.world.cloud.snapshots().len(), 2, "the backup's own are untouched");
}

#[tokio::test(start_paused = true)]
async fn what_another_catalog_may_own_is_told_and_never_deleted() {
    let scene = Scene::backed_up().await;
    scene.orphan("an-operation-of-somebody-else").await;
    let report = scene.report().await;
    assert_eq!(report.orphans[0].made_by, Maker::Unknown("an-operation-of-somebody-else".parse().unwrap()));
    assert_eq!(scene.settle(&report, &deleting(&report)).await, Settled::default());
    assert_eq!(scene.world.cloud.snapshots().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_an_operation_under_way_made_is_nobodys_orphan() {
    let scene = Scene::backed_up().await;
    let request = scene.world.backup("backup-2").unwrap();
    scene.orchestrator.submit(Request::Backup(request)).await.unwrap();
    let (mut seen, mut agreed) = (0, 0);
    for _ in 0..40 {
        scene.world.pass(MINUTE / 4).await;
        let report = scene.report().await;
        assert!(report.orphans.is_empty() && report.lost.is_empty(), "{report:?}");
        seen += report.in_use;
        agreed += u32::from(report.agrees());
        let settled = scene.settle(&report, &deleting(&report)).await;
        assert_eq!(settled, Settled::default());
    }
    assert!(seen > 0 && agreed > 0, "the scene shows snapshots of an operation under way");
    let ended = scene.world.finish(&scene.orchestrator, &"backup-2".parse().unwrap()).await.unwrap();
    assert_eq!(ended.operation.state, OperationState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_lost_snapshot_is_found_and_its_backup_is_marked() {
    let scene = Scene::backed_up().await;
    let lost = scene.backup().await.components[1].snapshot.clone().unwrap();
    scene.world.cloud.lose(&lost.id);
    let report = scene.report().await;
    assert_eq!((report.lost.len(), &report.lost[0].snapshot), (1, &lost));
    let mut settlement = Settlement::default();
    settlement.mark_damaged = true;
    let settled = scene.settle(&report, &settlement).await;
    assert_eq!(settled.damaged, [scene.backup().await.id]);
    let states: Vec<_> = scene.backup().await.components.iter().map(|component| component.state).collect();
    let marked = [ComponentState::Completed, ComponentState::Damaged, ComponentState::Excluded];
    assert_eq!(states, marked);
    assert_eq!(scene.backup().await.state, BackupState::Damaged);
    assert_eq!(scene.world.catalog.latest_good(None).await.unwrap(), None);
    assert_eq!(scene.settle(&report, &settlement).await, Settled::default(), "a second time changes nothing");
}

#[tokio::test(start_paused = true)]
async fn a_lost_catalog_comes_back_from_records_and_a_lost_record_from_the_catalog() {
    let scene = Scene::backed_up().await;
    let backup = scene.backup().await;
    let empty = MemoryCatalog::new();
    let report = reconcile(&scene.cx, &empty, &scene.providers).await.unwrap();
    assert_eq!((&report.unknown, report.orphans.len()), (&vec![backup.id.clone()], 2));
    let mut settlement = Settlement::default();
    settlement.catalogue_unknown = true;
    let settled = settle(&scene.cx, &empty, &scene.providers, &report, &settlement).await.unwrap();
    assert_eq!(settled.catalogued, std::slice::from_ref(&backup.id));
    assert_eq!(empty.backup(&backup.id).await.unwrap().unwrap().backup, backup);
    assert!(empty.workspace(&scene.world.workspace_id()).await.unwrap().is_some());
    assert!(reconcile(&scene.cx, &empty, &scene.providers).await.unwrap().agrees());

    scene.providers[0].delete_record(&scene.cx, &backup.id).await.unwrap();
    let report = scene.report().await;
    assert_eq!(report.unrecorded, std::slice::from_ref(&backup.id));
    let mut settlement = Settlement::default();
    settlement.write_records = true;
    assert_eq!(scene.settle(&report, &settlement).await.recorded, [backup.id]);
    assert!(scene.report().await.agrees());
}

#[tokio::test(start_paused = true)]
async fn a_hold_outlives_the_catalog_and_so_does_its_end() {
    let scene = Scene::backed_up().await;
    let backup = scene.backup().await;
    for held in [true, false] {
        let done = hold(&scene.cx, scene.world.catalog.as_ref(), &scene.providers, &backup.id, held).await;
        assert_eq!(done.unwrap().held, held);
        assert!(scene.report().await.agrees());
        let records = scene.providers[0].records(&scene.cx).await.unwrap().readable;
        let rebuilt = MemoryCatalog::new();
        rebuild(&rebuilt, &records, None).await.unwrap();
        assert_eq!(rebuilt.backup(&backup.id).await.unwrap().unwrap().backup.held, held);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_a_provider_refuses_is_noted_nowhere() {
    let scene = Scene::backed_up().await;
    let stored = scene.world.catalog.backup(&scene.backup().await.id).await.unwrap().unwrap();
    let mut backup = stored.backup;
    // Its second snapshot is of a provider that is not at hand, which is as good a refusal as any.
    let elsewhere = SnapshotRef::new("elsewhere".parse().unwrap(), "snapshot".parse().unwrap());
    backup.components[1].snapshot = Some(elsewhere);
    scene.world.catalog.put_backup(&backup, Some(stored.revision)).await.unwrap();
    let catalog = scene.world.catalog.as_ref();
    hold(&scene.cx, catalog, &scene.providers, &backup.id, true).await.unwrap_err();
    assert!(!scene.backup().await.held);
    let records = scene.providers[0].records(&scene.cx).await.unwrap().readable;
    assert!(records.iter().all(|record| !record.held), "a rebuilt catalog would hold it");
}

#[tokio::test(start_paused = true)]
async fn without_any_record_the_marks_on_the_snapshots_still_tell_of_the_backup() {
    let scene = Scene::backed_up().await;
    let backup = scene.backup().await;
    scene.providers[0].delete_record(&scene.cx, &backup.id).await.unwrap();
    let marks = scene.providers[0].snapshots(&scene.cx, &SnapshotQuery::all()).await.unwrap();
    let [rebuilt] = &from_snapshots(&marks)[..] else { panic!("{marks:?}") };
    assert_eq!((&rebuilt.id, &rebuilt.workspace), (&backup.id, &backup.workspace));
    assert_eq!((rebuilt.created_at, rebuilt.state), (backup.created_at, BackupState::Partial));
    let snapshots = |record: &BackupRecord| -> Vec<SnapshotRef> {
        record.components.iter().filter_map(|component| component.snapshot.clone()).collect()
    };
    assert_eq!(snapshots(rebuilt).len(), 2);
    assert!(snapshots(rebuilt).iter().all(|found| snapshots(&backup).contains(found)));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_said_of_a_provider_that_cannot_be_asked() {
    let scene = Scene::backed_up().await;
    let until = scene.world.clock.now().after(60 * MINUTE);
    scene.world.cloud.set_faults(FaultPlan::none().outage(scene.world.clock.now(), until));
    let report = scene.report().await;
    assert_eq!((report.unreachable.len(), report.lost.len(), report.unrecorded.len()), (1, 0, 0));
    assert!(!report.agrees());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_written_beside_a_deletion_does_not_outlive_it() {
    let scene = Scene::backed_up().await;
    let backup = scene.backup().await;
    scene.providers[0].delete_record(&scene.cx, &backup.id).await.unwrap();
    let report = scene.report().await;
    let mut settlement = Settlement::default();
    settlement.write_records = true;
    let mut settling = Box::pin(scene.settle(&report, &settlement));
    // It has read the backup, and its record is on its way, when the backup is deleted.
    tokio::select! {
        biased;
        settled = &mut settling => panic!("it did not wait for the cloud: {settled:?}"),
        () = std::future::ready(()) => {}
    }
    let delete = Request::Delete(scene.world.delete("delete", "backup").unwrap());
    let ended = scene.world.run(&scene.orchestrator, delete).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Completed);

    assert_eq!(settling.await, Settled::default());
    assert_eq!(scene.providers[0].records(&scene.cx).await.unwrap().readable, []);
    assert!(scene.report().await.agrees());
}
