//! Two hosts on one catalog: what has its name on one of them alone is left to that one.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop here")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::memory::{MemoryCatalog, MemoryProvider, MemoryWorkspace};
use stillpoint_core::*;

const PATH: &str = "/home/ada";

/// An orchestrator of a host that has a directory of this path, too.
fn on(host: &str, catalog: &Arc<MemoryCatalog>, provider: &Arc<MemoryProvider>) -> LocalOrchestrator {
    let files = Component::new("files".parse().unwrap(), "directory", "memory".parse().unwrap(), PATH);
    let mut definition = Definition::new(PATH.parse().unwrap());
    definition.host = Some(host.to_owned());
    LocalOrchestrator::builder(catalog.clone())
        .host(host)
        .holder(Holder::new(host, "one"))
        .provider(provider.clone())
        .workspace(Arc::new(MemoryWorkspace::new(definition, vec![files])))
        .build()
}

fn world() -> (Arc<MemoryCatalog>, Arc<MemoryProvider>) {
    let provider = Arc::new(MemoryProvider::new("memory".parse().unwrap()));
    provider.write(PATH, "notes.txt", b"first");
    (Arc::new(MemoryCatalog::new()), provider)
}

fn backup(id: &str) -> BackupRequest {
    let mut request = BackupRequest::new(id.parse().unwrap(), PATH.parse().unwrap());
    request.when_busy = WhenBusy::Resume;
    request
}

#[tokio::test]
async fn an_interrupted_backup_of_one_hosts_directory_is_gone_on_with_by_that_host_alone() {
    let (catalog, provider) = world();
    let first = on("m1", &catalog, &provider);
    let begun = first.submit(Request::Backup(backup("op-1"))).await.unwrap().operation;
    assert_eq!(begun.noted[HOST], "m1");
    assert_eq!(first.hand_over().await.unwrap().operations, std::slice::from_ref(&begun.id));

    let second = on("m2", &catalog, &provider);
    assert!(second.recover().await.unwrap().is_empty());
    let busy = second.submit(Request::Backup(backup("op-2"))).await.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::Busy);
    assert!(busy.to_string().contains("on the host m1 and interrupted"), "{busy}");

    let again = on("m1", &catalog, &provider);
    assert_eq!(again.recover().await.unwrap(), std::slice::from_ref(&begun.id));
    assert_eq!(again.wait(&begun.id).await.unwrap().operation.state, OperationState::Completed);
    second.submit(Request::Backup(backup("op-2"))).await.unwrap();
}

#[tokio::test]
async fn another_host_may_cancel_what_one_host_left_behind() {
    let (catalog, provider) = world();
    let first = on("m1", &catalog, &provider);
    let begun = first.submit(Request::Backup(backup("op-1"))).await.unwrap().operation;
    first.hand_over().await.unwrap();
    let second = on("m2", &catalog, &provider);
    second.cancel(&begun.id).await.unwrap();
    assert_eq!(second.wait(&begun.id).await.unwrap().operation.state, OperationState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn a_schedule_of_one_hosts_directory_is_begun_by_that_host_alone() {
    let (catalog, provider) = world();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let schedule = Schedule::new(Cadence::every(Duration::from_secs(12 * 3600)).unwrap());
    let since = Timestamp::from_millis(clock.now().as_millis() - 43_260_000);
    let mut record = ScheduleRecord::new("ada".parse().unwrap(), schedule, backup("each-run"), since);
    record.host = Some("m1".to_owned());
    catalog.put_schedule(&record, None).await.unwrap();
    let ticked = async |host: &str| {
        let orchestrator = Arc::new(on(host, &catalog, &provider));
        Scheduler::new(orchestrator, catalog.clone(), Arc::clone(&clock)).tick().await.unwrap()
    };
    assert_eq!(ticked("m2").await, Tick::default());
    assert_eq!(ticked("m1").await.submitted.len(), 1);
}
