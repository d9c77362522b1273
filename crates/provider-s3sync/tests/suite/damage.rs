//! What a verification sees at each depth, and how a repository that cannot be used is named.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use stillpoint_core::{Depth, ErrorKind, OpContext, OperationState, Provider, SnapshotRef, Verification};
use stillpoint_provider_s3sync::{Origin, Repository};
use stillpoint_repository::LockMode;
use stillpoint_testkit::tree::TreeSpec;

use crate::support::{Host, Scene, credentials};

async fn verified(scene: &Scene, snapshot: &SnapshotRef, depth: Depth) -> Verification {
    let cx = OpContext::background();
    scene.provider().open(&cx, snapshot).await.unwrap().verify(&cx, depth).await.unwrap()
}

/// The largest pack: it holds file content.
fn largest_pack(scene: &Scene) -> PathBuf {
    let mut packs = Vec::new();
    for folder in fs::read_dir(scene.repository().join("data")).unwrap() {
        packs.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|pack| pack.unwrap().path()));
    }
    packs.into_iter().max_by_key(|pack| fs::metadata(pack).unwrap().len()).unwrap()
}

fn writable(pack: &Path) -> fs::File {
    fs::set_permissions(pack, fs::Permissions::from_mode(0o600)).unwrap();
    fs::OpenOptions::new().write(true).read(true).open(pack).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_depth_sees_the_damage_that_it_promises_to_see() {
    let scene = Scene::local();
    let root = scene.path("source");
    TreeSpec::small(31).plain().generate(&root).unwrap();
    let backup = Host::new(&scene, &root).back_up("backup").await.backup.unwrap();
    let snapshot = backup.components[0].snapshot.clone().unwrap();
    for depth in [Depth::Listed, Depth::Sized, Depth::Decrypted] {
        let good = verified(&scene, &snapshot, depth).await;
        assert!(good.is_good() && good.depth == depth, "{good:?}");
    }
    let pack = largest_pack(&scene);
    let file = writable(&pack);
    let mut byte = [0];
    file.read_exact_at(&mut byte, 100).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 100).unwrap();
    assert!(verified(&scene, &snapshot, Depth::Sized).await.is_good(), "sizes alone do not show it");
    let read = verified(&scene, &snapshot, Depth::Decrypted).await;
    assert!(read.problems.iter().any(|problem| problem.kind == "damaged"), "{read:?}");

    file.set_len(1000).unwrap();
    assert!(verified(&scene, &snapshot, Depth::Listed).await.is_good(), "the index still lists everything");
    let sized = verified(&scene, &snapshot, Depth::Sized).await;
    assert_eq!(sized.problems.len(), 1, "{sized:?}");
    fs::remove_file(&pack).unwrap();
    let sized = verified(&scene, &snapshot, Depth::Sized).await;
    assert_eq!(sized.problems[0].kind, "missing", "{sized:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_locked_by_another_makes_a_backup_busy() {
    let scene = Scene::local();
    let root = scene.path("source");
    fs::create_dir(&root).unwrap();
    let other = Repository::open_or_init(scene.store(), &credentials(), Origin::detect()).await.unwrap();
    let lock = other.lock(LockMode::Exclusive).await.unwrap();
    let host = Host::new(&scene, &root);
    let refused = host.back_up("meanwhile").await.operation;
    assert_eq!(refused.state, OperationState::Failed);
    let error = refused.error.unwrap();
    assert_eq!((error.kind, error.context("repository")), (ErrorKind::Busy, Some("locked")), "{error}");
    lock.release().await.unwrap();
    assert_eq!(host.back_up("afterwards").await.operation.state, OperationState::Completed);
}
