//! Guards of a source that two operations capture: whichever ends first takes nothing from the other.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stillpoint_core::layer::{CatalogLayer, ProviderLayer};
use stillpoint_core::*;

use crate::fleet::{Fleet, op};

const MINUTE: Duration = Duration::from_secs(60);

/// Two workspaces with one file system, whose backups guard it.
fn fleet() -> Fleet {
    let fleet = Fleet::on(2, |_| 0);
    fleet.world.cloud.tag("arn-0", "Name", "home");
    for (number, workspace) in fleet.workspaces.iter().enumerate() {
        let both = ("keep".to_owned(), "true".to_owned());
        workspace.guard_sources([both, (format!("of-{number}"), "yes".to_owned())].into());
    }
    fleet
}

fn source() -> Component {
    let (id, provider) = ("home".parse().unwrap(), "sim".parse().unwrap());
    Component::new(id, "file-system", provider, "arn-0")
}

fn tags(fleet: &Fleet) -> Tags {
    let found = fleet.world.cloud.resources().into_iter().find(|resource| resource.name == "arn-0");
    found.unwrap().tags
}

async fn guarded(provider: &dyn Provider) -> Option<OperationId> {
    provider.guarded(&OpContext::background(), &source()).await.unwrap()
}

fn build(fleet: &Fleet, host: Builder) -> LocalOrchestrator {
    fleet.workspaces.iter().fold(host, |host, workspace| host.workspace(workspace.clone())).build()
}

/// Begins a backup that is detached after a minute, while its job still runs.
async fn detach(fleet: &Fleet, orchestrator: &LocalOrchestrator, number: usize) {
    let mut request = BackupRequest::new(op(number), format!("ws-{number}").parse().unwrap());
    request.timeout = Some(MINUTE);
    orchestrator.submit(Request::Backup(request)).await.unwrap();
    while state(orchestrator, number).await != OperationState::Detached {
        fleet.world.pass(MINUTE / 4).await;
    }
}

async fn state(orchestrator: &LocalOrchestrator, number: usize) -> OperationState {
    orchestrator.status(&op(number)).await.unwrap().operation.state
}

#[tokio::test(start_paused = true)]
async fn what_took_a_guard_over_and_ends_first_leaves_it_to_the_one_that_still_runs() {
    let fleet = fleet();
    let orchestrator = build(&fleet, fleet.host("one"));
    let provider = fleet.world.cloud.provider("sim".parse().unwrap());
    let before = tags(&fleet);
    detach(&fleet, &orchestrator, 0).await;
    assert_eq!(guarded(&provider).await, Some(op(0)));
    fleet.submit(&orchestrator, 1).await;
    while guarded(&provider).await != Some(op(1)) {
        fleet.world.pass(Duration::from_secs(1)).await;
    }
    orchestrator.cancel(&op(1)).await.unwrap();
    fleet.world.finish(&orchestrator, &op(1)).await.unwrap();
    assert!(!state(&orchestrator, 0).await.is_terminal(), "its job still runs");
    assert_eq!(guarded(&provider).await, Some(op(0)), "its source is still protected");
    assert_eq!(tags(&fleet).get("keep").map(String::as_str), Some("true"));

    fleet.world.finish(&orchestrator, &op(0)).await.unwrap();
    assert_eq!(tags(&fleet), before, "and then the source is as it was");
}

/// A provider that decides what to remove, is held up, and then removes it by its keys alone, whoever wrote it by then.
#[derive(Debug)]
struct Slow(Arc<dyn Provider>);

impl ProviderLayer for Slow {
    fn inner(&self) -> &dyn Provider {
        self.0.as_ref()
    }

    async fn unguard(&self, cx: &OpContext, component: &Component, operation: &OperationId) -> Result<()> {
        if *operation == op(0) {
            cx.clock().sleep(MINUTE).await;
            self.0.unguard(cx, component, &op(1)).await?;
        }
        self.0.unguard(cx, component, operation).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_was_removed_with_an_earlier_one_is_written_again() {
    let fleet = fleet();
    let provider: Arc<dyn Provider> = Arc::new(fleet.world.cloud.provider("sim".parse().unwrap()));
    let before = tags(&fleet);
    let orchestrator = build(&fleet, fleet.host("one").provider(Arc::new(Slow(Arc::clone(&provider)))));
    detach(&fleet, &orchestrator, 0).await;
    while orchestrator.status(&op(0)).await.unwrap().operation.step != "unguarding" {
        fleet.world.pass(Duration::from_secs(1)).await;
    }
    fleet.submit(&orchestrator, 1).await;
    fleet.world.pass(MINUTE / 3).await;
    assert_eq!(guarded(provider.as_ref()).await, Some(op(1)));
    while !state(&orchestrator, 0).await.is_terminal() {
        fleet.world.pass(Duration::from_secs(1)).await;
    }
    assert!(!state(&orchestrator, 1).await.is_terminal(), "its job still runs");
    assert_eq!(guarded(provider.as_ref()).await, Some(op(1)), "its source is protected");
    fleet.world.finish(&orchestrator, &op(1)).await.unwrap();
    assert_eq!(tags(&fleet), before);
}

/// A catalog that notes what lists of operations are asked for.
#[derive(Debug)]
struct Noting(Arc<dyn Catalog>, Mutex<Vec<OperationQuery>>);

impl CatalogLayer for Noting {
    fn inner(&self) -> &dyn Catalog {
        self.0.as_ref()
    }

    async fn operations(&self, query: &OperationQuery) -> Result<Page<StoredOperation>> {
        self.1.lock().unwrap().push(query.clone());
        self.0.operations(query).await
    }
}

#[tokio::test(start_paused = true)]
async fn beside_a_backup_at_work_only_those_that_are_detached_are_looked_through() {
    let fleet = fleet();
    let noting = Arc::new(Noting(Arc::clone(&fleet.world.catalog) as _, Mutex::default()));
    let orchestrator = build(&fleet, fleet.host_on(Arc::clone(&noting) as _, "one"));
    fleet.submit(&orchestrator, 0).await;
    fleet.world.finish(&orchestrator, &op(0)).await.unwrap();
    let asked = noting.1.lock().unwrap();
    let of_all = asked.iter().filter(|query| query.unfinished && query.workspace.is_none());
    let states: Vec<_> = of_all.map(|query| query.state).collect();
    assert_eq!(states, [Some(OperationState::Detached); 2], "before its tags are removed, and after");
}
