//! Recovery points on the fake AWS: found, deleted, and kept by locks, holds and missing roles.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::time::Duration;

use crate::fake::{ACCOUNT, FILE_SYSTEM, REGION, ROLE, VOLUME, VOLUME_TWO, World, component, scenario};
use serde_json::json;
use stillpoint_core::{DeleteState, Depth, ErrorKind, Provider, SnapshotQuery, SnapshotRef, Timestamp};
use stillpoint_provider_aws::Connection;
use stillpoint_provider_aws::managed::{AwsProvider, Task, VaultPlace};

const OTHER: &str = "444455556666";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A recovery point of each kind, kept for ten days.
async fn points(world: &Arc<World>) -> Vec<SnapshotRef> {
    let mut made = Vec::new();
    for (id, kind, resource) in [("db", "ebs", VOLUME), ("projects", "efs", FILE_SYSTEM)] {
        let mut job = world.backup("op-1", &component(id, kind, resource));
        job.retain = Some(DAY * 10);
        made.push(world.run(&world.provider(), job).await.snapshot.unwrap());
    }
    made
}

async fn deleted(world: &Arc<World>, point: &SnapshotRef) -> DeleteState {
    let provider = world.provider();
    for _ in 0..20 {
        match provider.delete(&world.cx(), point).await.unwrap() {
            DeleteState::Pending => world.advance(30.0),
            other => return other,
        }
    }
    panic!("{point:?} stays on its way out");
}

#[tokio::test]
async fn a_deletion_whose_answer_was_lost_is_read_back() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    for point in &made {
        world.inject(&json!({"op": "DeleteRecoveryPoint", "fault": {"kind": "cut", "when": "after"}}));
        let error = world.provider().delete(&world.cx(), point).await.unwrap_err();
        assert_eq!(error.effect(), stillpoint_core::Effect::MaybeApplied, "{error}");
        assert_eq!(deleted(&world, point).await, DeleteState::Gone);
    }
    assert_eq!(world.calls("DeleteRecoveryPoint"), 2, "what is on its way is not asked for again");
    assert_eq!(world.provider().snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap(), []);
}

#[tokio::test]
async fn a_locked_vault_keeps_a_point_until_its_own_retention_ends() {
    let Some(world) = World::named("locked-vault") else { return };
    for point in points(&world).await {
        let info =
            world.provider().open(&world.cx(), &point).await.unwrap().describe(&world.cx()).await.unwrap();
        let DeleteState::Locked { until: Some(until), reason } = deleted(&world, &point).await else {
            panic!("it is locked");
        };
        let kept = until.since(info.created_at);
        assert!(DAY * 10 <= kept && kept < DAY * 10 + Duration::from_secs(3600), "{kept:?}");
        assert!(reason.contains("compliance") && reason.contains("Default"), "{reason}");
    }
}

#[tokio::test]
async fn a_legal_hold_is_named_and_told_from_a_lock() {
    let Some(world) = World::named("legal-hold") else { return };
    let made = points(&world).await;
    for point in &made {
        let DeleteState::Locked { until: None, reason } = deleted(&world, point).await else {
            panic!("it is held");
        };
        assert!(reason.contains("legal hold") && reason.contains("case 1"), "{reason}");
    }
    let holds = world.region()["holds"].clone();
    let id = holds.as_object().unwrap().keys().next().unwrap().clone();
    world.fake().post("set", &json!({"hold": id, "set": {"status": "CANCELED"}}));
    assert_eq!(deleted(&world, &made[0]).await, DeleteState::Gone);
}

#[tokio::test]
async fn a_vaults_own_policy_locks_and_a_missing_right_is_an_error() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    world.fake().post("set", &json!({"vault": "Default", "set": {"deny_delete": true}}));
    let DeleteState::Locked { until: None, reason } = deleted(&world, &made[1]).await else {
        panic!("the vault's policy forbids it");
    };
    assert!(reason.contains("access policy of vault Default"), "{reason}");
    world.fake().post("set", &json!({"vault": "Default", "set": {"deny_delete": false}}));
    world.fake().post("set", &json!({"key": "test", "set": {"deny": ["backup:DeleteRecoveryPoint"]}}));
    let error = world.provider().delete(&world.cx(), &made[1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    assert_eq!(error.context("action"), Some("DeleteRecoveryPoint"));
}

#[tokio::test]
async fn a_deletion_that_aws_only_claims_is_stuck_until_its_role_is_back() {
    let Some(world) = World::named("roleless-deletion") else { return };
    let made = points(&world).await;
    let DeleteState::Stuck { reason } = deleted(&world, &made[0]).await else { panic!("AWS kept it") };
    assert!(reason.contains(ROLE) && reason.contains("EXPIRED"), "{reason}");
    world.fake().post("set", &json!({"role": ROLE, "set": {"delete": true}}));
    assert_eq!(deleted(&world, &made[0]).await, DeleteState::Gone);
    assert_eq!(deleted(&world, &made[1]).await, DeleteState::Gone, "a file system's point needs no role");
}

#[tokio::test]
async fn a_locked_snapshot_is_not_spoilt_by_asking_for_its_deletion() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    let id = made[0].id.as_str().rsplit('/').next().unwrap().to_owned();
    // EC2 tells whole seconds.
    let until = Timestamp::from_millis(world.now().after(DAY).as_millis() / 1000 * 1000);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century")]
    let seconds = until.as_millis() as f64 / 1000.0;
    world.fake().post("set", &json!({"snapshot": id, "set": {"locked": true, "locked_until": seconds}}));
    let DeleteState::Locked { until: told, reason } = deleted(&world, &made[0]).await else {
        panic!("it is locked")
    };
    let seconds = |at: Timestamp| at.as_millis() / 1000;
    assert_eq!(told.map(seconds), Some(seconds(until)), "EC2 tells whole seconds");
    assert!(reason.contains("governance") && reason.contains(&id), "{reason}");
    assert_eq!(world.calls("DeleteRecoveryPoint"), 0);
    let info =
        world.provider().open(&world.cx(), &made[0]).await.unwrap().describe(&world.cx()).await.unwrap();
    assert!(info.usable);
    world.fake().post("set", &json!({"snapshot": id, "set": {"locked": false}}));
    assert_eq!(deleted(&world, &made[0]).await, DeleteState::Gone);
}

#[tokio::test]
async fn what_is_in_use_is_on_its_way_and_what_is_not_ours_is_not_deleted() {
    let Some(world) = World::named("workspace") else { return };
    world.fake().post("foreign-job", &json!({"resource": VOLUME}));
    world.fake().post("foreign-job", &json!({"resource": FILE_SYSTEM}));
    world.advance(1000.0);
    let state = world.region()["vaults"]["Default"]["points"].clone();
    for arn in state.as_object().unwrap().keys() {
        let point = SnapshotRef::new("aws".parse().unwrap(), format!("Default/{arn}").parse().unwrap());
        let error = world.provider().delete(&world.cx(), &point).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
    assert_eq!(world.calls("DeleteRecoveryPoint"), 0);
    assert_eq!(world.provider().snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap(), []);
    let running = world.backup("op-2", &component("db", "ebs", VOLUME));
    let job =
        world.provider().start(&world.cx(), &stillpoint_core::JobRequest::Backup(running)).await.unwrap();
    world.advance(70.0);
    let status = world.provider().poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let early = world.provider().delete(&world.cx(), status.snapshot.as_ref().unwrap()).await.unwrap();
    assert_eq!(early, DeleteState::Pending, "AWS is still making it");
}

#[tokio::test]
async fn a_plans_point_of_a_restored_resource_is_not_taken_for_ours() {
    let Some(world) = World::named("workspace") else { return };
    // A restore marks what it makes, and AWS copies a resource's tags to each of its recovery points.
    let tags = json!({
        "stillpoint:job": "0", "stillpoint:operation": "op-0", "stillpoint:workspace": "w", "stillpoint:component": "db",
    });
    world.fake().post("set", &json!({"volume": "vol-00000000000000001", "set": {"tags": tags}}));
    world.fake().post("set", &json!({"file_system": "fs-00000000000000001", "set": {"tags": tags}}));
    world.fake().post("foreign-job", &json!({"resource": VOLUME}));
    world.fake().post("foreign-job", &json!({"resource": FILE_SYSTEM}));
    world.advance(1000.0);
    assert_eq!(world.provider().snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap(), []);
    let state = world.region()["vaults"]["Default"]["points"].clone();
    assert_eq!(state.as_object().unwrap().len(), 2);
    for arn in state.as_object().unwrap().keys() {
        let point = SnapshotRef::new("aws".parse().unwrap(), format!("Default/{arn}").parse().unwrap());
        let error = world.provider().delete(&world.cx(), &point).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
}

#[tokio::test]
async fn points_are_found_page_by_page_and_each_once() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    world.advance(10.0);
    let empty = json!({"op": "ListRecoveryPointsByBackupVault", "fault": {"kind": "empty_page"}});
    let twice =
        json!({"op": "ListRecoveryPointsByBackupVault", "count": 9, "fault": {"kind": "duplicate_item"}});
    for fault in [empty, twice] {
        world.inject(&fault);
    }
    let query = SnapshotQuery::of_workspace("team/ml-1".parse().unwrap());
    let found = world.provider().snapshots(&world.cx(), &query).await.unwrap();
    let mut names: Vec<_> = found.iter().map(|info| info.snapshot.clone()).collect();
    let mut expected = made.clone();
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    assert!(found.iter().all(|info| info.usable && info.created_at > Timestamp::from_millis(0)));
}

#[tokio::test]
async fn an_id_that_is_too_long_for_a_tag_is_found_by_its_digest() {
    let Some(world) = World::named("workspace") else { return };
    let mut job = world.backup("op-1", &component("db", "ebs", VOLUME));
    job.workspace = "w".repeat(1000).parse().unwrap();
    world.run(&world.provider(), job.clone()).await;
    world.advance(10.0);
    let found =
        world.provider().snapshots(&world.cx(), &SnapshotQuery::of_workspace(job.workspace)).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].workspace, None, "a digest cannot be read back");
    let other = SnapshotQuery::of_workspace("w".repeat(999).parse().unwrap());
    assert_eq!(world.provider().snapshots(&world.cx(), &other).await.unwrap(), []);
}

#[tokio::test]
async fn a_search_without_a_place_or_in_a_missing_one_is_an_error_and_no_empty_list() {
    let Some(world) = World::named("workspace") else { return };
    let nowhere = AwsProvider::new("aws".parse().unwrap(), world.connection(), []);
    let error = nowhere.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    let place = VaultPlace::new(REGION, "missing");
    let missing = AwsProvider::new("aws".parse().unwrap(), world.connection(), [place]);
    let error = missing.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied), "{error}");
}

#[tokio::test]
async fn verification_sees_what_aws_can_tell() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    let deepest = [Depth::Sized, Depth::Listed];
    for (point, deepest) in made.iter().zip(deepest) {
        let opened = world.provider().open(&world.cx(), point).await.unwrap();
        let verified = opened.verify(&world.cx(), Depth::Restored).await.unwrap();
        assert!(verified.is_good() && verified.depth == deepest, "{verified:?}");
    }
    let id = made[0].id.as_str().rsplit('/').next().unwrap().to_owned();
    world.fake().post("set", &json!({"snapshot": id, "set": {"size_gib": 99}}));
    let opened = world.provider().open(&world.cx(), &made[0]).await.unwrap();
    let verified = opened.verify(&world.cx(), Depth::Sized).await.unwrap();
    assert!(
        verified.is_good() && verified.depth == Depth::Listed,
        "another size proves nothing: {verified:?}"
    );
    world.fake().post("set", &json!({"snapshot": id, "set": {"state": "error"}}));
    let verified = opened.verify(&world.cx(), Depth::Listed).await.unwrap();
    assert_eq!(verified.problems[0].kind, "incomplete", "{verified:?}");
}

#[tokio::test]
async fn looking_needs_less_than_deleting() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    world.allow(&[Task::List]);
    let found = world.provider().snapshots(&world.cx(), &SnapshotQuery::all()).await;
    assert_eq!(found.map(|found| found.len()).map_err(|error| error.to_string()), Ok(2));
    let error = world.provider().delete(&world.cx(), &made[0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
}

#[tokio::test]
async fn points_that_inherited_our_marks_are_neither_listed_nor_deleted() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    // Somebody restores from the console and lets AWS copy all tags to the new volume; that is backed up by others then.
    let snapshot = made[0].id.as_str().rsplit('/').next().unwrap();
    let tags = world.region()["snapshots"][snapshot]["tags"].clone();
    assert!(tags["stillpoint:job"].is_string(), "{tags}");
    world.fake().post("set", &json!({"volume": "vol-00000000000000002", "set": {"tags": tags}}));
    world.fake().post("foreign-job", &json!({"resource": VOLUME_TWO}));
    world.advance(1000.0);
    world.fake().post("foreign-job", &json!({"resource": VOLUME_TWO, "created_by": null}));
    world.advance(1000.0);
    let known = world.region()["vaults"]["Default"]["points"].clone();
    let found = world.provider().snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert_eq!((known.as_object().unwrap().len(), found.len()), (4, 2), "{found:?}");
    for arn in known.as_object().unwrap().keys().filter(|arn| known[*arn]["resource_arn"] == VOLUME_TWO) {
        let point = SnapshotRef::new("aws".parse().unwrap(), format!("Default/{arn}").parse().unwrap());
        let error = world.provider().delete(&world.cx(), &point).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
    }
    assert_eq!(world.calls("DeleteRecoveryPoint"), 0);
}

#[tokio::test]
async fn a_point_of_another_service_in_the_vault_does_not_stop_a_search() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    for (arn, kind) in [
        ("arn:aws:rds:us-east-1:111122223333:snapshot:awsbackup:job-1", "RDS"),
        ("arn:aws:backup:us-east-1:111122223333:recovery-point:d1", "DynamoDB"),
        ("arn:aws:ec2:us-east-1::image/ami-1", "EC2"),
    ] {
        let resource = "arn:aws:rds:us-east-1:111122223333:db:one";
        let point =
            json!({"arn": arn, "vault": "Default", "resource_arn": resource, "type": kind, "role": ROLE});
        world.fake().post("set", &json!({"point": point}));
    }
    world.advance(10.0);
    let found = world.provider().snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert_eq!(found.len(), made.len());
}

#[tokio::test]
async fn what_is_left_of_a_point_whose_snapshot_somebody_deleted_can_be_deleted() {
    let Some(world) = World::named("workspace") else { return };
    let made = points(&world).await;
    let id = made[0].id.as_str().rsplit('/').next().unwrap();
    world.fake().post("set", &json!({"snapshot": id, "remove": true}));
    assert_eq!(deleted(&world, &made[0]).await, DeleteState::Gone);
}

#[tokio::test]
async fn a_missing_right_is_told_whatever_else_keeps_the_point() {
    let Some(world) = World::named("legal-hold") else { return };
    let made = points(&world).await;
    world.fake().post("set", &json!({"key": "test", "set": {"deny": ["backup:DeleteRecoveryPoint"]}}));
    let error = world.provider().delete(&world.cx(), &made[1]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "whatever else keeps it: {error}");
    let deny = json!(["backup:ListLegalHolds"]);
    world.fake().post("set", &json!({"key": "test", "set": {"deny": deny}}));
    let error = world.provider().delete(&world.cx(), &made[1]).await.unwrap_err();
    assert_eq!(
        error.context("action"),
        Some("DeleteRecoveryPoint"),
        "the refusal, not that of the look: {error}"
    );
}

#[tokio::test]
async fn the_credentials_of_another_account_say_nothing_of_a_point() {
    // The other account has a vault of the same name, as every account has.
    let mut two = scenario("two-regions-two-accounts");
    two["accounts"][OTHER]["regions"][REGION]["vaults"]["Default"] = json!({});
    let Some(world) = World::of(&two) else { return };
    let made = points(&world).await;
    let endpoint = world.fake().endpoint();
    let theirs = Connection::with_credentials(REGION, "other", "test", None, Some(&endpoint)).unwrap();
    let theirs = AwsProvider::new("aws".parse().unwrap(), theirs, [VaultPlace::new(REGION, "Default")]);
    for point in &made {
        assert_eq!(point.store.as_ref().map(|store| store.id.as_str()), Some(ACCOUNT));
        world.provider().reaches(&world.cx(), point).await.unwrap();
        for error in [
            theirs.reaches(&world.cx(), point).await.unwrap_err(),
            theirs.delete(&world.cx(), point).await.unwrap_err(),
            theirs.open(&world.cx(), point).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains(ACCOUNT) && error.to_string().contains(OTHER), "{error}");
        }
        // From before the account was noted; the name of a file system's point has it nevertheless.
        let older = SnapshotRef::new(point.provider.clone(), point.id.clone());
        let error = theirs.delete(&world.cx(), &older).await;
        let named = point.id.as_str().contains(":backup:");
        assert_eq!(error.is_err(), named, "{error:?}");
        // The backup has it, too, and is asked before anything is deleted.
        let asked = theirs.reaches_account(&world.cx(), &older, ACCOUNT).await;
        assert_eq!(asked.is_err(), !named, "{asked:?}");
        world.provider().reaches_account(&world.cx(), &older, ACCOUNT).await.unwrap();
    }
    for point in &made {
        assert_eq!(deleted(&world, point).await, DeleteState::Gone);
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_read_is_not_called_gone() {
    let Some(world) = World::named("workspace") else { return };
    let provider = world.provider();
    let point = SnapshotRef::new(provider.id().clone(), "of-a-newer-version:1".parse().unwrap());
    let refused = provider.delete(&world.cx(), &point).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("nothing was deleted"), "{refused}");
}
