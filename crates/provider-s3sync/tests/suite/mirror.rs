//! Mirrored timestamps: what lies in the store, what comes back, and what becomes of interrupted ones.

use std::collections::BTreeMap;
use std::fs;

use std::path::{Path, PathBuf};
use std::time::Duration;

use stillpoint_core::{
    BackupState, DeleteRequest, DeleteState, Depth, ErrorKind, JobState, Landing, OpContext, OperationState,
    OperationStatus, Provider, Request, SnapshotQuery, SnapshotRef,
};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::s3::{Fault, FaultRule};
use stillpoint_testkit::tree::{Edits, TreeSpec};

use crate::support::{Host, Scene, counts, restore_request};

/// The directory in which the store of a scene keeps objects as files.
pub(crate) fn objects(scene: &Scene) -> PathBuf {
    if scene.is_remote() { scene.server().object_path("repo") } else { scene.repository() }
}

/// The folders of timestamps in the space of the tests' workspace.
pub(crate) fn timestamps(scene: &Scene) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(objects(scene).join("ada/lab")) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap() != ".stillpoint" && (path.is_file() || !is_gone(path)));
    found.sort();
    found
}

/// Regular files below a directory with their content.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap();
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_file() {
                found.insert(path.strip_prefix(root).unwrap().to_path_buf(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Whether nothing is left of a folder; the server of the tests leaves empty ones behind.
pub(crate) fn is_gone(folder: &Path) -> bool {
    !folder.exists() || files(folder).is_empty()
}

fn snapshot_of(status: &OperationStatus) -> SnapshotRef {
    status.backup.as_ref().unwrap().components[0].snapshot.clone().unwrap()
}

async fn a_tree_comes_back_whole(scene: &Scene) {
    let root = scene.path("source");
    TreeSpec::small(31).generate(&root).unwrap();
    let host = Host::new(scene, &root);
    let first = host.back_up("first").await;
    assert_eq!(first.operation.state, OperationState::Completed, "{first:?}");
    let sent = counts(&first)["bytes_added"];
    assert_eq!((sent, counts(&first)["files_copied"]), (counts(&first)["bytes_scanned"], 0));

    let unchanged = counts(&host.back_up("unchanged").await);
    assert_eq!((unchanged["bytes_added"], unchanged["files_new"], unchanged["files_changed"]), (0, 0, 0));
    assert_eq!(unchanged["files_copied"], unchanged["files_unmodified"], "{unchanged:?}");

    Edits::few(32).apply(&root).unwrap();
    let second = host.back_up("second").await;
    assert!(counts(&second)["bytes_added"] < sent / 2, "{:?}", counts(&second));
    let backup = second.backup.as_ref().unwrap();
    assert_eq!(backup.components[0].verified, Some(Depth::Sized));
    let target = scene.path("target");
    let restored = host.restore("restore", &backup.id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
    assert_same(&root, &target);

    let cx = OpContext::background();
    let opened = scene.provider().open(&cx, &snapshot_of(&second)).await.unwrap();
    let verified = opened.verify(&cx, Depth::Decrypted).await.unwrap();
    assert!(verified.is_good() && verified.depth == Depth::Decrypted, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirrored_tree_comes_back_whole_from_a_local_store() {
    a_tree_comes_back_whole(&Scene::local().mirrored()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirrored_tree_comes_back_whole_from_an_s3_server() {
    a_tree_comes_back_whole(&Scene::remote().mirrored()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_copy_of_the_timestamp_is_every_file_whose_name_can_be_a_key_and_nothing_else() {
    for scene in [Scene::local().mirrored(), Scene::remote().mirrored()] {
        let root = scene.path("source");
        TreeSpec::small(33).generate(&root).unwrap();
        let host = Host::new(&scene, &root);
        assert_eq!(host.back_up("plain").await.operation.state, OperationState::Completed);
        let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
        let can_be_a_key = |path: &PathBuf| {
            path.to_str().is_some_and(|text| !text.chars().any(|c| c.is_control()) && text.len() < 900)
        };
        let mut due = files(&root);
        let all = due.len();
        due.retain(|path, _| can_be_a_key(path));
        assert!(due.len() > 50 && due.len() < all, "{} of {all}", due.len());
        assert_eq!(files(&timestamp), due);
        let apart =
            objects(&scene).join("ada/lab/.stillpoint").join(timestamp.file_name().unwrap()).join("files");
        assert_eq!(fs::read_dir(apart).unwrap().count(), all - due.len());
    }
}

/// Writes a timestamp as the sample script does.
pub(crate) fn script_timestamp(scene: &Scene, name: &str, complete: bool) -> PathBuf {
    let folder = objects(scene).join("ada/lab").join(name);
    for (path, content) in
        [("notes.txt", "one"), ("project/src/main.py", "print()"), ("project/ü b.csv", "1,2")]
    {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    if complete {
        let line = format!("[EBS backup LCC] - Created s3://bucket/repo/ada/lab/{name}/\n");
        fs::write(folder.join(format!("{name}_BACKUP_COMPLETE")), line).unwrap();
    }
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_sample_script_completed_is_restored_and_what_it_did_not_is_never_offered() {
    for scene in [Scene::local().mirrored(), Scene::remote().mirrored()] {
        let folder = script_timestamp(&scene, "2024-03-28-10-11-12", true);
        script_timestamp(&scene, "2024-03-29-10-11-12", false);
        let (provider, cx) = (scene.provider(), OpContext::background());
        let found = provider.snapshots(&cx, &SnapshotQuery::all()).await.unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].created_at.to_string(), "2024-03-28T10:11:12.000Z");
        assert_eq!(found[0].workspace.as_ref().unwrap().as_str(), "ada/lab");
        for unfinished in ["ada/lab/2024-03-29-10-11-12", "ada/lab/2024-03-28", "ada/lab/.."] {
            let reference = SnapshotRef::new(provider.id().clone(), unfinished.parse().unwrap());
            let refused = provider.open(&cx, &reference).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::NotFound, "{unfinished}");
        }
        let root = scene.path("source");
        fs::create_dir(&root).unwrap();
        let host = Host::new(&scene, &root);
        let [record] = <[_; 1]>::try_from(provider.records(&cx).await.unwrap().readable).unwrap();
        stillpoint_core::Catalog::put_backup(host.catalog.as_ref(), &record, None).await.unwrap();
        let target = scene.path("target");
        let mut request = restore_request("restore", &record.id, &target);
        request.landing = Landing::Side;
        let restored = host.run(Request::Restore(request)).await;
        assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
        let mut due = files(&folder);
        due.remove(Path::new("2024-03-28-10-11-12_BACKUP_COMPLETE")).unwrap();
        assert_eq!(files(&target.join("restored-files/2024-03-28-10-11-12")), due);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_failed_is_never_offered_and_the_next_one_takes_its_content_over() {
    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    TreeSpec::small(34).plain().generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    scene.server().inject(FaultRule::new(Fault::AccessDenied).method("PUT").key("/complete"));
    let failed = host.back_up("failed").await;
    assert_eq!(failed.operation.state, OperationState::Failed, "{failed:?}");
    let [unfinished] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
    let (provider, cx) = (scene.provider(), OpContext::background());
    assert_eq!(provider.snapshots(&cx, &SnapshotQuery::all()).await.unwrap(), []);
    let id = format!("ada/lab/{}", unfinished.file_name().unwrap().to_str().unwrap());
    let reference = SnapshotRef::new(provider.id().clone(), id.parse().unwrap());
    assert_eq!(provider.open(&cx, &reference).await.unwrap_err().kind(), ErrorKind::NotFound);
    let foreign = [
        script_timestamp(&scene, "2024-03-28-10-11-12", true),
        script_timestamp(&scene, "2024-03-29-10-11-12", false),
    ];
    scene.server().heal();

    let next = host.back_up("next").await;
    assert_eq!(next.operation.state, OperationState::Completed, "{next:?}");
    assert_eq!(counts(&next)["bytes_added"], 0, "{:?}", counts(&next));
    assert!(is_gone(&unfinished), "the abandoned timestamp is gone");
    assert!(is_gone(&objects(&scene).join("ada/lab/.stillpoint").join(unfinished.file_name().unwrap())));
    assert!(foreign.iter().all(|folder| files(folder).len() >= 3), "nothing else is touched");
    let target = scene.path("target");
    let restored = host.restore("restore", &next.backup.as_ref().unwrap().id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
    assert_same(&root, &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_operation_goes_on_in_its_timestamp_and_leaves_nothing_stale_there() {
    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    TreeSpec::small(35).plain().generate(&root).unwrap();
    let doomed = root.join("doomed.txt");
    fs::write(&doomed, "gone before the second run").unwrap();
    let all = files(&root);
    let provider = scene.provider();
    let job = crate::support::backup_job("resumed", &root);
    scene.server().inject(FaultRule::new(Fault::AccessDenied).method("PUT").key("/manifest/"));
    let cx = OpContext::background();
    let failed = crate::support::run_job(provider.as_ref(), &cx, &job).await;
    assert!(matches!(failed.state, JobState::Failed(_)), "{failed:?}");
    let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
    assert_eq!(files(&timestamp), all, "everything was stored, but nothing was noted");
    scene.server().heal();
    fs::remove_file(&doomed).unwrap();

    let provider = scene.provider();
    let done = crate::support::run_job(provider.as_ref(), &cx, &job).await;
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    assert_eq!(timestamps(&scene), std::slice::from_ref(&timestamp), "no second timestamp");
    assert_eq!(files(&timestamp), files(&root), "what the tree no longer has is gone");
    let again = crate::support::run_job(scene.provider().as_ref(), &cx, &job).await;
    assert_eq!(again.snapshot, done.snapshot);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_altered_is_sent_again_and_not_copied_forward() {
    for scene in [Scene::local().mirrored(), Scene::remote().mirrored()] {
        let root = scene.path("source");
        fs::create_dir(&root).unwrap();
        for name in ["altered", "whole"] {
            fs::write(root.join(name), format!("the content of {name}")).unwrap();
        }
        let host = Host::new(&scene, &root);
        host.back_up("first").await;
        let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
        let object = timestamp.join("altered");
        fs::write(&object, "THE content of altered").unwrap();
        // Stores tell times in whole seconds.
        let later = fs::metadata(&object).unwrap().modified().unwrap() + Duration::from_secs(5);
        fs::File::options().write(true).open(&object).unwrap().set_modified(later).unwrap();
        let second = host.back_up("second").await;
        assert_eq!(second.operation.state, OperationState::Completed, "{second:?}");
        assert_eq!((counts(&second)["bytes_added"], counts(&second)["files_copied"]), (22, 1));
        let target = scene.path("target");
        let restored = host.restore("restore", &second.backup.as_ref().unwrap().id, &target).await;
        assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
        assert_same(&root, &target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_lets_nothing_be_deleted_takes_an_interrupted_backup_up() {
    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    for name in ["doomed", "kept"] {
        fs::write(root.join(name), name).unwrap();
    }
    let (cx, job) = (OpContext::background(), crate::support::backup_job("resumed", &root));
    scene.server().inject(FaultRule::new(Fault::AccessDenied).method("PUT").key("/complete"));
    let failed = crate::support::run_job(scene.provider().as_ref(), &cx, &job).await;
    assert!(matches!(failed.state, JobState::Failed(_)), "{failed:?}");
    scene.server().heal();
    for (method, part) in [("DELETE", "/"), ("POST", "delete")] {
        scene.server().inject(FaultRule::new(Fault::AccessDenied).method(method).key(part));
    }
    fs::remove_file(root.join("doomed")).unwrap();
    let done = crate::support::run_job(scene.provider().as_ref(), &cx, &job).await;
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    assert!(scene.server().requests().faults > 1, "a deletion was tried");
    let opened = scene.provider().open(&cx, &done.snapshot.unwrap()).await.unwrap();
    assert!(opened.verify(&cx, Depth::Decrypted).await.unwrap().is_good());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_sent() {
    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    TreeSpec::sized(36, 400, 4 << 20).plain().generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    host.back_up("first").await;
    for number in 0..4 {
        fs::write(root.join(format!("changed-{number}")), vec![number; 1000]).unwrap();
    }
    scene.server().reset_requests();
    let second = counts(&host.back_up("second").await);
    assert_eq!((second["bytes_added"], second["files_new"]), (4_000, 4), "{second:?}");
    let requests = scene.server().requests();
    let files = second["files_unmodified"] + second["files_new"];
    // One request per file, and a few records.
    assert!(requests.of("PUT") <= files + 8, "{requests:?} for {files} files");
    assert!(requests.total() <= files + 60, "{requests:?} for {files} files");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_renamed_is_copied_inside_the_store_and_not_sent_again() {
    for scene in [Scene::local().mirrored(), Scene::remote().mirrored()] {
        let root = scene.path("source");
        fs::create_dir_all(root.join("models/old")).unwrap();
        let content = |seed: u8, length: usize| vec![seed; length];
        for (path, bytes) in [
            ("models/old/large.bin", content(1, 9 << 20)),
            ("models/old/small.bin", content(2, 64 << 10)),
            ("models/table.csv", content(3, 5_000)),
        ] {
            fs::write(root.join(path), bytes).unwrap();
        }
        let host = Host::new(&scene, &root);
        host.back_up("first").await;
        fs::rename(root.join("models/old"), root.join("models/aged")).unwrap();
        fs::rename(root.join("models/table.csv"), root.join("a table.csv")).unwrap();
        // Another file of the same length and time at a new path is what it is.
        let twin = root.join("models/twin.csv");
        fs::write(&twin, content(4, 5_000)).unwrap();
        let table = fs::metadata(root.join("a table.csv")).unwrap().modified().unwrap();
        fs::File::options().write(true).open(&twin).unwrap().set_modified(table).unwrap();
        let second = host.back_up("second").await;
        let seen = counts(&second);
        assert_eq!((seen["bytes_added"], seen["files_copied"], seen["files_new"]), (5_000, 3, 1), "{seen:?}");
        let target = scene.path("target");
        let restored = host.restore("restore", &second.backup.as_ref().unwrap().id, &target).await;
        assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
        assert_same(&root, &target);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttling_store_slows_a_backup_down_and_no_more() {
    let scene = Scene::remote().mirrored();
    let root = scene.path("source");
    TreeSpec::small(37).generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    scene.server().inject(FaultRule::new(Fault::SlowDown).every(23));
    scene.server().inject(FaultRule::new(Fault::DropAnswer).method("PUT").every(41));
    let first = host.back_up("first").await;
    assert_eq!(first.operation.state, OperationState::Completed, "{first:?}");
    assert!(scene.server().requests().faults > 5);
    let second = host.back_up("second").await;
    assert_eq!(counts(&second)["bytes_added"], 0, "{second:?}");
    let target = scene.path("target");
    let restored = host.restore("restore", &second.backup.as_ref().unwrap().id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
    assert_same(&root, &target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_removes_one_timestamp_and_nothing_else() {
    for scene in [Scene::local().mirrored(), Scene::remote().mirrored()] {
        let root = scene.path("source");
        TreeSpec::small(38).plain().generate(&root).unwrap();
        let host = Host::new(&scene, &root);
        let (first, second) = (host.back_up("first").await, host.back_up("second").await);
        let script = script_timestamp(&scene, "2024-03-28-10-11-12", true);
        let unmarked = script_timestamp(&scene, "2024-03-29-10-11-12", false);
        fs::write(objects(&scene).join("ada/lab/notes.txt"), "an administrator's").unwrap();
        let delete = |name: &str, status: &OperationStatus| {
            let backup = status.backup.as_ref().unwrap();
            DeleteRequest::new(name.parse().unwrap(), backup.id.clone(), backup.workspace.clone())
        };
        let deleted = host.run(Request::Delete(delete("delete", &first))).await;
        assert_eq!(deleted.operation.state, OperationState::Completed, "{deleted:?}");
        let provider = scene.provider();
        let cx = OpContext::background();
        let script_id =
            SnapshotRef::new(provider.id().clone(), "ada/lab/2024-03-28-10-11-12".parse().unwrap());
        assert_eq!(provider.delete(&cx, &script_id).await.unwrap(), DeleteState::Gone);
        assert!(is_gone(&script));
        let unmarked_id =
            SnapshotRef::new(provider.id().clone(), "ada/lab/2024-03-29-10-11-12".parse().unwrap());
        assert!(matches!(provider.delete(&cx, &unmarked_id).await.unwrap(), DeleteState::Stuck { .. }));
        assert_eq!(files(&unmarked).len(), 3);
        let kept = objects(&scene)
            .join("ada/lab")
            .join(snapshot_of(&second).id.as_str().rsplit('/').next().unwrap());
        assert_eq!(files(&kept), files(&root));
        assert_eq!(timestamps(&scene).len(), 3, "one of ours, the unmarked one, and the notes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_of_any_file_or_record_is_found_and_costs_no_other_file() {
    let scene = Scene::local().mirrored();
    let root = scene.path("source");
    TreeSpec::small(39).plain().generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    let status = host.back_up("damaged").await;
    let [timestamp] = <[PathBuf; 1]>::try_from(timestamps(&scene)).unwrap();
    let mut stored: Vec<PathBuf> = files(&timestamp).into_keys().collect();
    stored.retain(|path| fs::metadata(timestamp.join(path)).unwrap().len() > 0);
    let (flipped, cut, lost) = (&stored[0], &stored[1], &stored[2]);
    let mut bytes = fs::read(timestamp.join(flipped)).unwrap();
    bytes[0] ^= 1;
    fs::write(timestamp.join(flipped), bytes).unwrap();
    fs::write(timestamp.join(cut), "").unwrap();
    fs::remove_file(timestamp.join(lost)).unwrap();
    let cx = OpContext::background();
    let opened = scene.provider().open(&cx, &snapshot_of(&status)).await.unwrap();
    assert_eq!(opened.verify(&cx, Depth::Sized).await.unwrap().problems.len(), 2);
    assert_eq!(opened.verify(&cx, Depth::Decrypted).await.unwrap().problems.len(), 3);
    let target = scene.path("target");
    let restored = host.restore("restore", &status.backup.as_ref().unwrap().id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Partial, "{restored:?}");
    let mut due = files(&root);
    for path in [flipped, cut, lost] {
        due.remove(path).unwrap();
    }
    assert_eq!(files(&target), due);
    assert_eq!(status.backup.unwrap().state, BackupState::Completed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_manifest_reaches_nothing_outside_the_target() {
    let scene = Scene::local().mirrored();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("good"), "good").unwrap();
    let host = Host::new(&scene, &root);
    let status = host.back_up("hostile").await;
    let sha256 = stillpoint_repository::Id::of(b"good");
    let file =
        |path: &str| format!(r#"{{"path":{path:?},"kind":"file","size":4,"sha256":"{sha256}","mode":420}}"#);
    let lines = [
        file("../escape"),
        file("/absolute"),
        r#"{"path":"dir","kind":"symlink","target":"/tmp"}"#.to_owned(),
        file("dir/through-a-link"),
        file("good"),
        file("good"),
        file("good/below-a-file"),
        file("a\\x00b"),
        file("late//empty"),
        r#"{"path":"q","kind":"door"}"#.to_owned(),
        "no line at all".to_owned(),
    ];
    crate::support::replace_manifest(&scene, &snapshot_of(&status), &lines.join("\n"));
    let target = scene.path("target");
    let restored = host.restore("restore", &status.backup.as_ref().unwrap().id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Partial, "{restored:?}");
    assert_eq!(files(&target).into_keys().collect::<Vec<_>>(), [PathBuf::from("good")]);
    assert!(restored.operation.issues.len() >= 8, "{:#?}", restored.operation.issues);
    for outside in [target.with_file_name("escape"), "/absolute".into(), "/tmp/through-a-link".into()] {
        assert!(outside.symlink_metadata().is_err(), "{outside:?}");
    }
}
