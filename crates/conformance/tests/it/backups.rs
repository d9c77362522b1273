//! Stories of backups in a slow and unreliable cloud, under virtual time.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a broken scene fails its test")]

use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fate, Fault, FaultPlan, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const VOLUME: (&str, SimKind, u64, u64) = ("data", SimKind::Volume, 200 * GB, 20_000);
const FILES: (&str, SimKind, u64, u64) = ("home", SimKind::FileSystem, 50 * GB, 10_000);

fn world() -> SimWorld {
    SimWorld::new(SimConfig::default(), &[VOLUME, FILES]).unwrap()
}

fn component<'a>(status: &'a OperationStatus, id: &str) -> &'a ComponentRecord {
    let backup = status.backup.as_ref().expect("the backup is catalogued");
    backup.components.iter().find(|component| component.component.id.as_str() == id).unwrap()
}

fn downtime(world: &SimWorld, hold: usize) -> Duration {
    let hold = &world.workspace.holds()[hold];
    hold.until.expect("the workspace was let go").since(hold.from)
}

#[tokio::test(start_paused = true)]
async fn a_lost_base_makes_a_full_backup_that_says_so() {
    let config = SimConfig::with(|config| config.needs_base = true);
    let world = SimWorld::new(config, &[("home", SimKind::FileSystem, 10 * GB, 10_000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let backup = async |name: &str| {
        let status = world.run(&orchestrator, Request::Backup(world.backup(name).unwrap())).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{name}: {:?}", status.operation);
        status.backup.unwrap()
    };
    let first = backup("op-1").await;
    assert_eq!((&first.parent, &first.components[0].base_lost), (&None, &None));
    let second = backup("op-2").await;
    assert_eq!((second.parent.as_ref(), &second.components[0].base_lost), (Some(&first.id), &None));
    assert!(second.added_bytes < first.added_bytes, "{} bytes", second.added_bytes);
    world.cloud.lose(&second.components[0].snapshot.as_ref().unwrap().id);
    let third = backup("op-3").await;
    assert_eq!((&third.parent, third.added_bytes), (&None, first.added_bytes));
    let told = third.components[0].base_lost.as_deref().unwrap();
    assert!(told.contains("is not there; everything was copied"), "{told}");
    assert_eq!(third.issues().count(), 0, "nothing is missing");
    let fourth = backup("op-4").await;
    assert_eq!((fourth.parent.as_ref(), &fourth.components[0].base_lost), (Some(&third.id), &None));
}

#[tokio::test(start_paused = true)]
async fn what_one_backup_sets_holds_for_it_alone_whoever_goes_on_with_it() {
    let world = world();
    let mut request = world.backup("op-1").unwrap();
    request.settings.insert("excludes".into(), "*.tmp".into());
    let planned = world.orchestrator().unwrap().plan(&request).await.unwrap();
    assert!(planned.components.iter().all(|planned| planned.component.settings["excludes"] == "*.tmp"));
    let dies = world.orchestrator().unwrap();
    dies.submit(Request::Backup(request)).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    drop(dies);
    let next = world.orchestrator().unwrap();
    let status = world.finish(&next, &"op-1".parse().unwrap()).await.unwrap();
    let backup = status.backup.unwrap();
    let has = |settings: &Settings| settings.contains_key("excludes");
    assert!(has(&backup.definition.settings));
    assert!(backup.components.iter().all(|component| has(&component.component.settings)));
    let workspace = world.catalog.workspace(&world.workspace_id()).await.unwrap().unwrap();
    assert!(!has(&workspace.definition.settings));
    assert!(workspace.components.iter().all(|component| !has(&component.settings)));
    let status = world.run(&next, Request::Backup(world.backup("op-2").unwrap())).await.unwrap();
    assert!(status.backup.unwrap().components.iter().all(|component| !has(&component.component.settings)));
}

#[tokio::test(start_paused = true)]
async fn a_whole_backup_is_completed_and_recorded_beside_the_data() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    let backup = status.backup.as_ref().unwrap();
    assert_eq!(backup.state, BackupState::Completed);
    assert_eq!(backup.consistency, Consistency::Application);
    assert_eq!(component(&status, "shared").state, ComponentState::Excluded);
    assert_eq!(world.cloud.records(), std::slice::from_ref(backup));
    assert!(
        world.cloud.snapshots().iter().all(|snapshot| snapshot.still),
        "nothing wrote during the capture"
    );
    assert_eq!(world.catalog.latest_good(None).await.unwrap().unwrap().id, backup.id);
}

#[tokio::test(start_paused = true)]
async fn services_resume_as_soon_as_the_points_of_all_volumes_are_captured() {
    let second = ("logs", SimKind::Volume, 100 * GB, 1_000);
    let world = SimWorld::new(SimConfig::default(), &[VOLUME, second]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let begun = world.clock.now();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    assert!(downtime(&world, 0) < Duration::from_secs(120), "{:?}", downtime(&world, 0));
    assert!(world.clock.now().since(begun) > 2 * HOUR, "the copies took hours");
    assert_eq!(status.backup.unwrap().consistency, Consistency::Application);
    assert!(world.cloud.snapshots().iter().all(|snapshot| snapshot.still));
}

#[tokio::test(start_paused = true)]
async fn a_file_system_keeps_the_workspace_still_until_its_copy_is_done() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    let window = component(&status, "home").captured.unwrap();
    let hold = &world.workspace.holds()[0];
    assert!(hold.from <= window.from && window.to <= hold.until.unwrap());
    assert_eq!(status.backup.as_ref().unwrap().downtime, downtime(&world, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_job_lets_the_workspace_go_long_before_the_deadline() {
    let world = world();
    let home: ComponentId = "home".parse().unwrap();
    world.cloud.set_faults(FaultPlan::none().job(home, 1, Fate::normal().delayed(6 * HOUR)));
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.stall_timeout = Some(HOUR / 2);
    let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    assert!(
        downtime(&world, 0) < 4 * HOUR,
        "not the twelve hours of the deadline: {:?}",
        downtime(&world, 0)
    );
    assert_eq!(status.operation.state, OperationState::Partial);
    assert_eq!(component(&status, "home").state, ComponentState::Late);
    assert_eq!(component(&status, "data").state, ComponentState::Completed);
}

#[tokio::test(start_paused = true)]
async fn with_the_policy_to_cancel_jobs_are_stopped_at_the_deadline() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(HOUR / 2);
    request.on_deadline = OnDeadline::Cancel;
    let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::DeadlineExceeded);
    assert!(world.cloud.jobs().iter().all(|job| job.word == "cancelled"), "{:?}", world.cloud.jobs());
    assert_eq!(world.cloud.snapshots(), [], "nothing unaccounted is left");
    assert!(downtime(&world, 0) < HOUR / 2 + Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn with_the_policy_to_extend_the_jobs_go_on_as_members() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(HOUR / 2);
    request.on_deadline = OnDeadline::Extend;
    let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    assert!(downtime(&world, 0) < HOUR / 2 + Duration::from_secs(60));
    assert!(world.cloud.snapshots().iter().any(|snapshot| !snapshot.still), "services wrote during the copy");
    assert_eq!(status.backup.unwrap().consistency, Consistency::Fuzzy, "and the record does not hide it");
}

#[tokio::test(start_paused = true)]
async fn a_start_whose_answer_was_lost_is_found_and_not_repeated() {
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        let world = world();
        let faults = (1..=6).fold(FaultPlan::none(), |plan, nth| plan.call(Call::Start, nth, fault));
        world.cloud.set_faults(faults);
        let orchestrator = world.orchestrator().unwrap();
        let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{fault:?}: {:?}", status.operation);
        assert_eq!(world.cloud.jobs().len(), 2, "{fault:?}: one job for each component");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_component_makes_the_backup_partial_and_is_named() {
    let world = world();
    let home: ComponentId = "home".parse().unwrap();
    let fate = Fate::failing(ErrorKind::PermissionDenied, "the role may not read the file system");
    world.cloud.set_faults(FaultPlan::none().job(home, 1, fate));
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Partial);
    let home = component(&status, "home");
    assert_eq!((home.state, &home.snapshot), (ComponentState::Failed, &None));
    assert!(home.issues[0].message.contains("may not read"), "{:?}", home.issues);
    assert_eq!(component(&status, "data").state, ComponentState::Completed);
    assert_eq!(
        world.catalog.latest_good(None).await.unwrap(),
        None,
        "a partial backup is never the latest good"
    );
}

#[tokio::test(start_paused = true)]
async fn when_every_component_fails_the_backup_fails() {
    let world = world();
    let fate = || Fate::failing(ErrorKind::QuotaExceeded, "the vault is full");
    let plan =
        FaultPlan::none().job("home".parse().unwrap(), 1, fate()).job("data".parse().unwrap(), 1, fate());
    world.cloud.set_faults(plan);
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::QuotaExceeded);
    assert_eq!(status.backup, None);
    assert_eq!(world.workspace.held_by(), None);
}

#[tokio::test(start_paused = true)]
async fn completed_with_issues_is_not_complete() {
    let world = world();
    let fate = Fate::with_issues("3 files were skipped");
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, fate));
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Partial);
    assert!(status.operation.issues.iter().any(|issue| issue.message.contains("3 files")));
}

#[tokio::test(start_paused = true)]
async fn a_state_in_an_unknown_word_is_waited_out() {
    let world = world();
    let fate = Fate::normal().reported_as("REHYDRATING");
    world.cloud.set_faults(FaultPlan::none().job("home".parse().unwrap(), 1, fate));
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_expired_behind_a_stranger_is_tried_anew() {
    let config = SimConfig::with(|config| config.start_window = 2 * HOUR);
    let world = SimWorld::new(config, &[VOLUME]).unwrap();
    world.cloud.stranger_starts("arn-data", 3 * HOUR, false).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Partial, "it is late: {:?}", status.operation);
    let downtime = status.backup.unwrap().downtime;
    assert!(downtime < Duration::from_secs(65 * 60), "the stranger's three hours are nobody's: {downtime:?}");
    assert!(status.operation.warnings.iter().any(|warning| warning.contains("somebody else")));
    let words: Vec<_> =
        world.cloud.jobs().into_iter().map(|job| (job.key.map(|k| k.attempt()), job.word)).collect();
    let expected = [(None, "succeeded".into()), (Some(1), "expired".into()), (Some(2), "succeeded".into())];
    assert_eq!(words, expected);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_the_cloud_ran_twice_is_one_member() {
    let world = world();
    world.cloud.set_faults(FaultPlan::none().job("data".parse().unwrap(), 1, Fate::normal().doubled()));
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    assert_eq!(world.catalog.backups(&BackupQuery::all()).await.unwrap().items.len(), 1);
    let named = component(&status, "data").snapshot.clone().unwrap();
    let twin = world.cloud.snapshots().into_iter().find(|snapshot| snapshot.twin);
    assert!(twin.is_some_and(|twin| twin.id != named.id), "the record names the run that was asked for");
}

#[tokio::test(start_paused = true)]
async fn the_snapshot_of_a_stranger_never_joins_a_backup() {
    let world = SimWorld::new(SimConfig::default(), &[FILES]).unwrap();
    let mut faults = FaultPlan::none();
    for nth in 1..=6 {
        faults = faults.call(Call::Start, nth, Fault::LostBefore);
    }
    world.cloud.set_faults(faults);
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    // Nothing of ours was started, but a job that looks just like it.
    world.cloud.stranger_starts("arn-home", HOUR, true).unwrap();
    let status = world.finish(&orchestrator, &"op-1".parse().unwrap()).await.unwrap();
    let strangers =
        world.cloud.snapshots().into_iter().find(|snapshot| snapshot.operation.is_none()).unwrap();
    let named = status.backup.iter().flat_map(|b| &b.components).filter_map(|c| c.snapshot.as_ref());
    for snapshot in named {
        assert_ne!(snapshot.id, strangers.id, "deleting our backup would delete somebody else's snapshot");
    }
    let ours = world.cloud.snapshots().into_iter().any(|snapshot| snapshot.operation.is_some());
    assert_eq!(
        status.operation.state == OperationState::Completed,
        ours,
        "complete with a snapshot of ours only"
    );
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_ten_minutes_costs_that_and_a_rest_at_the_most() {
    // The last call before the outage, and how often it was answered: each one cuts the backup at another step.
    for (call, times) in [("preflight", 1), ("start", 1), ("poll", 1), ("poll", 9), ("read", 2), ("read", 3)]
    {
        let world = SimWorld::new(SimConfig::default(), &[("data", SimKind::Volume, 5 * GB, 1_000)]).unwrap();
        let orchestrator = world.orchestrator().unwrap();
        let begun = world.clock.now();
        orchestrator.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
        while world.cloud.journal().iter().filter(|entry| entry.call == call).count() < times {
            world.pass(Duration::from_millis(25)).await;
        }
        let outage = Duration::from_secs(600);
        let now = world.clock.now();
        world.cloud.set_faults(FaultPlan::none().outage(now, now.after(outage)));
        let status = world.finish(&orchestrator, &"op-1".parse().unwrap()).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed, "{call}: {:?}", status.operation);
        assert_eq!(world.cloud.jobs().len(), 1);
        assert_eq!(world.cloud.records().len(), 1);
        let took = world.clock.now().since(begun);
        // Where nothing had begun, the services ran for a quarter of an hour.
        assert!(took < outage + Duration::from_secs(1200), "{call}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_cannot_be_resumed_at_the_deadline_is_resumed_as_soon_as_it_can() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(HOUR / 2);
    world.workspace.disable_switch();
    world.workspace.fail_resume(50);
    let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    assert_eq!(world.workspace.held_by(), None, "no operation ends while it holds its workspace still");
    assert!(status.operation.warnings.iter().any(|warning| warning.contains("could not be resumed yet")));
    assert!(downtime(&world, 0) > HOUR / 2);
}

#[tokio::test(start_paused = true)]
async fn a_quiesce_that_fails_half_way_is_undone() {
    let world = world();
    world.workspace.fail_quiesce(1);
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(world.workspace.held_by(), None);
    assert_eq!(world.workspace.holds().len(), 1, "it did take hold, and was told to let go");
    assert_eq!(world.cloud.jobs(), []);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_asks_to_be_held_still_later_is_let_go_and_asked_again() {
    let world = world();
    world.workspace.put_off_quiesce(3);
    let orchestrator = world.orchestrator().unwrap();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    let holds = world.workspace.holds();
    assert_eq!(holds.len(), 4, "each refusal may have stopped a part: {holds:?}");
    assert!(holds.iter().all(|hold| hold.until.is_some()), "{holds:?}");
    let asked = |warning: &&String| warning.contains("asked to be held still later");
    assert_eq!(status.operation.warnings.iter().filter(asked).count(), 1, "{:?}", status.operation.warnings);
    let backup = status.backup.unwrap();
    assert!(backup.consistency > Consistency::Fuzzy, "{:?}", backup.consistency);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_never_holds_still_fails_its_backup_at_the_deadline_with_its_own_words() {
    let world = world();
    world.workspace.put_off_quiesce(u32::MAX);
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.timeout = Some(HOUR / 2);
    let status = world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    let error = status.operation.error.unwrap();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert!(error.message.contains("one service did not stop in time"), "{error}");
    let holds = world.workspace.holds();
    assert!((5..20).contains(&holds.len()), "it is asked less and less often: {}", holds.len());
    assert_eq!(world.workspace.held_by(), None);
    assert_eq!(world.cloud.jobs(), []);
}

#[tokio::test(start_paused = true)]
async fn services_run_while_no_job_can_be_started() {
    let world = world();
    world.workspace.put_off_quiesce(1);
    let orchestrator = world.orchestrator().unwrap();
    orchestrator.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    while world.workspace.holds().is_empty() {
        world.pass(Duration::from_millis(25)).await;
    }
    let now = world.clock.now();
    world.cloud.set_faults(FaultPlan::none().outage(now, now.after(2 * HOUR)));
    let status = world.finish(&orchestrator, &"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    let holds = world.workspace.holds();
    assert_eq!(holds.len(), 5, "one was put off, three were in vain: {holds:?}");
    for hold in &holds[1..4] {
        let lasted = hold.until.unwrap().since(hold.from);
        assert!(lasted < Duration::from_secs(8 * 60), "services were down for {lasted:?} for nothing");
    }
    let backup = status.backup.unwrap();
    assert!(
        backup.consistency > Consistency::Fuzzy,
        "all of it is of the last hold: {:?}",
        backup.consistency
    );
    assert!(backup.downtime >= Duration::from_secs(15 * 60), "all holds count: {:?}", backup.downtime);
}
