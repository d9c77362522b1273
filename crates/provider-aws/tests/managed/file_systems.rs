//! File systems after their restore: mount targets, settings, access points, files at the root.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fake::restores::RESTORE;
use crate::fake::{ACCOUNT, FILE_SYSTEM, REGION, World, component, files};
use serde_json::{Value, json};
use stillpoint_core::{Component, ErrorKind, JobState, Provider, Readiness, RestoredResource, SnapshotRef};
use stillpoint_provider_aws::managed::AwsProvider;

const ID: &str = "fs-00000000000000001";
const SUBNETS: [&str; 2] = ["subnet-00000000000000001", "subnet-00000000000000002"];
const GROUP: &str = "sg-0123456789abcdef0";

/// A file system with everything that AWS Backup does not bring back.
fn scenario(trees: Option<&std::path::Path>) -> Value {
    let points = json!([
        {"id": "fsap-00000000000000001", "ClientToken": "token-1", "tags": {"Name": "home"}, "PosixUser": {"Uid": 1000, "Gid": 1000},
         "RootDirectory": {"Path": "/home", "CreationInfo": {"OwnerUid": 1, "OwnerGid": 2, "Permissions": "0755"}}},
        {"id": "fsap-00000000000000002", "ClientToken": "token-2", "tags": {}, "RootDirectory": {"Path": "/"}},
    ]);
    let system = json!({
        "id": ID, "bytes": 6_000_000, "throughput_mode": "elastic", "access_points": points,
        "lifecycle": [{"TransitionToIA": "AFTER_30_DAYS"}, {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"}],
        "policy": policy(FILE_SYSTEM), "backup_policy": "ENABLED",
    });
    let mut scenario = json!({"accounts": {ACCOUNT: {"regions": {REGION: {"file_systems": [system]}}}}});
    if let Some(trees) = trees {
        scenario["trees"] = json!(trees);
    }
    scenario
}

fn policy(arn: &str) -> String {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
        "Action": "elasticfilesystem:ClientMount", "Resource": arn}]})
    .to_string()
}

async fn captured(world: &Arc<World>, provider: &AwsProvider) -> (Component, SnapshotRef) {
    let plain = component("projects", "efs", FILE_SYSTEM);
    let recorded = provider.record(&world.cx(), &plain).await.unwrap();
    let snapshot = world.captured(&recorded).await;
    (recorded, snapshot)
}

async fn restored(
    world: &Arc<World>,
    provider: &AwsProvider,
    component: &Component,
    snapshot: &SnapshotRef,
    destination: Value,
) -> RestoredResource {
    let status = world.restored(provider, &world.restore(snapshot, component, destination, 1)).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    status.restored.unwrap()
}

#[tokio::test]
async fn settings_are_put_back_as_they_were_at_the_backup() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    // What the source becomes later does not count.
    world.fake().post(
        "set",
        &json!({"file_system": ID, "set": {"lifecycle": [], "policy": null, "access_points": []}}),
    );
    let destination = json!({"subnets": SUBNETS, "security_groups": [GROUP]});
    let resource = restored(&world, &provider, &component, &snapshot, destination).await;
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized);

    let made = world.file_system(&resource.resource);
    assert_eq!(made["throughput_mode"], "elastic");
    let lifecycle =
        json!([{"TransitionToIA": "AFTER_30_DAYS"}, {"TransitionToPrimaryStorageClass": "AFTER_1_ACCESS"}]);
    assert_eq!(made["lifecycle"], lifecycle);
    assert!(made["backup_policy"].as_str().unwrap().starts_with("ENABL"), "{made}");
    let there: Value = serde_json::from_str(made["policy"].as_str().unwrap()).unwrap();
    assert_eq!(
        there,
        serde_json::from_str::<Value>(&policy(&resource.resource)).unwrap(),
        "it names the new one"
    );
    let targets = made["mount_targets"].as_object().unwrap();
    let mut subnets: Vec<_> = targets.values().map(|target| target["subnet"].as_str().unwrap()).collect();
    subnets.sort_unstable();
    assert_eq!(subnets, SUBNETS);
    assert!(
        targets.values().all(|target| target["state"] == "available" && target["groups"] == json!([GROUP]))
    );

    // The files are in AWS's folder, so an access point on a directory of theirs would lead nowhere.
    let points = made["access_points"].as_array().unwrap();
    assert_eq!(points.len(), 1, "{points:?}");
    assert_eq!(points[0]["RootDirectory"]["Path"], "/");
    assert_eq!(made["tags"]["stillpoint:left-to-do"], "reroot access_points");
    let plan_tags =
        made["tags"].as_object().unwrap().keys().filter(|key| key.starts_with("stillpoint:finish"));
    assert_eq!(plan_tags.count(), 0, "what is done is not left to do");
    assert_eq!(
        world.finished(&provider, &resource).await,
        Readiness::Initialized,
        "a repeat changes nothing"
    );
    assert_eq!(world.file_system(&resource.resource), made);
}

#[tokio::test]
async fn files_move_to_the_root_of_a_mount_byte_by_byte_and_access_points_follow() {
    let place = tempfile::tempdir().unwrap();
    let (trees, mount) = (place.path().join("trees"), place.path().join("mount"));
    let Some(world) = World::of(&scenario(Some(&trees))) else { return };
    let source = trees.join(ID);
    std::fs::create_dir_all(source.join("home/ann")).unwrap();
    std::fs::write(source.join("home/ann/notes"), b"one").unwrap();
    std::fs::write(source.join("top"), vec![7; 100_000]).unwrap();
    let before = files(&source);

    let table = place.path().join("mountinfo");
    std::fs::write(&table, "").unwrap();
    let provider = world.provider().with_mount_table(&table);
    let (component, snapshot) = captured(&world, &provider).await;
    let destination = json!({"mount": mount, "subnets": [SUBNETS[0]]});
    let resource = restored(&world, &provider, &component, &snapshot, destination).await;
    for _ in 0..20 {
        let ready = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap();
        assert_eq!(ready, Readiness::Pending, "until the host sees the file system");
        world.advance(30.0);
    }
    let id = resource.resource.rsplit('/').next().unwrap();
    std::os::unix::fs::symlink(trees.join(id), &mount).unwrap();
    let shown = std::fs::canonicalize(&mount).unwrap();
    let mounted = |host: &str| {
        let line =
            format!("40 36 0:50 / {} rw - nfs4 {host}.efs.{REGION}.amazonaws.com:/ rw\n", shown.display());
        std::fs::write(&table, line).unwrap();
    };
    mounted(ID);
    let error = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeedsAttention, "it is mounted, but it is the source: {error:?}");
    mounted(id);
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized);
    assert_eq!(files(&mount), before);
    assert_eq!(files(&source), before, "the source is never written to");
    let made = world.file_system(&resource.resource);
    assert_eq!(made["tags"]["stillpoint:reroot"], format!("done:{id}"));
    assert_eq!(made["tags"]["stillpoint:left-to-do"], Value::Null);
    let points = made["access_points"].as_array().unwrap();
    let home = points.iter().find(|point| point["RootDirectory"]["Path"] == "/home").unwrap();
    assert_eq!((&home["PosixUser"]["Uid"], &home["tags"]["Name"]), (&json!(1000), &json!("home")));
    assert_eq!(points.len(), 2);
}

#[tokio::test]
async fn what_the_source_says_of_its_own_finish_does_not_finish_the_restored_one() {
    let mut scenario = scenario(None);
    let systems = &mut scenario["accounts"][ACCOUNT]["regions"][REGION]["file_systems"];
    systems[0]["tags"] = json!({"stillpoint:stage": format!("done:{ID}"), "stillpoint:reroot": format!("done:{ID}"),
        "stillpoint:finish-9": "torn", "stillpoint:left-to-do": "reroot", "stillpoint:backup": "theirs"});
    let Some(world) = World::of(&scenario) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let destination = json!({"subnets": SUBNETS, "copy_source_tags": true});
    let resource = restored(&world, &provider, &component, &snapshot, destination).await;
    let id = resource.resource.rsplit('/').next().unwrap();
    let tags = world.file_system(&resource.resource)["tags"].clone();
    assert_eq!(tags["stillpoint:stage"], format!("planned:{id}"), "{tags}");
    for key in ["stillpoint:reroot", "stillpoint:finish-9", "stillpoint:left-to-do", "stillpoint:backup"] {
        assert_eq!(tags[key], Value::Null, "{key}");
    }
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized);
    assert_eq!(world.file_system(&resource.resource)["mount_targets"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn tags_that_aws_copies_leave_room_for_those_of_the_restore() {
    let mut scenario = scenario(None);
    let many: BTreeMap<String, String> =
        (0..40).map(|at| (format!("team-{at:02}"), at.to_string())).collect();
    scenario["accounts"][ACCOUNT]["regions"][REGION]["file_systems"][0]["tags"] = json!(many);
    let Some(world) = World::of(&scenario) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let destination = json!({"subnets": SUBNETS, "copy_source_tags": true});
    let status = world.restored(&provider, &world.restore(&snapshot, &component, destination, 1)).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    let resource = status.restored.unwrap();
    let tags = world.file_system(&resource.resource)["tags"].clone();
    let kept = tags.as_object().unwrap().keys().filter(|key| key.starts_with("team-")).count();
    assert_eq!((&tags["keep"], kept < 40, kept > 25), (&json!("yes"), true, true), "{tags}");
    let told = format!("{} of the source's tags were left off", 40 - kept);
    assert!(status.warnings.iter().any(|warning| warning.starts_with(&told)), "{:?}", status.warnings);
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized);
}

#[tokio::test]
async fn a_file_system_whose_plan_is_gone_is_not_called_ready() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let resource = restored(&world, &provider, &component, &snapshot, json!({})).await;
    let id = resource.resource.rsplit('/').next().unwrap();
    let bare = json!({"stillpoint:operation": RESTORE});
    world.fake().post("set", &json!({"file_system": id, "set": {"tags": bare}}));
    let error = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeedsAttention, "{error:?}");
}

#[tokio::test]
async fn a_policy_that_went_with_the_source_is_left_to_do_and_said() {
    let mut scenario = scenario(None);
    // Too long to be carried in tags, so it is read from the source, which is gone by then.
    let mut long: Value = serde_json::from_str(&policy(FILE_SYSTEM)).unwrap();
    long["Statement"][0]["Sid"] = json!("S".repeat(4000));
    scenario["accounts"][ACCOUNT]["regions"][REGION]["file_systems"][0]["policy"] = json!(long.to_string());
    let Some(world) = World::of(&scenario) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let resource = restored(&world, &provider, &component, &snapshot, json!({})).await;
    let gone = json!({"kind": "error", "code": "FileSystemNotFound", "message": "gone", "status": 404});
    world.inject(&json!({"op": "DescribeFileSystemPolicy", "nth": 1, "fault": gone}));
    for _ in 0..2 {
        assert_eq!(
            world.finished(&provider, &resource).await,
            Readiness::Available,
            "usable, and not as it was"
        );
        let left = world.file_system(&resource.resource)["tags"]["stillpoint:left-to-do"].clone();
        assert!(left.as_str().unwrap().split(' ').any(|part| part == "policy"), "{left}");
    }
}

#[tokio::test]
async fn single_paths_come_back_alone() {
    let place = tempfile::tempdir().unwrap();
    let trees = place.path().join("trees");
    let Some(world) = World::of(&scenario(Some(&trees))) else { return };
    std::fs::create_dir_all(trees.join(ID).join("home")).unwrap();
    std::fs::write(trees.join(ID).join("home/wanted"), b"1").unwrap();
    std::fs::write(trees.join(ID).join("home/other"), b"2").unwrap();
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let mut job = world.restore(&snapshot, &component, json!({}), 1);
    job.include = vec!["home/wanted".to_owned()];
    let resource = world.restored(&provider, &job).await.restored.unwrap();
    let landed = files(&trees.join(resource.resource.rsplit('/').next().unwrap()));
    let paths: Vec<&str> = landed.keys().map(|path| path.split_once('/').unwrap().1).collect();
    assert_eq!(paths, ["home/wanted"]);
}

#[tokio::test]
async fn mount_targets_whose_making_got_no_reply_are_read_back_and_strange_ones_are_named() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let resource = restored(&world, &provider, &component, &snapshot, json!({"subnets": SUBNETS})).await;
    let conflict = json!({"kind": "error", "code": "MountTargetConflict", "message": "taken"});
    world.inject(&json!({"op": "CreateMountTarget", "nth": 1, "fault": conflict}));
    let error = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "nothing of ours is there: {error:?}");
    world.inject(&json!({"op": "CreateMountTarget", "nth": 1, "fault": {"kind": "http", "status": 503, "committed": true}}));
    let error = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized);
    assert_eq!(world.file_system(&resource.resource)["mount_targets"].as_object().unwrap().len(), 2);
    assert_eq!(world.calls("CreateMountTarget"), 3);
}

#[tokio::test]
async fn subnets_and_groups_that_cannot_serve_are_refused_before_the_restore_begins() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    for (destination, named) in [
        (json!({"subnets": [SUBNETS[0], "subnet-0ff"]}), "subnet-0ff"),
        (
            json!({"subnets": SUBNETS, "security_groups": [GROUP, "sg-0123456789abcdef9"]}),
            "sg-0123456789abcdef9",
        ),
    ] {
        let job = world.restore(&snapshot, &component, destination, 1);
        let request = stillpoint_core::JobRequest::Restore(job);
        let error = provider.start(&world.cx_of(RESTORE), &request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(named), "{error}");
    }
    assert_eq!(world.calls("StartRestoreJob"), 0);
}

#[tokio::test]
async fn a_policy_that_efs_refuses_is_waited_for_until_it_is_accepted_or_another_one_is_there() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let resource = restored(&world, &provider, &component, &snapshot, json!({})).await;
    let id = resource.resource.rsplit('/').next().unwrap();
    let lockout = json!({"kind": "error", "code": "InvalidPolicyException", "status": 400,
        "message": "the caller would be locked out of changing the policy"});
    let refuse = || world.inject(&json!({"op": "PutFileSystemPolicy", "nth": 1, "fault": lockout}));
    for _ in 0..10 {
        refuse();
        let error = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NeedsAttention, "{error:?}");
        assert!(error.to_string().contains("by hand"), "{error}");
    }
    assert_eq!(world.file_system(&resource.resource)["tags"]["stillpoint:stage"], format!("planned:{id}"));
    let other = policy("*");
    world.fake().post("set", &json!({"file_system": id, "set": {"policy": other}}));
    refuse();
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized);
    assert_eq!(world.file_system(&resource.resource)["policy"], other, "what a person put stays");

    let resource = world.restored(&provider, &world.restore(&snapshot, &component, json!({}), 2)).await;
    let resource = resource.restored.unwrap();
    refuse();
    provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized, "once it is accepted");
}

#[tokio::test]
async fn a_security_group_that_is_gone_leaves_the_file_system_to_a_person() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let destination = json!({"subnets": SUBNETS, "security_groups": [GROUP]});
    let resource = restored(&world, &provider, &component, &snapshot, destination).await;
    let missing = json!({"kind": "error", "code": "SecurityGroupNotFound", "message": "none", "status": 400});
    world.inject(&json!({"op": "CreateMountTarget", "nth": 1, "fault": missing}));
    let error = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NeedsAttention, "{error:?}");
    assert!(error.to_string().contains(GROUP), "{error}");
    assert_eq!(world.finished(&provider, &resource).await, Readiness::Initialized, "a repeat goes on");
}

#[tokio::test]
async fn what_is_broken_for_good_is_told_from_what_a_person_can_finish() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let resource = restored(&world, &provider, &component, &snapshot, json!({})).await;
    let id = resource.resource.rsplit('/').next().unwrap();
    world.fake().post("set", &json!({"file_system": id, "set": {"state": "error"}}));
    let error = provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error:?}");

    let mut elsewhere = resource.clone();
    elsewhere.resource =
        resource.resource.replace(ACCOUNT, "999988887777").replace(id, "fs-0fffffffffffffff1");
    let error = provider.finish_restore(&world.cx_of(RESTORE), &elsewhere).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "another account's is not gone: {error:?}");
    assert_eq!(
        provider.discard(&world.cx_of(RESTORE), &elsewhere).await.unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[tokio::test]
async fn a_file_system_is_discarded_after_its_mount_targets() {
    let Some(world) = World::of(&scenario(None)) else { return };
    let provider = world.provider();
    let (component, snapshot) = captured(&world, &provider).await;
    let resource = restored(&world, &provider, &component, &snapshot, json!({"subnets": SUBNETS})).await;
    world.finished(&provider, &resource).await;
    let cx = world.cx_of(RESTORE);
    let error = provider.discard(&cx, &resource).await.unwrap_err();
    assert!(matches!(error.retry(), stillpoint_core::Retry::After { delay_ms: 1.. }), "{error:?}");
    world.advance(30.0);
    provider.discard(&cx, &resource).await.unwrap();
    world.advance(30.0);
    provider.discard(&cx, &resource).await.unwrap();
    assert_eq!(world.file_system(&resource.resource), Value::Null);
}
