//! Schedules on a simulated cloud, under virtual time: nights pass, processes die, workspaces are busy.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use stillpoint_conformance::crash::{CrashPoint, Fuse, FusedCatalog, Moment};
use stillpoint_conformance::sim::{FaultPlan, LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn world() -> SimWorld {
    SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 10 * GB, 10_000)]).unwrap()
}

fn scheduler(world: &SimWorld) -> Scheduler {
    let catalog = Arc::clone(&world.catalog) as Arc<dyn Catalog>;
    Scheduler::new(Arc::new(world.orchestrator().unwrap()), catalog, Arc::clone(&world.clock))
}

fn nightly() -> Schedule {
    Schedule::new(Cadence::cron("30 2 * * *").unwrap()).in_zone("Europe/Berlin").unwrap()
}

async fn put(world: &SimWorld, schedule: Schedule) -> ScheduleId {
    let request = world.backup("each-run").unwrap();
    let record = ScheduleRecord::new("nightly".parse().unwrap(), schedule, request, world.clock.now());
    world.catalog.put_schedule(&record, None).await.unwrap();
    record.id
}

/// Lets a scheduler run for a while, and then die with its orchestrator. Answers what it told.
async fn run(world: &SimWorld, scheduler: Scheduler, time: Duration) -> Vec<ScheduleEventKind> {
    let events = scheduler.events();
    let stop = Cancellation::new();
    tokio::select! {
        () = scheduler.run(&stop) => {}
        () = world.pass(time) => {}
    }
    drop(scheduler);
    events.map(|event| event.kind).collect().now_or_never().unwrap()
}

async fn backups(world: &SimWorld) -> Vec<BackupRecord> {
    let page = world.catalog.backups(&BackupQuery::all()).await.unwrap();
    page.items.into_iter().map(|stored| stored.backup).collect()
}

async fn operations(world: &SimWorld) -> usize {
    world.catalog.operations(&OperationQuery::all()).await.unwrap().items.len()
}

fn submitted(events: &[ScheduleEventKind]) -> usize {
    events.iter().filter(|kind| matches!(kind, ScheduleEventKind::Submitted { .. })).count()
}

fn alarms(events: &[ScheduleEventKind]) -> Vec<&Alarm> {
    events
        .iter()
        .filter_map(|kind| match kind {
            ScheduleEventKind::Alarm { alarm } => Some(alarm),
            _ => None,
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_night_has_its_backup_whoever_is_restarted_in_between() {
    let world = world();
    put(&world, nightly()).await;
    for _ in 0..5 {
        let events = run(&world, scheduler(&world), DAY).await;
        assert_eq!((submitted(&events), alarms(&events).len()), (1, 0), "{events:?}");
    }
    let found = backups(&world).await;
    assert_eq!(found.len(), 5);
    for backup in found {
        assert_eq!(backup.state, BackupState::Completed);
        let time = backup.created_at.to_string();
        assert!(time.contains("T00:30:0"), "half past two in Berlin's summer, to a few seconds: {time}");
    }
}

#[tokio::test(start_paused = true)]
async fn missed_nights_raise_one_alarm_and_are_caught_up_with_once() {
    let world = world();
    let id = put(&world, nightly()).await;
    world.pass(3 * DAY).await;
    let events = run(&world, scheduler(&world), HOUR).await;
    let [Alarm::MissedRuns { missed }] = alarms(&events)[..] else { panic!("{events:?}") };
    assert_eq!((missed.runs, submitted(&events)), (3, 1));
    let events = run(&world, scheduler(&world), HOUR).await;
    assert!(events.is_empty(), "a restart says nothing twice: {events:?}");
    assert_eq!(backups(&world).await.len(), 1);
    let stored = world.catalog.schedule(&id).await.unwrap().unwrap();
    assert_eq!(stored.record.missed_runs, 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_clock_ahead_began_early_is_made_when_its_time_comes() {
    let world = world();
    let id = put(&world, nightly()).await;
    // What such a host leaves of tonight's run: an operation of tomorrow, under tonight's name, that has ended.
    let stored = world.catalog.schedule(&id).await.unwrap().unwrap().record;
    let due = next_run(&stored.schedule, stored.workspace(), stored.anchor, world.clock.now().after(DAY));
    let nominal = due.unwrap().due.unwrap().nominal;
    let mut request = world.backup("each-run").unwrap();
    request.id = stored.operation(nominal);
    let mut early = OperationRecord::submitted(Request::Backup(request), world.clock.now().after(2 * DAY));
    early.state = OperationState::Completed;
    world.catalog.create_operation(&early, &Holder::new("sim-host", "ahead"), LEASE_TTL).await.unwrap();

    let events = run(&world, scheduler(&world), DAY).await;
    assert_eq!((submitted(&events), backups(&world).await.len()), (1, 1), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_ran_ahead_silences_no_schedule() {
    let world = world();
    let request = world.backup("each-run").unwrap();
    let mut schedule = Schedule::new(Cadence::every(12 * HOUR).unwrap());
    schedule.alarm_after = Some(2 * DAY);
    // What a scheduler leaves whose clock is a year ahead: when it counts from, when to look again, and a backup of then.
    let ahead = world.clock.now().after(365 * DAY);
    let mut record = ScheduleRecord::new("nightly".parse().unwrap(), schedule, request, ahead);
    (record.created_at, record.look_at) = (world.clock.now(), Some(ahead.after(12 * HOUR)));
    world.catalog.put_schedule(&record, None).await.unwrap();
    let definition = Definition::new(world.workspace_id());
    let backup = BackupRecord::new("b-ahead".parse().unwrap(), "op".parse().unwrap(), definition, ahead);
    world.catalog.put_backup(&backup, None).await.unwrap();

    let scheduler = scheduler(&world);
    let mut events = scheduler.events();
    assert!(scheduler.tick().await.unwrap().submitted.is_empty());
    let told = events.next().await.unwrap().kind;
    let ScheduleEventKind::Alarm { alarm: Alarm::CountedAhead { from } } = told else { panic!("{told:?}") };
    assert_eq!(from, ahead);
    world.pass(12 * HOUR).await;
    let [operation] = &scheduler.tick().await.unwrap().submitted[..] else { panic!("nothing is due") };
    world.finish(&world.orchestrator().unwrap(), operation).await.unwrap();

    // The backup of a time that has not come yet does not pass for a fresh one.
    let mut stored = world.catalog.schedule(&record.id).await.unwrap().unwrap();
    stored.record.schedule.paused = true;
    world.catalog.put_schedule(&stored.record, Some(stored.revision)).await.unwrap();
    world.pass(3 * DAY).await;
    scheduler.tick().await.unwrap();
    let stale = world.catalog.schedule(&record.id).await.unwrap().unwrap().record.stale_since;
    assert!(stale.is_some(), "nobody is told that the newest backup is three days old");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_ran_ahead_once_hides_no_missed_runs_and_no_run_that_waited_then() {
    let world = world();
    let request = world.backup("each-run").unwrap();
    let schedule = Schedule::new(Cadence::every(12 * HOUR).unwrap());
    let (now, ahead) = (world.clock.now(), world.clock.now().after(365 * DAY));
    // What a scheduler leaves that could not begin a run while its clock was a year ahead.
    let mut record = ScheduleRecord::new("nightly".parse().unwrap(), schedule, request, now);
    (record.missed_until, record.missed_runs) = (Some(ahead), 730);
    (record.waiting, record.look_at) = (Some(ahead), Some(ahead));
    world.catalog.put_schedule(&record, None).await.unwrap();
    world.pass(2 * DAY).await;
    let events = run(&world, scheduler(&world), HOUR).await;
    let [Alarm::MissedRuns { missed }] = alarms(&events)[..] else { panic!("{events:?}") };
    assert_eq!((missed.runs, submitted(&events)), (3, 1), "the fourth is begun: {events:?}");
}

#[tokio::test(start_paused = true)]
async fn several_schedulers_begin_each_run_once() {
    let world = world();
    put(&world, nightly()).await;
    let (one, two, three) = (scheduler(&world), scheduler(&world), scheduler(&world));
    let stop = Cancellation::new();
    tokio::select! {
        () = one.run(&stop) => {}
        () = two.run(&stop) => {}
        () = three.run(&stop) => {}
        () = world.pass(4 * DAY) => {}
    }
    assert_eq!((operations(&world).await, backups(&world).await.len()), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_dies_at_any_boundary_makes_no_second_operation_and_misses_none() {
    for boundary in 0..2 {
        for moment in [Moment::Before, Moment::After] {
            let world = world();
            put(&world, nightly()).await;
            world.pass(10 * HOUR + 17 * HOUR / 60).await;
            // Only the scheduler's own writes are counted: the orchestrator works on the catalog itself.
            let fuse = Arc::new(Fuse::new(Some(CrashPoint::new(boundary, moment))));
            let catalog = Arc::clone(&world.catalog) as Arc<dyn Catalog>;
            let mortal = Scheduler::new(
                Arc::new(world.orchestrator().unwrap()),
                Arc::new(FusedCatalog::new(catalog, Arc::clone(&fuse))),
                Arc::clone(&world.clock),
            );
            let stop = Cancellation::new();
            tokio::select! {
                () = mortal.run(&stop) => {}
                () = fuse.blows() => {}
                () = world.pass(HOUR) => {}
            }
            drop(mortal);
            world.pass(LEASE_TTL).await;
            let orchestrator = Arc::new(world.orchestrator().unwrap());
            orchestrator.recover().await.unwrap();
            let catalog = Arc::clone(&world.catalog) as Arc<dyn Catalog>;
            run(&world, Scheduler::new(orchestrator, catalog, Arc::clone(&world.clock)), HOUR).await;
            let found = (operations(&world).await, backups(&world).await.len());
            assert_eq!(found, (1, 1), "death {moment:?} boundary {boundary}");
        }
    }
}

/// Every ten minutes, while one backup takes half an hour.
async fn overlapping(overlap: Overlap) -> (Vec<ScheduleEventKind>, SimWorld) {
    let world =
        SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 36 * GB, 20 << 20)]).unwrap();
    let mut schedule = Schedule::new(Cadence::every(HOUR / 6).unwrap());
    schedule.overlap = overlap;
    put(&world, schedule).await;
    let events = run(&world, scheduler(&world), HOUR).await;
    (events, world)
}

#[tokio::test(start_paused = true)]
async fn a_run_is_left_out_while_the_workspace_is_busy() {
    let (events, _world) = overlapping(Overlap::Skip).await;
    let skipped = events.iter().filter(|kind| matches!(kind, ScheduleEventKind::Skipped { .. })).count();
    assert!(submitted(&events) < 3 && skipped >= 3, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_begins_once_the_workspace_is_free() {
    let (events, world) = overlapping(Overlap::Queue).await;
    let waited = events.iter().filter(|kind| matches!(kind, ScheduleEventKind::Waiting { .. })).count();
    assert!(waited > 0 && submitted(&events) >= 2, "{events:?}");
    assert!(alarms(&events).is_empty(), "waiting is not missing: {events:?}");
    let ended = backups(&world).await;
    assert!(!ended.is_empty(), "the first one was let finish");
}

#[tokio::test(start_paused = true)]
async fn a_queued_run_waits_longer_than_its_grace_also_where_missed_runs_are_left_out() {
    let world =
        SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 100 * GB, 10_000)]).unwrap();
    let mut schedule = nightly();
    (schedule.overlap, schedule.when_missed) = (Overlap::Queue, WhenMissed::Skip);
    let id = put(&world, schedule).await;
    let next = |record: &ScheduleRecord, now| {
        next_run(&record.schedule, record.workspace(), record.anchor, now).unwrap().due.unwrap()
    };
    let stored = world.catalog.schedule(&id).await.unwrap().unwrap();
    let night = next(&stored.record, world.clock.now());
    let day = world.orchestrator().unwrap();
    world.pass(night.at.since(world.clock.now()) - HOUR / 6).await;
    day.submit(Request::Backup(world.backup("by-day").unwrap())).await.unwrap();
    let events = run(&world, scheduler(&world), 12 * HOUR).await;
    assert!(matches!(events[0], ScheduleEventKind::Waiting { .. }), "{events:?}");
    let [ScheduleEventKind::Submitted { nominal, .. }] = events[1..] else { panic!("{events:?}") };
    assert_eq!(nominal, night.nominal);
    let stored = world.catalog.schedule(&id).await.unwrap().unwrap().record;
    assert_eq!((stored.waiting, stored.missed_runs), (None, 0));
    let run = stored.last.unwrap();
    assert!(run.submitted_at.since(night.at) > HOUR / 2, "longer than the grace of ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_replacing_run_cancels_the_backup_in_its_way() {
    let (events, world) = overlapping(Overlap::Replace).await;
    assert!(submitted(&events) >= 3, "{events:?}");
    let all = world.catalog.operations(&OperationQuery::all()).await.unwrap().items;
    let cancelled = all.iter().filter(|stored| stored.operation.state == OperationState::Cancelled).count();
    assert!(cancelled >= 2, "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_last_good_backup_raises_one_alarm_until_there_is_a_younger_one() {
    let world = world();
    let mut schedule = nightly();
    schedule.alarm_after = Some(30 * HOUR);
    let id = put(&world, schedule).await;
    let outage = FaultPlan::none().outage(world.clock.now(), world.clock.now().after(3 * DAY));
    world.cloud.set_faults(outage);
    let events = run(&world, scheduler(&world), 3 * DAY).await;
    let [Alarm::Stale { last_good: None, limit }] = alarms(&events)[..] else { panic!("{events:?}") };
    assert_eq!(*limit, 30 * HOUR);
    let events = run(&world, scheduler(&world), DAY).await;
    assert!(events.contains(&ScheduleEventKind::Fresh), "{events:?}");
    assert_eq!(world.catalog.schedule(&id).await.unwrap().unwrap().record.stale_since, None);
}

#[tokio::test(start_paused = true)]
async fn a_paused_schedule_begins_nothing_and_a_blackout_only_postpones() {
    let world = world();
    let mut schedule = nightly();
    schedule.blackouts = vec![Blackout::daily("02:00".parse().unwrap(), "04:00".parse().unwrap())];
    let id = put(&world, schedule).await;
    let stored = world.catalog.schedule(&id).await.unwrap().unwrap();
    let mut paused = stored.record.clone();
    paused.pause();
    let revision = world.catalog.put_schedule(&paused, Some(stored.revision)).await.unwrap();
    assert!(run(&world, scheduler(&world), 2 * DAY).await.is_empty());
    let stored = world.catalog.schedule(&id).await.unwrap().unwrap();
    assert!(stored.revision >= revision);
    let mut goes_on = stored.record.clone();
    goes_on.unpause(world.clock.now());
    world.catalog.put_schedule(&goes_on, Some(stored.revision)).await.unwrap();
    let events = run(&world, scheduler(&world), DAY).await;
    assert_eq!((submitted(&events), alarms(&events).len()), (1, 0), "{events:?}");
    let time = backups(&world).await[0].created_at.to_string();
    assert!(time.contains("T02:00:0"), "four in Berlin: {time}");
}
