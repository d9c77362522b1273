//! Operations that ended long ago leave the catalog; what something still needs stays.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fault, FaultPlan, SimConfig, SimKind, SimWorld};
use stillpoint_core::layer::{Call as CatalogCall, CatalogLayer};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const DAY: Duration = Duration::from_secs(86_400);

fn world() -> (SimWorld, LocalOrchestrator) {
    let world = SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, GB, 1000)]).unwrap();
    let orchestrator = world.orchestrator().unwrap();
    (world, orchestrator)
}

async fn run(world: &SimWorld, orchestrator: &LocalOrchestrator, request: Request) -> OperationState {
    world.run(orchestrator, request).await.unwrap().operation.state
}

async fn back_up(world: &SimWorld, orchestrator: &LocalOrchestrator, id: &str) {
    let state = run(world, orchestrator, Request::Backup(world.backup(id).unwrap())).await;
    assert_eq!(state, OperationState::Completed);
}

async fn delete(world: &SimWorld, orchestrator: &LocalOrchestrator, id: &str, of: &str) -> OperationState {
    run(world, orchestrator, Request::Delete(world.delete(id, of).unwrap())).await
}

/// Long after, in another process.
async fn later(world: &SimWorld, orchestrator: LocalOrchestrator) -> LocalOrchestrator {
    drop(orchestrator);
    world.pass(100 * DAY).await;
    world.orchestrator().unwrap()
}

fn trimming(world: &SimWorld, newest: usize) -> Trimming {
    let catalog: Arc<dyn Catalog> = Arc::clone(&world.catalog) as _;
    Trimming::new(catalog, Arc::clone(&world.clock), HistoryKept::new(90 * DAY, newest))
}

/// The operations that are catalogued, oldest first.
async fn left(world: &SimWorld) -> Vec<String> {
    let page = world.catalog.operations(&OperationQuery::all()).await.unwrap();
    page.items.iter().rev().map(|stored| stored.operation.id.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_ended_long_ago_goes_and_what_is_needed_stays() {
    let (world, orchestrator) = world();
    for id in ["kept", "deleted", "restored"] {
        back_up(&world, &orchestrator, id).await;
    }
    let verify = world.verify("verified", "kept").unwrap();
    run(&world, &orchestrator, Request::Verify(verify)).await;
    let restore = world.restore("restore", "restored", "ws-2").unwrap();
    run(&world, &orchestrator, Request::Restore(restore)).await;
    for (id, of) in [("deletion", "deleted"), ("deletion-2", "restored")] {
        assert_eq!(delete(&world, &orchestrator, id, of).await, OperationState::Completed);
    }
    let ledger = world.catalog.ledger(&"deleted".parse().unwrap()).await.unwrap();
    assert!(!ledger.is_empty());

    let orchestrator = later(&world, orchestrator).await;
    let trimming = trimming(&world, 0);
    assert_eq!(
        trimming.all().await.unwrap(),
        0,
        "nothing has happened since, so a clock that is ahead would look the same"
    );
    back_up(&world, &orchestrator, "recent").await;
    assert_eq!(trimming.all().await.unwrap(), 5);
    assert_eq!(left(&world).await, ["kept", "restore", "recent"]);
    assert_eq!(world.catalog.ledger(&"deleted".parse().unwrap()).await.unwrap(), []);
    let absent = orchestrator.status(&"deleted".parse().unwrap()).await.unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    assert!(absent.to_string().contains("ended long ago"), "{absent}");
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_a_workspace_and_the_last_run_of_a_schedule_stay() {
    let (world, orchestrator) = world();
    for number in 0..5 {
        back_up(&world, &orchestrator, &format!("op-{number}")).await;
        delete(&world, &orchestrator, &format!("del-{number}"), &format!("op-{number}")).await;
    }
    let every = Schedule::new(Cadence::every(DAY).unwrap());
    let request = world.backup("each-run").unwrap();
    let mut schedule = ScheduleRecord::new("nightly".parse().unwrap(), every, request, world.clock.now());
    let now = world.clock.now();
    schedule.last = Some(ScheduledRun::new(now, now, "op-0".parse().unwrap()));
    world.catalog.put_schedule(&schedule, None).await.unwrap();
    let orchestrator = later(&world, orchestrator).await;
    back_up(&world, &orchestrator, "recent").await;
    trimming(&world, 4).all().await.unwrap();
    assert_eq!(left(&world).await, ["op-0", "del-3", "op-4", "del-4", "recent"]);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_failed_stays_while_there_is_something_to_delete() {
    let (world, orchestrator) = world();
    back_up(&world, &orchestrator, "op").await;
    let refused = Fault::Refused(ErrorKind::PermissionDenied);
    world
        .cloud
        .set_faults((1..100).fold(FaultPlan::none(), |plan, nth| plan.call(Call::Delete, nth, refused)));
    assert_eq!(delete(&world, &orchestrator, "refused", "op").await, OperationState::Failed);
    let orchestrator = later(&world, orchestrator).await;
    back_up(&world, &orchestrator, "recent").await;
    let trimming = trimming(&world, 0);
    assert_eq!(trimming.all().await.unwrap(), 0);

    world.cloud.set_faults(FaultPlan::none());
    assert_eq!(delete(&world, &orchestrator, "again", "op").await, OperationState::Completed);
    assert_eq!(trimming.all().await.unwrap(), 2);
    assert_eq!(left(&world).await, ["recent", "again"]);
}

/// A catalog that carries a removal out and does not live to say so.
#[derive(Debug)]
struct Dying {
    inner: Arc<dyn Catalog>,
    died: AtomicBool,
}

impl CatalogLayer for Dying {
    fn inner(&self) -> &dyn Catalog {
        self.inner.as_ref()
    }

    async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        call: CatalogCall,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T> {
        let answer = attempt().await;
        if call.changes && !self.died.swap(true, Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Unavailable, "the connection is gone").maybe_applied());
        }
        answer
    }
}

#[tokio::test(start_paused = true)]
async fn a_round_that_was_cut_short_is_made_up_for_by_the_next() {
    let (world, orchestrator) = world();
    for number in 0..150 {
        back_up(&world, &orchestrator, &format!("op-{number}")).await;
        delete(&world, &orchestrator, &format!("del-{number}"), &format!("op-{number}")).await;
    }
    let orchestrator = later(&world, orchestrator).await;
    back_up(&world, &orchestrator, "recent").await;
    let inner: Arc<dyn Catalog> = Arc::clone(&world.catalog) as _;
    let dying: Arc<dyn Catalog> = Arc::new(Dying { inner, died: AtomicBool::new(false) });
    let trimming = Trimming::new(dying, Arc::clone(&world.clock), HistoryKept::new(90 * DAY, 10));
    assert_eq!(trimming.round().await.unwrap_err().kind(), ErrorKind::Unavailable);
    let mut rounds = Vec::new();
    loop {
        let trimmed = trimming.round().await.unwrap();
        rounds.push(trimmed.removed.len());
        if trimmed.through {
            break;
        }
    }
    assert!(rounds.iter().all(|removed| *removed <= 200), "{rounds:?}");
    assert_eq!(left(&world).await.len(), 10);
}

/// A catalog that counts how often it is asked for one backup, and for anything else.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Catalog>,
    backups: AtomicUsize,
    others: AtomicUsize,
}

impl CatalogLayer for Counting {
    fn inner(&self) -> &dyn Catalog {
        self.inner.as_ref()
    }

    async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        call: CatalogCall,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T> {
        let count = if call.verb == "backup" { &self.backups } else { &self.others };
        count.fetch_add(1, Ordering::Relaxed);
        attempt().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_operation_whose_backup_is_catalogued_costs_one_look() {
    let (world, orchestrator) = world();
    for number in 0..5 {
        back_up(&world, &orchestrator, &format!("op-{number}")).await;
    }
    let orchestrator = later(&world, orchestrator).await;
    back_up(&world, &orchestrator, "recent").await;
    let inner: Arc<dyn Catalog> = Arc::clone(&world.catalog) as _;
    let counting =
        Arc::new(Counting { inner, backups: AtomicUsize::default(), others: AtomicUsize::default() });
    let kept = HistoryKept::new(90 * DAY, 1);
    let trimming = Trimming::new(Arc::clone(&counting) as _, Arc::clone(&world.clock), kept);
    assert_eq!(trimming.round().await.unwrap().removed, []);
    let asked = [&counting.backups, &counting.others].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(asked, [5, 2], "beside its backup, where to begin and the page of all five");
}

#[tokio::test(start_paused = true)]
async fn more_than_a_round_of_them_is_gone_within_minutes() {
    let (world, orchestrator) = world();
    for number in 0..110 {
        back_up(&world, &orchestrator, &format!("op-{number}")).await;
        delete(&world, &orchestrator, &format!("del-{number}"), &format!("op-{number}")).await;
    }
    let orchestrator = later(&world, orchestrator).await;
    back_up(&world, &orchestrator, "recent").await;
    let (trimming, stop) = (trimming(&world, 0), Cancellation::new());
    tokio::select! {
        () = trimming.run(&stop) => unreachable!("nobody stops it"),
        () = world.pass(Duration::from_secs(300)) => {}
    }
    assert_eq!(left(&world).await, ["recent"]);
}
