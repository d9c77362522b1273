//! Backup jobs on the fake AWS: started once, captured, ended, refused.

use std::time::Duration;

use crate::fake::{FILE_SYSTEM, VOLUME, World, component};
use serde_json::json;
use stillpoint_core::{CancelOutcome, Effect, ErrorKind, Evidence, JobRequest, JobState, Provider, Tags};

#[tokio::test]
async fn a_volume_is_captured_at_one_instant_long_before_its_job_ends() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let began = world.now();
    let job = world.backup("op-1", &component("db", "ebs", VOLUME));
    let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    let queued = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!((queued.state, queued.captured), (JobState::Queued, None));
    world.advance(70.0);
    let running = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!(running.state, JobState::Running);
    let window = running.captured.unwrap();
    assert_eq!(window.from, window.to, "a snapshot is one instant");
    assert!(began < window.from && window.to < world.now(), "{window:?}");
    let ended = world.settle(&provider, &job).await;
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert_eq!(ended.captured, Some(window));
    assert_eq!(ended.counts["bytes_scanned"], 100 << 30);
    assert_eq!(ended.counts["bytes_stored"], 40 * 524_288);
}

#[tokio::test]
async fn a_file_system_is_captured_from_the_start_to_the_end_of_its_job_and_never_claimed_earlier() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let job = world.backup("op-1", &component("projects", "efs", FILE_SYSTEM));
    let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    world.advance(200.0);
    let running = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!(running.captured, None);
    assert_eq!(running.state, JobState::Running);
    assert!(running.progress.bytes_done > 0 && running.progress.bytes_total.is_some(), "{running:?}");
    assert!(running.snapshot.is_some(), "the point has its name from the start");
    let ended = world.settle(&provider, &job).await;
    let window = ended.captured.unwrap();
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert!(window.to.since(window.from) >= Duration::from_secs(360), "36 GB at 100 MB/s: {window:?}");
    assert_eq!(
        ended.counts.get("bytes_scanned"),
        None,
        "AWS tells what was moved, and not how much there is"
    );
    assert_eq!(ended.counts["bytes_stored"], 36_000_000_000);
}

#[tokio::test]
async fn what_a_point_carries_says_whose_it_is() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let mut job = world.backup("op/ä 1", &component("projects", "efs", FILE_SYSTEM));
    job.retain = Some(Duration::from_secs(90 * 24 * 3600 + 1));
    job.tags = Tags::from([("cost-centre".to_owned(), "42".to_owned())]);
    let status = world.run(&provider, job.clone()).await;
    let point = provider.open(&world.cx(), status.snapshot.as_ref().unwrap()).await.unwrap();
    let info = point.describe(&world.cx()).await.unwrap();
    assert_eq!(info.operation.as_ref(), Some(job.key.operation()), "an id that AWS's characters do not hold");
    assert_eq!(info.account_region, Some((crate::fake::ACCOUNT.to_owned(), crate::fake::REGION.to_owned())));
    let points = world.region()["vaults"]["Default"]["points"].clone();
    let point = points.as_object().unwrap().values().next().unwrap();
    assert_eq!(point["tags"]["cost-centre"], "42");
    assert_eq!(point["tags"]["workspace"], "w1", "AWS copies the resource's own");
    assert_eq!(point["tags"]["stillpoint:job"], job.key.token());
    assert_eq!(point["lifecycle"]["DeleteAfterDays"], 91, "whole days, never fewer");
}

#[tokio::test]
async fn windows_never_close_before_a_week_has_passed() {
    let Some(world) = World::named("slow-file-system") else { return };
    let provider = world.provider();
    let status = world.run(&provider, world.backup("op-1", &component("projects", "efs", FILE_SYSTEM))).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    let journal = world.fake().get("journal");
    let started =
        journal.as_array().unwrap().iter().find(|entry| entry["operation"] == "StartBackupJob").unwrap();
    assert!(started["params"]["StartWindowMinutes"].as_u64().unwrap() >= 60);
    assert!(started["params"]["CompleteWindowMinutes"].as_u64().unwrap() >= 7 * 24 * 60);
}

#[tokio::test]
async fn another_ones_job_makes_the_resource_busy_and_is_left_alone() {
    let Some(world) = World::named("busy") else { return };
    let provider = world.provider();
    world.advance(120.0);
    for (id, kind, resource) in [("projects", "efs", FILE_SYSTEM), ("db", "ebs", VOLUME)] {
        let job = world.backup("op-1", &component(id, kind, resource));
        let error = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        assert!(error.to_string().contains("foreign"), "it names the plan: {error}");
        assert!(error.context("job").is_some());
        assert_eq!(error.effect(), Effect::NotApplied);
    }
    assert_eq!(world.calls("StartBackupJob"), 0);
    assert_eq!(world.calls("StopBackupJob"), 0);
    world.advance(700.0);
    let status = world.run(&provider, world.backup("op-1", &component("db", "ebs", VOLUME))).await;
    assert_eq!(status.state, JobState::Succeeded, "the volume is free again");
}

#[tokio::test]
async fn a_job_that_waits_behind_another_expires_and_may_be_tried_anew() {
    let Some(world) = World::named("slow-file-system") else { return };
    let provider = world.provider();
    // So new that no list shows it.
    world.fake().post("foreign-job", &json!({"resource": FILE_SYSTEM}));
    let mut source = component("projects", "efs", FILE_SYSTEM);
    source.settings.insert("start_window_minutes".into(), 60.into());
    let job = world.backup("op-1", &source);
    let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    let status = world.settle(&provider, &job).await;
    assert_eq!(status.state, JobState::Expired);
    assert!(status.issues[0].message.contains("running job for the same resource"), "{:?}", status.issues);
}

#[tokio::test]
async fn a_lost_answer_may_have_started_a_job_and_the_job_is_found() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let since = world.now();
    let request = JobRequest::Backup(world.backup("op-1", &component("db", "ebs", VOLUME)));
    world.inject(&json!({"op": "StartBackupJob", "fault": {"kind": "cut", "when": "after"}}));
    let error = provider.start(&world.cx(), &request).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::MaybeApplied), "{error}");
    let early = provider.find(&world.cx(), &request, since).await.unwrap_err();
    assert!(matches!(early.retry(), stillpoint_core::Retry::After { delay_ms } if delay_ms > 0), "{early}");
    world.advance(6.0);
    let told = provider.find(&world.cx(), &request, since).await.unwrap();
    assert_eq!((told.len(), told[0].evidence), (1, Evidence::Proven), "its token says whose it is");
    world.advance(80.0);
    let found = provider.find(&world.cx(), &request, since).await.unwrap();
    assert_eq!(found, told);
    let again = provider.start(&world.cx(), &request).await.unwrap();
    assert_eq!(again, found[0].job, "the same key is the same job");
    assert_eq!(world.region()["backups"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_call_that_was_cut_before_it_arrived_is_safe_to_repeat() {
    let Some(world) = World::named("lost-replies") else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &component("db", "ebs", VOLUME)));
    for _lost in 0..2 {
        let error = provider.start(&world.cx(), &request).await.unwrap_err();
        assert_eq!(error.effect(), Effect::MaybeApplied, "{error}");
    }
    let job = provider.start(&world.cx(), &request).await.unwrap();
    assert_eq!(world.settle(&provider, &job).await.state, JobState::Succeeded);
    assert_eq!(world.region()["backups"].as_object().unwrap().len(), 1, "one key is one job");
    let tokens: std::collections::BTreeSet<String> = world
        .fake()
        .get("journal")
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["operation"] == "StartBackupJob")
        .map(|entry| entry["params"].to_string())
        .collect();
    assert_eq!(tokens.len(), 1, "every repeat is the same to the byte: {tokens:?}");
}

#[tokio::test]
async fn a_job_that_was_forgotten_by_its_token_is_found_by_its_mark() {
    let Some(world) = World::named("slow-file-system") else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &component("projects", "efs", FILE_SYSTEM)));
    let job = provider.start(&world.cx(), &request).await.unwrap();
    world.advance(2.0 * 3600.0);
    assert_eq!(
        provider.start(&world.cx(), &request).await.unwrap(),
        job,
        "AWS has forgotten the token by now"
    );
    assert_eq!(world.calls("StartBackupJob"), 1);
    let status = world.settle(&provider, &job).await;
    assert_eq!(status.state, JobState::Succeeded);
    assert_eq!(provider.start(&world.cx(), &request).await.unwrap(), job, "also after its end");
    assert_eq!(world.calls("StartBackupJob"), 1);
}

#[tokio::test]
async fn two_orchestrators_with_one_key_have_one_job() {
    let Some(world) = World::named("workspace") else { return };
    let request = JobRequest::Backup(world.backup("op-1", &component("db", "ebs", VOLUME)));
    let (one, two) = (world.provider(), world.provider());
    let (first, second) = (world.cx(), world.cx());
    let (first, second) = tokio::join!(one.start(&first, &request), two.start(&second, &request));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(world.region()["backups"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn odd_answers_are_neither_believed_nor_lost() {
    let Some(world) = World::named("odd-answers") else { return };
    let provider = world.provider();
    let job = world.backup("op-1", &component("db", "ebs", VOLUME));
    let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let odd = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!(odd.state, JobState::Unknown("HIBERNATING".into()));
    assert!(odd.poll_after.is_some());
    let status = world.settle(&provider, &job).await;
    assert_eq!(status.state, JobState::Succeeded, "marks may come with the end: {status:?}");
    let status = world.run(&provider, world.backup("op-1", &component("projects", "efs", FILE_SYSTEM))).await;
    assert_eq!(status.state, JobState::SucceededWithIssues);
    assert!(status.issues[0].message.contains("Some files were skipped."), "{:?}", status.issues);
    world.advance(60.0);
    let found = provider.snapshots(&world.cx(), &stillpoint_core::SnapshotQuery::all()).await.unwrap();
    assert_eq!(found.len(), 2, "an item that is listed twice is one: {found:?}");
}

#[tokio::test]
async fn jobs_end_as_aws_says_they_did() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    for (at, outcome, expected) in [
        (
            1,
            json!({"state": "FAILED", "message": "no", "category": "AccessDenied"}),
            ErrorKind::PermissionDenied,
        ),
        (
            2,
            json!({"state": "FAILED", "message": "no", "category": "InvalidParameters"}),
            ErrorKind::InvalidInput,
        ),
        (3, json!({"state": "PARTIAL", "message": "half"}), ErrorKind::Unexpected),
    ] {
        let mut fault = outcome;
        fault["kind"] = "outcome".into();
        world.inject(&json!({"op": "BackupJob", "fault": fault}));
        let job = world.backup(&format!("op-{at}"), &component("db", "ebs", VOLUME));
        let status = world.run(&provider, job).await;
        let JobState::Failed(error) = status.state else { panic!("{status:?}") };
        assert_eq!(error.kind, expected, "{error}");
        assert!(error.message.contains("no") || error.message.contains("part"), "{error}");
    }
}

#[tokio::test]
async fn a_stopped_job_ends_as_cancelled_and_may_be_stopped_again() {
    let Some(world) = World::named("slow-file-system") else { return };
    let provider = world.provider();
    let job = world.backup("op-1", &component("projects", "efs", FILE_SYSTEM));
    let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    world.advance(300.0);
    for _again in 0..2 {
        assert_eq!(provider.cancel(&world.cx(), &job).await.unwrap(), CancelOutcome::Requested);
    }
    assert_eq!(world.calls("StopBackupJob"), 1);
    let status = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!(status.state, JobState::Cancelling);
    let status = world.settle(&provider, &job).await;
    assert_eq!(status.state, JobState::Cancelled);
    assert!(status.issues[0].message.contains("stopped by user"), "{:?}", status.issues);
    assert_eq!(provider.cancel(&world.cx(), &job).await.unwrap(), CancelOutcome::AlreadyTerminal);
}

#[tokio::test]
async fn a_plans_job_is_not_stopped_even_under_our_name_for_it() {
    let Some(world) = World::named("busy") else { return };
    let provider = world.provider();
    let id = world.region()["backups"].as_object().unwrap().keys().next().unwrap().clone();
    let job = format!("backup/{}/{id}?key=0", crate::fake::REGION).parse().unwrap();
    let job = stillpoint_core::JobRef::new("aws".parse().unwrap(), job);
    let error = provider.cancel(&world.cx(), &job).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(world.calls("StopBackupJob"), 0);
}

#[tokio::test]
async fn a_success_that_carries_another_mark_is_not_ours() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let job = world.backup("op-1", &component("db", "ebs", VOLUME));
    let ours = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    world.settle(&provider, &ours).await;
    let other = ours.id.as_str().replace("key=", "key=0");
    let other = stillpoint_core::JobRef::new("aws".parse().unwrap(), other.parse().unwrap());
    let error = provider.poll(&world.cx(), &other, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "the search for ours begins anew: {error}");
}

#[tokio::test]
async fn a_poll_with_expired_credentials_says_so_and_the_next_one_goes_on() {
    let Some(world) = World::named("expiring-session") else { return };
    let connect = |key: &str, token: &str| {
        let endpoint = world.fake().endpoint();
        let connection = stillpoint_provider_aws::Connection::with_credentials(
            crate::fake::REGION,
            key,
            "test",
            Some(token),
            Some(&endpoint),
        );
        stillpoint_provider_aws::managed::AwsProvider::new("aws".parse().unwrap(), connection.unwrap(), [])
    };
    let provider = connect("test", "first");
    let job = world.backup("op-1", &component("projects", "efs", FILE_SYSTEM));
    let job = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    world.advance(1000.0);
    let error = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
    let status = world.settle(&connect("renewed", "second"), &job).await;
    assert_eq!(status.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_throttled_call_is_made_once_and_may_be_repeated_and_a_quota_may_not() {
    let Some(world) = World::named("throttle-storm") else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &component("db", "ebs", VOLUME)));
    for call in 1..=12 {
        let error = provider.start(&world.cx(), &request).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (ErrorKind::RateLimited, Effect::NotApplied), "{error}");
        let journal = world.fake().get("journal");
        assert_eq!(journal.as_array().unwrap().len(), call, "nobody below repeats calls");
    }
    provider.start(&world.cx(), &request).await.unwrap();
    let other = JobRequest::Backup(world.backup("op-1", &component("projects", "efs", FILE_SYSTEM)));
    let error = provider.start(&world.cx(), &other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded, "{error}");
    let pause = stillpoint_core::Retry::After { delay_ms: 30_000 };
    assert_eq!(
        error.retry(),
        pause,
        "the place may be taken by what is too new to be listed; a quota is reached again"
    );
}

#[tokio::test]
async fn a_retention_that_the_vaults_lock_refuses_is_refused_before_the_job() {
    let Some(world) = World::named("locked-vault") else { return };
    let provider = world.provider();
    let day = Duration::from_secs(24 * 3600);
    for retain in [None, Some(day * 6), Some(day * 31)] {
        let mut job = world.backup("op-1", &component("db", "ebs", VOLUME));
        job.retain = retain;
        let error = provider.start(&world.cx(), &JobRequest::Backup(job)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    assert_eq!(world.calls("StartBackupJob"), 0);
    let mut job = world.backup("op-1", &component("db", "ebs", VOLUME));
    job.retain = Some(day * 7);
    assert_eq!(world.run(&provider, job).await.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_search_beyond_aws_memory_answers_that_nobody_can_tell() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let request = JobRequest::Backup(world.backup("op-1", &component("db", "ebs", VOLUME)));
    let since = world.now();
    world.advance(31.0 * 24.0 * 3600.0);
    let error = provider.find(&world.cx(), &request, since).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeedsAttention, "{error}");
}

#[tokio::test]
async fn a_plan_says_what_a_backup_would_do() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let job = world.backup("op-1", &component("projects", "efs", FILE_SYSTEM));
    let estimate = provider.estimate(&world.cx(), &job.component).await.unwrap().unwrap();
    assert_eq!((estimate.bytes, estimate.bytes_per_second), (Some(36_000_000_000), Some(100_000_000)));
    assert_eq!(estimate.files_per_second, Some(500));
    let foreseen = provider.foresee(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    assert!(foreseen.calls.iter().any(|call| call == "StartBackupJob"));
    assert!(foreseen.permissions.contains("iam:PassRole"));
    assert!(!foreseen.permissions.contains("ec2:DescribeSnapshots"), "that is for volumes");
    assert!(foreseen.tags.contains_key("stillpoint:backup"));
    let volume = provider.estimate(&world.cx(), &component("db", "ebs", VOLUME)).await.unwrap().unwrap();
    assert_eq!(volume.bytes, Some(100 << 30));
    assert_eq!(world.calls("StartBackupJob"), 0);
}
