//! Lines for busy workspaces, and limits of what is at work at a time, under virtual time.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::layer::{CallLimits, ProviderLayer};
use stillpoint_core::*;

use crate::fleet::{Fleet, op, overlap};

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn no_more_operations_are_at_work_than_allowed_and_the_others_wait_unheld_in_order() {
    let fleet = Fleet::of(9);
    let orchestrator = fleet.orchestrator("one", OperationLimits::new(Some(3), None), CallLimits::default());
    for number in 0..9 {
        fleet.submit(&orchestrator, number).await;
        fleet.world.pass(Duration::from_secs(2)).await;
    }
    fleet.all_complete(&orchestrator).await;
    let holds = fleet.holds();
    assert_eq!(overlap(&holds), 3, "{holds:?}");
    assert!(holds.windows(2).all(|pair| pair[0].0 < pair[1].0), "first come is first served");
    for (from, to) in holds {
        assert!(to.since(from) < 15 * MINUTE, "nobody is held still while it waits");
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_operation_keeps_no_place_from_others() {
    let fleet = Fleet::of(2);
    let limits = OperationLimits::new(Some(1), None);
    let orchestrator = fleet.orchestrator("one", limits, CallLimits::default());
    let mut request = BackupRequest::new(op(0), "ws-0".parse().unwrap());
    request.timeout = Some(MINUTE);
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    fleet.submit(&orchestrator, 1).await;
    let second = fleet.world.finish(&orchestrator, &op(1)).await.unwrap();
    assert_eq!(second.operation.state, OperationState::Completed, "{:?}", second.operation);
    fleet.world.finish(&orchestrator, &op(0)).await.unwrap();
    let first = loop {
        let status = orchestrator.status(&op(0)).await.unwrap();
        match status.operation.finished_at {
            Some(ended) => break ended,
            None => fleet.world.pass(MINUTE).await,
        }
    };
    let (began, _) = fleet.holds()[1];
    assert!(began < first, "the second began at {began}, when the jobs of the first still ran until {first}");
}

#[tokio::test(start_paused = true)]
async fn each_provider_has_a_limit_of_its_own() {
    let fleet = Fleet::of(6);
    let orchestrator = fleet.orchestrator("one", OperationLimits::new(None, Some(1)), CallLimits::default());
    for number in 0..6 {
        fleet.submit(&orchestrator, number).await;
    }
    fleet.all_complete(&orchestrator).await;
    let holds = fleet.holds();
    let of = |rest| holds.iter().copied().skip(rest).step_by(2).collect::<Vec<_>>();
    assert_eq!((overlap(&of(0)), overlap(&of(1)), overlap(&holds)), (1, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_over_goes_on_at_once_and_counts() {
    let fleet = Fleet::of(4);
    let first = fleet.orchestrator("one", OperationLimits::default(), CallLimits::default());
    for number in 0..3 {
        fleet.submit(&first, number).await;
    }
    fleet.world.pass(MINUTE).await;
    drop(first);
    fleet.world.pass(LEASE_TTL).await;
    let second = fleet.orchestrator("two", OperationLimits::new(Some(1), None), CallLimits::default());
    assert_eq!(second.recover().await.unwrap().len(), 3);
    fleet.submit(&second, 3).await;
    fleet.all_complete(&second).await;
    let holds = fleet.holds();
    assert_eq!(overlap(&holds[..3]), 3, "they were under way");
    assert!(holds[..3].iter().all(|(_, to)| *to < holds[3].0), "the new one waits for all of them");
}

#[tokio::test(start_paused = true)]
async fn calls_are_spaced_and_never_more_at_a_time_than_allowed() {
    for limits in [CallLimits::new(Some(1), None), CallLimits::new(None, Some(5))] {
        let fleet = Fleet::of(8);
        let orchestrator = fleet.orchestrator("one", OperationLimits::default(), limits);
        for number in 0..8 {
            fleet.submit(&orchestrator, number).await;
        }
        fleet.all_complete(&orchestrator).await;
        for process in [" p0 ", " p1 "] {
            let calls = fleet.world.cloud.journal();
            let times: Vec<_> = calls
                .iter()
                .filter(|call| call.to_string().contains(process) && call.call != "read")
                .map(|c| c.at)
                .collect();
            assert!(times.len() > 30, "{}", times.len());
            let apart = times.windows(2).map(|pair| pair[1].since(pair[0])).min().unwrap();
            // One at a time: each takes the cloud's latency of 150 ms; five a second: 200 ms apart.
            assert!(apart >= Duration::from_millis(150), "{limits:?}: {apart:?}");
        }
    }
}

fn queued(world: &SimWorld, id: &str) -> Request {
    let mut request = world.backup(id).unwrap();
    request.when_busy = WhenBusy::Queue;
    Request::Backup(request)
}

fn one_workspace() -> SimWorld {
    SimWorld::new(SimConfig::default(), &[("home", SimKind::FileSystem, 20 * GB, 1_000)]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn requests_for_a_busy_workspace_are_served_in_the_order_of_their_arrival() {
    let world = one_workspace();
    let orchestrator = Arc::new(world.orchestrator().unwrap());
    let mut waiting = Vec::new();
    for id in ["op-a", "op-b", "op-c", "op-b"] {
        let (orchestrator, request) = (Arc::clone(&orchestrator), queued(&world, id));
        waiting.push(tokio::spawn(async move { orchestrator.submit(request).await }));
        world.pass(Duration::from_secs(1)).await;
    }
    for submission in waiting {
        submission.await.unwrap().unwrap();
    }
    let mut begun = Vec::new();
    for id in ["op-a", "op-b", "op-c"] {
        let status = world.finish(orchestrator.as_ref(), &id.parse().unwrap()).await.unwrap();
        assert_eq!(status.operation.state, OperationState::Completed);
        begun.push((status.operation.started_at, status.operation.finished_at.unwrap()));
    }
    assert!(begun.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one after the other: {begun:?}");
    assert_eq!(world.cloud.jobs().len(), 3, "the same id twice is one operation");
}

#[tokio::test(start_paused = true)]
async fn only_an_operation_of_the_same_kind_answers_a_request_that_may_attach() {
    let world = one_workspace();
    let orchestrator = world.orchestrator().unwrap();
    let running = world.backup("op-1").unwrap();
    orchestrator.submit(Request::Backup(running)).await.unwrap();
    let mut second = world.backup("op-2").unwrap();
    second.when_busy = WhenBusy::Attach;
    let attached = orchestrator.submit(Request::Backup(second.clone())).await.unwrap();
    assert_eq!(attached.operation.id.as_str(), "op-1");
    world.finish(&orchestrator, &attached.operation.id).await.unwrap();
    orchestrator.submit(Request::Verify(world.verify("look", "op-1").unwrap())).await.unwrap();
    let refused = orchestrator.submit(Request::Backup(second)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Busy, "a verification is no backup: {refused}");
}

#[tokio::test(start_paused = true)]
async fn a_line_is_bounded_and_whoever_waits_too_long_loses_its_turn_only() {
    let world = one_workspace();
    let orchestrator = Arc::new(world.orchestrator().unwrap());
    orchestrator.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..70 {
        let mut request = world.backup(&format!("impatient-{number}")).unwrap();
        (request.when_busy, request.timeout) = (WhenBusy::Queue, Some(MINUTE));
        let orchestrator = Arc::clone(&orchestrator);
        waiting.push(tokio::spawn(async move { orchestrator.submit(Request::Backup(request)).await }));
    }
    let begun = world.clock.now();
    let mut full = 0;
    for submission in waiting {
        let error = submission.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy);
        full += usize::from(error.to_string().contains("wait for workspace"));
    }
    assert_eq!(full, 6, "64 may wait");
    assert!(world.clock.now().since(begun) < 2 * MINUTE);
    let patient = orchestrator.submit(queued(&world, "op-2")).await.unwrap();
    assert!(
        patient.operation.started_at.since(begun) > MINUTE,
        "it had its turn when the first one had ended"
    );
    assert_eq!(world.workspace.holds().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_line_behind_an_interrupted_operation_takes_it_over() {
    let world = one_workspace();
    let first = world.orchestrator().unwrap();
    first.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    world.pass(MINUTE).await;
    drop(first);
    let second = world.orchestrator().unwrap();
    second.submit(queued(&world, "op-2")).await.unwrap();
    let earlier = second.status(&"op-1".parse().unwrap()).await.unwrap();
    assert_eq!(earlier.operation.state, OperationState::Completed);
    let status = world.finish(&second, &"op-2".parse().unwrap()).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
}

/// A provider that refuses to begin with one source until some time.
#[derive(Debug)]
struct Refusing {
    inner: Arc<dyn Provider>,
    until: Timestamp,
}

impl ProviderLayer for Refusing {
    fn inner(&self) -> &dyn Provider {
        self.inner.as_ref()
    }

    async fn start(&self, cx: &OpContext, request: &JobRequest) -> Result<JobRef> {
        let refused = matches!(request, JobRequest::Backup(job) if job.component.resource == "arn-0");
        if refused && cx.clock().now() < self.until {
            return Err(Error::new(ErrorKind::Busy, "not yet"));
        }
        self.inner.start(cx, request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_backup_leaves_its_place_while_services_rest_and_queues_for_it_before_the_next_hold() {
    let fleet = Fleet::on(3, |number| 2 * number);
    let inner: Arc<dyn Provider> = Arc::new(fleet.world.cloud.provider("sim".parse().unwrap()));
    let until = fleet.world.clock.now().after(15 * MINUTE);
    let host = fleet.host("one").provider(Arc::new(Refusing { inner, until }));
    let host = host.operation_limits(OperationLimits::new(Some(1), None));
    let host = fleet.workspaces.iter().fold(host, |host, workspace| host.workspace(workspace.clone()));
    let orchestrator = host.build();
    for number in 0..3 {
        fleet.submit(&orchestrator, number).await;
        fleet.world.pass(MINUTE / 6).await;
    }
    fleet.all_complete(&orchestrator).await;
    let spans: Vec<Vec<_>> = fleet.workspaces.iter().map(|workspace| workspace.holds()).collect();
    let [first, second] = &spans[0][..] else { panic!("held twice: {:?}", spans[0]) };
    let (one, two) = (&spans[1][0], &spans[2][0]);
    assert!(one.from >= first.until.unwrap(), "{spans:?}");
    assert!(one.from.since(first.until.unwrap()) < MINUTE, "the others wait for nothing: {spans:?}");
    let ended = fleet.ended(&orchestrator, 2).await;
    assert!(two.from < second.from && ended <= second.from, "it has no place of its own: {spans:?}, {ended}");
}
