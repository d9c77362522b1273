//! What a verification sees at each depth, and how a repository that cannot be used is named.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    Depth, ErrorKind, OpContext, OperationState, Provider, Settlement, SnapshotRef, Verification, rebuild,
    reconcile, settle,
};
use stillpoint_provider_s3sync::{DirectoryWorkspace, Origin, Repository, RepositorySource, S3SyncProvider};
use stillpoint_repository::{CacheFolder, LockMode, RepairOptions};
use stillpoint_testkit::tree::TreeSpec;

use crate::support::{Host, Scene, credentials, layouts, write};

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

/// Each backup is that of a process that was just started on a machine with a cache.
#[tokio::test(flavor = "multi_thread")]
async fn no_backup_is_good_while_a_pack_is_missing_and_the_next_after_a_repair_is() {
    let scene = Scene::local();
    let (root, cache) = (scene.path("source"), CacheFolder::new(scene.path("cache")));
    TreeSpec::small(32).plain().generate(&root).unwrap();
    tokio::time::sleep(Duration::from_millis(120)).await;
    let workspace = DirectoryWorkspace::new(&root).unwrap().with_id("ada/lab".parse().unwrap());
    let (catalog, workspace) = (Arc::new(MemoryCatalog::new()), Arc::new(workspace));
    let back_up = async |name: &str| {
        let source = RepositorySource::from_store(scene.store().with_cache(&cache), credentials());
        let provider = Arc::new(S3SyncProvider::new(source));
        Host::with(catalog.clone(), provider, workspace.clone()).back_up(name).await
    };
    for name in ["first", "unchanged"] {
        assert_eq!(back_up(name).await.operation.state, OperationState::Completed);
    }
    fs::remove_file(largest_pack(&scene)).unwrap();
    let unchanged = back_up("without the pack").await;
    assert_ne!(unchanged.operation.state, OperationState::Completed, "{unchanged:?}");
    let repository = Repository::open(scene.store(), &credentials(), Origin::detect()).await.unwrap();
    repository.repair_index(&RepairOptions::default()).await.unwrap();
    let repaired = back_up("repaired").await;
    assert_eq!(repaired.operation.state, OperationState::Completed, "{repaired:?}");
    let target = scene.path("target");
    let host = Host::with(catalog.clone(), scene.provider(), workspace.clone());
    let restored = host.restore("restore", &repaired.backup.unwrap().id, &target).await;
    assert_eq!(restored.operation.state, OperationState::Completed, "{restored:?}");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_named_and_hides_no_other() {
    for scene in layouts() {
        scene.create().await;
        let root = scene.path("source");
        write(root.join("file"), "content");
        let host = Host::new(&scene, &root);
        let [first, second] =
            [host.back_up("first").await, host.back_up("second").await].map(|status| status.backup.unwrap());
        let cx = OpContext::background();
        let before = host.provider.records(&cx).await.unwrap();
        assert_eq!((before.readable.len(), before.damaged.len()), (2, 0));
        let places = ["stillpoint/backups", "ada/lab/.stillpoint/records"];
        let paths = places.map(|place| scene.repository().join(place).join(first.id.as_str()));
        let path = paths.iter().find(|path| path.exists()).unwrap();
        let mut bytes = fs::read(path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();

        let records = scene.provider().records(&cx).await.unwrap();
        assert_eq!(records.readable, std::slice::from_ref(&second));
        let [damaged] = <[_; 1]>::try_from(records.damaged).unwrap();
        assert_eq!((&damaged.backup, damaged.error.kind), (&Some(first.id.clone()), ErrorKind::Corrupt));
        let empty = MemoryCatalog::new();
        let rebuilt = rebuild(&empty, &records.readable, Some(host.provider.id())).await.unwrap();
        assert_eq!(rebuilt.added, [second.id]);

        // Where the catalog still knows it, it can be written anew.
        let providers = [scene.provider() as Arc<dyn Provider>];
        let report = reconcile(&cx, host.catalog.as_ref(), &providers).await.unwrap();
        assert_eq!(report.damaged_records, [damaged]);
        let mut settlement = Settlement::default();
        settlement.write_records = true;
        settle(&cx, host.catalog.as_ref(), &providers, &report, &settlement).await.unwrap();
        assert!(reconcile(&cx, host.catalog.as_ref(), &providers).await.unwrap().agrees());
    }
}
