//! What remains of jobs that were stopped, killed or forgotten, and how it is taken up again.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stillpoint_core::{
    BackupId, BackupJob, CancelOutcome, ErrorKind, JobKey, JobRef, JobRequest, JobState, JobStatus,
    OpContext, OperationState, Orchestrator, Provider, Provisioned, Provisioner, Request, RestoreJob,
    RestoredResource, SnapshotQuery, SnapshotRef,
};
use stillpoint_provider_s3sync::DirectoryProvisioner;
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::eventually;
use stillpoint_testkit::s3::{Fault, FaultRule};
use stillpoint_testkit::tree::TreeSpec;

use crate::support::{
    Host, Scene, backup_request, component, counts, into_place, operation, restore_request,
};

const WAIT: Duration = Duration::from_secs(60);

fn backup_job(name: &str, root: &Path) -> JobRequest {
    let source = component(root);
    let key = JobKey::new(operation(name), source.id.clone(), 1);
    let cx = OpContext::background();
    let backup = BackupId::of(&operation(name));
    JobRequest::Backup(BackupJob::new(key, "ada/lab".parse().unwrap(), backup, source, cx.clock().now()))
}

async fn ended(provider: &dyn Provider, job: &JobRef) -> JobStatus {
    let cx = OpContext::background();
    loop {
        let status = provider.poll(&cx, job, WAIT).await.unwrap();
        if status.state.is_terminal() {
            return status;
        }
    }
}

async fn run(provider: &dyn Provider, request: &JobRequest) -> JobStatus {
    let job = provider.start(&OpContext::background(), request).await.unwrap();
    ended(provider, &job).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_stored_its_snapshot_and_died_makes_no_second_one() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(21).plain().generate(&root).unwrap();
    let request = backup_job("op", &root);
    let first = scene.provider();
    let cx = OpContext::background();
    let job = first.start(&cx, &request).await.unwrap();
    let told = ended(first.as_ref(), &job).await;
    drop(first);
    // What changed meanwhile belongs to the next backup, not to this one.
    fs::write(root.join("later"), "x").unwrap();

    let polled = ended(scene.provider().as_ref(), &job).await;
    let again = run(scene.provider().as_ref(), &request).await;
    for status in [&polled, &again] {
        assert_eq!((&status.state, &status.snapshot), (&told.state, &told.snapshot));
        assert_eq!(status.counts["files_new"], told.counts["files_new"]);
        assert_eq!(status.progress, told.progress);
    }
    let made = scene.provider().snapshots(&cx, &SnapshotQuery::of_operation(operation("op"))).await.unwrap();
    assert_eq!(made.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_dead_process_is_lost_and_an_orchestrator_starts_it_again() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(22).plain().generate(&root).unwrap();
    let request = backup_job("never-run", &root);
    let job =
        JobRef::new("s3sync".parse().unwrap(), format!("backup-{}", request.key().token()).parse().unwrap());
    let cx = OpContext::background();
    let lost = scene.provider().poll(&cx, &job, Duration::ZERO).await.unwrap();
    assert_eq!(lost.state, JobState::Lost);

    let host = Host::new(&scene, &root);
    host.orchestrator.submit(Request::Backup(backup_request("op"))).await.unwrap();
    let host = host.restarted(&scene);
    let status = host.orchestrator.wait(&operation("op")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{status:?}");
    let made = host.provider.snapshots(&cx, &SnapshotQuery::of_operation(operation("op"))).await.unwrap();
    assert_eq!(made.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovered_backup_does_not_forget_that_a_file_was_torn() {
    let scene = Scene::local();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("log"), vec![7; 64 << 20]).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (path, stopped) = (root.join("log"), stop.clone());
    let writer = std::thread::spawn(move || {
        let mut number = 0_u64;
        while !stopped.load(Ordering::Relaxed) {
            number += 1;
            fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .unwrap()
                .write_at(&number.to_le_bytes(), 0)
                .unwrap();
        }
    });
    let request = backup_job("op", &root);
    let told = run(scene.provider().as_ref(), &request).await;
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(told.state, JobState::SucceededWithIssues, "{told:?}");
    assert_eq!((told.issues[0].kind.as_str(), told.issues[0].item.as_str()), ("torn", "log"));
    let again = run(scene.provider().as_ref(), &request).await;
    assert_eq!(again.state, JobState::SucceededWithIssues, "{again:?}");
    assert!(!again.issues.is_empty());
}

/// A store on which the first pack is stored at once and every later one takes seconds.
async fn slow_scene() -> Scene {
    let scene = Scene::remote();
    scene.create().await;
    let slow = FaultRule::new(Fault::Delay(Duration::from_secs(4))).method("PUT").key("/data/").after(1);
    scene.server().inject(slow);
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_keeps_what_it_stored_and_leaves_no_lock() {
    let scene = slow_scene().await;
    let root = scene.path("source");
    TreeSpec::sized(24, 200, 60_000_000).plain().generate(&root).unwrap();
    let provider = scene.provider();
    let cx = OpContext::background();
    let job = provider.start(&cx, &backup_job("cancelled", &root)).await.unwrap();
    let data = scene.server().object_path("repo/data");
    assert!(eventually(WAIT, || data.exists()), "the first pack is stored");
    assert_eq!(provider.cancel(&cx, &job).await.unwrap(), CancelOutcome::Requested);
    let status = ended(provider.as_ref(), &job).await;
    assert_eq!(status.state, JobState::Cancelled, "{status:?}");
    assert_eq!(provider.snapshots(&cx, &SnapshotQuery::all()).await.unwrap(), []);
    let locks = scene.server().object_path("repo/locks");
    assert_eq!(fs::read_dir(&locks).map_or(0, Iterator::count), 0, "no lock stays behind");

    scene.server().heal();
    let next = run(scene.provider().as_ref(), &backup_job("next", &root)).await;
    assert_eq!(next.state, JobState::Succeeded, "{next:?}");
    let counts = &next.counts;
    assert!(
        counts["bytes_added"] + 10_000_000 < counts["bytes_read"],
        "kept pieces are not stored again: {counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_deadline_passes_says_what_is_kept_and_the_next_one_goes_on() {
    let scene = slow_scene().await;
    let root = scene.path("source");
    TreeSpec::sized(25, 200, 60_000_000).plain().generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    let mut request = backup_request("late");
    request.timeout = Some(Duration::from_secs(2));
    let late = host.run(Request::Backup(request)).await;
    assert_eq!(late.operation.state, OperationState::Failed, "{late:?}");
    let error = late.operation.error.unwrap();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert!(error.message.contains("kept"), "{error}");

    scene.server().heal();
    let next = host.back_up("next").await;
    assert_eq!(next.operation.state, OperationState::Completed, "{next:?}");
    let counts = counts(&next);
    assert!(
        counts["bytes_added"] + 10_000_000 < counts["bytes_read"],
        "kept pieces are not stored again: {counts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_recognised_after_its_process_died_at_the_very_end() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(26).generate(&root).unwrap();
    let snapshot = run(scene.provider().as_ref(), &backup_job("backup", &root)).await.snapshot.unwrap();
    let target = scene.path("target");
    let request = restore_job("restore", &snapshot, &target);
    let first = run(scene.provider().as_ref(), &request).await;
    let again = run(scene.provider().as_ref(), &request).await;
    assert_eq!((&again.state, &again.restored), (&first.state, &first.restored), "{again:?}");
    let theirs = run(scene.provider().as_ref(), &restore_job("another", &snapshot, &target)).await;
    assert!(
        matches!(&theirs.state, JobState::Failed(error) if error.kind == ErrorKind::AlreadyExists),
        "{theirs:?}"
    );
    assert_eq!(theirs.restored, None, "what is another's is not offered for discarding");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_restore_is_gone_on_with_by_another_operation() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(27).generate(&root).unwrap();
    let snapshot = run(scene.provider().as_ref(), &backup_job("backup", &root)).await.snapshot.unwrap();
    let target = scene.path("target");
    let request = restore_job("abandoned", &snapshot, &target);
    let provider = scene.provider();
    let cx = OpContext::background();
    let job = provider.start(&cx, &request).await.unwrap();
    provider.cancel(&cx, &job).await.unwrap();
    let stopped = ended(provider.as_ref(), &job).await;
    assert!(matches!(stopped.state, JobState::Cancelled | JobState::Succeeded), "{stopped:?}");
    if stopped.state == JobState::Cancelled {
        let resumed = run(scene.provider().as_ref(), &restore_job("another", &snapshot, &target)).await;
        assert!(matches!(resumed.state, JobState::Succeeded), "{resumed:?}");
    }
    hand_over(&target).await;
    assert_same(&root, &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_restore_removes_what_it_made_and_nothing_else() {
    let scene = Scene::remote();
    let root = scene.path("source");
    TreeSpec::small(29).generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    let backup = host.back_up("backup").await.backup.unwrap();
    let slow = FaultRule::new(Fault::Delay(Duration::from_millis(700))).method("GET").key("/data/").after(1);
    let host = host.restarted(&scene);
    scene.server().inject(slow);
    let target = scene.path("target");
    fs::create_dir(&target).unwrap();
    let request = restore_request("restore", &backup.id, &target);
    host.orchestrator.submit(Request::Restore(request)).await.unwrap();
    let begun = || fs::read_dir(&target).unwrap().next().is_some();
    assert!(eventually(WAIT, begun), "the restore begins to work in its target");
    host.orchestrator.cancel(&operation("restore")).await.unwrap();
    let status = host.orchestrator.wait(&operation("restore")).await.unwrap();
    assert_eq!(status.operation.state, OperationState::Cancelled, "{status:?}");
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0, "the directory was there before and stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_whose_old_process_still_lives_is_busy_and_disturbs_it_not() {
    let scene = Scene::remote();
    let root = scene.path("source");
    TreeSpec::small(30).generate(&root).unwrap();
    let snapshot = run(scene.provider().as_ref(), &backup_job("backup", &root)).await.snapshot.unwrap();
    let slow = FaultRule::new(Fault::Delay(Duration::from_millis(1500))).method("GET").key("/data/").after(1);
    scene.server().inject(slow);
    let target = scene.path("target");
    let request = restore_job("restore", &snapshot, &target);
    let (old, cx) = (scene.provider(), OpContext::background());
    let job = old.start(&cx, &request).await.unwrap();
    let begun = || fs::read_dir(&target).is_ok_and(|mut entries| entries.next().is_some());
    assert!(eventually(WAIT, begun), "the restore begins to work in its target");
    old.cancel(&cx, &job).await.unwrap();
    assert_eq!(ended(old.as_ref(), &job).await.state, JobState::Cancelled);
    // The lock that a living process holds on what it works in.
    let is_marker = |path: &PathBuf| path.to_string_lossy().contains(".stillpoint-restore-");
    let marker = fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().path()).find(is_marker).unwrap();
    let alive = fs::File::open(marker).unwrap();
    assert!(eventually(WAIT, || alive.try_lock().is_ok()), "the cancelled run lets go of its target");
    let refused = run(scene.provider().as_ref(), &request).await;
    assert!(
        matches!(&refused.state, JobState::Failed(error) if error.kind == ErrorKind::Busy),
        "{refused:?}"
    );
    assert_eq!(refused.restored, None, "what the living process works on is not offered for discarding");
    drop(alive);
    assert_eq!(run(scene.provider().as_ref(), &request).await.state, JobState::Succeeded);
    hand_over(&target).await;
    assert_same(&root, &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_cannot_finish_leaves_nothing_behind() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(28).generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    let backup = host.back_up("backup").await.backup.unwrap();
    // Every pack is cut short: the restore begins and then meets damage in each file.
    for pack in files_below(&scene.repository().join("data")) {
        let length = fs::metadata(&pack).unwrap().len();
        fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
        fs::OpenOptions::new().write(true).open(&pack).unwrap().set_len(length / 8).unwrap();
    }
    let target = scene.path("target");
    let failed = host.restarted(&scene).restore("restore", &backup.id, &target).await;
    match failed.operation.state {
        OperationState::Failed => assert!(!target.exists(), "what a failed restore made is removed"),
        OperationState::Partial => assert!(!failed.operation.issues.is_empty()),
        other => panic!("damage must be noticed, not {other:?}"),
    }
}

fn files_below(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut waiting) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { waiting.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Hands a tree over to its user, as the end of a restore does.
async fn hand_over(target: &Path) {
    let path = target.to_str().unwrap();
    let resource = RestoredResource::new("s3sync".parse().unwrap(), "files".parse().unwrap(), path);
    let made = Provisioned::new("ada/new".parse().unwrap());
    DirectoryProvisioner::default().attach(&OpContext::background(), &made, &[resource]).await.unwrap();
}

fn restore_job(name: &str, snapshot: &SnapshotRef, target: &Path) -> JobRequest {
    let source = component(Path::new("/no/longer/there"));
    let key = JobKey::new(operation(name), source.id.clone(), 1);
    let target = into_place(target);
    JobRequest::Restore(RestoreJob::new(key, snapshot.clone(), source, "ada/new".parse().unwrap(), target))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_half_written_in_a_directory_goes_with_the_next_backup() {
    for scene in [Scene::local(), Scene::local().mirrored()] {
        scene.create().await;
        let root = scene.path("source");
        TreeSpec::small(24).plain().generate(&root).unwrap();
        let scratch = scene.repository().join("stillpoint/tmp");
        fs::create_dir_all(&scratch).unwrap();
        let half = fs::File::create(scratch.join("0123456789abcdef")).unwrap();
        let long_ago = half.metadata().unwrap().modified().unwrap() - Duration::from_secs(25 * 3600);
        half.set_modified(long_ago).unwrap();
        let living = fs::File::create(scratch.join("fedcba9876543210")).unwrap();
        living.lock().unwrap();
        Host::new(&scene, &root).back_up("next").await;
        let left: Vec<_> = fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["fedcba9876543210"]);
    }
}
