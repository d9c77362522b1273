//! What remains of jobs that were stopped, killed or forgotten, and how it is taken up again.

use std::fs;
use std::time::Duration;

use stillpoint_core::{
    BackupId, BackupJob, ErrorKind, JobKey, JobRef, JobRequest, JobState, JobStatus, OpContext, OperationState,
    Orchestrator, Provider, Request, RestoreJob, SnapshotQuery, SnapshotRef,
};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::tree::TreeSpec;

use crate::support::{Host, Scene, backup_request, component, counts, operation};

const WAIT: Duration = Duration::from_secs(60);

fn backup_job(name: &str, root: &std::path::Path) -> JobRequest {
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
    let job = JobRef::new("s3sync".parse().unwrap(), format!("backup-{}", request.key().token()).parse().unwrap());
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
async fn a_recovered_backup_does_not_forget_that_something_was_skipped() {
    if rustix::process::geteuid().is_root() {
        // An unreadable file cannot be made for root; a file that keeps changing is torn for everybody.
        torn_is_remembered().await;
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(23).plain().generate(&root).unwrap();
    fs::write(root.join("secret"), "x").unwrap();
    fs::set_permissions(root.join("secret"), fs::Permissions::from_mode(0)).unwrap();
    let request = backup_job("op", &root);
    let told = run(scene.provider().as_ref(), &request).await;
    assert_eq!(told.state, JobState::SucceededWithIssues, "{told:?}");
    assert_eq!((told.issues[0].kind.as_str(), told.issues[0].item.as_str()), ("skipped", "secret"));
    let again = run(scene.provider().as_ref(), &request).await;
    assert_eq!(again.state, JobState::SucceededWithIssues, "{again:?}");
    assert!(!again.issues.is_empty());
}

async fn torn_is_remembered() {
    let scene = Scene::local();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("log"), vec![7; 64 << 20]).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (path, stopped) = (root.join("log"), stop.clone());
    let writer = std::thread::spawn(move || {
        let mut number = 0_u64;
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            number += 1;
            std::os::unix::fs::FileExt::write_at(
                &fs::OpenOptions::new().write(true).open(&path).unwrap(),
                &number.to_le_bytes(),
                0,
            )
            .unwrap();
        }
    });
    let request = backup_job("op", &root);
    let told = run(scene.provider().as_ref(), &request).await;
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!(told.state, JobState::SucceededWithIssues, "{told:?}");
    assert_eq!((told.issues[0].kind.as_str(), told.issues[0].item.as_str()), ("torn", "log"));
    let again = run(scene.provider().as_ref(), &request).await;
    assert_eq!(again.state, JobState::SucceededWithIssues, "{again:?}");
    assert!(!again.issues.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_backup_keeps_what_it_stored_and_leaves_no_lock() {
    let scene = Scene::remote();
    let root = scene.path("source");
    TreeSpec::sized(24, 200, 60_000_000).plain().generate(&root).unwrap();
    let provider = scene.provider();
    let cx = OpContext::background();
    let request = backup_job("cancelled", &root);
    let job = provider.start(&cx, &request).await.unwrap();
    stillpoint_testkit::eventually(WAIT, || scene.server.as_ref().unwrap().object_path("repo/data").exists());
    provider.cancel(&cx, &job).await.unwrap();
    let status = ended(provider.as_ref(), &job).await;
    assert_eq!(status.state, JobState::Cancelled, "{status:?}");
    assert_eq!(provider.snapshots(&cx, &SnapshotQuery::all()).await.unwrap(), []);
    let locks = scene.server.as_ref().unwrap().object_path("repo/locks");
    let left = fs::read_dir(&locks).map_or(0, Iterator::count);
    assert_eq!(left, 0, "no lock stays behind");

    let next = run(scene.provider().as_ref(), &backup_job("next", &root)).await;
    assert_eq!(next.state, JobState::Succeeded, "{next:?}");
    assert!(next.counts["bytes_added"] < next.counts["bytes_read"], "kept pieces are not stored again: {next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_deadline_passes_says_what_is_kept_and_the_next_one_goes_on() {
    let scene = Scene::remote();
    let root = scene.path("source");
    TreeSpec::sized(25, 200, 60_000_000).plain().generate(&root).unwrap();
    scene.create().await;
    scene.server.as_ref().unwrap().set_latency(Duration::from_millis(150));
    let host = Host::new(&scene, &root);
    let mut request = backup_request("late");
    request.timeout = Duration::from_millis(2_500);
    let late = host.run(Request::Backup(request)).await;
    assert_eq!(late.operation.state, OperationState::Failed, "{late:?}");
    let error = late.operation.error.unwrap();
    assert_eq!(error.kind, ErrorKind::DeadlineExceeded);
    assert!(error.message.contains("kept"), "{error}");

    scene.server.as_ref().unwrap().set_latency(Duration::ZERO);
    let next = host.back_up("next").await;
    assert_eq!(next.operation.state, OperationState::Completed, "{next:?}");
    let counts = counts(&next);
    assert!(counts["bytes_added"] < counts["bytes_read"], "kept pieces are not stored again: {counts:?}");
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
    assert!(matches!(&theirs.state, JobState::Failed(error) if error.kind == ErrorKind::AlreadyExists), "{theirs:?}");
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
    stillpoint_provider_mark_off(&scene, &target).await;
    assert_same(&root, &target);
}

/// Hands the tree over, as a provisioner does.
async fn stillpoint_provider_mark_off(_scene: &Scene, target: &std::path::Path) {
    use stillpoint_core::{Provisioned, Provisioner, RestoredResource};
    let resource = RestoredResource::new("s3sync".parse().unwrap(), "files".parse().unwrap(), target.to_str().unwrap());
    let made = Provisioned::new("ada/new".parse().unwrap());
    let provisioner = stillpoint_provider_s3sync::DirectoryProvisioner::default();
    provisioner.attach(&OpContext::background(), &made, &[resource]).await.unwrap();
}

fn restore_job(name: &str, snapshot: &SnapshotRef, target: &std::path::Path) -> JobRequest {
    let source = component(std::path::Path::new("/no/longer/there"));
    let key = JobKey::new(operation(name), source.id.clone(), 1);
    let destination = [("path".to_owned(), target.to_str().unwrap().into())].into();
    JobRequest::Restore(RestoreJob::new(key, snapshot.clone(), source, "ada/new".parse().unwrap(), destination))
}
