//! The simulated cloud is as slow, forgetful and unreliable as it claims to be.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::sync::Arc;
use std::time::Duration;

use stillpoint_conformance::sim::{Call, Fate, Fault, FaultPlan, SimCloud, SimConfig, SimKind, SimProvider};
use stillpoint_core::*;

const GB: u64 = 1 << 30;
const HOUR: Duration = Duration::from_secs(3600);

struct Scene {
    clock: Arc<dyn Clock>,
    cloud: Arc<SimCloud>,
    provider: SimProvider,
    cx: OpContext,
}

fn scene(kind: SimKind, change: impl FnOnce(&mut SimConfig)) -> Scene {
    let clock: Arc<dyn Clock> =
        Arc::new(VirtualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)));
    let cloud = SimCloud::new(Arc::clone(&clock), SimConfig::with(change));
    cloud.add_resource("disk", kind, 100 * GB, 1_000_000);
    let provider = cloud.provider("sim".parse().unwrap());
    Scene { cx: OpContext::new(Arc::clone(&clock)), clock, cloud, provider }
}

impl Scene {
    fn backup(&self, operation: &str) -> JobRequest {
        let operation: OperationId = operation.parse().unwrap();
        let disk = Component::new("disk".parse().unwrap(), "volume", "sim".parse().unwrap(), "disk");
        let key = JobKey::new(operation.clone(), disk.id.clone(), 1);
        let now = self.clock.now();
        JobRequest::Backup(BackupJob::new(key, "ws".parse().unwrap(), BackupId::of(&operation), disk, now))
    }

    async fn start(&self, request: &JobRequest) -> JobRef {
        self.provider.start(&self.cx, request).await.unwrap()
    }

    async fn end(&self, job: &JobRef) -> JobStatus {
        loop {
            let status = self.provider.poll(&self.cx, job, Duration::ZERO).await.unwrap();
            if status.state.is_terminal() {
                return status;
            }
            self.clock.sleep(Duration::from_secs(30)).await;
        }
    }

    async fn evidence(&self, request: &JobRequest, since: Timestamp) -> Vec<Evidence> {
        let found = self.provider.find(&self.cx, request, since).await.unwrap();
        found.into_iter().map(|candidate| candidate.evidence).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_backup_moves_everything_and_the_next_one_what_changed() {
    let scene = scene(SimKind::Volume, |_| {});
    let first = scene.start(&scene.backup("op-1")).await;
    scene.end(&first).await;
    scene.clock.sleep(1000 * Duration::from_secs(1)).await;
    let second = scene.start(&scene.backup("op-2")).await;
    scene.end(&second).await;
    let bytes: Vec<_> = scene.cloud.jobs().iter().map(|job| job.bytes).collect();
    assert_eq!(bytes[0], 100 * GB);
    assert!(
        (5_000_000_000..8_000_000_000).contains(&bytes[1]),
        "about 1 MB/s since the first point: {bytes:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_on_when_nobody_watches_and_ended_when_it_ended() {
    let scene = scene(SimKind::Volume, |_| {});
    let job = scene.start(&scene.backup("op-1")).await;
    scene.clock.sleep(100 * HOUR).await;
    let later = scene.cloud.provider("sim".parse().unwrap());
    let status = later.poll(&scene.cx, &job, Duration::ZERO).await.unwrap();
    assert_eq!(status.state, JobState::Succeeded);
    let job = &scene.cloud.jobs()[0];
    let took = job.ended_at.unwrap().since(job.created_at);
    assert!(took > HOUR && took < 2 * HOUR, "100 GB at 20 MiB/s: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_volume_shows_its_point_early_and_a_file_system_at_the_end() {
    for (kind, early) in [(SimKind::Volume, true), (SimKind::FileSystem, false)] {
        let scene = scene(kind, |_| {});
        let job = scene.start(&scene.backup("op-1")).await;
        scene.clock.sleep(Duration::from_secs(60)).await;
        let status = scene.provider.poll(&scene.cx, &job, Duration::ZERO).await.unwrap();
        assert_eq!((status.state, status.captured.is_some()), (JobState::Running, early));
        let window = scene.end(&job).await.captured.unwrap();
        assert_eq!(window.from == window.to, early);
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_is_listed_late_is_likely_at_first_and_proven_by_its_tags() {
    let scene = scene(SimKind::FileSystem, |_| {});
    let request = scene.backup("op-1");
    let since = scene.clock.now();
    let job = scene.start(&request).await;
    let unsure = scene.provider.find(&scene.cx, &request, since).await.unwrap_err();
    assert!(
        matches!(unsure.retry(), Retry::After { delay_ms: 1.. }),
        "not listed yet is not absent: {unsure:?}"
    );
    scene.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.evidence(&request, since).await, [Evidence::Likely]);
    scene.end(&job).await;
    assert_eq!(scene.evidence(&request, since).await, [Evidence::Proven]);
    let other = scene.backup("op-2");
    let now = scene.clock.now();
    scene.clock.sleep(Duration::from_secs(60)).await;
    assert_eq!(scene.evidence(&other, now).await, [], "the tags show that it is not this operation's");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_a_plan_of_somebody_else_made_is_foreign_and_holds_the_resource() {
    let scene = scene(SimKind::FileSystem, |_| {});
    scene.cloud.stranger_starts("disk", 2 * HOUR, false).unwrap();
    scene.clock.sleep(Duration::from_secs(60)).await;
    let request = scene.backup("op-1");
    assert_eq!(scene.evidence(&request, scene.clock.now()).await, [Evidence::Foreign]);
    let job = scene.start(&request).await;
    scene.clock.sleep(HOUR).await;
    let status = scene.provider.poll(&scene.cx, &job, Duration::ZERO).await.unwrap();
    assert_eq!(status.state, JobState::Queued, "one job at a time runs on a resource");
    assert_eq!(scene.end(&job).await.state, JobState::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_cannot_begin_in_its_window_expires() {
    let scene = scene(SimKind::FileSystem, |config| config.start_window = HOUR);
    scene.cloud.stranger_starts("disk", 2 * HOUR, false).unwrap();
    let job = scene.start(&scene.backup("op-1")).await;
    assert_eq!(scene.end(&job).await.state, JobState::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_forgotten_after_an_hour_but_the_key_still_makes_one_job() {
    let scene = scene(SimKind::FileSystem, |_| {});
    let request = scene.backup("op-1");
    let job = scene.start(&request).await;
    scene.clock.sleep(HOUR / 2).await;
    assert_eq!(scene.start(&request).await, job, "by the token");
    scene.clock.sleep(HOUR).await;
    assert_eq!(scene.start(&request).await, job, "by the list, while it runs");
    scene.end(&job).await;
    scene.clock.sleep(10 * HOUR).await;
    assert_eq!(scene.start(&request).await, job, "by the tags");
    assert_eq!(scene.cloud.jobs().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn faults_happen_as_scripted() {
    let scene = scene(SimKind::Volume, |_| {});
    let wait = Duration::from_secs(7);
    scene.cloud.set_faults(
        FaultPlan::none()
            .call(Call::Start, 1, Fault::Throttled(wait))
            .call(Call::Start, 2, Fault::LostBefore)
            .call(Call::Start, 3, Fault::LostAfter)
            .job("disk".parse().unwrap(), 1, Fate::with_issues("2 files skipped").reported_as("THAWING")),
    );
    let request = scene.backup("op-1");
    let mut seen = Vec::new();
    for jobs in [0, 0, 1] {
        let error = scene.provider.start(&scene.cx, &request).await.unwrap_err();
        assert_eq!(scene.cloud.jobs().len(), jobs);
        seen.push((error.kind(), error.effect()));
    }
    assert_eq!(
        seen,
        [
            (ErrorKind::RateLimited, Effect::NotApplied),
            (ErrorKind::Unavailable, Effect::MaybeApplied),
            (ErrorKind::Unavailable, Effect::MaybeApplied),
        ]
    );
    let job = scene.start(&request).await;
    assert_eq!(scene.cloud.jobs().len(), 1);
    scene.clock.sleep(Duration::from_secs(60)).await;
    let status = scene.provider.poll(&scene.cx, &job, Duration::ZERO).await.unwrap();
    assert_eq!(status.state, JobState::Unknown("THAWING".into()));
    let status = scene.end(&job).await;
    assert_eq!(status.state, JobState::SucceededWithIssues);
    assert_eq!(status.issues[0].message, "2 files skipped");
    assert_eq!(scene.cloud.journal()[0].to_string().split(" -> ").nth(1), Some("start: too many requests"));
}

#[tokio::test(start_paused = true)]
async fn an_untagged_restored_volume_is_eaten_by_the_garbage_collector() {
    for (tags, left) in [(Tags::new(), 0), ([("cloud:protected".into(), "true".into())].into(), 1)] {
        let scene = scene(SimKind::Volume, |_| {});
        let backup = scene.backup("op-1");
        let job = scene.start(&backup).await;
        let snapshot = scene.end(&job).await.snapshot.unwrap();
        let JobRequest::Backup(BackupJob { component, .. }) = backup else { unreachable!() };
        let key = JobKey::new("op-2".parse().unwrap(), component.id.clone(), 1);
        let place = [("zone".to_owned(), "a".into())].into();
        let mut restore = RestoreJob::new(key, snapshot, component, "ws-2".parse().unwrap(), place);
        restore.tags = tags;
        let job = scene.start(&JobRequest::Restore(restore)).await;
        assert!(scene.end(&job).await.restored.is_some());
        scene.clock.sleep(2 * HOUR).await;
        let made = scene.cloud.resources().into_iter().filter(|resource| resource.restored).count();
        assert_eq!(made, left);
    }
}

#[tokio::test(start_paused = true)]
async fn a_capture_knows_whether_services_wrote_meanwhile() {
    for (paused, still) in [(true, true), (false, false)] {
        let scene = scene(SimKind::FileSystem, |_| {});
        if paused {
            scene.cloud.pause("disk", Some(scene.clock.now().after(100 * HOUR)));
        }
        let job = scene.start(&scene.backup("op-1")).await;
        scene.end(&job).await;
        assert_eq!(scene.cloud.snapshots()[0].still, still);
    }
    let scene = scene(SimKind::FileSystem, |_| {});
    scene.cloud.pause("disk", Some(scene.clock.now().after(HOUR / 2)));
    let job = scene.start(&scene.backup("op-1")).await;
    scene.end(&job).await;
    assert!(!scene.cloud.snapshots()[0].still, "services came back before the copy was done");
}
