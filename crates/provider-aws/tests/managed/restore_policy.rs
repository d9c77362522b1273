//! The policy of restores and copies against the fake AWS's own judgement of every call.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use crate::fake::restores::RESTORE;
use crate::fake::{ACCOUNT, FILE_SYSTEM, REGION, VOLUME, World, component};
use serde_json::{Value, json};
use stillpoint_core::{BackupId, CopyJob, JobKey, JobRequest, JobState, Provider, SnapshotRef};
use stillpoint_provider_aws::managed::Task;

/// No policy can deny it.
const ALWAYS_ALLOWED: &str = "sts:GetCallerIdentity";
/// EFS makes these for whoever asks for a mount target, and asks IAM whether he may.
const FOR_MOUNT_TARGETS: [&str; 3] =
    ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:DescribeNetworkInterfaces"];
const SUBNET: &str = "subnet-00000000000000001";

fn actions(document: &Value) -> BTreeSet<String> {
    let statements = document["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

fn scenario(trees: &Path) -> Value {
    let point = json!({"id": "fsap-00000000000000001", "ClientToken": "t", "tags": {"Name": "home"},
        "RootDirectory": {"Path": "/"}});
    let system = json!({"id": "fs-00000000000000001", "bytes": 6_000_000, "throughput_mode": "elastic",
        "lifecycle": [{"TransitionToIA": "AFTER_30_DAYS"}], "policy": "{}", "backup_policy": "ENABLED",
        "access_points": [point]});
    let region = json!({
        "volumes": [{"id": "vol-00000000000000001", "size_gib": 8, "blocks": 4}],
        "file_systems": [system], "vaults": {"Default": {}, "elsewhere": {}},
    });
    json!({"trees": trees, "accounts": {ACCOUNT: {"regions": {REGION: region}}}})
}

async fn restore_of_everything(world: &Arc<World>, disk: &SnapshotRef, files: &SnapshotRef) {
    let provider = world.provider();
    let (volume, system) = (component("db", "ebs", VOLUME), component("projects", "efs", FILE_SYSTEM));
    let destination = json!({"subnets": [SUBNET], "security_groups": ["sg-0123456789abcdef0"]});
    for (attempt, snapshot, source, destination) in [
        (1, disk, &volume, json!({})),
        (2, disk, &volume, json!({"restore_with": "backup", "copy_source_tags": true})),
        (1, files, &system, destination),
    ] {
        let (job, since) = (world.restore(snapshot, source, destination, attempt), world.now());
        let status = world.restored(&provider, &job).await;
        let found = provider.find(&world.cx(), &JobRequest::Restore(job), since).await;
        assert!(found.is_ok(), "{found:?}");
        assert_eq!(status.state, JobState::Succeeded, "{status:?}");
        let resource = status.restored.unwrap();
        world.finished(&provider, &resource).await;
        while provider.discard(&world.cx_of(RESTORE), &resource).await.is_err() {
            world.advance(30.0);
        }
    }
}

async fn copies_of_everything(world: &Arc<World>, disk: &SnapshotRef, files: &SnapshotRef) {
    let provider = world.provider();
    for (id, kind, resource, snapshot) in
        [("db", "ebs", VOLUME, disk), ("projects", "efs", FILE_SYSTEM, files)]
    {
        let source = component(id, kind, resource);
        let operation: stillpoint_core::OperationId = "copy-1".parse().unwrap();
        let key = JobKey::new(operation.clone(), source.id.clone(), 1);
        let mut job = CopyJob::new(key, "aws".parse().unwrap(), BackupId::of(&operation), snapshot.clone());
        job.component = Some(source);
        job.destination = [("vault".to_owned(), "elsewhere".into())].into();
        let started = provider.start(&world.cx_of("copy-1"), &JobRequest::Copy(job)).await.unwrap();
        assert_eq!(world.settle(&provider, &started).await.state, JobState::Succeeded);
    }
}

#[tokio::test]
async fn every_call_of_restores_and_copies_is_in_the_policy_and_nothing_else_is() {
    let trees = tempfile::tempdir().unwrap();
    for task in [Task::Restore, Task::Copy] {
        let Some(world) = World::of(&scenario(trees.path())) else { return };
        let disk = world.captured(&component("db", "ebs", VOLUME)).await;
        let files = world.captured(&component("projects", "efs", FILE_SYSTEM)).await;
        let document = world.allow(&[task]);
        let before = world.fake().get("journal").as_array().unwrap().len();
        match task {
            Task::Restore => restore_of_everything(&world, &disk, &files).await,
            _ => copies_of_everything(&world, &disk, &files).await,
        }
        let journal = world.fake().get("journal");
        let entries = journal.as_array().unwrap().iter().skip(before);
        let used = entries.filter_map(|entry| entry["actions"].as_array()).flatten();
        let mut used: BTreeSet<String> = used.map(|action| action.as_str().unwrap().to_owned()).collect();
        used.remove(ALWAYS_ALLOWED);
        if task == Task::Restore {
            used.extend(FOR_MOUNT_TARGETS.map(str::to_owned));
        }
        assert_eq!(used, actions(&document), "{task:?}");
    }
}
