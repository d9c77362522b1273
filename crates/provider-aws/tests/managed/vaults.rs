//! Vaults on the fake AWS that are made where they are not there.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use stillpoint_core::{
    BackupId, Component, CopyJob, Effect, ErrorKind, JobKey, JobRequest, JobState, OperationId, Provider,
    Settings, Severity, SnapshotRef,
};
use stillpoint_provider_aws::managed::{BackupSettings, NewVault, PolicyScope, Task, VaultPlace, policy};

use crate::fake::{ACCOUNT, FILE_SYSTEM, REGION, ROLE, VAULT, VOLUME, World, component};

const NEW: &str = "new-vault";
const KEY: &str = "arn:aws:kms:us-east-1:111122223333:key/k-1";

fn world() -> Option<Arc<World>> {
    let region = json!({
        "volumes": [{"id": "vol-00000000000000001", "size_gib": 8, "blocks": 4}],
        "file_systems": [{"id": "fs-00000000000000001", "bytes": 6_000_000}],
        "vaults": {VAULT: {}},
        "keys": {"k-1": {}},
    });
    World::of(&json!({"accounts": {ACCOUNT: {"regions": {REGION: region}}}}))
}

fn new_vault() -> NewVault {
    NewVault::new().with_kms_key(KEY).with_tag("owner", "ml-team")
}

fn into_new(source: Component) -> Component {
    BackupSettings::new(NEW, ROLE).with_new_vault(new_vault()).on(source)
}

fn db() -> Component {
    into_new(component("db", "ebs", VOLUME))
}

/// Gives the caller the policy of these components for these tasks, and nothing more.
fn allow(world: &World, scope: &PolicyScope) {
    let document = serde_json::to_value(policy(scope).caller).unwrap();
    world.fake().post("set", &json!({"key": "test", "set": {"policies": [document]}}));
}

fn scope(tasks: &[Task]) -> PolicyScope {
    let both = [db(), into_new(component("projects", "efs", FILE_SYSTEM))];
    PolicyScope::of(&both, tasks.iter().copied()).unwrap()
}

fn vault(world: &World, name: &str) -> Value {
    world.region()["vaults"][name].clone()
}

fn copy(snapshot: &SnapshotRef, more: Value) -> JobRequest {
    let operation: OperationId = "copy-1".parse().unwrap();
    let source = component("db", "ebs", VOLUME);
    let key = JobKey::new(operation.clone(), source.id.clone(), 1);
    let mut job = CopyJob::new(key, "aws".parse().unwrap(), BackupId::of(&operation), snapshot.clone());
    job.component = Some(source);
    job.destination = serde_json::from_value::<Settings>(more).unwrap();
    JobRequest::Copy(job)
}

#[tokio::test]
async fn a_missing_vault_is_foreseen_made_once_with_its_key_and_tags_and_never_touched_again() {
    let Some(world) = world() else { return };
    allow(&world, &scope(&[Task::Preflight, Task::Backup]));
    let provider = world.provider();
    let told = provider.preflight(&world.cx(), &db()).await.unwrap();
    let found: Vec<_> = told.iter().map(|finding| (finding.check.as_str(), finding.severity)).collect();
    assert_eq!(found, [("vault-exists", Severity::Info)], "it is no blocker: {told:?}");
    let keyless = BackupSettings::new(NEW, ROLE).with_new_vault(new_vault().with_kms_key(format!("{KEY}0")));
    let told = provider.preflight(&world.cx(), &keyless.on(component("db", "ebs", VOLUME))).await.unwrap();
    let key = told.iter().find(|finding| finding.check == "kms-key").unwrap();
    assert_eq!(key.severity, Severity::Blocker, "there is no such key: {told:?}");
    let job = world.backup("op-1", &db());
    let foreseen = provider.foresee(&world.cx(), &JobRequest::Backup(job.clone())).await.unwrap();
    assert!(foreseen.calls.iter().any(|call| call == "CreateBackupVault"), "{foreseen:?}");
    assert_eq!(world.calls("CreateBackupVault"), 0);

    // A lost answer is asked again, and both ask for the same vault.
    world.inject(&json!({"op": "CreateBackupVault", "nth": 1, "fault": {"kind": "cut", "when": "after"}}));
    let lost = provider.start(&world.cx(), &JobRequest::Backup(job.clone())).await.unwrap_err();
    assert_eq!(
        (lost.kind(), lost.effect()),
        (ErrorKind::Unavailable, Effect::NotApplied),
        "no job was started"
    );
    let status = world.run(&provider, job).await;
    assert_eq!(status.state, JobState::Succeeded, "{status:?}");
    let made = vault(&world, NEW);
    assert_eq!((&made["key"], &made["tags"]), (&json!(KEY), &json!({"owner": "ml-team"})));
    let files = world.backup("op-2", &into_new(component("projects", "efs", FILE_SYSTEM)));
    assert_eq!(world.run(&provider, files).await.state, JobState::Succeeded);
    assert_eq!(world.calls("CreateBackupVault"), 1, "the second look saw it");
    assert_eq!(provider.preflight(&world.cx(), &db()).await.unwrap(), []);
    assert_eq!(world.calls("DeleteBackupVault"), 0);
}

#[tokio::test]
async fn a_vault_of_somebody_else_is_taken_as_it_is_even_where_aws_hides_that_it_is_there() {
    let Some(world) = world() else { return };
    let provider = world.provider();
    let into_default = BackupSettings::new(VAULT, ROLE).with_new_vault(new_vault()).on(db());
    let both = [into_default.clone()];
    allow(&world, &PolicyScope::of(&both, [Task::Preflight, Task::Backup]).unwrap());
    let before = vault(&world, VAULT);
    let told = provider.preflight(&world.cx(), &into_default).await.unwrap();
    assert_eq!(
        told.iter().map(|finding| finding.check.as_str()).collect::<Vec<_>>(),
        ["vault-key"],
        "{told:?}"
    );
    let hidden =
        json!({"kind": "error", "code": "AccessDeniedException", "message": "Insufficient privileges"});
    world.inject(&json!({"op": "DescribeBackupVault", "nth": 1, "fault": hidden}));
    let job = world.backup("op-1", &into_default);
    assert_eq!(world.run(&provider, job).await.state, JobState::Succeeded);
    assert_eq!(world.calls("CreateBackupVault"), 1, "which said that it is there already");
    let after = vault(&world, VAULT);
    assert_eq!((&after["key"], &after["tags"]), (&before["key"], &before["tags"]));
}

#[tokio::test]
async fn without_the_word_no_vault_is_made() {
    let Some(world) = world() else { return };
    world.fake().post("set", &json!({"key": "test", "set": {"policies": null}}));
    let source = BackupSettings::new(NEW, ROLE).on(component("db", "ebs", VOLUME));
    let job = JobRequest::Backup(world.backup("op-1", &source));
    let error = world.provider().start(&world.cx(), &job).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let told = world.provider().preflight(&world.cx(), &source).await.unwrap();
    let missing = told.iter().find(|finding| finding.check == "vault-exists").unwrap();
    assert_eq!(missing.severity, Severity::Blocker);
    assert!(missing.message.contains("create_vault"), "{missing:?}");
    assert_eq!(world.calls("CreateBackupVault"), 0);
}

#[tokio::test]
async fn a_copy_makes_the_vault_that_takes_it_in_its_own_account_only() {
    let Some(world) = world() else { return };
    let provider = world.provider();
    let original = world.captured(&component("db", "ebs", VOLUME)).await;
    let place = VaultPlace::new(REGION, NEW);
    let plain = PolicyScope::of(&[component("db", "ebs", VOLUME)], [Task::Copy]).unwrap();
    allow(&world, &plain.with_new_vault(place, None));
    let job = copy(&original, json!({"vault": NEW, "create_vault": true}));
    let foreseen = provider.foresee(&world.cx(), &job).await.unwrap();
    assert!(foreseen.calls.iter().any(|call| call == "CreateBackupVault"), "{foreseen:?}");
    let started = provider.start(&world.cx_of("copy-1"), &job).await.unwrap();
    assert_eq!(world.settle(&provider, &started).await.state, JobState::Succeeded);
    assert_eq!(vault(&world, NEW)["points"].as_object().unwrap().len(), 1);

    let theirs = json!({"vault": NEW, "account": "444455556666", "create_vault": true});
    let there = provider.with_account("444455556666", Arc::new(world.provider()));
    let error = there.start(&world.cx_of("copy-1"), &copy(&original, theirs)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidConfig, "{error}");
    assert_eq!(world.calls("CreateBackupVault"), 1);
}

#[test]
fn a_policy_lets_make_the_vaults_that_are_asked_for_and_no_others() {
    let actions = |scope: &PolicyScope| {
        let document = serde_json::to_value(policy(scope).caller).unwrap();
        let statements = document["Statement"].as_array().unwrap().clone();
        let on = |statement: Value| {
            let actions: BTreeSet<String> = serde_json::from_value(statement["Action"].clone()).unwrap();
            actions.into_iter().map(move |action| (action, statement["Resource"].clone()))
        };
        statements.into_iter().flat_map(on).collect::<Vec<_>>()
    };
    let resource = |scope: &PolicyScope, name: &str| {
        actions(scope).into_iter().find(|(action, _)| action == name).map(|(_, resource)| resource)
    };
    let named = json!([format!("arn:aws:backup:{REGION}:{ACCOUNT}:backup-vault:{NEW}")]);
    let asked = scope(&[Task::Backup]);
    assert_eq!(resource(&asked, "backup:CreateBackupVault"), Some(named));
    assert_eq!(resource(&asked, "kms:CreateGrant"), Some(json!([KEY])));
    assert_eq!(resource(&asked, "backup-storage:MountCapsule"), Some(json!(["*"])));
    let plain = PolicyScope::of(&[component("db", "ebs", VOLUME)], [Task::Backup]).unwrap();
    for unneeded in [plain, scope(&[Task::Preflight, Task::Restore, Task::Delete])] {
        assert_eq!(resource(&unneeded, "backup:CreateBackupVault"), None);
        assert_eq!(resource(&unneeded, "backup-storage:MountCapsule"), None);
    }
    let keyless = scope(&[Task::Copy]).with_new_vault(VaultPlace::new("eu-west-1", "far"), None);
    let vaults = resource(&keyless, "backup:CreateBackupVault").unwrap();
    assert_eq!(vaults.as_array().unwrap().len(), 2, "{vaults}");
}
