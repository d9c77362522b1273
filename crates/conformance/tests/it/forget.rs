//! A retention policy applied: what was previewed is what goes, and no hold is overrun.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fault, FaultPlan, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

async fn days(count: u32) -> (SimWorld, LocalOrchestrator) {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, GB, 1000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    for day in 0..count {
        let mut request = world.backup(&format!("day-{day}")).unwrap();
        request.retain = (day == 0).then_some(DAY);
        let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed);
        world.pass(DAY).await;
    }
    (world, orchestrator)
}

fn of(day: u32) -> BackupId {
    BackupId::of(&format!("day-{day}").parse().unwrap())
}

fn last(count: u32) -> RetentionPolicy {
    let mut policy = RetentionPolicy::default();
    policy.last = count;
    policy
}

async fn look(world: &SimWorld, policy: &RetentionPolicy) -> Result<Retention> {
    preview(world.catalog.as_ref(), None, policy, world.clock.now()).await
}

async fn apply(
    world: &SimWorld,
    orchestrator: &LocalOrchestrator,
    policy: &RetentionPolicy,
    previewed: &Retention,
) -> Forgotten {
    let (catalog, now) = (world.catalog.as_ref(), world.clock.now());
    let entropy = SeededEntropy::new(now.as_millis().unsigned_abs());
    forget(orchestrator, catalog, None, policy, previewed, now, &entropy).await.unwrap()
}

async fn hold(world: &SimWorld, id: &BackupId) {
    let stored = world.catalog.backup(id).await.unwrap().unwrap();
    let mut held = stored.backup;
    held.held = true;
    world.catalog.put_backup(&held, Some(stored.revision)).await.unwrap();
}

async fn left(world: &SimWorld) -> Vec<BackupId> {
    let page = world.catalog.backups(&BackupQuery::all()).await.unwrap();
    page.items.into_iter().map(|stored| stored.backup.id).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_previewed_is_what_is_deleted_and_read_back() {
    let (world, orchestrator) = days(4).await;
    let policy = last(2);
    let previewed = look(&world, &policy).await.unwrap();
    assert_eq!(previewed.remove, [of(1), of(0)]);
    assert_eq!(left(&world).await.len(), 4, "a preview changes nothing");
    let done = apply(&world, &orchestrator, &policy, &previewed).await;
    assert_eq!((done.deleted, done.kept.len(), done.failed.len()), (vec![of(0), of(1)], 0, 0));
    assert_eq!(left(&world).await, [of(3), of(2)]);
    assert_eq!((world.cloud.snapshots().len(), world.cloud.records().len()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_is_being_deleted_is_not_called_held() {
    let config = SimConfig::with(|config| config.delete_delay = Duration::from_secs(600));
    let world = SimWorld::new(config, &[("home", SimKind::FileSystem, GB, 10)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    world.run(&orchestrator, Request::Backup(world.backup("day-0").unwrap())).await.unwrap();
    orchestrator.submit(Request::Delete(world.delete("gone", "day-0").unwrap())).await.unwrap();
    world.pass(Duration::from_secs(60)).await;
    let held =
        stillpoint_core::hold(&OpContext::background(), world.catalog.as_ref(), &[], &of(0), true).await;
    assert_eq!(held.unwrap_err().kind(), ErrorKind::Conflict);
    world.finish(&orchestrator, &"gone".parse().unwrap()).await.unwrap();
    assert!(left(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hold_or_a_rule_that_came_after_the_preview_keeps_a_backup() {
    let (world, orchestrator) = days(4).await;
    let previewed = look(&world, &last(1)).await.unwrap();
    assert_eq!(previewed.remove.len(), 3);
    hold(&world, &of(0)).await;
    let wider = last(2);
    let done = apply(&world, &orchestrator, &wider, &previewed).await;
    assert_eq!(done.deleted, [of(1)]);
    assert_eq!(done.kept, [(of(0), "held".to_owned()), (of(2), "last 2 of 2".to_owned())]);
    assert_eq!(left(&world).await, [of(3), of(2), of(0)]);
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_told_and_keeps_no_other_backup_from_going() {
    let (world, orchestrator) = days(3).await;
    let stored = world.catalog.backup(&of(0)).await.unwrap().unwrap();
    let snapshot = stored.backup.components[0].snapshot.clone().unwrap();
    world.cloud.lock(&snapshot.id, None);
    let previewed = look(&world, &last(1)).await.unwrap();
    let done = apply(&world, &orchestrator, &last(1), &previewed).await;
    assert_eq!((done.deleted, done.failed.len()), (vec![of(1)], 1));
    assert!(done.failed[0].1.message.contains("locked"), "{:?}", done.failed);
    let kept = world.catalog.backup(&of(0)).await.unwrap().unwrap().backup;
    assert_eq!(kept.state, BackupState::Completed, "its mark is taken back");
}

#[tokio::test(start_paused = true)]
async fn what_a_busy_store_left_half_deleted_is_not_called_kept() {
    let (world, orchestrator) = days(2).await;
    let previewed = look(&world, &last(1)).await.unwrap();
    let busy = Fault::Refused(ErrorKind::Busy);
    let plan = (1..100).fold(FaultPlan::none(), |plan, nth| plan.call(Call::DeleteRecord, nth, busy));
    world.cloud.set_faults(plan);
    let done = apply(&world, &orchestrator, &last(1), &previewed).await;
    assert!(done.kept.is_empty() && done.deleted.is_empty(), "{done:?}");
    assert_eq!((&done.failed[0].0, done.failed[0].1.kind), (&of(0), ErrorKind::Busy));
    let left = world.catalog.backup(&of(0)).await.unwrap().unwrap().backup;
    assert_eq!(left.state, BackupState::Deleting);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_a_lock_stopped_midway_is_told_and_taken_up() {
    let parts = [("disk", SimKind::FileSystem, GB, 10), ("home", SimKind::FileSystem, GB, 10)];
    let world = SimWorld::new(SimConfig::default(), &parts).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    for day in 0..2 {
        let backup = world.backup(&format!("day-{day}")).unwrap();
        world.run(&orchestrator, Request::Backup(backup)).await.unwrap();
        world.pass(DAY).await;
    }
    let stored = world.catalog.backup(&of(0)).await.unwrap().unwrap();
    let second = stored.backup.components[1].snapshot.clone().unwrap();
    world.cloud.lock(&second.id, Some(world.clock.now().after(2 * DAY)));
    // Whoever may not look at locks deletes until it meets one.
    let refused = (1..=4).fold(FaultPlan::none(), |plan, nth| {
        plan.call(Call::Read, nth, Fault::Refused(ErrorKind::PermissionDenied))
    });
    world.cloud.set_faults(refused);
    let previewed = look(&world, &last(1)).await.unwrap();
    let done = apply(&world, &orchestrator, &last(1), &previewed).await;
    assert_eq!((done.deleted.len(), done.failed.len()), (0, 1));

    let cx = OpContext::new(Arc::clone(&world.clock));
    let providers = [Arc::new(world.cloud.provider("sim".parse().unwrap())) as Arc<dyn Provider>];
    let report = reconcile(&cx, world.catalog.as_ref(), &providers).await.unwrap();
    assert_eq!(report.half_deleted, [of(0)]);
    assert!(!report.agrees());

    world.pass(3 * DAY).await;
    // No rule says what may go, and yet what is half gone does.
    let nothing = RetentionPolicy::default();
    let previewed = look(&world, &nothing).await.unwrap();
    let done = apply(&world, &orchestrator, &nothing, &previewed).await;
    assert_eq!(done.deleted, [of(0)], "{done:?}");
    assert!(reconcile(&cx, world.catalog.as_ref(), &providers).await.unwrap().agrees());
}

#[tokio::test(start_paused = true)]
async fn what_has_outlived_its_own_retention_goes_where_the_policy_says_so() {
    let (world, orchestrator) = days(3).await;
    let mut policy = RetentionPolicy::default();
    assert!(look(&world, &policy).await.unwrap().remove.is_empty());
    policy.expired = true;
    let previewed = look(&world, &policy).await.unwrap();
    assert_eq!(previewed.remove, [of(0)], "the others were made to be kept for ever");
    let done = apply(&world, &orchestrator, &policy, &previewed).await;
    assert_eq!((done.deleted, left(&world).await), (vec![of(0)], vec![of(2), of(1)]));
}

#[tokio::test(start_paused = true)]
async fn a_backup_by_which_others_were_let_go_and_that_is_lost_meanwhile_takes_no_more_with_it() {
    let (world, orchestrator) = days(3).await;
    let previewed = look(&world, &last(1)).await.unwrap();
    assert_eq!(previewed.remove, [of(1), of(0)]);
    let lost = async {
        let deleting = async || world.catalog.backup(&of(0)).await.unwrap().map(|stored| stored.backup.state);
        while deleting().await == Some(BackupState::Completed) {
            world.clock.sleep(Duration::from_millis(10)).await;
        }
        let stored = world.catalog.backup(&of(2)).await.unwrap().unwrap();
        let mut damaged = stored.backup;
        damaged.state = BackupState::Damaged;
        world.catalog.put_backup(&damaged, Some(stored.revision)).await.unwrap();
    };
    let policy = last(1);
    let (done, ()) = tokio::join!(apply(&world, &orchestrator, &policy, &previewed), lost);
    assert_eq!(done.deleted, [of(0)], "{done:?}");
    assert_eq!(done.kept, [(of(1), "last good 1 of 1; last 1 of 1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_the_catalog_calls_held_is_held_in_its_record_whoever_let_it_go_at_the_same_time() {
    let (mut held, mut free) = (0, 0);
    for offset in (0..800).step_by(20) {
        let (world, _orchestrator) = days(1).await;
        let cx = OpContext::new(Arc::clone(&world.clock));
        let providers = [Arc::new(world.cloud.provider("sim".parse().unwrap())) as Arc<dyn Provider>];
        let set = async |wanted| {
            stillpoint_core::hold(&cx, world.catalog.as_ref(), &providers, &of(0), wanted).await
        };
        set(true).await.unwrap();
        let later = async {
            world.clock.sleep(Duration::from_millis(offset)).await;
            set(true).await
        };
        // Either may be told that the other one came first.
        let (_let_go, _kept) = tokio::join!(set(false), later);
        let catalogued = world.catalog.backup(&of(0)).await.unwrap().unwrap().backup.held;
        let recorded = world.cloud.records()[0].held;
        assert!(recorded || !catalogued, "at {offset} ms it is held and its record says that it is not");
        *if catalogued { &mut held } else { &mut free } += 1;
    }
    assert!(held > 5, "{held} held, {free} free");
}
