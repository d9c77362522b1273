//! Whose a backup job on the fake AWS is, and what becomes of ours when nothing says so.

use std::time::Duration;

use crate::fake::{FILE_SYSTEM, REGION, VOLUME, World, component};
use serde_json::json;
use stillpoint_core::{ErrorKind, Evidence, JobKey, JobRef, JobRequest, JobState, Provider, Retry};

#[tokio::test]
async fn a_job_that_expires_behind_another_has_a_successor_that_is_proven_hours_later() {
    let Some(world) = World::named("slow-file-system") else { return };
    let provider = world.provider();
    let mut source = component("projects", "efs", FILE_SYSTEM);
    source.settings.insert("start_window_minutes".into(), 60.into());
    // The other one begins first and takes ten hours, and ours does not see it yet.
    world.fake().post("foreign-job", &json!({"resource": FILE_SYSTEM}));
    let mut job = world.backup("op-1", &source);
    let first = provider.start(&world.cx(), &JobRequest::Backup(job.clone())).await.unwrap();
    let status = world.settle(&provider, &first).await;
    assert_eq!(status.state, JobState::Expired, "{status:?}");
    job.key = JobKey::new(job.key.operation().clone(), job.key.component().clone(), 2);
    let request = JobRequest::Backup(job);
    let error = provider.start(&world.cx(), &request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "the other one still runs: {error}");
    world.advance(11.0 * 3600.0);
    let second = provider.start(&world.cx(), &request).await.unwrap();
    assert_ne!(first, second);
    world.advance(300.0);
    let found = provider.find(&world.cx(), &request, world.now()).await.unwrap();
    assert_eq!((found.len(), found[0].evidence), (1, Evidence::Proven), "{found:?}");
    assert_eq!(found[0].job, second);
}

#[tokio::test]
async fn a_job_that_was_started_hours_after_its_backup_was_begun_is_ours_and_no_second_one_starts() {
    for (id, kind, resource) in [("projects", "efs", FILE_SYSTEM), ("db", "ebs", VOLUME)] {
        let Some(world) = World::named("slow-file-system") else { return };
        let provider = world.provider();
        let request = JobRequest::Backup(world.backup("op-1", &component(id, kind, resource)));
        world.advance(4.0 * 3600.0);
        world.inject(&json!({"op": "StartBackupJob", "fault": {"kind": "cut", "when": "after"}}));
        let since = world.now();
        provider.start(&world.cx(), &request).await.unwrap_err();
        world.advance(150.0);
        let found = provider.find(&world.cx(), &request, since).await.unwrap();
        assert_eq!((found.len(), found[0].evidence), (1, Evidence::Proven), "{found:?}");
        world.advance(3600.0);
        assert_eq!(provider.start(&world.cx(), &request).await.unwrap(), found[0].job);
        assert_eq!(world.region()["backups"].as_object().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn somebody_elses_job_does_not_mean_that_ours_was_never_started() {
    let Some(world) = World::named("slow-file-system") else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &component("projects", "efs", FILE_SYSTEM)));
    world.fake().post("foreign-job", &json!({"resource": FILE_SYSTEM}));
    world.advance(200.0);
    // Ours was begun just now, as far as whoever looks for it knows, and need not be listed yet.
    let since = world.now();
    let early = provider.find(&world.cx(), &request, since).await.unwrap_err();
    assert!(matches!(early.retry(), Retry::After { .. }), "{early:?}");
    world.advance(121.0);
    let found = provider.find(&world.cx(), &request, since).await.unwrap();
    assert_eq!((found.len(), found[0].evidence), (1, Evidence::Foreign), "{found:?}");
}

#[tokio::test]
async fn a_job_whose_tags_were_taken_away_ends_and_names_what_it_left() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    for (id, kind, resource) in [("projects", "efs", FILE_SYSTEM), ("db", "ebs", VOLUME)] {
        let job = world.backup("op-1", &component(id, kind, resource));
        let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
        world.advance(100.0);
        let point = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().snapshot.unwrap();
        world.advance(500.0);
        let arn = point.id.as_str().split_once('/').unwrap().1.to_owned();
        let name = arn.rsplit('/').next().unwrap();
        let mut change = if kind == "ebs" { json!({"snapshot": name}) } else { json!({"point": arn}) };
        change["set"] = json!({"tags": {}});
        world.fake().post("set", &change);
        let status = world.settle(&provider, &job).await;
        let JobState::Failed(error) = status.state else { panic!("{status:?}") };
        assert_eq!(error.kind, ErrorKind::NeedsAttention, "{error}");
        assert!(error.message.contains(&arn), "{error}");
    }
}

#[tokio::test]
async fn a_snapshot_that_ec2_never_shows_is_missing_and_its_job_has_failed() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let job = world.backup("op-1", &component("db", "ebs", VOLUME));
    let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    world.advance(100.0);
    let point = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().snapshot.unwrap();
    world.advance(500.0);
    let id = point.id.as_str().rsplit('/').next().unwrap();
    world.fake().post("set", &json!({"snapshot": id, "remove": true}));
    let status = world.settle(&provider, &job).await;
    let JobState::Failed(error) = status.state else { panic!("{status:?}") };
    assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
    assert!(error.message.contains("not shown"), "{error}");
}

#[tokio::test]
async fn what_a_job_captured_counts_only_once_the_job_is_known_to_be_ours() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let started = world.fake().post("foreign-job", &json!({"resource": VOLUME, "created_by": null}));
    world.advance(100.0);
    let id = started["BackupJobId"].as_str().unwrap();
    let named = |key: &str| {
        let name = format!("backup/{}/{id}?key={key}", REGION);
        JobRef::new("aws".parse().unwrap(), name.parse().unwrap())
    };
    let status = provider.poll(&world.cx(), &named("ours"), Duration::ZERO).await.unwrap();
    assert_eq!((status.state, status.captured), (JobState::Running, None), "nothing proves it");
    let point = status.snapshot.unwrap();
    let snapshot = point.id.as_str().rsplit('/').next().unwrap();
    let mark = |mark: &str| json!({"snapshot": snapshot, "set": {"tags": {"stillpoint:job": mark}}});
    world.fake().post("set", &mark("another"));
    let error = provider.poll(&world.cx(), &named("ours"), Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "at once, and not only at its end: {error}");
    world.fake().post("set", &mark("ours"));
    let status = provider.poll(&world.cx(), &named("ours"), Duration::ZERO).await.unwrap();
    assert!(status.captured.is_some(), "{status:?}");
}

#[tokio::test]
async fn a_retention_that_aws_does_not_take_is_refused_before_the_call() {
    let Some(world) = World::named("workspace") else { return };
    let mut job = world.backup("op-1", &component("db", "ebs", VOLUME));
    job.retain = Some(Duration::from_secs(36_501 * 24 * 3600));
    let error = world.provider().start(&world.cx(), &JobRequest::Backup(job)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    assert_eq!(world.calls("StartBackupJob"), 0);
}
