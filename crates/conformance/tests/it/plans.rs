//! Plans: what an operation would do, found out without doing it; and nothing but what was accepted is done.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{SimConfig, SimKind, SimWorkspace, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;

fn world() -> SimWorld {
    let components =
        [("data", SimKind::Volume, 20 * GB, 20_000), ("home", SimKind::FileSystem, 10 * GB, 10_000)];
    SimWorld::new(SimConfig::default(), &components).unwrap()
}

fn calls(outlook: &Outlook) -> Vec<String> {
    outlook.calls.iter().map(|call| format!("{}.{}({})", call.whom, call.call, call.subject)).collect()
}

/// An orchestrator on the same catalog for which the workspace is `workspace` by now.
fn with_workspace(world: &SimWorld, workspace: Arc<SimWorkspace>) -> LocalOrchestrator {
    let catalog = Arc::clone(&world.catalog) as Arc<dyn Catalog>;
    let provider = Arc::new(world.cloud.provider("sim".parse().unwrap()));
    let provisioner = Arc::clone(&world.provisioner) as Arc<dyn Provisioner>;
    world.orchestrator_on(catalog, provider, workspace, provisioner).unwrap()
}

async fn backed_up() -> (SimWorld, LocalOrchestrator) {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    world.run(&orchestrator, Request::Backup(world.backup("backup").unwrap())).await.unwrap();
    (world, orchestrator)
}

#[tokio::test(start_paused = true)]
async fn a_plan_of_a_backup_says_what_it_would_do_and_does_nothing() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let plan = orchestrator.plan(&world.backup("backup").unwrap()).await.unwrap();
    let excluded = plan.components.iter().find(|planned| planned.component.id.as_str() == "shared").unwrap();
    assert!(matches!(excluded.component.protection, Protection::Excluded { .. }));
    let outlook = plan.outlook.unwrap();
    let said = calls(&outlook);
    let order = [
        "workspace.quiesce(workspace)",
        "sim.start(data)",
        "workspace.resume(workspace)",
        "sim.put_record(workspace)",
    ];
    let places: Vec<_> = order.map(|call| said.iter().position(|one| one == call).unwrap()).to_vec();
    assert!(places.is_sorted(), "{said:?}");
    assert!(
        said.contains(&"sim.StartBackupJob(home)".to_owned())
            && !said.iter().any(|call| call.contains("shared"))
    );
    assert!(outlook.permissions.contains("cloud:StartBackupJob"));
    assert_eq!(outlook.tags.get("stillpoint:operation").map(String::as_str), Some("backup"));
    assert_eq!((outlook.bytes, outlook.conflicts.len()), (Some(30 * GB), 0));
    assert!(world.cloud.jobs().is_empty() && world.workspace.holds().is_empty());
    assert!(world.catalog.operations(&OperationQuery::all()).await.unwrap().items.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_component_that_is_gone_since_the_last_backup_is_told_of() {
    let (world, orchestrator) = backed_up().await;
    assert_eq!(orchestrator.plan(&world.backup("backup-2").unwrap()).await.unwrap().findings, []);
    let cx = OpContext::background();
    let (definition, mut less) =
        (world.workspace.definition(&cx).await.unwrap(), world.workspace.inventory(&cx).await.unwrap());
    less.retain(|component| component.id.as_str() != "data");
    let smaller = SimWorkspace::new(Arc::clone(&world.cloud), definition, less);
    let elsewhere = with_workspace(&world, smaller);
    let ended =
        world.run(&elsewhere, Request::Backup(world.backup("backup-2").unwrap())).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Completed);
    let earlier = BackupId::of(&"backup".parse().unwrap());
    let said = format!("data (volume arn-data) is in backup {earlier} and not in the workspace any more");
    assert_eq!(ended.warnings, [format!("{said}; this backup will not hold it (component-gone)")]);
    // The next one builds on a backup without it, and it was said.
    let next = elsewhere.plan(&world.backup("backup-3").unwrap()).await.unwrap();
    assert_eq!(next.findings, []);
}

#[tokio::test(start_paused = true)]
async fn every_call_that_a_backup_makes_was_planned() {
    let (world, orchestrator) = backed_up().await;
    let request = world.backup("backup-2").unwrap();
    let said = calls(&orchestrator.plan(&request).await.unwrap().outlook.unwrap());
    world.run(&orchestrator, Request::Backup(request)).await.unwrap();
    let ledger = world.catalog.ledger(&"backup-2".parse().unwrap()).await.unwrap();
    let intents = ledger.iter().filter(|entry| entry.kind == LedgerKind::Intent);
    for intent in intents {
        let whom = if intent.subject == "workspace" && intent.action != "write-record" {
            "workspace"
        } else {
            "sim"
        };
        let action = if intent.action == "write-record" { "put_record" } else { &intent.action };
        let call = format!("{whom}.{action}({})", intent.subject);
        assert!(said.contains(&call), "{call} was not planned: {said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_plan_knows_that_less_has_changed_and_who_is_in_the_way() {
    let (world, orchestrator) = backed_up().await;
    world.pass(Duration::from_secs(100)).await;
    let request = world.backup("backup-2").unwrap();
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    let plan = orchestrator.plan(&world.backup("backup-3").unwrap()).await.unwrap();
    let outlook = plan.outlook.unwrap();
    assert!(outlook.bytes.unwrap() < GB, "{:?}", outlook.bytes);
    assert!(outlook.forecast.is_some());
    let [conflict] = &outlook.conflicts[..] else { panic!("{:?}", outlook.conflicts) };
    assert_eq!((conflict.operation.as_str(), conflict.kind.as_str()), ("backup-2", "backup"));
    assert_eq!(conflict.state, OperationState::Running);
}

#[tokio::test(start_paused = true)]
async fn a_backup_refuses_to_exceed_the_plan_that_was_accepted() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("backup").unwrap();
    let plan = orchestrator.plan(&request).await.unwrap();
    request.accepted_plan = Some(AcceptedPlan::of(&plan));

    // A disk appears after the plan was accepted.
    world.cloud.add_resource("arn-more", SimKind::Volume, GB, 0);
    let mut inventory: Vec<_> = plan.components.iter().map(|planned| planned.component.clone()).collect();
    let more = Component::new("more".parse().unwrap(), "volume", "sim".parse().unwrap(), "arn-more");
    inventory.push(more);
    let grown = SimWorkspace::new(Arc::clone(&world.cloud), plan.definition.clone(), inventory);
    let elsewhere = with_workspace(&world, grown);
    let ended = world.run(&elsewhere, Request::Backup(request.clone())).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Failed);
    let error = ended.error.unwrap();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains("not planned: more (volume arn-more of sim, protected)"), "{error}");
    assert!(world.cloud.jobs().is_empty() && world.workspace.holds().is_empty(), "nothing was begun");

    // The workspace as it was planned is backed up.
    request.id = "backup-2".parse().unwrap();
    let ended = world.run(&orchestrator, Request::Backup(request)).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_accepted_for_one_account_and_region_is_not_carried_out_in_another() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let mut request = world.backup("backup").unwrap();
    request.accepted_plan = Some(AcceptedPlan::of(&orchestrator.plan(&request).await.unwrap()));

    world.cloud.change_account_region("123456789012", "us-west-2");
    let ended = world.run(&orchestrator, Request::Backup(request.clone())).await.unwrap().operation;
    let error = ended.error.unwrap();
    assert_eq!((ended.state, error.kind), (OperationState::Failed, ErrorKind::Conflict));
    assert!(error.message.contains("not planned: data's region us-west-2"), "{error}");
    assert!(world.cloud.jobs().is_empty() && world.workspace.holds().is_empty(), "nothing was begun");

    world.cloud.change_account_region("123456789012", "eu-central-1");
    request.id = "backup-2".parse().unwrap();
    let ended = world.run(&orchestrator, Request::Backup(request)).await.unwrap().operation;
    assert_eq!(ended.state, OperationState::Completed);
}

#[tokio::test(start_paused = true)]
async fn plans_of_restores_and_deletions_do_nothing_either() {
    let (world, orchestrator) = backed_up().await;
    let before = (world.cloud.jobs().len(), world.cloud.snapshots());
    let restore = world.restore("restore", "backup", "ws-2").unwrap();
    let plan = orchestrator.plan_restore(&restore).await.unwrap();
    let said = calls(&plan.outlook);
    assert_eq!(
        (said.first().map(String::as_str), said.last().map(String::as_str)),
        (Some("provisioner.provision(workspace)"), Some("provisioner.activate(workspace)"))
    );
    assert!(said.contains(&"sim.StartRestoreJob(home)".to_owned()), "{said:?}");
    assert_eq!((plan.outlook.bytes, plan.findings.len()), (Some(30 * GB), 0), "a restore is a full copy");

    let delete = world.delete("delete", "backup").unwrap();
    let plan = orchestrator.plan_delete(&delete).await.unwrap();
    assert_eq!(
        calls(&plan.outlook),
        ["sim.delete(data)", "sim.delete(home)", "sim.delete_record(workspace)"]
    );
    let stored = world.catalog.backup(&delete.backup).await.unwrap().unwrap();
    let mut held = stored.backup;
    held.held = true;
    world.catalog.put_backup(&held, Some(stored.revision)).await.unwrap();
    let plan = orchestrator.plan_delete(&delete).await.unwrap();
    assert_eq!((plan.findings[0].check.as_str(), plan.findings[0].severity), ("not-held", Severity::Blocker));
    assert_eq!((world.cloud.jobs().len(), world.cloud.snapshots()), before);
    assert!(!world.provisioner.exists(&restore.target));
    let unknown = world.delete("delete-2", "nobody").unwrap();
    assert_eq!(orchestrator.plan_delete(&unknown).await.unwrap_err().kind(), ErrorKind::NotFound);
}
