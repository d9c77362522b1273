//! The orchestrator on the memory implementations: one operation per id, one per workspace, and nothing abandoned.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use stillpoint_core::memory::{MemoryCatalog, MemoryProvider, MemoryProvisioner, MemoryWorkspace};
use stillpoint_core::*;

struct World {
    catalog: Arc<MemoryCatalog>,
    provider: Arc<MemoryProvider>,
    workspace: Arc<MemoryWorkspace>,
}

impl World {
    fn new() -> Self {
        let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
        provider.write("/home/ada", "notes.txt", b"first");
        let home =
            Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada");
        let nfs = Component::new("data".parse().unwrap(), "nfs", "memory".parse().unwrap(), "nfs:/export")
            .excluded("external NFS");
        let mut definition = Definition::new("ada".parse().unwrap());
        definition.roles = vec![RoleGrant::new("grace", "editor")];
        let workspace = Arc::new(MemoryWorkspace::new(definition, vec![home, nfs]));
        Self { catalog: Arc::new(MemoryCatalog::new()), provider, workspace }
    }

    fn orchestrator(&self, name: &str) -> LocalOrchestrator {
        LocalOrchestrator::builder(self.catalog.clone())
            .holder(Holder::new("test", name))
            .provider(self.provider.clone())
            .workspace(self.workspace.clone())
            .provisioner("memory", Arc::new(MemoryProvisioner::default()))
            .build()
    }
}

fn backup(id: &str) -> Request {
    Request::Backup(BackupRequest::new(id.parse().unwrap(), "ada".parse().unwrap()))
}

fn id(text: &str) -> OperationId {
    text.parse().unwrap()
}

#[tokio::test]
async fn the_same_id_twice_is_one_operation() {
    let world = World::new();
    let orchestrator = world.orchestrator("one");
    orchestrator.submit(backup("op-1")).await.unwrap();
    orchestrator.submit(backup("op-1")).await.unwrap();
    let first = orchestrator.wait(&id("op-1")).await.unwrap();
    let again = orchestrator.submit(backup("op-1")).await.unwrap();
    assert_eq!(first.operation, again.operation);
    assert_eq!(world.catalog.backups(&BackupQuery::all()).await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn snapshots_and_their_copies_carry_the_tags_of_the_workspace_from_their_birth() {
    let mut world = World::new();
    let mut definition = world.workspace.definition(&OpContext::background()).await.unwrap();
    definition.snapshot_tags = [("do-not-collect".to_owned(), "true".to_owned())].into();
    let components = world.workspace.inventory(&OpContext::background()).await.unwrap();
    world.workspace = Arc::new(MemoryWorkspace::new(definition.clone(), components));
    let orchestrator = world.orchestrator("one");
    orchestrator.submit(backup("op-1")).await.unwrap();
    let status = orchestrator.wait(&id("op-1")).await.unwrap();
    let decide::Machine::Backup(machine) = &status.operation.machine else { unreachable!() };
    let JobRequest::Backup(job) = &machine.members[0].run.request else { unreachable!() };
    assert_eq!(job.tags, definition.snapshot_tags);
    assert_eq!(
        status.backup.unwrap().definition.snapshot_tags,
        definition.snapshot_tags,
        "copies read it there"
    );
}

#[tokio::test]
async fn a_completed_backup_says_what_it_left_out_and_frees_the_workspace() {
    let world = World::new();
    let orchestrator = world.orchestrator("one");
    orchestrator.submit(backup("op-1")).await.unwrap();
    let status = orchestrator.wait(&id("op-1")).await.unwrap();
    let sealed = status.backup.unwrap();
    assert_eq!(sealed.state, BackupState::Completed);
    assert_eq!(sealed.consistency, Consistency::Application);
    let states: Vec<_> = sealed.components.iter().map(|component| component.state).collect();
    assert_eq!(states, [ComponentState::Completed, ComponentState::Excluded]);
    assert_eq!(world.workspace.held_by(), None);
    assert_eq!(world.provider.records(&OpContext::background()).await.unwrap().readable, [sealed]);
}

#[tokio::test]
async fn every_outside_call_has_its_intent_before_its_outcome() {
    let world = World::new();
    let orchestrator = world.orchestrator("one");
    orchestrator.submit(backup("op-1")).await.unwrap();
    orchestrator.wait(&id("op-1")).await.unwrap();
    let ledger = world.catalog.ledger(&id("op-1")).await.unwrap();
    for action in ["quiesce", "start", "resume", "write-record"] {
        let place = |kind| ledger.iter().position(|entry| entry.action == action && entry.kind == kind);
        let (intent, outcome) = (place(LedgerKind::Intent), place(LedgerKind::Outcome));
        assert!(intent.is_some() && intent < outcome, "{action}: {ledger:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_orchestrator_leaves_an_operation_that_another_one_finishes() {
    let world = World::new();
    let first = world.orchestrator("one");
    first.submit(backup("op-1")).await.unwrap();
    drop(first);

    let second = world.orchestrator("two");
    assert!(second.recover().await.unwrap().is_empty(), "the lease of the dead one has not run out yet");
    let operation = id("op-1");
    let status = second.wait(&operation);
    let expire = async {
        // The memory catalog runs by the system's clock, so the takeover is asked for by epoch.
        let stored = world.catalog.operation(&id("op-1")).await.unwrap().unwrap();
        let lease = Lease::new(id("op-1"), stored.lease.epoch, stored.lease.expires_at);
        world.catalog.release_lease(&lease).await.unwrap();
    };
    let (status, ()) = tokio::join!(status, expire);
    assert_eq!(status.unwrap().operation.state, OperationState::Completed);
    assert_eq!(world.catalog.backups(&BackupQuery::all()).await.unwrap().items.len(), 1);
    assert_eq!(world.workspace.held_by(), None);
}

/// Leaves `op-1` behind as a process does that dies when it has planned `components`.
async fn left_behind(world: &World, components: Vec<Component>) {
    let mut record = OperationRecord::submitted(backup("op-1"), Timestamp::from_millis(1));
    record.deadline = Timestamp::from_millis(i64::MAX);
    let planned = components.into_iter().map(PlannedComponent::new).collect();
    let mut machine = decide::BackupMachine::default();
    machine.plan = Some(Plan::new(Definition::new("ada".parse().unwrap()), planned, None));
    record.machine = decide::Machine::Backup(Box::new(machine));
    leave(world, record).await;
}

async fn leave(world: &World, record: OperationRecord) {
    let holder = Holder::new("test", "one");
    let created = world.catalog.create_operation(&record, &holder, Duration::from_secs(60)).await.unwrap();
    let Creation::Created(lease) = created else { unreachable!("the catalog was empty") };
    world.catalog.release_lease(&lease).await.unwrap();
}

/// Submits `op-2` in its place and answers which operation that became, once both have ended.
async fn instead(orchestrator: &LocalOrchestrator, change: impl FnOnce(&mut BackupRequest)) -> OperationId {
    let mut request = BackupRequest::new(id("op-2"), "ada".parse().unwrap());
    request.when_busy = WhenBusy::Resume;
    change(&mut request);
    let submitted = orchestrator.submit(Request::Backup(request)).await.unwrap().operation.id;
    orchestrator.wait(&submitted).await.unwrap();
    let first = orchestrator.status(&id("op-1")).await.unwrap().operation;
    assert!(first.state.is_terminal(), "{first:?}");
    submitted
}

#[tokio::test]
async fn what_was_left_answers_a_new_request_for_the_same_and_no_other() {
    let cx = OpContext::background();
    let world = World::new();
    let inventory = world.workspace.inventory(&cx).await.unwrap();
    left_behind(&world, inventory.clone()).await;
    assert_eq!(instead(&world.orchestrator("two"), |_same| {}).await, id("op-1"));

    // Another name, or an end that was asked for: that one ends first, and the new one runs.
    let world = World::new();
    left_behind(&world, inventory.clone()).await;
    let named = |request: &mut BackupRequest| request.name = Some("before the upgrade".to_owned());
    assert_eq!(instead(&world.orchestrator("two"), named).await, id("op-2"));

    let world = World::new();
    left_behind(&world, inventory.clone()).await;
    world.catalog.request_cancel(&id("op-1")).await.unwrap();
    assert_eq!(instead(&world.orchestrator("two"), |_same| {}).await, id("op-2"));

    // What is left out by now does not come in by an older request.
    let world = World::new();
    let mut before = inventory;
    before[0].settings.insert("exclude".to_owned(), "less than now".into());
    left_behind(&world, before).await;
    assert_eq!(instead(&world.orchestrator("two"), |_same| {}).await, id("op-2"));

    // The same where the older one had not planned anything yet.
    let excluding = |request: &mut BackupRequest| {
        request.settings.insert("exclude".to_owned(), "more than before".into());
    };
    for (request, answered) in [(backup("op-1"), id("op-2")), (with(backup("op-1"), excluding), id("op-1"))] {
        let world = World::new();
        let mut record = OperationRecord::submitted(request, Timestamp::from_millis(1));
        record.deadline = Timestamp::from_millis(i64::MAX);
        leave(&world, record).await;
        assert_eq!(instead(&world.orchestrator("two"), excluding).await, answered);
    }
}

#[tokio::test]
async fn an_id_that_was_given_to_another_request_is_refused() {
    let world = World::new();
    let orchestrator = world.orchestrator("one");
    orchestrator.submit(backup("op-1")).await.unwrap();
    orchestrator.wait(&id("op-1")).await.unwrap();
    let renamed = |request: &mut BackupRequest| request.name = Some("told once more".into());
    orchestrator.submit(with(backup("op-1"), renamed)).await.unwrap();

    let delete = DeleteRequest::new(id("op-1"), BackupId::of(&id("op-1")), "ada".parse().unwrap());
    let refused = orchestrator.submit(Request::Delete(delete)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
}

fn with(request: Request, change: impl FnOnce(&mut BackupRequest)) -> Request {
    let Request::Backup(mut request) = request else { unreachable!("it is a backup") };
    change(&mut request);
    Request::Backup(request)
}

#[tokio::test]
async fn a_busy_workspace_says_who_has_it() {
    let world = World::new();
    let now = OpContext::background().clock().now();
    let Request::Backup(request) = backup("op-1") else { unreachable!() };
    let record = OperationRecord::submitted(Request::Backup(request), now);
    let holder = Holder::new("far-away", "worker-9");
    let ttl = Duration::from_secs(60);
    assert!(matches!(
        world.catalog.create_operation(&record, &holder, ttl).await.unwrap(),
        Creation::Created(_)
    ));

    let error = world.orchestrator("one").submit(backup("op-2")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("run by worker-9 on far-away since"), "{error}");
    assert_eq!(error.context("operation"), Some("op-1"));
}

#[tokio::test]
async fn a_missing_source_stops_the_backup_before_anything_is_held_still() {
    let world = World::new();
    let gone =
        Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/nobody");
    let workspace = MemoryWorkspace::new(Definition::new("nobody".parse().unwrap()), vec![gone]);
    let orchestrator = LocalOrchestrator::builder(world.catalog.clone())
        .provider(world.provider.clone())
        .workspace(Arc::new(workspace))
        .build();
    let request = BackupRequest::new(id("op-1"), "nobody".parse().unwrap());
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    let status = orchestrator.wait(&id("op-1")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert!(status.operation.error.unwrap().message.contains("/home/nobody does not exist"));
    assert!(world.catalog.ledger(&id("op-1")).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deleted_backup_is_gone_from_catalog_provider_and_records() {
    let world = World::new();
    let orchestrator = world.orchestrator("one");
    orchestrator.submit(backup("op-1")).await.unwrap();
    let backup = orchestrator.wait(&id("op-1")).await.unwrap().backup.unwrap();
    let delete = DeleteRequest::new(id("op-2"), backup.id.clone(), backup.workspace);
    orchestrator.submit(Request::Delete(delete)).await.unwrap();
    assert_eq!(orchestrator.wait(&id("op-2")).await.unwrap().operation.state, OperationState::Completed);

    let cx = OpContext::background();
    assert!(world.catalog.backup(&backup.id).await.unwrap().is_none());
    assert!(world.provider.snapshots(&cx, &SnapshotQuery::all()).await.unwrap().is_empty());
    assert!(world.provider.records(&cx).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_restore_fills_a_new_workspace_and_reports_roles_without_applying_them() {
    let world = World::new();
    let orchestrator = world.orchestrator("one");
    let mut events = orchestrator.events();
    orchestrator.submit(backup("op-1")).await.unwrap();
    let sealed = orchestrator.wait(&id("op-1")).await.unwrap().backup.unwrap();
    world.provider.write("/home/ada", "notes.txt", b"second");

    let request =
        RestoreRequest::new(id("op-2"), sealed.id, "ada-2".parse().unwrap(), "memory", Settings::new());
    orchestrator.submit(Request::Restore(request)).await.unwrap();
    let status = orchestrator.wait(&id("op-2")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed);
    assert_eq!(world.provider.files("ada-2/home").unwrap()["notes.txt"], b"first");
    assert!(
        status.operation.warnings.iter().any(|warning| warning.contains("1 roles")),
        "{:?}",
        status.operation
    );
    assert!(matches!(events.next().await.unwrap().kind, EventKind::Step { .. }));
}

#[tokio::test]
async fn a_restore_into_a_taken_target_fails_and_leaves_it_alone() {
    let world = World::new();
    let orchestrator = world.orchestrator("one");
    orchestrator.submit(backup("op-1")).await.unwrap();
    let sealed = orchestrator.wait(&id("op-1")).await.unwrap().backup.unwrap();
    world.provider.write("ada-2/home", "mine.txt", b"keep me");

    let request =
        RestoreRequest::new(id("op-2"), sealed.id, "ada-2".parse().unwrap(), "memory", Settings::new());
    orchestrator.submit(Request::Restore(request)).await.unwrap();
    let status = orchestrator.wait(&id("op-2")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Failed);
    assert_eq!(status.operation.error.unwrap().kind, ErrorKind::AlreadyExists);
    assert_eq!(world.provider.files("ada-2/home").unwrap()["mine.txt"], b"keep me");
}

#[tokio::test]
async fn what_a_host_notes_stands_on_an_operation_from_its_submission_on() {
    let world = World::new();
    let orchestrator = LocalOrchestrator::builder(world.catalog.clone())
        .provider(world.provider.clone())
        .workspace(world.workspace.clone())
        .note("store", "file:///backups")
        .build();
    let submitted = orchestrator.submit(backup("op-1")).await.unwrap().operation;
    assert_eq!(submitted.noted["store"], "file:///backups");
    let ended = orchestrator.wait(&id("op-1")).await.unwrap().operation;
    assert_eq!(ended.noted, submitted.noted);
    let mut older = serde_json::to_value(&ended).unwrap();
    older.as_object_mut().unwrap().remove("noted");
    let older: OperationRecord = serde_json::from_value(older).unwrap();
    assert!(older.noted.is_empty(), "an older record notes nothing");
}

#[tokio::test]
async fn a_name_that_not_every_catalog_can_hold_is_refused_before_anything_is_stored() {
    let catalog = Arc::new(MemoryCatalog::new());
    let orchestrator = LocalOrchestrator::builder(catalog.clone()).build();
    for name in ["\0x", "\u{1b}[31mred", "two\nlines"] {
        let mut request = BackupRequest::new("op".parse().unwrap(), "ada".parse().unwrap());
        request.name = Some(name.to_owned());
        let refused = orchestrator.submit(Request::Backup(request)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused}");
        assert!(refused.to_string().contains("control characters"), "{refused}");
    }
    assert_eq!(catalog.operation(&"op".parse().unwrap()).await.unwrap(), None);
}
