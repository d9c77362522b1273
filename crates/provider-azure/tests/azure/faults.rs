//! Odd answers at the worst moments: what is unknown is not taken for known.

use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{DeleteState, Effect, ErrorKind, JobRequest, JobState, Provider, Retry};

use crate::fake::{RESTORE, World, compute, disk, group};

fn disks() -> Value {
    json!({"disks": [{"name": "db", "size_gib": 8, "sku": "Premium_LRS"}]})
}

const SNAPSHOTS_GET: &str = "compute:snapshots.get";
const SNAPSHOTS_PUT: &str = "compute:snapshots.create_or_update";
const DISKS_PUT: &str = "compute:disks.create_or_update";

#[tokio::test]
async fn a_404_that_is_no_word_on_the_resource_deletes_and_loses_nothing() {
    let Some(world) = World::of(&group(disks(), json!({}))) else { return };
    let provider = world.provider();
    let snapshot = world.captured("op-1", &disk("db")).await;
    let backup = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let restore = JobRequest::Restore(world.restore(&snapshot, &disk("db"), json!({})));
    let restored = world.run(&provider, &restore).await.restored.unwrap();
    let (cx, restoring) = (world.cx(), world.cx_of(RESTORE));
    for (fault, kind) in [
        (
            json!({"kind": "error", "code": "InvalidResourceType", "message": "m", "status": 404}),
            ErrorKind::Unexpected,
        ),
        (
            json!({"kind": "error", "code": "SubscriptionNotFound", "message": "m"}),
            ErrorKind::PermissionDenied,
        ),
        (json!({"kind": "http", "status": 404}), ErrorKind::Unexpected),
    ] {
        world.inject(SNAPSHOTS_GET, &fault);
        let refused = provider.delete(&cx, &snapshot).await.unwrap_err();
        assert_eq!(refused.kind(), kind, "{fault}: {refused:?}");
        world.inject(SNAPSHOTS_GET, &fault);
        assert_eq!(provider.find(&cx, &backup, world.now()).await.unwrap_err().kind(), kind, "{fault}");
        world.inject("compute:disks.get", &fault);
        assert_eq!(provider.discard(&restoring, &restored).await.unwrap_err().kind(), kind, "{fault}");
    }
    provider.discard(&restoring, &restored).await.unwrap();
    assert_eq!(provider.delete(&cx, &snapshot).await.unwrap(), DeleteState::Pending);
    world.advance(60.0);
    assert_eq!(provider.delete(&cx, &snapshot).await.unwrap(), DeleteState::Gone);
    assert_eq!((world.count("snapshots"), world.count("disks")), (0, 1));
}

#[tokio::test]
async fn what_its_own_state_calls_failed_has_failed_whatever_its_address_answers() {
    let Some(world) = World::of(&group(disks(), json!({}))) else { return };
    let provider = world.provider();
    let snapshot = world.captured("op-0", &disk("db")).await;
    let denied =
        json!({"principal": crate::fake::PRINCIPAL, "set": {"deny": ["Microsoft.Compute/locations/*"]}});
    let mut at = 0;
    for variant in ["location", "both", "async"] {
        for code in ["CloudInternalError", "RequestDisallowedByPolicy"] {
            at += 1;
            let request = JobRequest::Backup(world.backup(&format!("op-{at}"), &disk("db")));
            let ended = json!({"kind": "outcome", "state": "Failed", "code": code, "message": "not here"});
            for fault in [json!({"kind": "lro", "variant": variant}), ended.clone()] {
                world.inject(SNAPSHOTS_PUT, &fault);
                world.inject(DISKS_PUT, &fault);
            }
            let JobState::Failed(error) = world.run(&provider, &request).await.state else {
                panic!("{variant}, {code}");
            };
            assert!(error.message.contains("not here"), "{variant}, {code}: {error:?}");
            let mut restore = world.restore(&snapshot, &disk("db"), json!({}));
            restore.key = stillpoint_core::JobKey::new(RESTORE.parse().unwrap(), "db".parse().unwrap(), at);
            let status = world.run(&provider, &JobRequest::Restore(restore)).await;
            assert!(matches!(status.state, JobState::Failed(_)), "{variant}, {code}: {status:?}");
            world.advance(300.0);
        }
    }
    world.set(&denied);
    world.inject(SNAPSHOTS_PUT, &json!({"kind": "lro", "variant": "async"}));
    world.inject(SNAPSHOTS_PUT, &json!({"kind": "outcome", "state": "Failed", "message": "not here"}));
    let request = JobRequest::Backup(world.backup("op-denied", &disk("db")));
    let JobState::Failed(error) = world.run(&provider, &request).await.state else {
        panic!("a role too narrow")
    };
    assert!(error.message.contains("Failed"), "{error:?}");
}

#[tokio::test]
async fn a_refusal_after_the_work_leaves_its_effect_open() {
    let Some(world) = World::of(&group(disks(), json!({}))) else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let cx = world.cx_of("op-1");
    let busy = json!({"kind": "error", "code": "ServerBusy", "message": "m"});
    let committed = json!({"kind": "http", "status": 503, "committed": true, "retry_after": 3});
    for (fault, kind) in [(&busy, ErrorKind::RateLimited), (&committed, ErrorKind::Unavailable)] {
        world.inject(SNAPSHOTS_PUT, fault);
        let error = provider.start(&cx, &request).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, Effect::MaybeApplied), "{error:?}");
        assert!(matches!(error.retry(), Retry::After { .. }), "{error:?}");
    }
    assert_eq!(provider.find(&world.cx(), &request, world.now()).await.unwrap().len(), 1);
    // Whether the disk is still the same must be known.
    world.inject("compute:disks.get", &json!({"kind": "error", "code": "TooManyRequests", "message": "m"}));
    assert_eq!(provider.start(&cx, &request).await.unwrap_err().kind(), ErrorKind::RateLimited);
    let snapshot = world.run(&provider, &request).await.snapshot.unwrap();
    assert_eq!((world.count("snapshots"), world.calls("snapshots.create_or_update")), (1, 2));

    let restore = JobRequest::Restore(world.restore(&snapshot, &disk("db"), json!({})));
    for fault in [json!({"kind": "cut", "when": "before"}), committed.clone()] {
        world.inject(DISKS_PUT, &fault);
        let error = provider.start(&world.cx_of(RESTORE), &restore).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.effect()),
            (ErrorKind::Unavailable, Effect::MaybeApplied),
            "{error:?}"
        );
    }
    let since = world.now();
    assert_eq!(provider.find(&world.cx(), &restore, since).await.unwrap().len(), 1);
    let restored = world.run(&provider, &restore).await;
    assert_eq!((restored.state, world.count("disks")), (JobState::Succeeded, 2));

    // A tag that somebody wrote while we looked stays when ours are put back.
    let id = restored.restored.unwrap().resource;
    let job = world.start(&provider, &restore).await;
    world.set(&json!({"resource": id, "set": {"tags.keep": null, "tags.owner": "somebody"}}));
    world.inject("compute:disks.get", &json!({"kind": "rewrite", "set": {"tags.owner": null}}));
    provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let tags = &world.resource(&id)["tags"];
    assert_eq!((&tags["keep"], &tags["owner"]), (&json!("yes"), &json!("somebody")), "{tags}");

    let copy = JobRequest::Copy(world.copy("copy-1", &snapshot, json!({"resource_group": "nowhere"})));
    let error = provider.start(&world.cx_of("copy-1"), &copy).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::NotFound, Effect::NotApplied), "{error:?}");

    // Somebody reads it, and that is not why the call was refused.
    world.set(&json!({"resource": snapshot.id.as_str(), "set": {"properties.diskState": "ActiveSAS"}}));
    world.inject("compute:snapshots.delete", &json!({"kind": "http", "status": 503, "committed": true}));
    let error = provider.delete(&world.cx(), &snapshot).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied));
}

#[tokio::test]
async fn what_is_taken_away_while_it_is_made_is_missed() {
    let rules = json!({"lro.variant": "async", "snapshot.background_seconds": 7200});
    let slow = json!({"disks": [{"name": "db", "size_gib": 8, "sku": "PremiumV2_LRS", "zones": ["1"]}]});
    let Some(world) = World::of(&group(slow, rules)) else { return };
    let provider = world.provider();
    let cx = world.cx();
    let taken = |id: &str| world.set(&json!({"resource": id, "remove": true}));
    let id = |request: &JobRequest| compute("snapshots", &format!("stillpoint-{}", request.key().token()));

    // It was seen, captured already.
    let request = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let job = world.start(&provider, &request).await;
    world.advance(60.0);
    assert!(provider.poll(&cx, &job, Duration::ZERO).await.unwrap().captured.is_some());
    taken(&id(&request));
    assert_eq!(provider.poll(&cx, &job, Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotFound);

    // It never was, and may be a new one that is not shown yet: for a while.
    let request = JobRequest::Backup(world.backup("op-2", &disk("db")));
    let job = world.start(&provider, &request).await;
    world.advance(60.0);
    taken(&id(&request));
    assert_eq!(provider.poll(&cx, &job, Duration::ZERO).await.unwrap().state, JobState::Running);
    world.advance(121.0);
    assert_eq!(provider.poll(&cx, &job, Duration::ZERO).await.unwrap_err().kind(), ErrorKind::NotFound);

    // The same for a disk, whose housekeeper is named.
    let request = JobRequest::Backup(world.backup("op-3", &disk("db")));
    let snapshot = world.run(&provider, &request).await.snapshot.unwrap();
    let restore = JobRequest::Restore(world.restore(&snapshot, &disk("db"), json!({})));
    let job = world.start(&provider, &restore).await;
    let made = provider.poll(&cx, &job, Duration::ZERO).await.unwrap().restored.unwrap();
    world.advance(60.0);
    taken(&made.resource);
    let error = provider.poll(&cx, &job, Duration::ZERO).await.unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("housekeeper"), "{error:?}");
}

#[tokio::test]
async fn nobody_says_that_there_is_nothing_before_it_can_be_known() {
    let Some(world) = World::of(&group(disks(), json!({"read.lag_seconds": 20}))) else { return };
    let provider = world.provider();
    world.advance(60.0);
    let request = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let (cx, since) = (world.cx(), world.now());
    for (when, wait) in [("before", 130.0), ("after", 30.0)] {
        let since = if when == "before" { since } else { world.now() };
        world.inject(SNAPSHOTS_PUT, &json!({"kind": "cut", "when": when}));
        provider.start(&world.cx_of("op-1"), &request).await.unwrap_err();
        let early = provider.find(&cx, &request, since).await.unwrap_err();
        assert_eq!(early.kind(), ErrorKind::Unavailable, "{when}: {early:?}");
        assert!(matches!(early.retry(), Retry::After { delay_ms: 1..=120_000 }), "{when}: {early:?}");
        world.advance(wait);
        let found = provider.find(&cx, &request, since).await.unwrap();
        assert_eq!(found.len(), usize::from(when == "after"), "{when}: {found:?}");
    }
    let snapshot = world.run(&provider, &request).await.snapshot.unwrap();
    world.advance(30.0);
    let restore = JobRequest::Restore(world.restore(&snapshot, &disk("db"), json!({})));
    let copy = JobRequest::Copy(world.copy("copy-1", &snapshot, json!({})));
    for (put, request) in [(DISKS_PUT, &restore), (SNAPSHOTS_PUT, &copy)] {
        let (cx, since) = (world.cx_of(request.key().operation().as_str()), world.now());
        world.inject(put, &json!({"kind": "cut", "when": "after"}));
        assert_eq!(provider.start(&cx, request).await.unwrap_err().effect(), Effect::MaybeApplied);
        assert_eq!(provider.find(&cx, request, since).await.unwrap_err().kind(), ErrorKind::Unavailable);
        world.advance(30.0);
        assert_eq!(provider.find(&cx, request, since).await.unwrap().len(), 1);
        assert_eq!(world.run(&provider, request).await.state, JobState::Succeeded);
    }
    assert_eq!((world.count("snapshots"), world.count("disks")), (2, 2));
}
