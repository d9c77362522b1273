//! Stories of managed disks.

use std::time::Duration;

use serde_json::json;
use stillpoint_core::{
    DeleteState, Effect, ErrorKind, Evidence, JobRequest, JobState, Provider, Readiness, RestoredResource,
    SnapshotRef,
};

use crate::fake::{GROUP, RESTORE, SUBSCRIPTION, World, compute, disk, group, scenario};

fn name(snapshot: &SnapshotRef) -> &str {
    snapshot.id.as_str()
}

#[tokio::test]
async fn a_snapshot_is_taken_once_marked_from_its_birth_and_followed_to_its_last_byte() {
    let Some(world) = World::named("fast-disks") else { return };
    let provider = world.provider();
    let mut job = world.backup("op-1", &disk("db"));
    job.tags = [("cost".to_owned(), "ml".to_owned())].into();
    let request = JobRequest::Backup(job);
    let started = world.now();
    let job = world.start(&provider, &request).await;
    let first = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!((first.state, first.captured), (JobState::Running, None), "it is not there yet");
    world.advance(60.0);
    // Another process knows what was captured when, before all of it is copied.
    let other = world.provider();
    let filling = other.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!(filling.state, JobState::Running, "{filling:?}");
    assert_eq!(filling.captured.map(|window| (window.from, window.to)), Some((started, started)));
    let (done, total) = (filling.progress.bytes_done, filling.progress.bytes_total.unwrap());
    assert!(done > 0 && done < total, "{filling:?}");
    let open = other.open(&world.cx(), &filling.snapshot.clone().unwrap()).await.unwrap();
    assert!(!open.describe(&world.cx()).await.unwrap().usable);
    // Nothing can be made of it before.
    let restore = JobRequest::Restore(world.restore(&filling.snapshot.unwrap(), &disk("db"), json!({})));
    assert_eq!(other.start(&world.cx_of(RESTORE), &restore).await.unwrap_err().kind(), ErrorKind::Busy);
    let status = world.settle(&other, &job).await;
    assert_eq!(status.state, JobState::Succeeded);
    let made = world.resource(name(&status.snapshot.unwrap()));
    assert_eq!(
        (&made["tags"]["cost"], &made["tags"]["stillpoint:operation"]),
        (&json!("ml"), &json!("op-1"))
    );
    assert_eq!(made["properties"]["incremental"], true);
    assert_eq!(world.calls("snapshots.create_or_update"), 1);
}

#[tokio::test]
async fn a_disk_that_took_the_place_of_another_is_not_taken_for_it() {
    let scenario = group(json!({"disks": [{"name": "db", "size_gib": 8}]}), json!({"snapshot.seconds": 30}));
    let Some(world) = World::of(&scenario) else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let job = world.start(&provider, &request).await;
    let snapshot = provider.find(&world.cx(), &request, world.now()).await.unwrap();
    assert_eq!((snapshot.len(), snapshot[0].evidence, &snapshot[0].job), (1, Evidence::Proven, &job));
    let set = json!({"resource": compute("disks", "db"), "set": {"properties.uniqueId": "00000000-another"}});
    world.set(&set);
    let error = provider.start(&world.cx_of("op-1"), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    // Where the disk was replaced between our look at it and the snapshot.
    let request = JobRequest::Backup(world.backup("op-2", &disk("db")));
    let job = world.start(&provider, &request).await;
    let made = world.settle(&provider, &job).await.snapshot.unwrap();
    world
        .set(&json!({"resource": name(&made), "set": {"properties.creationData.sourceUniqueId": "a third"}}));
    // That does not change, so it is no error of asking.
    let status = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let JobState::Failed(error) = status.state else { panic!("{status:?}") };
    assert_eq!(error.kind, ErrorKind::Conflict, "{error:?}");
}

#[tokio::test]
async fn a_snapshot_of_our_name_that_we_did_not_make_is_left_alone() {
    let Some(world) = World::of(&group(json!({"disks": [{"name": "db", "size_gib": 8}]}), json!({}))) else {
        return;
    };
    let provider = world.provider();
    let snapshot = world.captured("op-1", &disk("db")).await;
    world.set(&json!({"resource": name(&snapshot), "set": {"tags": {"owner": "somebody"}}}));
    let request = JobRequest::Backup(world.backup("op-1", &disk("db")));
    let error = provider.start(&world.cx_of("op-1"), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::AlreadyExists, Effect::NotApplied));
    let found = provider.find(&world.cx(), &request, world.now()).await.unwrap();
    assert_eq!(found[0].evidence, Evidence::Foreign);
    let status = provider.poll(&world.cx(), &found[0].job, Duration::ZERO).await.unwrap();
    let JobState::Failed(error) = status.state else { panic!("{status:?}") };
    assert_eq!(error.kind, ErrorKind::NeedsAttention);
    assert_eq!(
        provider.delete(&world.cx(), &snapshot).await.unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
    assert!(!world.resource(name(&snapshot)).is_null());
}

#[tokio::test]
async fn the_limits_of_one_disk_are_told_as_what_they_are() {
    let rules = json!({"snapshot.maximum": 8});
    let Some(world) = World::of(&group(json!({"disks": [{"name": "db", "size_gib": 8}]}), rules)) else {
        return;
    };
    let provider = world.provider();
    for at in 0..7 {
        let request = JobRequest::Backup(world.backup(&format!("op-{at}"), &disk("db")));
        world.start(&provider, &request).await;
    }
    let request = JobRequest::Backup(world.backup("op-7", &disk("db")));
    let error = provider.start(&world.cx_of("op-7"), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error:?}");
    assert!(error.to_string().contains("five minutes"), "{error}");
    assert!(matches!(error.retry(), stillpoint_core::Retry::After { delay_ms: 1.. }), "{error:?}");
    world.advance(301.0);
    world.start(&provider, &request).await;
    let request = JobRequest::Backup(world.backup("op-8", &disk("db")));
    let error = provider.start(&world.cx_of("op-8"), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error:?}");
    assert!(error.to_string_chain().contains("which is the maximum"), "{error:?}");
}

#[tokio::test]
async fn what_keeps_a_snapshot_from_going_is_told_and_ends() {
    let scenario =
        group(json!({"disks": [{"name": "db", "size_gib": 8}]}), json!({"compute.group_case": "upper"}));
    let Some(world) = World::of(&scenario) else { return };
    let provider = world.provider();
    let snapshot = world.captured("op-1", &disk("db")).await;
    let group = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}");
    world.set(&json!({"lock": {"scope": group, "name": "keep", "level": "CanNotDelete"}}));
    let locked = provider.delete(&world.cx(), &snapshot).await.unwrap();
    assert!(matches!(&locked, DeleteState::Locked { reason, .. } if reason.contains("lock")), "{locked:?}");
    world.set(
        &json!({"resource": format!("{group}/providers/Microsoft.Authorization/locks/keep"), "remove": true}),
    );

    let until = world.now().after(Duration::from_secs(86_400));
    let policy =
        json!({"type": "Locked", "immutabilityDurationDays": 1, "policyExpirationTime": until.to_string()});
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
    let seconds = until.as_millis() as f64 / 1000.0;
    let set = json!({"properties.immutabilityPolicy": policy, "hidden.immutable_until": seconds});
    world.set(&json!({"resource": name(&snapshot), "set": set}));
    let locked = provider.delete(&world.cx(), &snapshot).await.unwrap();
    assert!(matches!(&locked, DeleteState::Locked { until: Some(at), .. } if *at == until), "{locked:?}");
    assert_eq!(world.calls("snapshots.delete"), 1, "nobody asks for what cannot be");
    world.advance(90_000.0);

    world.set(&json!({"resource": name(&snapshot), "set": {"hidden.sas": "https://x", "properties.diskState": "ActiveSAS"}}));
    let stuck = provider.delete(&world.cx(), &snapshot).await.unwrap();
    assert!(matches!(&stuck, DeleteState::Stuck { reason } if reason.contains("revoke")), "{stuck:?}");
    world.set(&json!({"resource": name(&snapshot), "set": {"hidden.sas": null, "properties.diskState": "Unattached"}}));

    assert_eq!(provider.delete(&world.cx(), &snapshot).await.unwrap(), DeleteState::Pending);
    assert_eq!(
        provider.delete(&world.cx(), &snapshot).await.unwrap(),
        DeleteState::Pending,
        "it is on its way"
    );
    world.advance(10.0);
    assert_eq!(provider.delete(&world.cx(), &snapshot).await.unwrap(), DeleteState::Gone);
    assert_eq!(world.calls("snapshots.delete"), 3, "what is on its way is not asked for again");
}

#[tokio::test]
async fn a_restored_disk_is_what_was_captured_where_it_was_wanted_and_keeps_its_tags() {
    let mut body = scenario("garbage-collector");
    let disks = &mut body["subscriptions"][SUBSCRIPTION]["groups"][GROUP]["disks"];
    disks[0]["sku"] = "Premium_LRS".into();
    disks[0]["zones"] = json!(["1"]);
    let Some(world) = World::of(&body) else { return };
    let provider = world.provider();
    let source = provider.record(&world.cx(), &disk("db")).await.unwrap();
    assert_eq!((&source.settings["sku"], &source.settings["zone"]), (&json!("Premium_LRS"), &json!("1")));
    let snapshot = world.captured("op-1", &source).await;
    for (wrong, word) in [
        (json!({"region": "northeurope"}), "copy the backup"),
        (json!({"subscription": "99999999-9999-4999-8999-999999999999"}), "subscription"),
        (json!({"size_gib": 1}), "smaller"),
    ] {
        let request = JobRequest::Restore(world.restore(&snapshot, &source, wrong));
        let error = provider.start(&world.cx_of(RESTORE), &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
        assert!(error.to_string().contains(word), "{error}");
    }
    let destination = json!({"zone": "2", "size_gib": 128, "region": "West Europe"});
    let request = JobRequest::Restore(world.restore(&snapshot, &source, destination));
    let job = world.start(&provider, &request).await;
    assert_eq!(world.start(&world.provider(), &request).await, job);
    let found = provider.find(&world.cx(), &request, world.now()).await.unwrap();
    assert_eq!((found.len(), found[0].evidence), (1, Evidence::Proven));
    let running = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let resource = running.restored.unwrap();
    let disk = world.resource(&resource.resource);
    assert_eq!(disk["tags"]["keep"], "yes", "from its birth: {disk}");
    world.set(&json!({"resource": resource.resource, "set": {"tags.keep": null}}));
    let status = world.settle(&provider, &job).await;
    assert_eq!(status.state, JobState::Succeeded);
    assert!(status.warnings.iter().any(|warning| warning.contains("keep")), "{status:?}");
    let disk = world.resource(&resource.resource);
    assert_eq!((&disk["sku"]["name"], &disk["zones"]), (&json!("Premium_LRS"), &json!(["2"])), "{disk}");
    assert_eq!((&disk["properties"]["diskSizeGB"], &disk["tags"]["keep"]), (&json!(128), &json!("yes")));
    let cx = world.cx_of(RESTORE);
    let readiness = provider.finish_restore(&cx, &resource).await.unwrap();
    assert!(matches!(readiness, Readiness::Available | Readiness::Initialized), "{readiness:?}");
    world.advance(3600.0);
    assert!(!world.resource(&resource.resource).is_null(), "no housekeeper takes it");

    let other = provider.discard(&world.cx_of("other"), &resource).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::PermissionDenied);
    world.set(&json!({"resource": resource.resource, "set": {"managedBy": "/vm"}}));
    assert_eq!(provider.discard(&cx, &resource).await.unwrap_err().kind(), ErrorKind::Busy);
    world.set(&json!({"resource": resource.resource, "set": {"managedBy": null}}));
    provider.discard(&cx, &resource).await.unwrap();
    world.advance(10.0);
    assert!(world.resource(&resource.resource).is_null());
    provider.discard(&cx, &resource).await.unwrap();
    let foreign = RestoredResource::new("azure".parse().unwrap(), "db".parse().unwrap(), name(&snapshot));
    assert_eq!(provider.discard(&cx, &foreign).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_copy_into_another_region_is_one_of_its_own_and_restores_there() {
    let Some(world) = World::named("two-regions-two-subscriptions") else { return };
    let provider = world.provider();
    let snapshot = world.captured("op-1", &disk("db")).await;
    let elsewhere = json!({"subscription": "99999999-9999-4999-8999-999999999999", "region": "northeurope"});
    let refused = JobRequest::Copy(world.copy("copy-1", &snapshot, elsewhere));
    let error = provider.start(&world.cx_of("copy-1"), &refused).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    let request = JobRequest::Copy(world.copy("copy-1", &snapshot, json!({"region": "northeurope"})));
    let job = world.start(&provider, &request).await;
    world.advance(60.0);
    let filling = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!((&filling.state, filling.captured), (&JobState::Running, None), "{filling:?}");
    let copy = world.settle(&provider, &job).await.snapshot.unwrap();
    let made = world.resource(name(&copy));
    assert_eq!(
        (&made["location"], &made["tags"]["stillpoint:operation"]),
        (&json!("northeurope"), &json!("copy-1"))
    );
    let restore = JobRequest::Restore(world.restore(&copy, &disk("db"), json!({"region": "northeurope"})));
    let status = world.run(&provider, &restore).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    assert_eq!(world.resource(&status.restored.unwrap().resource)["location"], "northeurope");

    // What Azure could not copy is no snapshot.
    let request = JobRequest::Copy(world.copy("copy-2", &snapshot, json!({"region": "northeurope"})));
    let job = world.start(&provider, &request).await;
    let broken = world.settle(&provider, &job).await.snapshot.unwrap();
    let why = json!({"errorCode": "CopySourceNotFound", "errorMessage": "it went"});
    world.set(&json!({"resource": name(&broken), "set": {"properties.copyCompletionError": why}}));
    let status = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let JobState::Failed(error) = status.state else { panic!("{status:?}") };
    assert!(error.message.contains("it went"), "{error:?}");
}

#[tokio::test]
async fn a_name_that_cannot_be_read_is_not_called_gone() {
    let Some(world) = World::named("fast-disks") else { return };
    let provider = world.provider();
    let snapshot = SnapshotRef::new(provider.id().clone(), "of-a-newer-version:1".parse().unwrap());
    let refused = provider.delete(&world.cx(), &snapshot).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("nothing was deleted"), "{refused}");
}
