//! A host's view: orchestrator, catalog, provider, workspace and provisioner together.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use stillpoint_core::{
    BackupState, CatalogExt, DeleteRequest, Depth, ErrorKind, Landing, OpContext, OperationState, Provider,
    Request, SnapshotQuery,
};
use stillpoint_provider_s3sync::{Credentials, RepositorySource, S3SyncProvider};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::tree::{Edits, TreeSpec};

use crate::support::{Host, Scene, component, counts, restore_request};

async fn a_workspace_comes_back_whole(scene: &Scene) {
    let root = scene.path("source");
    TreeSpec::small(11).generate(&root).unwrap();
    // Until what was just written would show another time of change if it were written again.
    tokio::time::sleep(Duration::from_millis(120)).await;
    let host = Host::new(scene, &root);
    let first = host.back_up("first").await;
    assert_eq!(first.operation.state, OperationState::Completed, "{first:?}");
    assert!(
        counts(&first)["files_new"] > 100 && counts(&first)["bytes_stored"] > 500_000,
        "{:?}",
        counts(&first)
    );

    let unchanged = counts(&host.back_up("unchanged").await);
    assert_eq!((unchanged["files_new"], unchanged["files_changed"], unchanged["bytes_read"]), (0, 0, 0));
    assert!(unchanged["bytes_stored"] < 100_000, "{unchanged:?}");

    Edits::few(12).apply(&root).unwrap();
    let second = host.back_up("second").await;
    assert!(counts(&second)["files_changed"] > 0 && counts(&second)["files_unmodified"] > 50);
    let backup = second.backup.as_ref().unwrap();
    assert_eq!(backup.components[0].verified, Some(Depth::Sized));

    let target = scene.path("target");
    let restored = host.restore("restore", &backup.id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
    assert_same(&root, &target);

    // Unless they are asked for, set-id bits stay away, and that is said.
    let mut cautious = restore_request("cautious", &backup.id, &scene.path("cautious"));
    cautious.settings.remove("privileged");
    let cautious = host.run(Request::Restore(cautious)).await;
    assert_eq!(cautious.operation.state, OperationState::Completed, "{cautious:?}");
    assert!(cautious.operation.warnings.iter().any(|warning| warning.contains("set-id")), "{cautious:?}");

    let snapshot = backup.components[0].snapshot.clone().unwrap();
    let cx = OpContext::background();
    let verified =
        scene.provider().open(&cx, &snapshot).await.unwrap().verify(&cx, Depth::Decrypted).await.unwrap();
    assert!(verified.is_good() && verified.depth == Depth::Decrypted, "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_comes_back_whole_from_a_local_store() {
    a_workspace_comes_back_whole(&Scene::local()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_comes_back_whole_from_an_s3_server() {
    a_workspace_comes_back_whole(&Scene::remote()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_makes_a_backup_partial_and_what_is_excluded_does_not() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(13).plain().generate(&root).unwrap();
    fs::create_dir(root.join("cache")).unwrap();
    fs::write(root.join("cache/big"), "x".repeat(1000)).unwrap();
    let catalog = std::sync::Arc::new(stillpoint_core::memory::MemoryCatalog::new());
    let rules =
        stillpoint_provider_s3sync::CaptureRules { excludes: vec!["/cache/".into()], ..Default::default() };
    let workspace = stillpoint_provider_s3sync::DirectoryWorkspace::new(&root).unwrap();
    let workspace = workspace.with_id("ada/lab".parse().unwrap()).with_rules(rules);
    let host = Host::with(catalog, scene.provider(), std::sync::Arc::new(workspace));
    let done = host.back_up("excluding").await;
    assert_eq!(done.backup.as_ref().unwrap().state, BackupState::Completed, "{done:?}");
    let target = scene.path("target");
    host.restore("restore", &done.backup.unwrap().id, &target).await;
    assert!(!target.join("cache").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_inside_its_source_is_left_out() {
    let scene = Scene::local();
    let root = scene.dir.path().canonicalize().unwrap();
    fs::write(root.join("note"), "x").unwrap();
    let host = Host::new(&scene, &root);
    host.back_up("first").await;
    let second = host.back_up("second").await;
    assert_eq!(counts(&second)["files_new"] + counts(&second)["files_changed"], 0, "{:?}", counts(&second));
}

#[tokio::test(flavor = "multi_thread")]
async fn landings_meet_what_stands_there_as_they_promise() {
    let scene = Scene::local();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("kept"), "from the backup").unwrap();
    fs::write(root.join("missing"), "from the backup").unwrap();
    let host = Host::new(&scene, &root);
    let backup = host.back_up("backup").await.backup.unwrap();
    let target = scene.path("target");
    fs::create_dir(&target).unwrap();
    fs::write(target.join("kept"), "by somebody").unwrap();
    let run = async |name: &str, landing| {
        let mut request = restore_request(name, &backup.id, &target);
        request.landing = landing;
        host.run(Request::Restore(request)).await
    };
    let refused = run("empty", Landing::Empty).await;
    assert_eq!(refused.operation.state, OperationState::Failed);
    assert_eq!(refused.operation.error.unwrap().context("check"), Some("target-empty"));

    let beside = run("side", Landing::Side).await;
    assert_eq!(beside.operation.state, OperationState::Completed, "{beside:?}");
    let folder = target.join("restored-files").join(backup.created_at.to_directory_name());
    assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "from the backup");

    let merged = run("merge", Landing::Merge).await;
    assert_eq!(merged.operation.state, OperationState::Completed, "{merged:?}");
    assert!(merged.operation.warnings.iter().any(|warning| warning.contains("kept")), "{merged:?}");
    assert_eq!(fs::read_to_string(target.join("kept")).unwrap(), "by somebody");
    assert_eq!(fs::read_to_string(target.join("missing")).unwrap(), "from the backup");

    run("replace", Landing::Replace).await;
    assert_eq!(fs::read_to_string(target.join("kept")).unwrap(), "from the backup");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_is_not_in_the_backup_is_said_and_makes_nothing() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(14).plain().generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    let backup = host.back_up("backup").await.backup.unwrap();
    let target = scene.path("target");
    let mut request = restore_request("restore", &backup.id, &target);
    request.include.push("no/such/file".into());
    let failed = host.run(Request::Restore(request)).await;
    assert_eq!(failed.operation.error.unwrap().kind, ErrorKind::NotFound);
    assert!(!target.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_a_forbidden_creation_fail_before_anything_is_held_still() {
    let scene = Scene::local();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    let cx = OpContext::background();
    let closed = S3SyncProvider::new(
        RepositorySource::from_store(scene.store(), crate::support::credentials()).without_creating(),
    );
    let missing = closed.preflight(&cx, &component(&root)).await.unwrap_err();
    assert_eq!((missing.kind(), missing.context("repository")), (ErrorKind::NotFound, Some("missing")));
    scene.create().await;
    let other = Credentials::machine_key("f".repeat(32)).unwrap();
    let provider = S3SyncProvider::new(RepositorySource::from_store(scene.store(), other));
    let wrong = provider.preflight(&cx, &component(&root)).await.unwrap_err();
    assert_eq!(
        (wrong.kind(), wrong.context("repository")),
        (ErrorKind::Unauthenticated, Some("wrong-password"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_backup_leaves_neither_snapshot_nor_record() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(15).plain().generate(&root).unwrap();
    let host = Host::new(&scene, &root);
    let backup = host.back_up("backup").await.backup.unwrap();
    let cx = OpContext::background();
    assert_eq!(host.provider.records(&cx).await.unwrap().readable, std::slice::from_ref(&backup));
    let request = DeleteRequest::new("delete".parse().unwrap(), backup.id.clone(), backup.workspace.clone());
    let deleted = host.run(Request::Delete(request)).await;
    assert_eq!(deleted.operation.state, OperationState::Completed, "{deleted:?}");
    assert_eq!(scene.provider().snapshots(&cx, &SnapshotQuery::all()).await.unwrap(), []);
    assert_eq!(scene.provider().records(&cx).await.unwrap().readable, []);
    assert!(host.catalog.latest_good(None).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_listing_comes_in_pages_that_miss_and_repeat_nothing() {
    let scene = Scene::local();
    let root = scene.path("source");
    for directory in ["a", "a.b", "a/c", "z"] {
        fs::create_dir_all(root.join(directory)).unwrap();
        for number in 0..700 {
            fs::write(root.join(directory).join(format!("file-{number}")), "").unwrap();
        }
    }
    let backup = Host::new(&scene, &root).back_up("backup").await.backup.unwrap();
    let cx = OpContext::background();
    let snapshot = backup.components[0].snapshot.clone().unwrap();
    let snapshot = scene.provider().open(&cx, &snapshot).await.unwrap();
    let (mut paths, mut after, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = snapshot.entries(&cx, "", after.as_deref()).await.unwrap();
        paths.extend(page.entries.into_iter().map(|entry| PathBuf::from(entry.path)));
        pages += 1;
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!((paths.len(), pages), (4 * 700 + 4, 2));
    assert!(paths.is_sorted_by(|one, next| one < next));
    let below = snapshot.entries(&cx, "a", Some("a/c")).await.unwrap().entries;
    assert_eq!(below.len(), 700 + 700, "what is below a/c, and its later siblings");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_root_is_handed_over_without_the_mark() {
    let scene = Scene::local();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), "x").unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
    let host = Host::new(&scene, &root);
    let backup = host.back_up("backup").await.backup.unwrap();
    let target = scene.path("target");
    let restored = host.restore("restore", &backup.id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
    assert_same(&root, &target);
}
