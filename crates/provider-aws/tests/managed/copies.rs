//! Copies on the fake AWS: into another vault, region or account, marked as what they are, started once.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::time::Duration;

use crate::fake::restores::RESTORE;
use crate::fake::{FILE_SYSTEM, REGION, VOLUME, World, component, scenario};
use serde_json::{Value, json};
use stillpoint_core::{
    BackupId, Component, CopyJob, DeleteState, Effect, ErrorKind, Evidence, JobKey, JobRequest, JobState,
    Provider, RESOURCE_BUSY, Settings, SnapshotRef,
};

use stillpoint_provider_aws::Connection;
use stillpoint_provider_aws::managed::{AwsProvider, VaultPlace};

const FAR: &str = "arn:aws:backup:eu-west-1:111122223333:backup-vault:far";

/// The world of two regions and two accounts, with every right in it.
fn world() -> Option<Arc<World>> {
    let world = World::of(&scenario("two-regions-two-accounts"))?;
    world.fake().post("set", &json!({"key": "test", "set": {"policies": null}}));
    Some(world)
}

fn copy(snapshot: &SnapshotRef, component: &Component, destination: Value) -> CopyJob {
    let operation: stillpoint_core::OperationId = "copy-1".parse().unwrap();
    let key = JobKey::new(operation.clone(), component.id.clone(), 1);
    let mut job = CopyJob::new(key, "aws".parse().unwrap(), BackupId::of(&operation), snapshot.clone());
    job.workspace = Some("team/ml-1".parse().unwrap());
    job.component = Some(component.clone());
    job.destination = serde_json::from_value::<Settings>(destination).unwrap();
    job.retain = Some(Duration::from_secs(40 * 86_400));
    job
}

#[tokio::test]
async fn a_copy_in_another_region_carries_its_own_mark_and_restores_there() {
    let Some(world) = world() else { return };
    let provider = world.provider();
    for component in [component("db", "ebs", VOLUME), component("projects", "efs", FILE_SYSTEM)] {
        let original = world.captured(&component).await;
        let job = copy(&original, &component, json!({"vault": "far", "region": "eu-west-1"}));
        let started = provider.start(&world.cx_of("copy-1"), &JobRequest::Copy(job.clone())).await.unwrap();
        let status = world.settle(&provider, &started).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        let snapshot = status.snapshot.unwrap();
        let info = provider.open(&world.cx(), &snapshot).await.unwrap().describe(&world.cx()).await.unwrap();
        assert_eq!(info.operation.unwrap().as_str(), "copy-1");
        assert_eq!(info.backup.unwrap(), job.backup);
        assert_eq!(info.component.unwrap(), component.id);
        assert_eq!(info.account_region.unwrap().1, "eu-west-1");
        let original =
            provider.open(&world.cx(), &original).await.unwrap().describe(&world.cx()).await.unwrap();
        assert_eq!(original.operation.unwrap().as_str(), "backup-1", "the original keeps its own");

        let destination = json!({"availability_zone": "eu-west-1a", "region": "eu-west-1"});
        let destination = if component.kind == "ebs" { destination } else { json!({"region": "eu-west-1"}) };
        let status = world.restored(&provider, &world.restore(&snapshot, &component, destination, 1)).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        let resource = status.restored.unwrap();
        assert!(resource.resource.contains(":eu-west-1:"), "{resource:?}");
        provider.finish_restore(&world.cx_of(RESTORE), &resource).await.unwrap();
    }
}

#[tokio::test]
async fn lost_replies_make_one_copy() {
    let Some(world) = world() else { return };
    let provider = world.provider();
    let component = component("db", "ebs", VOLUME);
    let original = world.captured(&component).await;
    let job = JobRequest::Copy(copy(&original, &component, json!({"vault_arn": FAR})));
    let cx = world.cx_of("copy-1");
    for when in ["before", "after"] {
        world.inject(&json!({"op": "StartCopyJob", "nth": 1, "fault": {"kind": "cut", "when": when}}));
        let since = world.now();
        let error = provider.start(&cx, &job).await.unwrap_err();
        assert_eq!(error.effect(), Effect::MaybeApplied);
        assert_eq!(provider.find(&cx, &job, since).await.unwrap_err().kind(), ErrorKind::Unavailable);
        world.advance(130.0);
        let found = provider.find(&cx, &job, since).await.unwrap();
        assert_eq!(found, [], "{when}: the token tells, so the start is repeated");
    }
    let started = provider.start(&cx, &job).await.unwrap();
    assert_eq!(world.settle(&provider, &started).await.state, JobState::Succeeded);
    assert_eq!(world.calls("StartCopyJob"), 3, "a search starts nothing");
    // By the mark on the copy, long after AWS has forgotten the token.
    world.advance(7200.0);
    assert_eq!(provider.start(&cx, &job).await.unwrap(), started);
    let state = world.fake().get("state");
    let far = &state["regions"]["111122223333/eu-west-1"]["vaults"]["far"]["points"];
    assert_eq!(far.as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_backup_waits_for_a_copy_of_the_same_resource() {
    let Some(world) = world() else { return };
    let provider = world.provider();
    let component = component("db", "ebs", VOLUME);
    let original = world.captured(&component).await;
    let copying = JobRequest::Copy(copy(&original, &component, json!({"vault_arn": FAR})));
    let copying = provider.start(&world.cx_of("copy-1"), &copying).await.unwrap();
    world.advance(30.0);
    let job = JobRequest::Backup(world.backup("op-9", &component));
    let error = provider.start(&world.cx(), &job).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (ErrorKind::Busy, Effect::NotApplied), "{error}");
    let findings = provider.preflight(&world.cx(), &component).await.unwrap();
    let busy = findings.iter().find(|finding| finding.check == RESOURCE_BUSY).unwrap();
    assert!(busy.message.contains("copy job"), "{busy:?}");
    world.settle(&provider, &copying).await;
    provider.start(&world.cx(), &job).await.unwrap();
}

#[tokio::test]
async fn a_lost_copy_that_nobody_marked_is_not_taken_for_anothers() {
    let Some(world) = world() else { return };
    let provider = world.provider();
    let component = component("db", "ebs", VOLUME);
    let original = world.captured(&component).await;
    let job = JobRequest::Copy(copy(&original, &component, json!({"vault_arn": FAR})));
    let (cx, since) = (world.cx_of("copy-1"), world.now());
    world.inject(&json!({"op": "StartCopyJob", "nth": 1, "fault": {"kind": "cut", "when": "after"}}));
    provider.start(&cx, &job).await.unwrap_err();
    // It is completed, and AWS has forgotten the token.
    world.advance(7200.0);
    let found = provider.find(&cx, &job, since).await.unwrap();
    assert_eq!(found.len(), 1, "it may be ours, so no second one is made in its place");
    assert_eq!(found[0].evidence, Evidence::Likely);
}

#[tokio::test]
async fn a_copy_in_another_account_is_checked_kept_and_deleted_with_that_accounts_credentials() {
    let Some(world) = world() else { return };
    let theirs = Connection::with_credentials(REGION, "other", "test", None, Some(&world.fake().endpoint()));
    let vault = VaultPlace::new(REGION, "theirs");
    let there = Arc::new(AwsProvider::new("aws-theirs".parse().unwrap(), theirs.unwrap(), [vault]));
    for component in [component("db", "ebs", VOLUME), component("projects", "efs", FILE_SYSTEM)] {
        let original = world.captured(&component).await;
        let destination = json!({"vault": "theirs", "account": "444455556666"});
        let job = JobRequest::Copy(copy(&original, &component, destination));
        let alone = world.provider().start(&world.cx_of("copy-1"), &job).await.unwrap_err();
        assert_eq!(alone.kind(), ErrorKind::InvalidConfig, "{alone}");
        assert!(alone.to_string().contains("444455556666"), "{alone}");
        let provider = world.provider().with_account("444455556666", Arc::clone(&there));
        let started = provider.start(&world.cx_of("copy-1"), &job).await.unwrap();
        let status = world.settle(&provider, &started).await;
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        let snapshot = status.snapshot.unwrap();
        assert_eq!(&snapshot.provider, there.id(), "who keeps it is who can open it");
        let info = there.open(&world.cx(), &snapshot).await.unwrap().describe(&world.cx()).await.unwrap();
        assert_eq!(info.operation.unwrap().as_str(), "copy-1");
        assert_eq!(info.account_region.unwrap().0, "444455556666");
        assert_eq!(provider.start(&world.cx_of("copy-1"), &job).await.unwrap(), started);
        while there.delete(&world.cx(), &snapshot).await.unwrap() != DeleteState::Gone {
            world.advance(30.0);
        }
    }
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_is_refused_or_fails_and_says_why() {
    let Some(world) = world() else { return };
    let provider = world.provider();
    let component = component("projects", "efs", FILE_SYSTEM);
    let original = world.captured(&component).await;
    let cx = world.cx_of("copy-1");
    let start = async |attempt: u32, destination: Value| {
        let mut job = copy(&original, &component, destination);
        job.key = JobKey::new(job.key.operation().clone(), component.id.clone(), attempt);
        provider.start(&cx, &JobRequest::Copy(job)).await
    };
    assert_eq!(start(1, json!({})).await.unwrap_err().kind(), ErrorKind::InvalidConfig);
    assert_eq!(start(1, json!({"vault": "Default"})).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(start(1, json!({"vault_arn": "far"})).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let absent = start(1, json!({"vault": "absent"})).await.unwrap();
    let status = world.settle(&provider, &absent).await;
    assert!(
        matches!(&status.state, JobState::Failed(error) if error.message.contains("vault")),
        "{status:?}"
    );
    world.inject(
        &json!({"op": "CopyJob", "fault": {"kind": "outcome", "state": "COMPLETED", "category": "LIMITED"}}),
    );
    let remarked = start(2, json!({"vault_arn": FAR})).await.unwrap();
    let status = world.settle(&provider, &remarked).await;
    assert_eq!(status.state, JobState::SucceededWithIssues, "{status:?}");
    assert!(status.issues[0].message.contains("LIMITED"));
}
