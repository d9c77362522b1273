//! Operations of different workspaces on the same data: one at a time, and none waits for ever.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_conformance::sim::{LEASE_TTL, SimProvisioner};
use stillpoint_core::layer::CallLimits;
use stillpoint_core::*;

use crate::fleet::{Fleet, op, overlap};

const MINUTE: Duration = Duration::from_secs(60);

fn unlimited(fleet: &Fleet, process: &str) -> LocalOrchestrator {
    fleet.orchestrator(process, OperationLimits::default(), CallLimits::default())
}

async fn step(orchestrator: &LocalOrchestrator, number: usize) -> String {
    orchestrator.status(&op(number)).await.unwrap().operation.step
}

#[tokio::test(start_paused = true)]
async fn workspaces_that_share_data_are_backed_up_one_after_the_other_and_others_beside_them() {
    let fleet = Fleet::on(4, |number| number / 3);
    let hosts = [unlimited(&fleet, "one"), unlimited(&fleet, "two")];
    for number in 0..4 {
        fleet.submit(&hosts[number % 2], number).await;
    }
    fleet.world.pass(MINUTE).await;
    let mut steps = Vec::new();
    for number in 0..4 {
        steps.push(step(&hosts[number % 2], number).await);
    }
    assert_eq!(steps.iter().filter(|step| *step == "capturing").count(), 2, "{steps:?}");
    assert_eq!(steps.iter().filter(|step| *step == "waiting").count(), 2, "{steps:?}");
    fleet.all_complete(&hosts[0]).await;
    let mut ends = Vec::new();
    for number in 0..4 {
        ends.push(hosts[0].status(&op(number)).await.unwrap().operation.finished_at.unwrap());
    }
    let holds = fleet.holds();
    assert_eq!((overlap(&holds[..3]), overlap(&holds)), (1, 2), "{holds:?}");
    for (from, _) in &holds[..3] {
        let before: Vec<_> = (0..3).filter(|other| holds[*other].0 < *from).collect();
        assert!(
            before.iter().all(|other| ends[*other] <= *from),
            "an earlier one had ended: {holds:?} {ends:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_wait_for_each_others_data_and_places_all_get_their_turn() {
    let fleet = Fleet::on(6, |number| number / 2);
    let limits = OperationLimits::new(Some(2), Some(1));
    let orchestrator = fleet.orchestrator("one", limits, CallLimits::default());
    for number in 0..6 {
        fleet.submit(&orchestrator, number).await;
    }
    fleet.all_complete(&orchestrator).await;
    let holds = fleet.holds();
    for pair in holds.chunks(2) {
        assert_eq!(overlap(pair), 1, "{holds:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_in_the_way_is_gone_on_with() {
    let fleet = Fleet::on(2, |_| 0);
    let first = unlimited(&fleet, "one");
    fleet.submit(&first, 0).await;
    fleet.world.pass(MINUTE).await;
    drop(first);
    let second = unlimited(&fleet, "two");
    fleet.submit(&second, 1).await;
    fleet.world.finish(&second, &op(1)).await.unwrap();
    fleet.all_complete(&second).await;
    assert_eq!(overlap(&fleet.holds()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_here_can_go_on_with_is_named_after_a_while_and_left_as_it_is() {
    let fleet = Fleet::on(2, |_| 0);
    let first = unlimited(&fleet, "one");
    fleet.submit(&first, 0).await;
    fleet.world.pass(MINUTE).await;
    drop(first);
    let stranger = fleet.host("two").workspace(fleet.workspaces[1].clone()).build();
    let begun = fleet.world.clock.now();
    fleet.submit(&stranger, 1).await;
    let refused = fleet.world.finish(&stranger, &op(1)).await.unwrap().operation;
    let error = refused.error.unwrap();
    assert_eq!((refused.state, error.kind), (OperationState::Failed, ErrorKind::Busy), "{error}");
    assert!(error.message.contains("resume it, or cancel it"), "{error}");
    assert!(refused.finished_at.unwrap().since(begun) < 6 * LEASE_TTL);

    let host = unlimited(&fleet, "three");
    assert_eq!(host.recover().await.unwrap(), [op(0)]);
    let status = fleet.world.finish(&host, &op(0)).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
}

/// Makes new workspaces where `resource` is.
#[derive(Debug)]
struct Into {
    inner: Arc<SimProvisioner>,
    resource: Extent,
}

#[async_trait]
impl Provisioner for Into {
    async fn preflight(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Finding>> {
        self.inner.preflight(cx, request).await
    }
    async fn extents(&self, _cx: &OpContext, _request: &ProvisionRequest) -> Result<Vec<Extent>> {
        Ok(vec![self.resource.clone()])
    }
    async fn provision(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        self.inner.provision(cx, request).await
    }
    async fn attach(&self, cx: &OpContext, made: &Provisioned, resources: &[RestoredResource]) -> Result<()> {
        self.inner.attach(cx, made, resources).await
    }
    async fn activate(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        self.inner.activate(cx, made).await
    }
    async fn discard(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        self.inner.discard(cx, made).await
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_restored_into_what_is_being_captured_nor_captured_while_it_is_restored_into() {
    let fleet = Fleet::of(2);
    let into = Into { inner: SimProvisioner::new(), resource: Extent::resource("other", "arn-1") };
    let builder = fleet.host("one").provisioner("into", Arc::new(into));
    let workspaces = fleet.workspaces.iter();
    let orchestrator =
        workspaces.fold(builder, |builder, workspace| builder.workspace(workspace.clone())).build();
    fleet.submit(&orchestrator, 0).await;
    let backup = fleet.world.finish(&orchestrator, &op(0)).await.unwrap().backup.unwrap();

    fleet.submit(&orchestrator, 1).await;
    fleet.world.pass(MINUTE).await;
    let id: OperationId = "restore".parse().unwrap();
    let restore = RestoreRequest::new(id.clone(), backup.id, "new".parse().unwrap(), "into", Settings::new());
    orchestrator.submit(Request::Restore(restore)).await.unwrap();
    fleet.world.pass(MINUTE).await;
    let steps = (step(&orchestrator, 1).await, orchestrator.status(&id).await.unwrap().operation.step);
    assert_eq!(
        steps,
        ("capturing".into(), "waiting".into()),
        "{:?}",
        orchestrator.status(&id).await.unwrap()
    );
    let captured = fleet.world.finish(&orchestrator, &op(1)).await.unwrap();
    assert_eq!(captured.operation.state, OperationState::Completed);

    while orchestrator.status(&id).await.unwrap().operation.step != "filling" {
        fleet.world.pass(Duration::from_secs(10)).await;
    }
    let again: OperationId = "again".parse().unwrap();
    let request = BackupRequest::new(again.clone(), "ws-1".parse().unwrap());
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    fleet.world.pass(Duration::from_secs(10)).await;
    assert_eq!(orchestrator.status(&again).await.unwrap().operation.step, "waiting");
    assert_eq!(fleet.workspaces[1].holds().len(), 1, "nothing is held still meanwhile");
    for id in [&id, &again] {
        let ended = fleet.world.finish(&orchestrator, id).await.unwrap().operation;
        assert_eq!(ended.state, OperationState::Completed, "{ended:?}");
    }
}
