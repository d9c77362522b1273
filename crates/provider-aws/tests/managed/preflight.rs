//! The preflight on the fake AWS: each check by its name, and none that stops the others.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

use std::sync::Arc;

use crate::fake::{ACCOUNT, FILE_SYSTEM, REGION, VOLUME, World, component, scenario};
use serde_json::{Value, json};
use stillpoint_core::{Component, Finding, Provider, Severity};

async fn findings(world: &Arc<World>, component: &Component) -> Vec<Finding> {
    world.provider().preflight(&world.cx(), component).await.unwrap()
}

fn named<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings
        .iter()
        .find(|finding| finding.check == check)
        .unwrap_or_else(|| panic!("no {check}: {findings:?}"))
}

fn projects() -> Component {
    component("projects", "efs", FILE_SYSTEM)
}

fn db() -> Component {
    component("db", "ebs", VOLUME)
}

/// The workspace scenario with its region changed.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut body = scenario("workspace");
    change(&mut body["accounts"][ACCOUNT]["regions"][REGION]);
    body
}

#[tokio::test]
async fn nothing_is_found_where_nothing_is_wrong_and_nothing_is_changed() {
    let Some(world) = World::named("workspace") else { return };
    for component in [db(), projects()] {
        assert_eq!(findings(&world, &component).await, []);
    }
    let journal = world.fake().get("journal");
    let operations: Vec<_> =
        journal.as_array().unwrap().iter().map(|entry| entry["operation"].clone()).collect();
    let reads = ["Describe", "List", "Get", "Simulate"];
    let reads = |name: &Value| reads.iter().any(|word| name.as_str().unwrap().starts_with(word));
    assert!(operations.iter().all(reads), "{operations:?}");
}

#[tokio::test]
async fn an_opt_out_is_a_blocker_for_its_kind_only() {
    let Some(world) = World::named("opted-out") else { return };
    let found = findings(&world, &projects()).await;
    assert_eq!(named(&found, "service-opt-in").severity, Severity::Blocker);
    assert!(named(&found, "service-opt-in").message.contains("EFS"));
    assert_eq!(findings(&world, &db()).await, []);
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let Some(world) = World::named("workspace") else { return };
    let mut elsewhere = db();
    elsewhere.settings.insert("vault".into(), "no-such-vault".into());
    elsewhere
        .settings
        .insert("role_arn".into(), format!("arn:aws:iam::{ACCOUNT}:role/no-such-AWSBackup").into());
    let found = findings(&world, &elsewhere).await;
    // The policy of the test does not cover the other role, and the vault neither.
    for check in ["role", "vault-exists"] {
        assert!(!named(&found, check).message.is_empty());
    }
    let arn = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-0123");
    let found = findings(&world, &component("db", "ebs", &arn)).await;
    assert_eq!(named(&found, "resource-exists").severity, Severity::Blocker);
    let found =
        findings(&world, &Component::new("db".parse().unwrap(), "ebs", "aws".parse().unwrap(), VOLUME)).await;
    assert_eq!(named(&found, "settings").severity, Severity::Blocker);
}

#[tokio::test]
async fn missing_vaults_and_roles_are_blockers_for_who_may_look() {
    let Some(world) = World::named("workspace") else { return };
    world.fake().post("set", &json!({"key": "test", "set": {"policies": null}}));
    let mut elsewhere = db();
    elsewhere.settings.insert("vault".into(), "no-such-vault".into());
    elsewhere.settings.insert("role_arn".into(), format!("arn:aws:iam::{ACCOUNT}:role/no-such").into());
    let found = findings(&world, &elsewhere).await;
    for check in ["role", "vault-exists"] {
        assert_eq!(named(&found, check).severity, Severity::Blocker, "{found:?}");
    }
}

#[tokio::test]
async fn a_lock_says_what_it_demands() {
    let Some(world) = World::named("locked-vault") else { return };
    let lock = named(&findings(&world, &db()).await, "vault-lock").clone();
    assert_eq!(lock.severity, Severity::Warning, "it refuses a backup that is kept for ever");
    assert!(lock.message.contains("at least 7 days") && lock.message.contains("at most 30 days"), "{lock:?}");
}

#[tokio::test]
async fn a_retention_that_the_lock_refuses_stands_against_a_backup_before_anything_is_stopped() {
    let Some(world) = World::named("locked-vault") else { return };
    let day = std::time::Duration::from_secs(24 * 3600);
    for (retain, refused) in
        [(None, true), (Some(day * 3), true), (Some(day * 7), false), (Some(day * 31), true)]
    {
        let found = world.provider().preflight_retention(&world.cx(), &db(), retain).await.unwrap();
        let blocks =
            |finding: &Finding| finding.check == "vault-retention" && finding.severity == Severity::Blocker;
        assert_eq!(found.iter().any(blocks), refused, "{retain:?}: {found:?}");
    }
    let open = World::named("locked-vault").unwrap();
    let mut elsewhere = db();
    elsewhere.settings.insert("vault".into(), "no-such-vault".into());
    let found = open.provider().preflight_retention(&open.cx(), &elsewhere, None).await.unwrap();
    assert!(found.is_empty(), "another check tells of that: {found:?}");
}

#[tokio::test]
async fn who_else_uses_the_resource_is_said() {
    let Some(world) = World::named("busy") else { return };
    world.advance(60.0);
    let busy = named(&findings(&world, &projects()).await, "resource-busy").clone();
    assert_eq!(busy.severity, Severity::Warning);
    assert!(busy.message.contains("foreign"), "{busy:?}");
    let Some(world) = World::named("automatic-backups") else { return };
    let found = findings(&world, &projects()).await;
    assert_eq!(named(&found, "automatic-backups").severity, Severity::Warning);
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_a_blocker() {
    let volume = json!({"id": "vol-00000000000000001", "encrypted": true, "kms_key": "k-1"});
    let body = changed(|region| {
        region["volumes"] = json!([volume]);
        region["vaults"] = json!({"Default": {"key": format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/k-1")}});
        region["keys"] = json!({"k-1": {"state": "PendingDeletion"}});
    });
    let Some(world) = World::of(&body) else { return };
    for component in [db(), projects()] {
        let key = named(&findings(&world, &component).await, "kms-key").clone();
        assert_eq!(key.severity, Severity::Blocker);
        assert!(key.message.contains("PendingDeletion"), "{key:?}");
    }
}

#[tokio::test]
async fn credentials_of_another_account_are_a_blocker() {
    let mut body = scenario("two-regions-two-accounts");
    body["accounts"]["444455556666"]["regions"][REGION]["volumes"] = json!([{"id": "vol-00000000000000001"}]);
    let Some(world) = World::of(&body) else { return };
    let arn = format!("arn:aws:ec2:{REGION}:444455556666:volume/vol-00000000000000001");
    let found = findings(&world, &component("db", "ebs", &arn)).await;
    let accounts: Vec<_> = found.iter().filter(|finding| finding.check == "account").collect();
    assert_eq!(accounts.len(), 2, "the caller's and the role's: {found:?}");
    assert!(accounts.iter().all(|finding| finding.severity == Severity::Blocker));
}

#[tokio::test]
async fn credentials_that_aws_does_not_know_are_a_blocker() {
    let Some(world) = World::named("expiring-session") else { return };
    // Its credentials have a session that this connection lacks.
    let found = findings(&world, &db()).await;
    assert_eq!(named(&found, "credentials").severity, Severity::Blocker);
}

#[tokio::test]
async fn missing_rights_are_findings_and_the_other_checks_go_on() {
    let Some(world) = World::named("locked-vault") else { return };
    let denied = [
        "backup:DescribeRegionSettings",
        "iam:GetRole",
        "elasticfilesystem:DescribeBackupPolicy",
        "backup:ListBackupJobs",
        "kms:DescribeKey",
    ];
    world.fake().post("set", &json!({"key": "test", "set": {"deny": denied}}));
    let found = findings(&world, &projects()).await;
    for check in ["service-opt-in", "role", "automatic-backups", "resource-busy", "kms-key"] {
        let finding = named(&found, check);
        assert_eq!(finding.severity, Severity::Warning, "{finding:?}");
        assert!(finding.message.contains("needs permission"), "{finding:?}");
    }
    assert!(
        named(&found, "permissions").message.contains("backup:ListBackupJobs"),
        "the simulator says it, too"
    );
    assert_eq!(named(&found, "vault-lock").severity, Severity::Warning, "what can be looked at, is");
}

#[tokio::test]
async fn a_role_that_may_not_be_passed_is_a_blocker() {
    let Some(world) = World::named("workspace") else { return };
    world.fake().post("set", &json!({"key": "test", "set": {"deny": ["iam:PassRole"]}}));
    assert_eq!(named(&findings(&world, &db()).await, "pass-role").severity, Severity::Blocker);
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_before_aws_refuses_every_call() {
    let mut body = scenario("workspace");
    body["clock"] = json!({"skew": 120});
    let Some(world) = World::of(&body) else { return };
    let clock = named(&findings(&world, &db()).await, "clock").clone();
    assert_eq!(clock.severity, Severity::Warning);
    assert!(clock.message.contains("seconds off"), "{clock:?}");
}

#[tokio::test]
async fn tags_must_fit_beside_the_resources_own() {
    let tags = |count: usize| {
        (0..count).map(|at| (format!("t{at:02}"), json!("v"))).collect::<serde_json::Map<_, _>>()
    };
    for (count, severity) in [(41, Severity::Warning), (45, Severity::Blocker)] {
        let volume = json!({"id": "vol-00000000000000001", "tags": tags(count)});
        let Some(world) = World::of(&changed(|region| region["volumes"] = json!([volume]))) else { return };
        assert_eq!(named(&findings(&world, &db()).await, "tags").severity, severity, "{count}");
    }
    let Some(world) = World::named("workspace") else { return };
    let found = findings(&world, &component(&"d".repeat(300), "ebs", VOLUME)).await;
    assert_eq!(named(&found, "tags").severity, Severity::Warning);
}

#[tokio::test]
async fn what_passes_by_itself_is_left_to_the_retry_layer() {
    let Some(world) = World::named("throttle-storm") else { return };
    let error = world.provider().preflight(&world.cx(), &db()).await.unwrap_err();
    assert_eq!(error.kind(), stillpoint_core::ErrorKind::RateLimited, "{error}");
}
