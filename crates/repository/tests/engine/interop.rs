//! Stock restic and rustic as judges, both ways.

use std::path::Path;

use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::tree::Tree;
use stillpoint_repository::{BlobKind, Id, LockMode, Repository, Store};
use stillpoint_testkit::oracle;
use stillpoint_testkit::tree::TreeSpec;

use crate::remote::{settings, start_server};
use crate::support::{Files, PASSWORD, create, local, open, read_back, save, some_files};

fn assert_restored(target: &Path, files: &Files<'_>) {
    for (path, data) in files {
        assert!(std::fs::read(target.join(path)).unwrap() == *data, "{path} differs");
    }
}

#[tokio::test]
async fn stock_restic_accepts_lists_and_restores_what_we_write() {
    let Some(restic) = oracle::restic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let repository = create(local(&repo)).await;
    let first = save(&repository, &some_files()).await;
    let mut changed = some_files();
    changed.insert("sub/more", b"a second snapshot".to_vec());
    save(&repository, &changed).await;

    let judge = restic.repository(repo.to_str().unwrap(), PASSWORD);
    judge.check_read_data();
    let listed = judge.run(&["ls", "--long", &first.to_hex()]);
    for path in some_files().keys() {
        assert!(listed.contains(&format!("/{path}")), "{listed}");
    }
    assert!(judge.run(&["snapshots"]).contains("2 snapshots"));
    judge.restore(&first.to_hex(), &dir.path().join("out"));
    assert_restored(&dir.path().join("out"), &some_files());
    // What restic prunes, we still read.
    judge.run(&["forget", "--prune", &first.to_hex()]);
    let repository = open(local(&repo)).await;
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 1 && report.unused_packs == 0, "{report:?}");
}

#[tokio::test]
async fn we_read_and_extend_what_stock_restic_wrote() {
    let Some(restic) = oracle::restic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, repo) = (dir.path().join("source"), dir.path().join("repo"));
    TreeSpec::small(11).restic_safe().generate(&source).unwrap();
    let judge = restic.repository(repo.to_str().unwrap(), PASSWORD);
    judge.run(&["init", "--repository-version", "2"]);
    let backup = judge.command(&["backup", source.to_str().unwrap()]).env("TZ", "UTC").output().unwrap();
    assert!(backup.status.success());

    let repository = open(local(&repo)).await;
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.trees > 5 && report.packs_read > 0, "{report:?}");
    let snapshot = repository.snapshots().await.unwrap().readable.remove(0);
    assert_eq!(snapshot.snapshot.paths, [source.to_str().unwrap()]);
    let nodes = every_listing_encodes_as_restic_wrote_it(&repository, snapshot.snapshot.tree).await;
    assert!(nodes > 120);

    let id = save(&repository, &some_files()).await;
    judge.check_read_data();
    judge.restore(&id.to_hex(), &dir.path().join("out"));
    assert_restored(&dir.path().join("out"), &some_files());
    judge.run(&["backup", source.to_str().unwrap()]);
    judge.check_read_data();
}

/// Decodes and encodes every listing; equal bytes mean that our directories share blobs with restic's.
async fn every_listing_encodes_as_restic_wrote_it(repository: &Repository, root: Id) -> usize {
    let (mut waiting, mut nodes) = (vec![root], 0);
    while let Some(id) = waiting.pop() {
        let json = repository.load_blob(BlobKind::Tree, &id).await.unwrap();
        let tree = Tree::decode(&id, &json).unwrap().into_nodes();
        for node in &tree {
            waiting.extend(node.subtree);
        }
        nodes += tree.len();
        let encoded = Tree::new(tree).unwrap().encode();
        assert_eq!(String::from_utf8_lossy(&encoded), String::from_utf8_lossy(&json));
    }
    nodes
}

#[tokio::test]
async fn version_1_repositories_are_read_and_extended() {
    let Some(restic) = oracle::restic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, repo) = (dir.path().join("source"), dir.path().join("repo"));
    TreeSpec::sized(3, 20, 200_000).plain().generate(&source).unwrap();
    let judge = restic.repository(repo.to_str().unwrap(), PASSWORD);
    judge.run(&["init", "--repository-version", "1"]);
    judge.run(&["backup", source.to_str().unwrap()]);
    let repository = open(local(&repo)).await;
    save(&repository, &some_files()).await;
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 2, "{report:?}");
    judge.check_read_data();
}

#[tokio::test]
async fn rustic_repositories_are_read_and_extended() {
    let Some(rustic) = oracle::rustic() else { return };
    let Some(restic) = oracle::restic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (source, repo) = (dir.path().join("source"), dir.path().join("repo"));
    TreeSpec::small(5).generate(&source).unwrap();
    rustic.init(&repo, PASSWORD);
    rustic.backup(&repo, PASSWORD, &source);
    let repository = open(local(&repo)).await;
    let report = repository.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 1, "{report:?}");
    let id = save(&repository, &some_files()).await;
    let judge = restic.repository(repo.to_str().unwrap(), PASSWORD);
    judge.check_read_data();
    judge.restore(&id.to_hex(), &dir.path().join("out"));
    assert_restored(&dir.path().join("out"), &some_files());
}

#[tokio::test]
async fn rustic_accepts_and_restores_what_we_write() {
    let Some(rustic) = oracle::rustic() else { return };
    let dir = tempfile::tempdir().unwrap();
    let repo = dir.path().join("repo");
    let repository = create(local(&repo)).await;
    let first = save(&repository, &some_files()).await;
    let mut changed = some_files();
    changed.insert("sub/more", b"a second snapshot".to_vec());
    let second = save(&repository, &changed).await;
    repository.create_record("backups", "one", b"{}").await.unwrap();
    let lock = repository.lock(LockMode::Shared).await.unwrap();
    rustic.check_read_data(&repo, PASSWORD);
    lock.release().await.unwrap();
    for (id, files) in [(first, &some_files()), (second, &changed)] {
        let target = dir.path().join(id.short());
        rustic.restore(&repo, PASSWORD, &id.to_hex(), &target);
        assert_restored(&target, files);
    }
    repository.delete_snapshot(&first).await.unwrap();
    rustic.check_read_data(&repo, PASSWORD);
    rustic.backup(&repo, PASSWORD, &dir.path().join(second.short()));
    let report = open(local(&repo)).await.check(&CheckOptions::new(CheckDepth::ReadAll)).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 2 && report.warnings.is_empty(), "{report:?}");
}

#[tokio::test]
async fn stock_restic_reads_our_repository_on_s3() {
    let Some(restic) = oracle::restic() else { return };
    let server = start_server();
    let store = Store::from_url(&server.url("team/one"), &settings(&server)).unwrap();
    let repository = create(store).await;
    let id = save(&repository, &some_files()).await;
    let snapshot = repository.load_snapshot(&id).await.unwrap();
    assert_eq!(read_back(&repository, snapshot.tree).await.len(), some_files().len());

    let location = format!("s3:{}/{}/team/one", server.endpoint(), server.bucket());
    let judge = restic.repository(location, PASSWORD).with_env(server.env());
    judge.check_read_data();
    let dir = tempfile::tempdir().unwrap();
    judge.restore("latest", dir.path());
    assert_restored(dir.path(), &some_files());
}
