//! The policy against the fake AWS's own judgement of every call.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fake::{FILE_SYSTEM, REGION, VOLUME, World, component, scenario};
use serde_json::{Value, json};
use stillpoint_core::{Component, DeleteState, JobRequest, Provider, SnapshotQuery, Tags};
use stillpoint_provider_aws::managed::{BackupSettings, NewVault, PolicyScope, Task, policy};

/// The tasks of this half of the provider.
const TASKS: [Task; 5] = [Task::Discover, Task::Preflight, Task::Backup, Task::List, Task::Delete];
/// No policy can deny it.
const ALWAYS_ALLOWED: &str = "sts:GetCallerIdentity";

fn actions(document: &Value) -> BTreeSet<String> {
    let statements = document["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// Everything that this half can do, on a volume and a file system.
async fn whole_story(world: &std::sync::Arc<World>) {
    let provider = world.provider();
    let tags = Tags::from([("workspace".to_owned(), "w1".to_owned())]);
    provider.discover(&world.cx(), REGION, &tags).await.unwrap();
    for (id, kind, resource) in [("db", "ebs", VOLUME), ("projects", "efs", FILE_SYSTEM)] {
        let source = component(id, kind, resource);
        provider.record(&world.cx(), &source).await.unwrap();
        provider.preflight(&world.cx(), &source).await.unwrap();
        provider.estimate(&world.cx(), &source).await.unwrap();
        let stopped = world.backup("op-1", &source);
        let stopped = provider.start(&world.cx(), &JobRequest::Backup(stopped)).await.unwrap();
        world.advance(90.0);
        provider.cancel(&world.cx(), &stopped).await.unwrap();
        world.settle(&provider, &stopped).await;
        let job = world.backup("op-2", &source);
        let status = world.run(&provider, job.clone()).await;
        provider.find(&world.cx(), &JobRequest::Backup(job.clone()), job.created_at).await.unwrap();
        let point = status.snapshot.unwrap();
        let found = provider.snapshots(&world.cx(), &SnapshotQuery::of_backup(job.backup)).await.unwrap();
        assert!(found.iter().any(|info| info.snapshot == point), "{found:?}");
        let later = world.now().after(Duration::from_secs(30 * 24 * 3600));
        provider.keep(&world.cx(), &point, Some(later)).await.unwrap();
        let hold =
            world.fake().post("set", &json!({"hold": {"title": "h", "vaults": ["Default"]}}))["id"].clone();
        let held = provider.delete(&world.cx(), &point).await.unwrap();
        assert!(matches!(held, DeleteState::Locked { .. }), "{held:?}");
        world.fake().post("set", &json!({"hold": hold, "set": {"status": "CANCELED"}}));
        world.fake().post("set", &json!({"vault": "Default", "set": {"deny_delete": true}}));
        let denied = provider.delete(&world.cx(), &point).await.unwrap();
        assert!(matches!(denied, DeleteState::Locked { .. }), "{denied:?}");
        world.fake().post("set", &json!({"vault": "Default", "set": {"deny_delete": false}}));
        while provider.delete(&world.cx(), &point).await.unwrap() != DeleteState::Gone {
            world.advance(30.0);
        }
    }
}

#[tokio::test]
async fn every_call_is_in_the_policy_and_nothing_else_is() {
    let mut body = scenario("workspace");
    let volume = &mut body["accounts"]["111122223333"]["regions"][REGION]["volumes"][0];
    volume["encrypted"] = true.into();
    volume["kms_key"] = "00000000-0000-4000-8000-00000000000a".into();
    let Some(world) = World::of(&body) else { return };
    let document = world.allow(&TASKS);
    whole_story(&world).await;
    let mut used = world.actions();
    used.remove(ALWAYS_ALLOWED);
    assert_eq!(used, actions(&document));
    let journal = world.fake().get("journal");
    let refused: Vec<_> = journal
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["outcome"].as_str().is_some_and(|outcome| outcome.contains("Unauthorized")))
        .collect();
    assert_eq!(refused, Vec::<&Value>::new());
}

#[tokio::test]
async fn a_policy_for_one_vault_opens_no_other() {
    let mut body = scenario("workspace");
    body["accounts"]["111122223333"]["regions"][REGION]["vaults"] = json!({"Default": {}, "other": {}});
    let Some(world) = World::of(&body) else { return };
    world.allow(&[Task::Backup]);
    let mut source = component("db", "ebs", VOLUME);
    source.settings.insert("vault".into(), "other".into());
    let job = world.backup("op-1", &source);
    let error = world.provider().start(&world.cx(), &JobRequest::Backup(job)).await.unwrap_err();
    assert_eq!(error.kind(), stillpoint_core::ErrorKind::PermissionDenied, "{error}");
    let job = world.backup("op-1", &component("db", "ebs", VOLUME));
    let job = world.provider().start(&world.cx(), &JobRequest::Backup(job)).await.unwrap();
    world.provider().poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
}

#[test]
fn a_document_is_what_iam_takes_and_names_no_more_than_the_tasks_need() {
    let volume = [component("db", "ebs", VOLUME)];
    let document = |tasks: &[Task]| {
        let scope = PolicyScope::of(&volume, tasks.iter().copied()).unwrap();
        serde_json::to_value(policy(&scope)).unwrap()
    };
    let backup = document(&[Task::Backup]);
    assert_eq!(backup["caller"]["Version"], "2012-10-17");
    let statements = backup["caller"]["Statement"].as_array().unwrap();
    let of = |action: &str| {
        let has = |statement: &&Value| statement["Action"].as_array().unwrap().contains(&action.into());
        statements.iter().find(has).unwrap()
    };
    let passed = of("iam:PassRole");
    assert_eq!(passed["Condition"]["StringEquals"]["iam:PassedToService"], "backup.amazonaws.com");
    assert_eq!(passed["Resource"], json!([crate::fake::ROLE]));
    let vault = format!("arn:aws:backup:{REGION}:111122223333:backup-vault:Default");
    assert_eq!(of("backup:StartBackupJob")["Resource"], json!([vault]));
    assert_eq!(of("backup:DescribeRecoveryPoint")["Resource"], json!(["arn:aws:ec2:us-east-1::snapshot/*"]));
    let anything = statements.iter().filter(|statement| statement["Resource"] == json!(["*"]));
    let unscoped: Vec<_> =
        anything.flat_map(|statement| statement["Action"].as_array().unwrap().clone()).collect();
    let cannot_be_scoped =
        ["ec2:Describe", "backup:List", "backup:DescribeBackupJob", "backup:StopBackupJob"];
    for action in &unscoped {
        assert!(cannot_be_scoped.iter().any(|known| action.as_str().unwrap().starts_with(known)), "{action}");
    }
    for tasks in [&[Task::Backup][..], &[Task::List], &[Task::Delete], &[Task::Preflight], &[Task::Discover]]
    {
        let these = actions(&document(tasks)["caller"]);
        assert!(these.iter().all(|action| !action.contains('*')), "{these:?}");
        assert_eq!(these.contains("backup:DeleteRecoveryPoint"), tasks == [Task::Delete]);
        assert!(
            !these.iter().any(|action| action.starts_with("elasticfilesystem:")),
            "no file system: {these:?}"
        );
    }
    let role = &backup["role"];
    assert_eq!(role["trust"]["Statement"][0]["Principal"]["Service"], "backup.amazonaws.com");
    assert_eq!(role["trust"]["Statement"][0].get("Resource"), None);
    assert_eq!(
        role["managed_policies"],
        json!(["arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"])
    );
}

#[test]
fn what_deletes_asks_for_our_mark_wherever_iam_can_see_it() {
    let both = [component("db", "ebs", VOLUME), component("projects", "efs", FILE_SYSTEM)];
    let scope = PolicyScope::of(&both, [Task::Delete, Task::Restore]).unwrap();
    let caller = serde_json::to_value(policy(&scope).caller).unwrap();
    let statements = caller["Statement"].as_array().unwrap();
    let mut without = BTreeSet::new();
    for statement in statements {
        let actions = statement["Action"].as_array().unwrap().iter().map(|action| action.as_str().unwrap());
        let deletes = actions.filter(|action| action.contains(":Delete") && !action.contains("Tags"));
        let asked = statement["Condition"]["StringLike"].as_object();
        let ours = |key: &String| key.starts_with("aws:ResourceTag/stillpoint:");
        if !asked.is_some_and(|asked| asked.keys().all(ours)) {
            without.extend(deletes.map(|action| (action.to_owned(), statement["Resource"].to_string())));
        }
    }
    let snapshots = r#"["arn:aws:ec2:us-east-1::snapshot/*"]"#.to_owned();
    let of_the_target = ("ec2:DeleteNetworkInterface".to_owned(), r#"["*"]"#.to_owned());
    assert_eq!(without, [("backup:DeleteRecoveryPoint".to_owned(), snapshots), of_the_target].into());
}

#[test]
fn a_policy_asks_about_the_keys_that_are_named_and_about_all_where_one_is_not() {
    let asked = |components: &[Component]| {
        let scope = PolicyScope::of(components, [Task::Preflight]).unwrap();
        let document = serde_json::to_value(policy(&scope).caller).unwrap();
        let statements = document["Statement"].as_array().unwrap().clone();
        let asks =
            |statement: &Value| statement["Action"].as_array().unwrap().contains(&"kms:DescribeKey".into());
        statements.iter().find(|one| asks(one)).map(|statement| statement["Resource"].clone())
    };
    let key = |id: &str| format!("arn:aws:kms:us-east-1:111122223333:key/{id}");
    let volume = |name: &str, value: Value| component("db", "ebs", VOLUME).with_setting(name, value);
    let files = component("projects", "efs", FILE_SYSTEM);
    let into =
        |key: &str| BackupSettings::of(&files).unwrap().with_new_vault(NewVault::new().with_kms_key(key));
    assert_eq!(asked(&[volume("kms_key_id", key("k-1").into())]), Some(json!([key("k-1")])));
    assert_eq!(asked(&[volume("kms_key_id", "k-1".into())]), Some(json!([key("k-1")])));
    assert_eq!(asked(&[volume("encrypted", false.into())]), None);
    let both = [volume("kms_key_id", key("k-1").into()), into(&key("k-2")).on(files.clone())];
    assert_eq!(asked(&both), Some(json!([key("k-1"), key("k-2")])));
    for unknown in
        [volume("encrypted", true.into()), volume("kms_key_id", "alias/mine".into()), files.clone()]
    {
        assert_eq!(asked(&[unknown]), Some(json!([key("*")])));
    }
}

#[test]
fn a_scope_over_two_accounts_or_over_nothing_is_refused() {
    let other = component("x", "ebs", "arn:aws:ec2:us-east-1:444455556666:volume/vol-1");
    let nfs = component("x", "nfs", "nfs.example.com:/export");
    for components in [vec![component("db", "ebs", VOLUME), other], vec![nfs], Vec::new()] {
        let error = PolicyScope::of(&components, [Task::Backup]).unwrap_err();
        assert_eq!(error.kind(), stillpoint_core::ErrorKind::InvalidConfig, "{error}");
    }
}
