//! What an operation tells while it runs and afterwards: progress, events, the list for auditors.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use stillpoint_conformance::sim::{LEASE_TTL, SimConfig, SimKind, SimWorld};
use stillpoint_core::*;

const GB: u64 = 1_000_000_000;
const MINUTE: Duration = Duration::from_secs(60);

fn world() -> SimWorld {
    let volume = ("data", SimKind::Volume, 60 * GB, 20_000);
    SimWorld::new(SimConfig::default(), &[volume, ("home", SimKind::FileSystem, 30 * GB, 10_000)]).unwrap()
}

#[tokio::test(start_paused = true)]
async fn each_component_tells_how_far_it_is_how_fast_it_goes_and_when_it_will_be_done() {
    let world = world();
    let orchestrator = world.orchestrator().unwrap();
    let mut events = orchestrator.events();
    let status = world.run(&orchestrator, Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    let mut told: BTreeMap<String, Vec<(Timestamp, ComponentProgress)>> = BTreeMap::new();
    loop {
        let event = events.next().await.unwrap();
        match event.kind {
            EventKind::Progress(one) => {
                told.entry(one.component.to_string()).or_default().push((event.at, one))
            }
            EventKind::Ended { state } => {
                assert_eq!(state, OperationState::Completed);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(told.keys().collect::<Vec<_>>(), ["data", "home"]);
    for (component, steps) in &told {
        let bytes: Vec<_> = steps.iter().map(|(_, one)| one.progress.bytes_done).collect();
        assert!(bytes.len() > 20 && bytes.is_sorted(), "{component}: {bytes:?}");
        let (ended, last) = steps.last().unwrap();
        assert_eq!((last.step.as_str(), last.expected_end), ("succeeded", None));
        assert_eq!(Some(last.progress.bytes_done), last.progress.bytes_total);
        let (at, middle) = &steps[steps.len() / 2];
        let (end, rate) = (middle.expected_end.unwrap(), middle.bytes_per_second.unwrap());
        let whole = ended.since(status.operation.started_at);
        let error = end.since(*ended).max(ended.since(end));
        assert!(error < whole / 10, "{component}: {error:?} of {whole:?} off");
        assert!((15 << 20..=20 << 20).contains(&rate), "{component}: {rate}");
        assert!(middle.last_advance.unwrap() <= *at);
        let stored = status.operation.components();
        assert!(stored.contains(last), "the stored state tells the same as the stream");
    }
}

#[tokio::test(start_paused = true)]
async fn progress_never_goes_back_when_another_process_takes_over() {
    let world = world();
    let first = world.orchestrator().unwrap();
    first.submit(Request::Backup(world.backup("op-1").unwrap())).await.unwrap();
    world.pass(20 * MINUTE).await;
    let before = first.status(&"op-1".parse().unwrap()).await.unwrap().operation;
    drop(first);
    world.pass(2 * LEASE_TTL).await;
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    let after = second.status(&"op-1".parse().unwrap()).await.unwrap().operation;
    for (earlier, later) in before.components().iter().zip(after.components()) {
        assert!(earlier.progress.bytes_done > GB && earlier.progress.bytes_done <= later.progress.bytes_done);
    }
    world.finish(&second, &"op-1".parse().unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn auditors_see_who_asked_what_was_done_and_who_went_on() {
    let world = world();
    let id: OperationId = "op-1".parse().unwrap();
    let first = world.orchestrator().unwrap();
    let mut request = world.backup("op-1").unwrap();
    request.creator = Some("grace".into());
    request.waivers.push("source-busy".into());
    first.submit(Request::Backup(request)).await.unwrap();
    world.pass(10 * MINUTE).await;
    drop(first);
    world.pass(2 * LEASE_TTL).await;
    let second = world.orchestrator().unwrap();
    second.recover().await.unwrap();
    world.pass(MINUTE).await;
    second.cancel(&id).await.unwrap();
    let status = world.finish(&second, &id).await.unwrap();
    let lines = audit(&status.operation, &world.catalog.ledger(&id).await.unwrap());
    assert!(lines.is_sorted_by_key(|line| line.at));
    let find = |what: &str| {
        lines.iter().find(|line| line.what == what).unwrap_or_else(|| panic!("{what}: {lines:?}"))
    };
    assert_eq!(find("backup-requested").who.as_deref(), Some("grace"));
    assert_eq!(find("waived").subject, "source-busy");
    assert_eq!(find("quiesce").outcome.as_deref(), Some("ok"));
    assert_eq!(lines.iter().filter(|line| line.what == "start").count(), 2);
    assert!(find("taken-over").who.as_deref().unwrap().contains("process 1"));
    assert_eq!(find("cancel-requested").who, None);
    assert!(lines.last().unwrap().outcome.as_deref().unwrap().starts_with("cancelled"));
}
