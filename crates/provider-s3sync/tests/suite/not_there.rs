//! Stores and sources that are not there, or not where they should be.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupState, Catalog, DeleteRequest, ErrorKind, Landing, OpContext, OperationState, Provider, Request,
};
use stillpoint_provider_s3sync::{DirectoryWorkspace, RepositorySource};

use crate::support::{Host, Scene, backup_request, credentials, layouts, restore_request, write};

/// Entries below `folder`.
fn count(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| 1 + if entry.path().is_dir() { count(&entry.path()) } else { 0 }).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_is_gone_before_it_was_read_whole_is_no_complete_backup() {
    for scene in layouts() {
        scene.create().await;
        let (root, store) = (scene.path("source"), scene.repository());
        for number in 0..3000 {
            write(root.join(format!("{}/{number}", number % 60)), &format!("{number}").repeat(2000));
        }
        let host = Host::new(&scene, &root);
        let began = count(&store);
        let moving = std::thread::spawn({
            let (root, away) = (root.clone(), scene.path("away"));
            move || {
                while count(&store) == began {
                    std::thread::yield_now();
                }
                fs::rename(&root, &away).unwrap();
            }
        });
        let status = host.back_up("moved").await;
        moving.join().unwrap();
        assert_eq!(status.operation.state, OperationState::Partial, "{:?}", status.operation);
        let issues = &status.backup.as_ref().unwrap().components[0].issues;
        let kinds: Vec<_> = issues.iter().map(|issue| issue.kind.as_str()).collect();
        assert_eq!(kinds, ["displaced"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_gone_before_it_was_sent_is_told_and_leaves_the_backup_complete() {
    let scene = Scene::local().mirrored();
    scene.create().await;
    let (root, store) = (scene.path("source"), scene.repository());
    for number in 1000..4000 {
        write(root.join(format!("{number}")), &format!("{number}").repeat(2000));
    }
    let host = Host::new(&scene, &root);
    let began = count(&store);
    let removing = std::thread::spawn({
        let last = root.join("3999");
        move || {
            while count(&store) < began + 100 {
                std::thread::yield_now();
            }
            fs::remove_file(last).unwrap();
        }
    });
    let status = host.back_up("removed").await;
    removing.join().unwrap();
    assert_eq!(status.operation.state, OperationState::Completed, "{:?}", status.operation);
    let warnings = &status.operation.warnings;
    assert!(warnings.iter().any(|told| told.contains("went away") && told.contains("3999")), "{warnings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_restore_lands_where_the_backups_lie() {
    for scene in layouts() {
        scene.create().await;
        let (root, store) = (scene.path("source"), scene.repository());
        write(root.join("config"), "not a repository's");
        let host = Host::new(&scene, &root);
        let backup = host.back_up("backup").await.backup.unwrap();
        let before = count(&store);
        for (name, into) in [
            ("onto", store.clone()),
            ("within", store.join("new")),
            ("around", store.parent().unwrap().to_path_buf()),
        ] {
            let mut request = restore_request(name, &backup.id, &into);
            request.landing = Landing::Replace;
            let status = host.run(Request::Restore(request)).await;
            assert_eq!(status.operation.state, OperationState::Failed, "{name}: {status:?}");
            assert!(status.operation.error.unwrap().message.contains("choose another target"), "{name}");
        }
        assert_eq!(count(&store), before, "nothing was written");
        assert_eq!(host.back_up("again").await.operation.state, OperationState::Completed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_place_is_not_taken_for_the_store_that_was_there() {
    for scene in layouts() {
        scene.create().await;
        let (root, store) = (scene.path("source"), scene.repository());
        write(root.join("file"), "content");
        let host = Host::new(&scene, &root);
        assert_eq!(host.back_up("first").await.operation.state, OperationState::Completed);
        let unmounted = scene.path("unmounted");
        fs::rename(&store, &unmounted).unwrap();
        fs::create_dir(&store).unwrap();
        write(root.join("file"), "newer content");
        // By the process that has it open, and by one that was just started.
        let started = Host::with(Arc::clone(&host.catalog), scene.provider(), {
            Arc::new(DirectoryWorkspace::new(&root).unwrap().with_id("ada/lab".parse().unwrap()))
        });
        for (name, host) in [("open", &host), ("started", &started)] {
            let refused = host.back_up(name).await.operation;
            assert_eq!(refused.state, OperationState::Failed, "{name}: {refused:?}");
            assert!(refused.error.unwrap().message.contains("store-known"), "{name}");
        }
        assert_eq!(count(&store), 0, "nothing was begun there");

        fs::remove_dir(&store).unwrap();
        fs::rename(&unmounted, &store).unwrap();
        assert_eq!(host.back_up("mounted").await.operation.state, OperationState::Completed);
        fs::rename(&store, scene.path("given up")).unwrap();
        fs::create_dir(&store).unwrap();
        let mut anew = backup_request("anew");
        anew.waivers.push("store-known".into());
        let status = started.run(Request::Backup(anew)).await;
        assert_eq!(status.operation.state, OperationState::Completed, "it is meant so: {status:?}");
    }
}

/// No catalog knows of a backup there by which a workspace would be warned that was never backed up.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_begins_no_repository_where_it_had_one() {
    let scene = Scene::local();
    let (root, store) = (scene.path("source"), scene.repository());
    write(root.join("file"), "content");
    let host = Host::new(&scene, &root);
    assert_eq!(host.back_up("first").await.operation.state, OperationState::Completed);
    let source = RepositorySource::from_store(scene.store(), credentials());
    source.open().await.unwrap();
    let new = Host::with(Arc::new(MemoryCatalog::new()), Arc::clone(&host.provider), host.workspace());
    let unmounted = scene.path("unmounted");
    fs::rename(&store, &unmounted).unwrap();
    fs::create_dir(&store).unwrap();

    let refused = new.back_up("unmounted").await.operation;
    assert_eq!(refused.state, OperationState::Failed, "{refused:?}");
    assert!(refused.error.unwrap().message.contains("store-known"));
    // Unmounted only after a backup had looked.
    let refused = source.open_or_create().await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    assert!(refused.to_string().contains("mount or connect its store"), "{refused}");
    assert_eq!(count(&store), 0, "nothing was begun there");

    fs::remove_dir(&store).unwrap();
    fs::rename(&unmounted, &store).unwrap();
    source.open_or_create().await.unwrap();
    assert_eq!(new.back_up("mounted").await.operation.state, OperationState::Completed);
    fs::rename(&store, scene.path("given up")).unwrap();
    fs::create_dir(&store).unwrap();
    let mut anew = backup_request("anew");
    anew.waivers.push("store-known".into());
    let status = new.run(Request::Backup(anew)).await;
    assert_eq!(status.operation.state, OperationState::Completed, "it is meant so: {status:?}");
}

/// As after a mount over the directory of the first. What is sealed with the first one's key is damage in the other.
#[tokio::test(flavor = "multi_thread")]
async fn another_repository_in_its_place_is_opened_as_what_it_is() {
    let scene = Scene::local();
    let (store, below) = (scene.repository(), scene.path("below"));
    let source = RepositorySource::from_store(scene.store(), credentials());
    let first = source.open_or_create().await.unwrap().id().to_owned();
    fs::rename(&store, &below).unwrap();
    let other = RepositorySource::from_store(scene.store(), credentials());
    let second = other.open_or_create().await.unwrap().id().to_owned();
    assert_ne!(first, second);
    for found in [source.open().await, source.open_fresh().await, source.open_or_create().await] {
        assert_eq!(found.unwrap().id(), second);
    }
    fs::rename(&store, scene.path("unmounted")).unwrap();
    fs::rename(&below, &store).unwrap();
    assert_eq!(other.open().await.unwrap().id(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_counts_as_deleted_from_a_store_that_is_not_mounted() {
    for scene in layouts() {
        scene.create().await;
        let (root, store, cx) = (scene.path("source"), scene.repository(), OpContext::background());
        write(root.join("file"), "content");
        let host = Host::new(&scene, &root);
        let backup = host.back_up("backup").await.backup.unwrap();
        let snapshot = backup.components[0].snapshot.clone().unwrap();
        let delete = |name: &str| {
            let request =
                DeleteRequest::new(name.parse().unwrap(), backup.id.clone(), "ada/lab".parse().unwrap());
            host.run(Request::Delete(request))
        };
        let unmounted = scene.path("unmounted");
        fs::rename(&store, &unmounted).unwrap();
        fs::create_dir(&store).unwrap();
        let refused = delete("refused").await.operation;
        assert_eq!(refused.state, OperationState::Failed, "{refused:?}");
        assert_eq!(refused.error.unwrap().kind, ErrorKind::NotFound);
        let stored = host.catalog.backup(&backup.id).await.unwrap().unwrap();
        assert_eq!(stored.backup.state, BackupState::Completed, "it is as good as it was");
        assert_eq!(scene.provider().put_record(&cx, &backup).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(count(&store), 0, "nothing was written there");

        fs::remove_dir(&store).unwrap();
        fs::rename(&unmounted, &store).unwrap();
        assert_eq!(delete("mounted").await.operation.state, OperationState::Completed);
        // As a deletion that was killed before it said so: nothing is left of the space but the store is there.
        scene.provider().reaches(&cx, &snapshot).await.unwrap();
        let again = scene.provider().delete(&cx, &snapshot).await.unwrap();
        assert_eq!(again, stillpoint_core::DeleteState::Gone);
    }
}
