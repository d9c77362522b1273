//! Hosts that each keep a note of the hold they took: whoever goes on with a backup may know only a hold before it.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken scene fails its test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::decide::{BackupMachine, Effect, Event, Hold, Machine, Outcome, Step, Stopping, decide};
use stillpoint_core::memory::{MemoryCatalog, MemoryProvider};
use stillpoint_core::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Who stopped the services; they know their hold, as the hooks of every host find it.
type Services = Arc<Mutex<Option<QuiesceId>>>;

/// A host's sight of the workspace: its note says which hold was taken from here.
#[derive(Debug)]
struct Host {
    id: WorkspaceId,
    services: Services,
    note: Mutex<Option<HoldInfo>>,
}

impl Host {
    /// One that took `noted` for `operation`, of services that `stopped` has stopped.
    fn new(noted: QuiesceId, operation: &OperationId, stopped: Option<QuiesceId>) -> Arc<Self> {
        let note = HoldInfo::new(noted, SystemClock::default().now(), 12 * HOUR);
        let note = Mutex::new(Some(note.taken_by(Some(operation.clone()))));
        Arc::new(Self { id: "ada".parse().unwrap(), services: Arc::new(Mutex::new(stopped)), note })
    }

    fn runs(&self) -> bool {
        self.services.lock().unwrap().is_none()
    }
}

#[async_trait]
impl Workspace for Host {
    fn id(&self) -> &WorkspaceId {
        &self.id
    }
    async fn definition(&self, _cx: &OpContext) -> Result<Definition> {
        Ok(Definition::new(self.id.clone()))
    }
    async fn inventory(&self, _cx: &OpContext) -> Result<Vec<Component>> {
        Ok(vec![home()])
    }
    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        let mut note = self.note.lock().unwrap();
        if let Some(other) = note.as_ref().filter(|note| note.id != *id) {
            return Err(Error::new(ErrorKind::Busy, format!("{} holds the workspace still", other.id)));
        }
        let taken = HoldInfo::new(id.clone(), cx.clock().now(), options.budget);
        *note = Some(taken.taken_by(cx.operation().cloned()));
        *self.services.lock().unwrap() = Some(id.clone());
        Ok(Consistency::Application)
    }
    async fn resume(&self, _cx: &OpContext, id: &QuiesceId) -> Result<()> {
        let mut note = self.note.lock().unwrap();
        if note.as_ref().is_none_or(|note| note.id == *id) {
            self.services.lock().unwrap().take_if(|stopped| stopped == id);
            *note = None;
        }
        Ok(())
    }
    async fn hold(&self, _cx: &OpContext) -> Result<Option<HoldInfo>> {
        Ok(self.note.lock().unwrap().clone())
    }
}

fn home() -> Component {
    Component::new("home".parse().unwrap(), "directory", "memory".parse().unwrap(), "/home/ada")
}

fn operation(id: &str) -> OperationId {
    id.parse().unwrap()
}

/// A backup as the host before left it.
fn left(leave: impl FnOnce(&mut BackupMachine)) -> OperationRecord {
    let clock = SystemClock::default();
    let request = Request::Backup(BackupRequest::new(operation("op-1"), "ada".parse().unwrap()));
    let record = OperationRecord::submitted(request, clock.now());
    let begun = decide(&record, &Event::Begun, clock.now());
    let definition = Definition::new("ada".parse().unwrap());
    let plan = Plan::new(definition, vec![PlannedComponent::new(home())], None);
    let planned = Event::Done(Step::Inspect, Ok(Outcome::Planned(Box::new(plan))));
    let mut record = decide(&begun.record, &planned, clock.now()).record;
    let Machine::Backup(backup) = &mut record.machine else { panic!("{:?}", record.machine) };
    backup.quiesce_unanswered = false;
    leave(backup);
    record
}

/// What becomes of the `records` of a catalog on `host`, which takes over what is under way.
async fn goes_on(host: &Arc<Host>, records: &[OperationRecord]) -> OperationStatus {
    let (catalog, provider) =
        (Arc::new(MemoryCatalog::new()), MemoryProvider::new("memory".parse().unwrap()));
    provider.write("/home/ada", "notes.txt", b"first");
    for record in records {
        let holder = Holder::new("lost", "process");
        catalog.create_operation(record, &holder, Duration::ZERO).await.unwrap();
    }
    let orchestrator = LocalOrchestrator::builder(catalog)
        .holder(Holder::new("back", "process"))
        .provider(Arc::new(provider))
        .workspace(Arc::clone(host) as Arc<dyn Workspace>)
        .build();
    assert_eq!(orchestrator.recover().await.unwrap(), [operation("op-1")]);
    orchestrator.wait(&operation("op-1")).await.unwrap()
}

/// Both holds of op-1, the second one taken on a host that is gone.
fn holds() -> [QuiesceId; 2] {
    let renewed = left(|backup| (backup.renewals, backup.hold) = (1, Hold::Resuming(None)));
    let due = decide(&renewed, &Event::Tick, SystemClock::default().now()).effects;
    let [Effect::Resume { id, .. }] = &due[..] else { panic!("{due:?}") };
    [QuiesceId::of(&operation("op-1")), id.clone()]
}

#[tokio::test(start_paused = true)]
async fn a_host_that_knows_only_an_earlier_hold_lets_the_present_one_go() {
    let [first, second] = holds();
    let host = Host::new(first, &operation("op-1"), Some(second));
    let record = left(|backup| (backup.renewals, backup.hold) = (1, Hold::Held(Consistency::Application)));
    let status = goes_on(&host, &[record]).await.operation;
    assert!(status.state.is_terminal(), "{:?}", status.error);
    assert!(host.runs(), "only a host that is gone could let its services go: {:?}", status.issues);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_knows_only_the_hold_of_an_ended_operation_lets_the_present_one_go() {
    let first = QuiesceId::of(&operation("op-1"));
    let host = Host::new(QuiesceId::of(&operation("op-0")), &operation("op-0"), Some(first));
    let request = Request::Backup(BackupRequest::new(operation("op-0"), "ada".parse().unwrap()));
    let mut ended = OperationRecord::submitted(request, SystemClock::default().now());
    ended.state = OperationState::Completed;
    let record = left(|backup| backup.hold = Hold::Held(Consistency::Application));
    let status = goes_on(&host, &[ended, record]).await.operation;
    assert!(host.runs(), "only a host that is gone could let its services go: {:?}", status.issues);
}

#[tokio::test(start_paused = true)]
async fn no_hold_before_stands_in_the_way_of_the_next_one() {
    let [first, _] = holds();
    let host = Host::new(first, &operation("op-1"), None);
    let record = left(|backup| {
        (backup.renewals, backup.hold) = (1, Hold::Released(None));
        backup.rest.until = Some(SystemClock::default().now());
    });
    let status = goes_on(&host, &[record]).await.operation;
    assert_eq!(status.state, OperationState::Completed, "{:?}", status.error);
    assert!(host.runs());
}

#[tokio::test(start_paused = true)]
async fn a_later_hold_is_not_let_go_by_a_driver_that_was_overtaken() {
    let [_, second] = holds();
    let host = Host::new(second.clone(), &operation("op-1"), Some(second));
    let record = left(|backup| {
        (backup.hold, backup.stopping) = (Hold::Resuming(None), Some(Stopping::Cancelled));
    });
    goes_on(&host, &[record]).await;
    assert!(!host.runs(), "its next driver relies on it");
}
