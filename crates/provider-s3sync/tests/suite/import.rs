//! Mirrored timestamps as snapshots of a repository.

use std::fs;

use stillpoint_core::{BackupRecord, BackupState, Catalog, OperationState, Provider};
use stillpoint_provider_s3sync::{
    Import, ImportState, ImportedTimestamp, MirrorSource, RepositorySource, Space,
};
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{Store, StoreSettings};
use stillpoint_testkit::compare::assert_same;
use stillpoint_testkit::s3::Server;
use stillpoint_testkit::tree::{Edits, TreeSpec};

use crate::mirror::script_timestamp;
use crate::support::{Host, Scene, credentials};

async fn import(from: MirrorSource, into: &Scene) -> Vec<ImportedTimestamp> {
    let source = RepositorySource::from_store(into.store(), credentials());
    let import = Import::new(from, source, "s3sync".parse().unwrap());
    let mut all = Vec::new();
    import
        .run(async |told| {
            all.push(told);
            Ok(())
        })
        .await
        .unwrap();
    all
}

fn backup(told: &ImportedTimestamp) -> BackupRecord {
    told.backup.clone().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_become_snapshots_once_with_their_time_and_metadata() {
    let (mirror, repository) = (Scene::local().mirrored(), Scene::local());
    let root = mirror.path("source");
    TreeSpec::small(51).generate(&root).unwrap();
    let mirrored = Host::new(&mirror, &root);
    let first = mirrored.back_up("first").await.backup.unwrap();
    Edits::few(52).apply(&root).unwrap();
    let second = mirrored.back_up("second").await.backup.unwrap();
    script_timestamp(&mirror, "2024-03-28-10-11-12", true);
    script_timestamp(&mirror, "2024-03-29-10-11-12", false);

    let told = import(MirrorSource::from_store(mirror.store()), &repository).await;
    let states: Vec<_> = told.iter().map(|told| told.state).collect();
    assert_eq!(states, [ImportState::Imported; 3], "{told:#?}");
    let times: Vec<_> = told.iter().map(|told| told.created_at).collect();
    assert_eq!(times, ["2024-03-28-10-11-12".parse().unwrap(), first.created_at, second.created_at]);
    assert!(told[2].fetched < told[1].fetched / 2, "{} after {}", told[2].fetched, told[1].fetched);
    assert!(told.iter().all(|told| backup(told).state == BackupState::Completed));

    let host = Host::new(&repository, &root);
    for record in told.iter().map(backup) {
        assert_eq!(record.workspace.as_str(), "ada/lab");
        host.catalog.put_backup(&record, None).await.unwrap();
    }
    let target = repository.path("target");
    let restored = host.restore("restore", &backup(&told[2]).id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
    assert_same(&root, &target);
    let old = repository.path("old");
    host.restore("restore-old", &backup(&told[0]).id, &old).await;
    assert_eq!(fs::read_to_string(old.join("project/src/main.py")).unwrap(), "print()");
    assert!(!old.join("2024-03-28-10-11-12_BACKUP_COMPLETE").exists());

    let again = import(MirrorSource::from_store(mirror.store()), &repository).await;
    assert!(again.iter().all(|told| told.state == ImportState::Known && told.fetched == 0), "{again:#?}");
    let ids = |all: &[ImportedTimestamp]| all.iter().map(|told| backup(told).id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&told));
    let cx = stillpoint_core::OpContext::background();
    assert_eq!(repository.provider().records(&cx).await.unwrap().readable.len(), 3);
    let opened = RepositorySource::from_store(repository.store(), credentials()).open().await.unwrap();
    assert!(opened.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap().is_sound());

    // What comes next in the repository builds on what was imported.
    let next = crate::support::counts(&host.back_up("next").await);
    assert_eq!(next["bytes_added"], 0, "{next:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_can_be_narrowed_and_damage_costs_no_other_timestamp() {
    let (mirror, repository) = (Scene::local().mirrored(), Scene::local());
    script_timestamp(&mirror, "2024-03-28-10-11-12", true);
    let root = mirror.path("source");
    TreeSpec::small(53).plain().generate(&root).unwrap();
    Host::new(&mirror, &root).back_up("damaged").await;
    let nobody = MirrorSource::from_store(mirror.store()).of_space(Space::new("eve", "lab").unwrap());
    assert_eq!(import(nobody, &repository).await.len(), 0);

    let parts = crate::mirror::objects(&mirror).join("ada/lab/.stillpoint");
    let timestamp = fs::read_dir(&parts).unwrap().map(|entry| entry.unwrap().path());
    let timestamp = timestamp.filter(|path| path.join("manifest").exists()).last().unwrap();
    for part in fs::read_dir(timestamp.join("manifest")).unwrap() {
        fs::write(part.unwrap().path(), "damage").unwrap();
    }
    let told = import(MirrorSource::from_store(mirror.store()), &repository).await;
    assert_eq!((told[0].state, told[1].state), (ImportState::Imported, ImportState::Partial), "{told:#?}");
    assert_eq!(backup(&told[1]).state, BackupState::Partial);

    // What is imported once keeps what was told of it, and what was noted since.
    let cx = stillpoint_core::OpContext::background();
    let provider = repository.provider();
    let mut held = backup(&told[1]);
    held.held = true;
    provider.put_record(&cx, &held).await.unwrap();
    let again = import(MirrorSource::from_store(mirror.store()), &repository).await;
    assert_eq!((again[1].state, &again[1].issues), (ImportState::Known, &told[1].issues));
    assert_eq!(
        provider.records(&cx).await.unwrap().readable.into_iter().find(|record| record.id == held.id),
        Some(held)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_no_path_can_be_hide_no_space_and_become_no_empty_files() {
    let server = std::thread::spawn(Server::start_in_memory).join().unwrap().unwrap();
    let timestamp = "repo/ada/lab/2024-03-28-10-11-12";
    for (key, content) in
        [("a.txt", "whole"), ("c\td.txt", "fifteen bytes.."), ("2024-03-28-10-11-12_BACKUP_COMPLETE", "done")]
    {
        server.put_object(&format!("{timestamp}/{key}"), content.into()).unwrap();
    }
    for key in ["ada/lab//x", "ada//y", "e\tve/lab/z", "/z", "bob/../x", "bob//lab/z"] {
        server.put_object(&format!("repo/{key}"), "odd".into()).unwrap();
    }
    let store = Store::from_url(&server.url("repo"), &StoreSettings::new(server.env())).unwrap();
    let told = import(MirrorSource::from_store(store), &Scene::local()).await;
    let [told] = <[_; 1]>::try_from(told).unwrap();
    assert_eq!((told.state, told.files, told.bytes), (ImportState::Partial, 1, 5), "{told:?}");
    let issues: Vec<_> = told.issues.iter().map(|issue| (issue.kind.as_str(), issue.item.as_str())).collect();
    assert_eq!(issues, [("refused", "c\\td.txt")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_a_directory_can_hold_is_imported_whole() {
    let (mirror, repository) = (Scene::local().mirrored(), Scene::local());
    let folder = script_timestamp(&mirror, "2024-03-28-10-11-12", true);
    fs::write(folder.join("c\td.txt"), "fifteen bytes..").unwrap();
    let told = import(MirrorSource::from_store(mirror.store()), &repository).await;
    assert_eq!((told[0].state, told[0].files), (ImportState::Imported, 4), "{told:?}");
}
