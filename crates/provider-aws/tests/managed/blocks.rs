//! Volumes block by block: out of EBS into a repository, and from there into another region.
#![expect(clippy::unwrap_used, reason = "what fails in the parts that tests share fails the test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::fake::{ACCOUNT, REGION, VAULT, VOLUME, World, component};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use stillpoint_core::{ErrorKind, SnapshotRef};
use stillpoint_provider_aws::managed::blocks::{NewSnapshot, VolumeImages};
use stillpoint_provider_aws::managed::{PolicyScope, Task, VaultPlace, policy};
use stillpoint_repository::{Credentials, Origin, Repository, Store};

const BLOCK: usize = 524_288;
const VOLUME_ID: &str = "vol-00000000000000001";

/// A volume of two gibibytes in one region, and another region to bring it to.
fn world() -> Option<Arc<World>> {
    let volumes = json!([{ "id": VOLUME_ID, "size_gib": 2, "blocks": 0, "tags": { "team": "ml" } }]);
    let regions = json!({ REGION: { "volumes": volumes }, "eu-west-1": {} });
    let world = World::of(&json!({ "accounts": { ACCOUNT: { "regions": regions } } }))?;
    allow(&world, &[Task::Backup, Task::Export, Task::Import]);
    Some(world)
}

/// Gives the caller the policy for `tasks` in both regions, and nothing more.
fn allow(world: &World, tasks: &[Task]) {
    let scope = PolicyScope::of(&[component("db", "ebs", VOLUME)], tasks.iter().copied()).unwrap();
    let document = policy(&scope.with_vault(VaultPlace::new("eu-west-1", VAULT))).caller;
    let policies = [serde_json::to_value(document).unwrap()];
    world.fake().post("set", &json!({ "key": "test", "set": { "policies": policies } }));
}

fn write(world: &World, blocks: &[u64], byte: u8) {
    let data = STANDARD.encode(vec![byte; BLOCK]);
    world
        .fake()
        .post("write", &json!({ "region": REGION, "volume": VOLUME_ID, "blocks": blocks, "data": data }));
}

async fn back_up(world: &Arc<World>, operation: &str) -> SnapshotRef {
    let provider = world.provider();
    let job = world.backup(operation, &component("db", "ebs", VOLUME));
    world.run(&provider, job).await.snapshot.unwrap()
}

async fn images(world: &World, store: &Store) -> VolumeImages {
    let credentials = Credentials::password("sesame".to_owned()).unwrap();
    let repository = Repository::open_or_init(store.clone(), &credentials, Origin::default()).await.unwrap();
    VolumeImages::new(repository, world.connection())
}

fn digests(world: &World, region: &str, snapshot: &str) -> Value {
    world.fake().post("digests", &json!({ "region": region, "snapshot": snapshot }))
}

fn id_of(snapshot: &SnapshotRef) -> &str {
    snapshot.id.as_str().rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_volume_leaves_its_region_and_comes_back_block_by_block() {
    let Some(world) = world() else { return };
    write(&world, &[0, 7, 2047, 2048, 4095], 1);
    write(&world, &[9], 0);
    let snapshot = back_up(&world, "op-1").await;
    let store = Store::memory();
    let images = images(&world, &store).await;
    let exported = images.export(&world.cx(), &snapshot).await.unwrap();
    assert_eq!((exported.known, exported.base, exported.blocks_read), (false, None, 6));
    assert!(exported.bytes_stored < 100_000, "equal blocks are stored once: {exported:?}");
    let header = &exported.image.header;
    assert_eq!((header.volume.as_deref(), header.size_gib), (Some(VOLUME_ID), 2));
    assert_eq!(header.tags["team"], "ml");

    let new = NewSnapshot::new("eu-west-1", "import-1");
    let made = images.import(&world.cx(), &exported.image.id, &new).await.unwrap();
    assert_eq!(
        (made.size_gib, made.blocks, made.known),
        (2, 5, false),
        "a block of zeros is nothing written"
    );
    let there = digests(&world, "eu-west-1", &made.snapshot);
    let mut here = digests(&world, REGION, id_of(&snapshot));
    here.as_object_mut().unwrap().remove("9");
    assert_eq!(there, here);
    // The same request again is the same snapshot, and nothing is written twice.
    let puts = world.calls("PutSnapshotBlock");
    let again = images.import(&world.cx(), &exported.image.id, &new).await.unwrap();
    assert_eq!((&again.snapshot, again.blocks, again.known), (&made.snapshot, 5, true));
    assert_eq!(world.calls("PutSnapshotBlock"), puts);
    let used: BTreeSet<String> =
        world.actions().into_iter().filter(|action| action.starts_with("ebs:")).collect();
    let wanted =
        ["ListSnapshotBlocks", "GetSnapshotBlock", "StartSnapshot", "PutSnapshotBlock", "CompleteSnapshot"];
    assert_eq!(used, wanted.map(|name| format!("ebs:{name}")).into());
}

#[tokio::test]
async fn a_second_export_reads_only_what_changed_and_each_image_is_whole() {
    let Some(world) = world() else { return };
    write(&world, &[1, 2, 3, 3000], 1);
    let first = back_up(&world, "op-1").await;
    let store = Store::memory();
    let images = images(&world, &store).await;
    let one = images.export(&world.cx(), &first).await.unwrap();
    write(&world, &[2, 4000], 2);
    let second = back_up(&world, "op-2").await;
    let two = images.export(&world.cx(), &second).await.unwrap();
    assert_eq!((two.base, two.blocks_read), (Some(one.image.id), 2));
    let reads = world.calls("GetSnapshotBlock");
    let known = images.export(&world.cx(), &second).await.unwrap();
    assert!(known.known && known.image.id == two.image.id);
    assert_eq!(world.calls("GetSnapshotBlock"), reads);
    // One name for two images is two requests.
    for (image, snapshot) in [(&one, &first), (&two, &second)] {
        let new = NewSnapshot::new("eu-west-1", "restore-of-db");
        let made = images.import(&world.cx(), &image.image.id, &new).await.unwrap();
        assert_eq!(digests(&world, "eu-west-1", &made.snapshot), digests(&world, REGION, id_of(snapshot)));
    }
    assert_eq!(images.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn where_the_earlier_snapshot_is_gone_every_block_is_read_and_nothing_is_stored_twice() {
    let Some(world) = world() else { return };
    write(&world, &[1, 2, 3], 1);
    let first = back_up(&world, "op-1").await;
    let store = Store::memory();
    let images = images(&world, &store).await;
    images.export(&world.cx(), &first).await.unwrap();
    write(&world, &[3], 2);
    let second = back_up(&world, "op-2").await;
    allow(&world, &Task::ALL);
    let provider = world.provider();
    stillpoint_core::Provider::delete(&provider, &world.cx(), &first).await.unwrap();
    world.advance(600.0);
    allow(&world, &[Task::Export]);
    let two = images.export(&world.cx(), &second).await.unwrap();
    assert_eq!((two.base, two.blocks_read), (None, 3));
}

#[tokio::test]
async fn a_lying_block_and_a_cut_export_leave_no_image_and_the_next_one_goes_on() {
    let Some(world) = world() else { return };
    write(&world, &[1, 2, 3], 1);
    let snapshot = back_up(&world, "op-1").await;
    let store = Store::memory();
    let images = images(&world, &store).await;
    let digest = STANDARD.encode([7_u8; 32]);
    let lie = json!({ "kind": "rewrite", "set": { "Checksum": digest } });
    world.inject(&json!({ "op": "GetSnapshotBlock", "nth": 2, "fault": lie }));
    let error = images.export(&world.cx(), &snapshot).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(images.list().await.unwrap().is_empty());
    // What passes by itself is tried again by the calls themselves.
    let throttled = json!({ "kind": "error", "code": "RequestThrottledException", "message": "slow down" });
    world.inject(&json!({ "op": "GetSnapshotBlock", "nth": 1, "count": 2, "fault": throttled }));
    world.inject(&json!({ "op": "ListSnapshotBlocks", "nth": 1, "fault": { "kind": "empty_page" } }));
    let exported = images.export(&world.cx(), &snapshot).await.unwrap();
    assert_eq!(exported.blocks_read, 3);
}

#[tokio::test]
async fn an_import_whose_process_died_goes_on_with_its_snapshot() {
    let Some(world) = world() else { return };
    write(&world, &[1, 2, 3, 2048], 1);
    write(&world, &[4], 2);
    let snapshot = back_up(&world, "op-1").await;
    let store = Store::memory();
    let images = images(&world, &store).await;
    let image = images.export(&world.cx(), &snapshot).await.unwrap().image.id;
    let refused = json!({ "kind": "error", "code": "AccessDeniedException", "message": "not now" });
    world.inject(&json!({ "op": "PutSnapshotBlock", "nth": 3, "fault": refused }));
    let new = NewSnapshot::new("eu-west-1", "import-1");
    let error = images.import(&world.cx(), &image, &new).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    let made = images.import(&world.cx(), &image, &new).await.unwrap();
    assert_eq!(digests(&world, "eu-west-1", &made.snapshot), digests(&world, REGION, id_of(&snapshot)));
    let state = world.fake().get("state");
    let snapshots = state["regions"][format!("{ACCOUNT}/eu-west-1")]["snapshots"].as_object().unwrap();
    assert_eq!(snapshots.len(), 1, "one request is one snapshot");
    let mut other = NewSnapshot::new("eu-west-1", "import-1");
    other.encrypted = Some(true);
    let error = images.import(&world.cx(), &image, &other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
}

#[tokio::test]
async fn an_image_is_an_ordinary_snapshot_whose_parts_make_the_raw_disk() {
    let Some(world) = world() else { return };
    write(&world, &[5], 3);
    let snapshot = back_up(&world, "op-1").await;
    let store = Store::memory();
    let images = images(&world, &store).await;
    let image = images.export(&world.cx(), &snapshot).await.unwrap().image.id;
    let credentials = Credentials::password("sesame".to_owned()).unwrap();
    let repository = Repository::open(store, &credentials, Origin::default()).await.unwrap();
    let mut found = Vec::new();
    let visit = |entry: stillpoint_repository::SnapshotEntry| {
        found.push((entry.path.display().to_string(), entry.node.size));
        true
    };
    repository.visit_entries(&image, Path::new(""), true, visit).await.unwrap();
    let sizes: Vec<_> =
        found.iter().filter(|(path, _)| path.ends_with("/blocks")).map(|(_, size)| *size).collect();
    assert_eq!(sizes, [1 << 30, 1 << 30], "{found:?}");
    assert!(found.iter().any(|(path, _)| path == "volume.json"), "{found:?}");
}

#[tokio::test]
async fn what_was_encrypted_comes_back_encrypted_and_without_the_marks_of_its_backup() {
    let Some(world) = world() else { return };
    world.fake().post("set", &json!({ "region": REGION, "volume": VOLUME_ID, "set": { "encrypted": true } }));
    write(&world, &[1], 1);
    let snapshot = back_up(&world, "op-1").await;
    let store = Store::memory();
    let images = images(&world, &store).await;
    let exported = images.export(&world.cx(), &snapshot).await.unwrap();
    assert!(exported.image.header.encrypted);
    let new = NewSnapshot::new("eu-west-1", "import-1");
    let made = images.import(&world.cx(), &exported.image.id, &new).await.unwrap();
    let state = world.fake().get("state");
    let there = &state["regions"][format!("{ACCOUNT}/eu-west-1")]["snapshots"][&made.snapshot];
    assert_eq!(there["encrypted"], true, "{there}");
    let tags: Vec<&String> = there["tags"].as_object().unwrap().keys().collect();
    assert_eq!(tags, ["team"], "{there}");
}
