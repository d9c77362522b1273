//! Tokens, errors, pages and long-running operations over HTTP.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{Effect, ErrorKind, JobRequest, JobState, Provider, Retry, SnapshotQuery};
use stillpoint_provider_azure::managed::{AzureProvider, GroupPlace};
use stillpoint_provider_azure::{Connection, Environment};

use crate::fake::{GROUP, PRINCIPAL, SUBSCRIPTION, World, disk, group};

fn provider(world: &World, settings: &[(&'static str, &str)]) -> AzureProvider {
    let endpoint = world.fake().endpoint();
    let fixed = [("AZURE_RESOURCE_MANAGER_ENDPOINT", endpoint.as_str())];
    let settings = Environment::new(fixed.into_iter().chain(settings.iter().copied()));
    let place = GroupPlace::new(SUBSCRIPTION, GROUP);
    AzureProvider::new("azure".parse().unwrap(), Connection::from_settings(&settings).unwrap(), [place])
}

fn disks() -> Value {
    json!({"disks": [{"name": "db", "size_gib": 64}]})
}

/// How often tokens were asked for so far.
fn tokens(world: &World) -> usize {
    let journal = world.fake().get("journal");
    let token = |entry: &&Value| entry["operation"].as_str().is_some_and(|name| name.starts_with("token"));
    journal.as_array().unwrap().iter().filter(token).count()
}

#[tokio::test]
async fn each_source_of_the_environment_gives_a_token_that_is_renewed_and_never_shown() {
    let Some(world) = World::of(&group(disks(), json!({}))) else { return };
    let endpoint = world.fake().endpoint();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("assertion");
    std::fs::write(&file, "outdated").unwrap();
    let client = [
        ("AZURE_AUTHORITY_HOST", endpoint.as_str()),
        ("AZURE_TENANT_ID", "11111111-1111-4111-8111-111111111111"),
        ("AZURE_CLIENT_ID", PRINCIPAL),
    ];
    let machine = provider(&world, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", &endpoint)]);
    let app = format!("{endpoint}/msi/token");
    let app_service = provider(&world, &[("IDENTITY_ENDPOINT", &app), ("IDENTITY_HEADER", "test")]);
    let secret = provider(&world, &[&client[..], &[("AZURE_CLIENT_SECRET", "test")]].concat());
    let path = file.to_str().unwrap();
    let workload = provider(&world, &[&client[..], &[("AZURE_FEDERATED_TOKEN_FILE", path)]].concat());
    let wrong = provider(&world, &[&client[..], &[("AZURE_CLIENT_SECRET", "sesame")]].concat());

    let refused = workload.estimate(&world.cx(), &disk("db")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated, "{refused:?}");
    assert!(!format!("{refused:?}").contains("outdated"), "{refused:?}");
    // Whoever runs the workload writes another one.
    std::fs::write(&file, "assertion\n").unwrap();
    for (name, provider) in
        [("machine", &machine), ("app service", &app_service), ("secret", &secret), ("workload", &workload)]
    {
        let before = tokens(&world);
        for _ in 0..3 {
            let size = provider.estimate(&world.cx(), &disk("db")).await.unwrap().unwrap();
            assert_eq!(size.bytes, Some(64 << 30), "{name}");
        }
        assert_eq!(tokens(&world) - before, 1, "{name} asks once");
        let shown = format!("{provider:?}");
        assert!(!shown.contains("fake.") && !shown.contains("assertion\""), "{shown}");
    }
    let refused = wrong.estimate(&world.cx(), &disk("db")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
    assert!(!format!("{refused:?}").contains("sesame"), "{refused:?}");

    // By the fake's clock all tokens are over, by this machine's they are not.
    world.set(&json!({"principal": PRINCIPAL, "expire_tokens": true}));
    let before = tokens(&world);
    machine.estimate(&world.cx(), &disk("db")).await.unwrap();
    assert_eq!(tokens(&world) - before, 1, "a token that is refused is replaced once");
    world.inject("token.imds", &json!({"kind": "http", "status": 503}));
    world.set(&json!({"principal": PRINCIPAL, "expire_tokens": true}));
    let later = machine.estimate(&world.cx(), &disk("db")).await.unwrap_err();
    assert_eq!(later.kind(), ErrorKind::Unavailable, "{later:?}");
}

#[tokio::test]
async fn refusals_say_what_to_do_and_whether_anything_was_done() {
    let Some(world) = World::of(&group(disks(), json!({"page.size": 2}))) else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let cx = world.cx_of("op-1");
    let put = "compute:snapshots.create_or_update";

    world.inject(put, &json!({"kind": "error", "code": "TooManyRequests", "message": "slow", "status": 429, "retry_after": 17}));
    let error = provider.start(&cx, &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::RateLimited, Effect::NotApplied));
    assert_eq!(error.retry(), Retry::After { delay_ms: 17_000 });

    world.inject(put, &json!({"kind": "error", "code": "Odd", "message": "m", "details": [{"code": "QuotaExceeded", "message": "d"}]}));
    let error = provider.start(&cx, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");

    for when in ["before", "after"] {
        world.inject(put, &json!({"kind": "cut", "when": when}));
        let error = provider.start(&cx, &request).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied), "{when}");
        let since = world.now();
        world.advance(150.0);
        let found = provider.find(&cx, &request, since).await.unwrap();
        assert_eq!(found.len(), usize::from(when == "after"), "{found:?}");
    }
    let status = world.run(&provider, &request).await;
    assert_eq!(status.state, JobState::Succeeded);
    assert_eq!(world.count("snapshots"), 1);

    for at in 2..6 {
        world.captured(&format!("op-{at}"), &disk("db")).await;
    }
    world.inject("compute:snapshots.list_by_resource_group", &json!({"kind": "empty_page"}));
    world.inject("compute:snapshots.list_by_resource_group", &json!({"kind": "duplicate_item"}));
    let all = provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert_eq!(all.len(), 5, "{all:?}");
}

/// What a snapshot of `db` comes to, where its operation is answered in this way.
async fn answered(world: &Arc<World>, at: usize, fault: &Value, outcome: Option<&Value>) -> JobState {
    let provider = world.provider();
    let operation = format!("op-{at}");
    for fault in std::iter::once(fault).chain(outcome) {
        world.inject("compute:snapshots.create_or_update", fault);
    }
    let request = JobRequest::Backup(world.backup(&operation, &disk("db")));
    let status = world.run(&provider, &request).await;
    // Not too many for one disk in five minutes.
    world.advance(300.0);
    status.state
}

#[tokio::test]
async fn a_long_running_operation_is_followed_however_it_is_answered() {
    // What is made is not shown before it is done, so only its address tells how it goes.
    let rules = json!({"snapshot.seconds": 30, "read.lag_seconds": 40});
    let Some(world) = World::of(&group(disks(), rules)) else { return };
    world.advance(60.0);
    let mut at = 0;
    for variant in ["immediate", "async", "location", "both", "state"] {
        for more in [json!({}), json!({"url_bytes": 6000, "retry_after": null}), json!({"lost_after": 3})] {
            let mut fault = json!({"kind": "lro", "variant": variant});
            fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            at += 1;
            let before = world.calls("poll");
            assert_eq!(answered(&world, at, &fault, None).await, JobState::Succeeded, "{fault}");
            let told = matches!(variant, "async" | "location" | "both");
            assert_eq!(world.calls("poll") > before, told, "{fault}");
        }
    }
    let failed = json!({"kind": "outcome", "state": "Failed", "code": "Odd", "message": "not now",
        "details": [{"code": "QuotaExceeded", "message": "no more"}]});
    for variant in ["async", "location", "both"] {
        at += 1;
        let fault = json!({"kind": "lro", "variant": variant});
        let state = answered(&world, at, &fault, Some(&failed)).await;
        let JobState::Failed(error) = state else { panic!("{variant}: {state:?}") };
        assert_eq!(error.kind, ErrorKind::QuotaExceeded, "{variant}: {error:?}");
        assert!(error.message.contains("no more"), "{variant}: {error:?}");
    }
    at += 1;
    let canceled = json!({"kind": "outcome", "state": "Canceled"});
    let state = answered(&world, at, &json!({"kind": "lro", "variant": "async"}), Some(&canceled)).await;
    assert!(matches!(state, JobState::Failed(_)), "{state:?}");
}

#[tokio::test]
async fn what_is_not_shown_yet_is_not_taken_for_lost() {
    let rules = json!({"read.lag_seconds": 20, "lro.variant": "async"});
    let Some(world) = World::of(&group(disks(), rules)) else { return };
    let provider = world.provider();
    world.advance(60.0);
    let request = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let job = world.start(&provider, &request).await;
    let shown = format!("{provider:?}");
    assert!(shown.contains("AsyncOperation") && !shown.contains("api-version"), "{shown}");
    let status = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!((status.state, status.captured), (JobState::Running, None));
    assert_eq!(world.settle(&provider, &job).await.state, JobState::Succeeded);
}
