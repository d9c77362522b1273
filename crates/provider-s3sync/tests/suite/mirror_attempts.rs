//! Attempts at one mirrored timestamp that come in each other's way.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use stillpoint_core::{
    BackupId, BackupJob, Depth, ErrorKind, JobKey, JobRequest, JobState, OpContext, Provider, SnapshotQuery,
    SnapshotRef,
};
use stillpoint_testkit::eventually;
use stillpoint_testkit::s3::{Fault, FaultRule};

use crate::mirror::{files, is_gone, objects, timestamps};
use crate::support::{Scene, backup_job, component, operation, replace_record, run_job};

/// One attempt of a backup that was asked for at a moment that all attempts share.
fn attempt(number: u32, root: &Path, asked_at: stillpoint_core::Timestamp) -> JobRequest {
    let key = JobKey::new(operation("op"), "files".parse().unwrap(), number);
    let (workspace, backup) = ("ada/lab".parse().unwrap(), BackupId::of(&operation("op")));
    JobRequest::Backup(BackupJob::new(key, workspace, backup, component(root), asked_at))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_frozen_before_its_last_step_spoils_nothing_that_another_completed() {
    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("changes"), "first").unwrap();
    let cx = OpContext::background();
    let asked_at = cx.clock().now();
    let frozen = FaultRule::new(Fault::Delay(Duration::from_secs(4))).method("PUT").key("/complete").times(1);
    scene.server().inject(frozen);
    let (provider, job) = (scene.provider(), attempt(1, &root, asked_at));
    let first = tokio::spawn(async move { run_job(provider.as_ref(), &OpContext::background(), &job).await });
    let records = objects(&scene).join("ada/lab/.stillpoint");
    let noted = || files(&records).keys().any(|path| path.to_str().unwrap().contains("manifest"));
    assert!(eventually(Duration::from_secs(30), || records.exists() && noted()));
    fs::write(root.join("changes"), "second, and longer").unwrap();
    let second = run_job(scene.provider().as_ref(), &cx, &attempt(2, &root, asked_at)).await;
    assert_eq!(second.state, JobState::Succeeded, "{second:?}");
    let late = first.await.unwrap();
    assert!(matches!(&late.state, JobState::Failed(error) if error.kind == ErrorKind::Busy), "{late:?}");
    let snapshot = second.snapshot.unwrap();
    let verified =
        scene.provider().open(&cx, &snapshot).await.unwrap().verify(&cx, Depth::Decrypted).await.unwrap();
    assert!(verified.is_good(), "{verified:?}");
    let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
    assert_eq!(fs::read_to_string(timestamp.join("changes")).unwrap(), "second, and longer");
    let again = run_job(scene.provider().as_ref(), &cx, &attempt(3, &root, asked_at)).await;
    assert_eq!(
        (&again.state, again.snapshot),
        (&JobState::Succeeded, Some(snapshot)),
        "it is never made again"
    );
}

/// Leaves a timestamp as it is where the second attempt took over while the completion of the first was on its way.
async fn taken_over_too_late(scene: &Scene, root: &Path) -> (JobRequest, JobRequest, SnapshotRef, PathBuf) {
    fs::create_dir(root).unwrap();
    fs::write(root.join("kept"), "kept").unwrap();
    let cx = OpContext::background();
    let asked_at = cx.clock().now();
    let [first, second] = [1, 2].map(|number| attempt(number, root, asked_at));
    let done = run_job(scene.provider().as_ref(), &cx, &first).await;
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(scene)).unwrap();
    let control = objects(scene).join("ada/lab/.stillpoint").join(timestamp.file_name().unwrap());
    replace_record(&control.join("claim"), "claim", |claim| claim["job"] = second.key().token().into());
    (first, second, done.snapshot.unwrap(), timestamp)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_came_too_late_is_never_offered_and_is_written_over_by_who_holds_the_timestamp() {
    for scene in [Scene::local().mirrored(), Scene::remote().mirrored()] {
        let cx = OpContext::background();
        let (first, second, snapshot, _) = taken_over_too_late(&scene, &scene.path("source")).await;
        let provider = scene.provider();
        assert_eq!(provider.snapshots(&cx, &SnapshotQuery::all()).await.unwrap(), []);
        assert_eq!(provider.open(&cx, &snapshot).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(provider.find(&cx, &first, cx.clock().now()).await.unwrap(), [], "it made nothing");

        let done = run_job(provider.as_ref(), &cx, &second).await;
        assert_eq!((&done.state, &done.snapshot), (&JobState::Succeeded, &Some(snapshot.clone())));
        let opened = scene.provider().open(&cx, &snapshot).await.unwrap();
        let verified = opened.verify(&cx, Depth::Decrypted).await.unwrap();
        assert!(verified.is_good(), "{verified:?}");
        assert_eq!(scene.provider().find(&cx, &second, cx.clock().now()).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_that_came_too_late_keeps_no_timestamp_that_was_given_up() {
    let scene = Scene::remote().mirrored();
    let (root, cx) = (scene.path("source"), OpContext::background());
    let (.., timestamp) = taken_over_too_late(&scene, &root).await;
    // The next one gets another name.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let next = run_job(scene.provider().as_ref(), &cx, &backup_job("next", &root)).await;
    assert_eq!(next.state, JobState::Succeeded, "{next:?}");
    assert_eq!(next.counts["bytes_added"], 0, "what was stored is taken over: {next:?}");
    assert!(is_gone(&timestamp), "and goes");
    assert_eq!(scene.provider().snapshots(&cx, &SnapshotQuery::all()).await.unwrap().len(), 1);
}

/// Runs a job that is cut off after everything was stored, changes the directory, and lets the same job go on.
async fn goes_on_after(before: impl Fn(&Path), change: impl Fn(&Path)) {
    let scene = Scene::local().mirrored();
    let (root, cx) = (scene.path("source"), OpContext::background());
    fs::create_dir(&root).unwrap();
    before(&root);
    let job = backup_job("op", &root);
    let done = run_job(scene.provider().as_ref(), &cx, &job).await;
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
    let control = objects(&scene).join("ada/lab/.stillpoint").join(timestamp.file_name().unwrap());
    fs::remove_file(control.join("complete")).unwrap();
    change(&root);
    let done = run_job(scene.provider().as_ref(), &cx, &job).await;
    assert!(matches!(done.state, JobState::Succeeded | JobState::SucceededWithIssues), "{done:?}");
    let opened = scene.provider().open(&cx, &done.snapshot.unwrap()).await.unwrap();
    assert!(opened.verify(&cx, Depth::Decrypted).await.unwrap().is_good());
    assert_eq!(files(&timestamp), files(&root), "nothing else is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_backup_goes_on_where_files_became_directories_and_the_reverse() {
    let file = |root: &Path| fs::write(root.join("a"), "file").unwrap();
    let directory = |root: &Path| {
        fs::create_dir_all(root.join("a/deep")).unwrap();
        fs::write(root.join("a/deep/b"), "below").unwrap();
    };
    goes_on_after(file, |root| (fs::remove_file(root.join("a")).unwrap(), directory(root)).1).await;
    goes_on_after(directory, |root| (fs::remove_dir_all(root.join("a")).unwrap(), file(root)).1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_of_a_mirrored_timestamp_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let scene = Scene::local().mirrored();
    let root = scene.path("source");
    fs::create_dir_all(root.join("names/of")).unwrap();
    fs::write(root.join("names/of/files"), "x").unwrap();
    run_job(scene.provider().as_ref(), &OpContext::background(), &backup_job("op", &root)).await;
    let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
    for folder in [timestamp.join("names/of"), timestamp.join("names"), timestamp] {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{folder:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_that_were_given_up_and_cannot_be_deleted_make_no_later_backup_dearer() {
    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), "content").unwrap();
    let cx = OpContext::background();
    let mut listings = Vec::new();
    for (method, key) in [("PUT", "/complete"), ("DELETE", ""), ("POST", "")] {
        scene.server().inject(FaultRule::new(Fault::AccessDenied).method(method).key(key));
    }
    for number in 0..8 {
        scene.server().reset_requests();
        let job = backup_job(&format!("cut-off-{number}"), &root);
        let failed = run_job(scene.provider().as_ref(), &cx, &job).await;
        assert!(matches!(failed.state, JobState::Failed(_)), "{failed:?}");
        listings.push(scene.server().requests().of("LIST"));
    }
    assert_eq!(timestamps(&scene).len(), 8);
    assert!(listings[1] < listings[3], "unfinished ones are looked at: {listings:?}");
    assert_eq!(listings[5..7], listings[6..8], "but not all of them: {listings:?}");

    scene.server().heal();
    let done = run_job(scene.provider().as_ref(), &cx, &backup_job("whole", &root)).await;
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    assert_eq!(timestamps(&scene).len(), 1, "all of them go once they may");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_while_its_parts_are_sent_is_torn_and_the_rest_of_the_backup_stands() {
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};

    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("still"), "kept").unwrap();
    let mut log = fs::File::create(root.join("log")).unwrap();
    log.write_all(&vec![7; 40 << 20]).unwrap();
    // Each time that a part has been read, more is there before the next is.
    scene.server().inject(FaultRule::new(Fault::Delay(Duration::from_millis(100))).method("PUT").key("/log"));
    let ended = AtomicBool::new(false);
    let done = std::thread::scope(|threads| {
        threads.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                log.write_all(&[8; 512]).unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let done = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(run_job(
                scene.provider().as_ref(),
                &OpContext::background(),
                &backup_job("op", &root),
            ))
        });
        ended.store(true, Ordering::Relaxed);
        done
    });
    assert_eq!(done.state, JobState::SucceededWithIssues, "{done:?}");
    assert_eq!((done.issues[0].kind.as_str(), done.issues[0].item.as_str()), ("torn", "log"), "{done:?}");
    let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
    assert_eq!(fs::read_to_string(timestamp.join("still")).unwrap(), "kept");
    let (stored, source) = (fs::read(timestamp.join("log")).unwrap(), fs::read(root.join("log")).unwrap());
    assert!(stored.len() >= 40 << 20 && source.starts_with(&stored), "{} bytes", stored.len());
}
