//! Role definitions and preflight against the fake's own judgement of every call.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_core::{
    Component, DeleteState, JobRequest, JobState, Provider, Severity, SnapshotQuery, Tags,
};
use stillpoint_provider_azure::managed::{AzureProvider, GroupPlace, PolicyScope, Task, policy};

use crate::fake::{GROUP, PRINCIPAL, RESTORE, SUBSCRIPTION, World, disk, group, scenario};

/// Gives the caller the roles for `tasks`, and nothing more; answers their actions.
pub(crate) fn allow(world: &World, component: &Component, tasks: &[Task]) -> BTreeSet<String> {
    let documents = policy(&PolicyScope::of(std::slice::from_ref(component), tasks.iter().copied()).unwrap());
    let definitions: Vec<_> =
        [&documents.groups, &documents.subscription].into_iter().chain(&documents.vaults).collect();
    let of_scopes = definitions.iter().flat_map(|role| {
        role.assignable_scopes.iter().map(move |scope| json!({"scope": scope, "definition": role}))
    });
    // That volumes join subnets is assigned on these alone.
    let of_subnets =
        documents.subnet_ids.iter().map(|subnet| json!({"scope": subnet, "definition": documents.subnets}));
    let roles: Vec<Value> = of_scopes.chain(of_subnets).collect();
    let definitions = definitions.into_iter().chain(&documents.subnets);
    world.set(&json!({"principal": PRINCIPAL, "set": {"roles": roles}}));
    definitions.flat_map(|role| role.actions.clone()).collect()
}

/// Everything that this provider does.
async fn whole_story(world: &Arc<World>, source: &Component) {
    let provider = world.provider();
    let place = GroupPlace::new(SUBSCRIPTION, GROUP);
    let tags = Tags::from([("workspace".to_owned(), "w1".to_owned())]);
    let found = provider.discover(&world.cx(), &place, &tags).await.unwrap();
    assert_eq!(found.iter().map(|component| component.id.as_str()).collect::<Vec<_>>(), ["db", "models"]);
    let source = provider.record(&world.cx(), source).await.unwrap();
    let findings = provider.preflight(&world.cx(), &source).await.unwrap();
    assert!(findings.iter().all(|finding| finding.severity < Severity::Warning), "{findings:?}");
    provider.estimate(&world.cx(), &source).await.unwrap();
    // An operation is asked about where its snapshot is not shown.
    let failed = json!({"kind": "outcome", "state": "Failed", "code": "InternalServerError", "message": "m"});
    world.inject("compute:snapshots.create_or_update", &failed);
    let request = JobRequest::Backup(world.backup("op-1", &source));
    let status = world.run(&provider, &request).await;
    assert!(matches!(status.state, JobState::Failed(_)), "{status:?}");
    let point = world.captured("op-2", &source).await;
    let copy = JobRequest::Copy(world.copy("copy-1", &point, json!({})));
    let copy = world.run(&provider, &copy).await.snapshot.unwrap();
    let all = provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert!([&point, &copy].into_iter().all(|one| all.iter().any(|info| info.snapshot == *one)), "{all:?}");
    let restore = JobRequest::Restore(world.restore(&point, &source, json!({})));
    let job = world.start(&provider, &restore).await;
    world.advance(60.0);
    let resource = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().restored.unwrap();
    world.set(&json!({"resource": resource.resource, "set": {"tags.keep": null}}));
    assert_eq!(world.settle(&provider, &job).await.state, JobState::Succeeded);
    let cx = world.cx_of(RESTORE);
    provider.finish_restore(&cx, &resource).await.unwrap();
    provider.discard(&cx, &resource).await.unwrap();
    while provider.delete(&world.cx(), &point).await.unwrap() != DeleteState::Gone {
        world.advance(5.0);
    }
}

/// Everything that this provider does with a vault.
async fn vault_story(world: &Arc<World>, source: &Component) {
    let provider = world.provider().looking_in_vaults_of([source]).unwrap();
    let source = provider.record(&world.cx(), source).await.unwrap();
    let findings = provider.preflight(&world.cx(), &source).await.unwrap();
    assert!(findings.iter().all(|finding| finding.severity < Severity::Warning), "{findings:?}");
    // One whose request is asked about, and one that is stopped where that can be.
    world.set(&json!({"rules": {"job.start_delay_seconds": 15, "job.backup_seconds": 40}}));
    let stopped = JobRequest::Backup(world.backup("op-0", &source));
    let job = world.start(&provider, &stopped).await;
    provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    world.advance(16.0);
    provider.cancel(&world.cx(), &job).await.unwrap();
    world.settle(&provider, &job).await;
    let point = world.captured("op-1", &source).await;
    assert!(!provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap().is_empty());
    let restore = JobRequest::Restore(world.restore(&point, &source, json!({})));
    let made = world.run(&provider, &restore).await.restored.unwrap();
    let cx = world.cx_of(RESTORE);
    provider.finish_restore(&cx, &made).await.unwrap();
    provider.discard(&cx, &made).await.unwrap();
    assert!(matches!(provider.delete(&world.cx(), &point).await.unwrap(), DeleteState::Locked { .. }));
}

#[tokio::test]
async fn every_call_to_a_vault_is_in_the_roles_and_nothing_else_is() {
    let Some(world) = World::of(&crate::vaults::scenario(json!({}))) else { return };
    for source in
        [crate::vaults::disk("disk-0"), crate::vaults::files("share-0"), crate::vaults::blobs("blobs-0")]
    {
        world.reset(&crate::vaults::scenario(json!({})));
        let allowed = allow(&world, &source, &Task::ALL);
        vault_story(&world, &source).await;
        needs_exactly(&world, &allowed);
        let findings = world.provider().preflight(&world.cx(), &source).await.unwrap();
        assert!(findings.iter().all(|finding| finding.check != "permissions"), "{findings:?}");
        allow(&world, &source, &[Task::Preflight]);
        let told = checks(&world, &world.provider(), &source).await;
        let (severity, message) = &told["permissions"];
        assert!(*severity == Severity::Blocker && message.contains("backup/action"), "{message}");
    }
}

fn matches(pattern: &str, action: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => action.starts_with(head) && action.ends_with(tail),
        None => pattern.eq_ignore_ascii_case(action),
    }
}

/// All of what is allowed was needed, and nothing else was.
#[track_caller]
fn needs_exactly(world: &World, allowed: &BTreeSet<String>) {
    let used = world.actions();
    let covered = |action: &String| allowed.iter().any(|pattern| matches(pattern, action));
    assert_eq!(used.iter().filter(|action| !covered(action)).collect::<Vec<_>>(), Vec::<&String>::new());
    let needed = |pattern: &String| used.iter().any(|action| matches(pattern, action));
    assert_eq!(allowed.iter().filter(|pattern| !needed(pattern)).collect::<Vec<_>>(), Vec::<&String>::new());
    let journal = world.fake().get("journal");
    let refused =
        |entry: &&Value| entry["outcome"].as_str().is_some_and(|outcome| outcome.contains("Authorization"));
    assert_eq!(journal.as_array().unwrap().iter().filter(refused).count(), 0);
}

#[tokio::test]
async fn every_call_for_shares_and_volumes_is_in_their_roles_and_nothing_else_is() {
    let shares = json!([{"name": "projects", "protocol": "NFS", "quota": 200}]);
    let account = json!({"name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "soft_delete_days": 0,
        "shares": shares});
    let pool = json!({"name": "pool", "size_tib": 8,
        "volumes": [{"name": "home", "size_gib": 100, "backup_vault": "keep"}]});
    let netapp = json!({"name": "anf", "backup_vaults": [{"name": "keep"}], "pools": [pool]});
    let body = group(json!({"storage_accounts": [account], "netapp_accounts": [netapp]}), json!({}));
    let Some(world) = World::of(&body) else { return };
    let projects = crate::stories::projects();
    let allowed = allow(&world, &projects, &Task::ALL);
    files_story(&world, &projects).await;
    needs_exactly(&world, &allowed);

    world.reset(&body);
    let home = crate::volumes::in_vault(crate::volumes::component("home"));
    // The volume itself says which subnet a restore joins, and that right is given on no other.
    let home = world.provider().record(&world.cx(), &home).await.unwrap();
    let allowed = allow(&world, &home, &Task::ALL);
    files_story(&world, &home).await;
    needs_exactly(&world, &allowed);

    // What is missing, and whether it is there at all, is found by name.
    for (source, missing) in
        [(projects, "fileServices/shares/write"), (home, "capacityPools/volumes/snapshots/write")]
    {
        allow(&world, &source, &[Task::Preflight, Task::List]);
        let told = checks(&world, &world.provider(), &source).await;
        assert_eq!(told["permissions"].0, Severity::Blocker, "{told:?}");
        assert!(told["permissions"].1.contains(missing), "{told:?}");
        let mut gone = source.clone();
        gone.resource = format!("{}-gone", source.resource);
        let told = checks(&world, &world.provider(), &gone).await;
        assert_eq!(told["resource-exists"].0, Severity::Blocker, "{told:?}");
    }
}

/// Everything that this provider does with a share or volume.
async fn files_story(world: &Arc<World>, source: &Component) {
    let vault = source.settings.get("backup_vault").and_then(|vault| vault.as_str());
    let places = [Some(source.resource.as_str()), vault].into_iter().flatten();
    let provider = AzureProvider::new("azure".parse().unwrap(), world.connection(), []);
    let provider = provider.looking_in(places).unwrap();
    let source = provider.record(&world.cx(), source).await.unwrap();
    let findings = provider.preflight(&world.cx(), &source).await.unwrap();
    assert!(findings.iter().all(|finding| finding.severity < Severity::Warning), "{findings:?}");
    let volume = source.kind == "netapp-volume";
    if volume {
        // An operation is asked about where its snapshot is not shown.
        let failed =
            json!({"kind": "outcome", "state": "Failed", "code": "InternalServerError", "message": "m"});
        world.inject("netapp:snapshots.create", &failed);
        let request = JobRequest::Backup(world.backup("op-1", &source));
        let status = world.run(&provider, &request).await;
        assert!(matches!(status.state, JobState::Failed(_)), "{status:?}");
    }
    let point = world.captured("op-2", &source).await;
    let all = provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert!(all.iter().any(|info| info.snapshot == point), "{all:?}");
    provider.open(&world.cx(), &point).await.unwrap();
    let cx = world.cx_of(RESTORE);
    if volume {
        let restore = JobRequest::Restore(world.restore(&point, &source, json!({})));
        let job = world.start(&provider, &restore).await;
        world.advance(60.0);
        let resource = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().restored.unwrap();
        world.set(&json!({"resource": resource.resource, "set": {"tags.keep": null}}));
        assert_eq!(world.settle(&provider, &job).await.state, JobState::Succeeded);
        provider.finish_restore(&cx, &resource).await.unwrap();
        provider.discard(&cx, &resource).await.unwrap();
        world.advance(60.0);
    }
    let empty = world.restore(&point, &source, json!({}));
    let made = loop {
        match provider.make_empty(&cx, &empty).await {
            Err(error) if error.kind() == stillpoint_core::ErrorKind::Unavailable => world.advance(30.0),
            other => break other.unwrap(),
        }
    };
    let there = world.resource(&made.resource);
    assert_eq!(there["hidden"]["content"].as_str().map(|text| text.starts_with("empty")), Some(true));
    assert_eq!(provider.make_empty(&cx, &empty).await.unwrap(), made, "the same job makes one");
    let taken = world.restore(&point, &source, json!({"resource": source.resource}));
    let refused = provider.make_empty(&cx, &taken).await.unwrap_err();
    assert_eq!(refused.kind(), stillpoint_core::ErrorKind::AlreadyExists);
    let other = provider.discard(&world.cx_of("restore-9"), &made).await.unwrap_err();
    assert_eq!(other.kind(), stillpoint_core::ErrorKind::PermissionDenied, "it is another restore's");
    provider.discard(&cx, &made).await.unwrap();
    world.advance(60.0);
    assert_eq!(world.resource(&made.resource), Value::Null);
    while provider.delete(&world.cx(), &point).await.unwrap() != DeleteState::Gone {
        world.advance(5.0);
    }
}

#[tokio::test]
async fn every_call_is_in_the_roles_and_nothing_else_is() {
    let Some(world) = World::named("workspace") else { return };
    let allowed = allow(&world, &disk("db"), &Task::ALL);
    whole_story(&world, &disk("db")).await;
    needs_exactly(&world, &allowed);

    // Who may only look changes nothing, and is told which role is missing.
    allow(&world, &disk("models"), &[Task::Preflight, Task::List]);
    let told = checks(&world, &world.provider(), &disk("models")).await;
    assert_eq!(told["permissions"].0, Severity::Blocker);
    assert!(told["permissions"].1.contains("Microsoft.Compute/snapshots/write"), "{told:?}");
    let request = JobRequest::Backup(world.backup("op-3", &disk("models")));
    let error = world.provider().start(&world.cx_of("op-3"), &request).await.unwrap_err();
    assert_eq!(error.kind(), stillpoint_core::ErrorKind::PermissionDenied);
}

async fn checks(
    world: &Arc<World>,
    provider: &AzureProvider,
    component: &Component,
) -> BTreeMap<String, (Severity, String)> {
    let findings = provider.preflight(&world.cx(), component).await.unwrap();
    findings.into_iter().map(|finding| (finding.check, (finding.severity, finding.message))).collect()
}

#[tokio::test]
async fn what_would_make_a_backup_fail_is_found_by_name() {
    let mut body = scenario("locked");
    body["clock"] = json!({"skew": 120});
    body["rules"] = json!({"snapshot.seconds": 1});
    let Some(world) = World::of(&body) else { return };
    let provider = world.provider();
    let source = disk("db");
    let of = |told: &BTreeMap<String, (Severity, String)>, check: &str| {
        told.get(check).map(|(severity, _)| *severity)
    };

    let told = checks(&world, &provider, &source).await;
    assert_eq!(of(&told, "locks"), Some(Severity::Warning), "{told:?}");
    assert_eq!(of(&told, "clock"), Some(Severity::Warning), "{told:?}");
    assert!(told.values().all(|(severity, _)| *severity < Severity::Blocker), "{told:?}");

    let elsewhere = source
        .clone()
        .with_setting("region", "northeurope")
        .with_setting("snapshot_resource_group", "nowhere");
    let told = checks(&world, &provider, &elsewhere).await;
    assert_eq!(
        (of(&told, "region"), of(&told, "resource-group")),
        (Some(Severity::Blocker), Some(Severity::Blocker))
    );

    for at in 0..7 {
        world.start(&provider, &JobRequest::Backup(world.backup(&format!("op-{at}"), &source))).await;
    }
    let told = checks(&world, &provider, &source).await;
    assert_eq!(of(&told, "disk-limits"), Some(Severity::Warning), "{told:?}");

    world.set(&json!({"subscription": SUBSCRIPTION, "set": {"state": "Disabled", "unregistered": ["Microsoft.Compute"]}}));
    let told = checks(&world, &provider, &source).await;
    assert_eq!(of(&told, "subscription"), Some(Severity::Blocker), "{told:?}");
    assert_eq!(of(&told, "provider-registered"), Some(Severity::Blocker), "{told:?}");

    world.reset(&group(json!({"disks": []}), json!({})));
    world.inject("token.imds", &json!({"kind": "http", "status": 400}));
    let told = checks(&world, &world.provider(), &source).await;
    assert_eq!(of(&told, "credentials"), Some(Severity::Blocker), "{told:?}");
    let nfs = Component::new("n".parse().unwrap(), "nfs", "azure".parse().unwrap(), "server:/x");
    assert_eq!(of(&checks(&world, &world.provider(), &nfs).await, "settings"), Some(Severity::Blocker));
}
