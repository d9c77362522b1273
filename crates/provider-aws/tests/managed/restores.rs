//! Restores on the fake AWS: new resources only, tagged before anybody can see them, started once.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::time::Duration;

use crate::fake::restores::RESTORE;
use crate::fake::{FILE_SYSTEM, REGION, VOLUME, World, component, scenario};
use serde_json::{Value, json};
use stillpoint_core::{
    Candidate, Effect, ErrorKind, Evidence, JobRequest, JobState, Landing, OpContext, Provider, Readiness,
    RestoreJob, Retry,
};

fn volume() -> stillpoint_core::Component {
    component("db", "ebs", VOLUME)
}

fn file_system() -> stillpoint_core::Component {
    component("projects", "efs", FILE_SYSTEM)
}

/// A scenario of the fake with some of its rules changed.
fn with_rules(name: &str, rules: Value) -> Value {
    let mut scenario = scenario(name);
    scenario["rules"] = rules;
    scenario
}

async fn found(world: &std::sync::Arc<World>, job: &RestoreJob, cx: &OpContext) -> Vec<Candidate> {
    let since = cx.clock().now();
    // A new job may be missing from lists for a while.
    world.advance(310.0);
    world.provider().find(cx, &JobRequest::Restore(job.clone()), since).await.unwrap()
}

#[tokio::test]
async fn a_volume_is_born_with_its_tags_and_holds_what_was_captured() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&volume()).await;
    let content = world.fake().post("digests", &json!({"volume": "vol-00000000000000001"}));
    world.fake().post("write", &json!({"volume": "vol-00000000000000001", "blocks": [0, 41]}));
    let destination = json!({"availability_zone": "us-east-1b", "initialization_rate_mibps": 100, "iops": 4000,
        "volume_type": "gp3", "size_gib": 120});
    let job = world.restore(&snapshot, &volume(), destination, 1);
    let started = world.started(&provider, &job).await;

    // Nobody has polled yet, and it carries everything.
    let region = world.region();
    let volumes = region["volumes"].as_object().unwrap();
    let made = volumes.values().find(|volume| volume["snapshot_id"] != "").unwrap();
    assert_eq!(made["tags"]["keep"], "yes");
    assert_eq!(made["tags"]["stillpoint:operation"], RESTORE);
    assert_eq!(made["tags"]["stillpoint:workspace"], "team/ml-2");
    assert_eq!(
        (&made["zone"], &made["size_gib"], &made["iops"]),
        (&json!("us-east-1b"), &json!(120), &json!(4000))
    );

    let status = world.settle(&provider, &started).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    assert!(status.warnings.is_empty(), "{status:?}");
    let resource = status.restored.unwrap();
    let id = made["id"].as_str().unwrap();
    assert_eq!(resource.resource, format!("arn:aws:ec2:us-east-1:111122223333:volume/{id}"));
    assert_eq!(world.fake().post("digests", &json!({"volume": id})), content);
    assert_eq!(world.calls("StartRestoreJob"), 0);
}

#[tokio::test]
async fn a_volume_is_usable_before_it_is_whole_and_both_are_said() {
    let Some(world) = World::of(&with_rules("workspace", json!({"ec2.lazy_bytes_per_second": 100_000})))
    else {
        return;
    };
    let provider = world.provider();
    let snapshot = world.captured(&volume()).await;
    let status = world.restored(&provider, &world.restore(&snapshot, &volume(), json!({}), 1)).await;
    let resource = status.restored.unwrap();
    let ready = world.finished(&provider, &resource).await;
    assert_eq!(ready, Readiness::Available);
    world.advance(400.0);
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized);
    // The zone was not asked for, so it is the source's.
    assert_eq!(world.volume(&resource.resource)["zone"], world.volume(VOLUME)["zone"]);
}

#[tokio::test]
async fn a_file_system_whose_point_ended_before_its_job_was_heard_of_is_named() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&file_system()).await;
    let job = world.restore(&snapshot, &file_system(), json!({}), 1);
    let (cx, request) = (world.cx_of(RESTORE), JobRequest::Restore(job.clone()));
    let since = world.now();
    world.inject(&json!({"op": "StartRestoreJob", "nth": 1, "fault": {"kind": "http", "status": 503, "committed": true}}));
    assert_eq!(provider.start(&cx, &request).await.unwrap_err().effect(), Effect::MaybeApplied);
    let gone =
        json!({"kind": "error", "code": "ResourceNotFoundException", "message": "gone", "status": 400});
    let point_ends = || world.inject(&json!({"op": "DescribeRecoveryPoint", "nth": 1, "fault": gone}));
    point_ends();
    let early = provider.find(&cx, &request, since).await.unwrap_err();
    assert!(matches!(early.retry(), Retry::After { .. }), "its job may not be listed yet: {early}");
    world.advance(1200.0);
    point_ends();
    assert_eq!(provider.find(&cx, &request, since).await.unwrap(), []);
    point_ends();
    let error = provider.start(&cx, &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeedsAttention, "{error}");
    let made =
        world.region()["file_systems"].as_object().unwrap().keys().any(|id| error.to_string().contains(id));
    assert!(made, "{error}");
    assert_eq!(world.calls("StartRestoreJob"), 1);
}

#[tokio::test]
async fn lost_replies_to_the_making_of_a_volume_make_one_volume() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&volume()).await;
    let job = world.restore(&snapshot, &volume(), json!({}), 1);
    let (cx, request) = (world.cx_of(RESTORE), JobRequest::Restore(job.clone()));
    let before = world.count("volumes");
    world.inject(&json!({"op": "CreateVolume", "nth": 1, "fault": {"kind": "cut", "when": "before"}}));
    world.inject(
        &json!({"op": "CreateVolume", "nth": 2, "fault": {"kind": "http", "status": 503, "committed": true}}),
    );
    for made in [0, 1] {
        let error = provider.start(&cx, &request).await.unwrap_err();
        assert_eq!(error.effect(), Effect::MaybeApplied, "{error:?}");
        assert_eq!(world.count("volumes"), before + made);
        if made == 0 {
            // One that was made may not be shown yet.
            let early = provider.find(&cx, &request, cx.clock().now()).await.unwrap_err();
            assert!(matches!(early.retry(), Retry::After { .. }), "{early:?}");
        }
        let candidates = found(&world, &job, &cx).await;
        assert_eq!(candidates.len(), made, "{candidates:?}");
    }
    let candidates = found(&world, &job, &cx).await;
    assert_eq!(candidates[0].evidence, Evidence::Proven);
    // Long after EC2 has forgotten the token.
    world.advance(90_000.0);
    assert_eq!(provider.start(&cx, &request).await.unwrap(), candidates[0].job);
    assert_eq!(world.count("volumes"), before + 1);
}

#[tokio::test]
async fn a_new_volume_that_ec2_does_not_show_yet_is_waited_for() {
    let Some(world) = World::of(&with_rules("workspace", json!({"ec2.describe_lag_seconds": 60}))) else {
        return;
    };
    let provider = world.provider();
    let snapshot = world.captured(&volume()).await;
    let job = world.restore(&snapshot, &volume(), json!({}), 1);
    let started = world.started(&provider, &job).await;
    let status = provider.poll(&world.cx(), &started, Duration::ZERO).await.unwrap();
    assert_eq!(status.state, JobState::Queued);
    assert_eq!(world.started(&provider, &job).await, started, "the token answers what no list shows");
    assert_eq!(world.settle(&provider, &started).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn the_housekeeper_eats_what_has_no_tag_and_nothing_of_a_restore() {
    let Some(world) = World::named("garbage-collector") else { return };
    let provider = world.provider();
    let (disk, files) = (world.captured(&volume()).await, world.captured(&file_system()).await);
    let disk = world.restored(&provider, &world.restore(&disk, &volume(), json!({}), 1)).await;
    let job = world.restore(&files, &file_system(), json!({}), 1);
    let whole = world.restored(&provider, &job).await;
    for status in [&disk, &whole] {
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    }
    world.advance(3600.0);
    let whole = whole.restored.unwrap();
    assert_eq!(world.file_system(&whole.resource)["state"], "available");
    assert_eq!(world.volume(&disk.restored.unwrap().resource)["state"], "available");

    // The same without the tag is eaten, and the job does not claim success.
    let mut bare = world.restore(&files, &file_system(), json!({}), 2);
    bare.tags.clear();
    let status = world.restored(&provider, &bare).await;
    assert!(matches!(status.state, JobState::Failed(_)), "{status:?}");
}

#[tokio::test]
async fn tags_that_somebody_takes_off_are_put_back_and_it_is_said() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&file_system()).await;
    let started = world.started(&provider, &world.restore(&snapshot, &file_system(), json!({}), 1)).await;
    world.advance(120.0);
    let status = provider.poll(&world.cx(), &started, Duration::ZERO).await.unwrap();
    assert_eq!(status.state, JobState::Running);
    let resource = status.restored.unwrap().resource;
    assert_eq!(
        world.file_system(&resource)["tags"]["keep"],
        "yes",
        "tagged at first sight, before the job is done"
    );
    let id = resource.rsplit('/').next().unwrap();
    let others = json!({"stillpoint:operation": RESTORE});
    world.advance(1200.0);
    world.fake().post("set", &json!({"file_system": id, "set": {"tags": others}}));
    let status = world.settle(&provider, &started).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    assert!(status.warnings.iter().any(|warning| warning.contains("keep")), "{status:?}");
    assert_eq!(world.file_system(&resource)["tags"]["keep"], "yes");
}

#[tokio::test]
async fn a_lost_reply_to_the_start_of_a_restore_job_is_found_by_its_creation_token() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&file_system()).await;
    let job = world.restore(&snapshot, &file_system(), json!({}), 1);
    let (cx, request) = (world.cx_of(RESTORE), JobRequest::Restore(job.clone()));
    world.inject(&json!({"op": "StartRestoreJob", "nth": 1, "fault": {"kind": "cut", "when": "after"}}));
    let error = provider.start(&cx, &request).await.unwrap_err();
    assert_eq!(error.effect(), Effect::MaybeApplied, "{error:?}");
    let early = provider.find(&cx, &request, cx.clock().now()).await.unwrap_err();
    assert_eq!(early.kind(), ErrorKind::Unavailable, "lists lag, so nothing listed says nothing yet");
    let candidates = found(&world, &job, &cx).await;
    assert_eq!(candidates.len(), 1, "{candidates:?}");
    assert_eq!(candidates[0].evidence, Evidence::Proven);
    // Long after AWS has forgotten the idempotency token.
    world.advance(7200.0);
    assert_eq!(provider.start(&cx, &request).await.unwrap(), candidates[0].job);
    let status = world.settle(&provider, &candidates[0].job).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    assert_eq!(world.count("file_systems"), 2);

    let other = world.restore(&snapshot, &file_system(), json!({}), 2);
    assert_eq!(found(&world, &other, &cx).await, [], "another attempt is another job");
}

#[tokio::test]
async fn a_volume_comes_back_through_a_restore_job_where_that_is_asked_for() {
    for round_trip in [true, false] {
        let rules = json!({"restore.request_id_round_trip": round_trip});
        let Some(world) = World::of(&with_rules("workspace", rules)) else { return };
        let provider = world.provider();
        let snapshot = world.captured(&volume()).await;
        let job = world.restore(&snapshot, &volume(), json!({"restore_with": "backup"}), 1);
        let (cx, request) = (world.cx_of(RESTORE), JobRequest::Restore(job.clone()));
        world.inject(&json!({"op": "StartRestoreJob", "nth": 1, "fault": {"kind": "cut", "when": "after"}}));
        provider.start(&cx, &request).await.unwrap_err();
        let candidates = found(&world, &job, &cx).await;
        assert!(candidates.iter().all(|candidate| candidate.evidence == Evidence::Proven), "{candidates:?}");
        assert_eq!(candidates.len(), usize::from(round_trip), "by its metadata, else the token tells");
        assert_eq!(world.calls("StartRestoreJob"), 1, "a search starts nothing");
        let started = provider.start(&cx, &request).await.unwrap();
        let status = world.settle(&provider, &started).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        let resource = status.restored.unwrap().resource;
        assert_eq!(world.volume(&resource)["tags"]["keep"], "yes");
        assert_eq!(world.calls("CreateVolume"), 0);
        assert_eq!(world.count("volumes"), 3);
    }
}

#[tokio::test]
async fn a_job_whose_name_would_not_fit_is_refused_before_it_is_started() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&file_system()).await;
    let groups: Vec<String> = (0..200).map(|at| format!("sg-{at:017}")).collect();
    let job = world.restore(&snapshot, &file_system(), json!({"security_groups": groups}), 1);
    let error = provider.start(&world.cx_of(RESTORE), &JobRequest::Restore(job)).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidInput, Effect::NotApplied), "{error:?}");
    assert_eq!(world.calls("StartRestoreJob"), 0, "a job that nobody can name would run without us");
}

#[tokio::test]
async fn a_mark_that_the_restored_volume_inherits_is_taken_off() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&volume()).await;
    let destination = json!({"restore_with": "backup", "copy_source_tags": true});
    let status = world.restored(&provider, &world.restore(&snapshot, &volume(), destination, 1)).await;
    let made = world.volume(&status.restored.unwrap().resource);
    assert_eq!(made["tags"]["stillpoint:operation"], RESTORE);
    assert_eq!(made["tags"]["stillpoint:backup"], Value::Null, "its points would be the backup's: {made}");
    assert_eq!(made["tags"]["stillpoint:created-at"], Value::Null);
    assert!(world.calls("DeleteTags") > 0, "they were there");
}

#[tokio::test]
async fn a_restore_into_another_place_is_refused_by_name_with_the_way_out() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let (disk, files) = (world.captured(&volume()).await, world.captured(&file_system()).await);
    for (component, snapshot) in [(volume(), &disk), (file_system(), &files)] {
        for (setting, place) in [("region", "eu-west-1"), ("account", "444455556666")] {
            let job = world.restore(snapshot, &component, json!({setting: place}), 1);
            let error = provider.start(&world.cx_of(RESTORE), &JobRequest::Restore(job)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
            assert!(error.to_string().contains(place) && error.to_string().contains("copy"), "{error}");
        }
    }
    let mut job = world.restore(&disk, &volume(), json!({"availability_zone": "us-east-1z"}), 1);
    let error = provider.start(&world.cx_of(RESTORE), &JobRequest::Restore(job.clone())).await.unwrap_err();
    assert!(error.to_string().contains("us-east-1z"), "{error}");
    job.landing = Landing::Replace;
    let error = provider.start(&world.cx_of(RESTORE), &JobRequest::Restore(job)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!((world.count("volumes"), world.count("file_systems")), (2, 1), "nothing was made");
}

#[tokio::test]
async fn a_start_that_cannot_succeed_yet_does_not_use_up_its_token() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let job = world.backup("backup-1", &file_system());
    let backup = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    world.advance(120.0);
    let snapshot = provider.poll(&world.cx(), &backup, Duration::ZERO).await.unwrap().snapshot.unwrap();
    let restore = world.restore(&snapshot, &file_system(), json!({}), 1);
    let request = JobRequest::Restore(restore.clone());
    let error = provider.start(&world.cx_of(RESTORE), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Busy, Effect::NotApplied), "{error:?}");
    assert_eq!(world.calls("StartRestoreJob"), 0);
    world.settle(&provider, &backup).await;

    // One that AWS refuses is not repeated with the same token: the next attempt has another.
    let refused = json!({"kind": "error", "code": "InvalidRequestException", "message": "not now"});
    world.inject(&json!({"op": "StartRestoreJob", "nth": 1, "fault": refused}));
    let error = provider.start(&world.cx_of(RESTORE), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidInput, Effect::NotApplied), "{error:?}");
    let next = world.restore(&snapshot, &file_system(), json!({}), 2);
    assert_eq!(world.restored(&provider, &next).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn however_a_restore_job_ends_it_is_told_truthfully() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&file_system()).await;
    let ends = [
        json!({"kind": "outcome", "state": "FAILED", "message": "no room"}),
        json!({"kind": "outcome", "state": "COMPLETED", "message": "3 files were skipped"}),
    ];
    for (attempt, end) in (1..).zip(ends) {
        world.inject(&json!({"op": "RestoreJob", "nth": 1, "fault": end}));
        let job = world.restore(&snapshot, &file_system(), json!({}), attempt);
        let status = world.restored(&provider, &job).await;
        let resource = status.restored.clone().unwrap();
        match &status.state {
            JobState::Failed(error) => {
                assert_eq!(attempt, 1);
                assert!(error.message.contains("no room"), "{error:?}");
                assert_eq!(status.issues[0].kind, "failed-restore");
                provider.discard(&world.cx_of(RESTORE), &resource).await.unwrap();
            }
            JobState::SucceededWithIssues => {
                assert_eq!(attempt, 2);
                assert!(status.issues[0].message.contains("3 files"), "{status:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let job = world.restore(&snapshot, &file_system(), json!({}), 3);
    let started = world.started(&provider, &job).await;
    world.inject(
        &json!({"op": "DescribeRestoreJob", "fault": {"kind": "rewrite", "set": {"Status": "PENDING"}}}),
    );
    world.inject(&json!({"op": "DescribeRestoreJob", "nth": 2, "fault":
        {"kind": "error", "code": "ThrottlingException", "message": "slow down"}}));
    let queued = provider.poll(&world.cx(), &started, Duration::ZERO).await.unwrap();
    assert_eq!(queued.state, JobState::Queued);
    let throttled = provider.poll(&world.cx(), &started, Duration::ZERO).await.unwrap_err();
    assert_eq!(throttled.kind(), ErrorKind::RateLimited);
    world.fake().post("set", &json!({"key": "test", "set": {"expires_in": 1}}));
    world.advance(10.0);
    let expired = provider.poll(&world.cx(), &started, Duration::ZERO).await.unwrap_err();
    assert_eq!(expired.kind(), ErrorKind::Unauthenticated, "{expired:?}");
    world.fake().post("set", &json!({"key": "test", "set": {"expires_in": 100_000}}));
    assert_eq!(
        world.settle(&provider, &started).await.state,
        JobState::Succeeded,
        "the job went on meanwhile"
    );
}

#[tokio::test]
async fn nothing_is_discarded_but_what_carries_the_operations_mark() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let snapshot = world.captured(&volume()).await;
    let status = world.restored(&provider, &world.restore(&snapshot, &volume(), json!({}), 1)).await;
    let resource = status.restored.unwrap();
    let mut source = resource.clone();
    for untouchable in [VOLUME, FILE_SYSTEM] {
        source.resource = untouchable.to_owned();
        let error = provider.discard(&world.cx_of(RESTORE), &source).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{untouchable}");
    }
    for cx in [world.cx(), world.cx_of("restore-2")] {
        let error = provider.discard(&cx, &resource).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let error = provider.finish_restore(&cx, &resource).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    }
    provider.discard(&world.cx_of(RESTORE), &resource).await.unwrap();
    provider.discard(&world.cx_of(RESTORE), &resource).await.unwrap();
    assert_eq!(world.volume(&resource.resource), Value::Null);
    assert_eq!(world.volume(VOLUME)["state"], "in-use");
    assert!(resource.resource.contains(REGION));
}
