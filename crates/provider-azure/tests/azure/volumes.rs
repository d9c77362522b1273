//! Stories of NetApp volumes, and the provider suite on their snapshots.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stillpoint_conformance::{provider as contract, provider_checks_in_turn};
use stillpoint_core::{
    Component, DeleteState, ErrorKind, JobRequest, JobState, Provider, SnapshotQuery, SnapshotRef,
};
use stillpoint_provider_azure::managed::{AzureProvider, BACKUP_VAULT};

use crate::fake::{GROUP, SUBSCRIPTION, World, group};
use crate::suite::{Ended, Sources, Suite};

const SOURCES: usize = 8;

fn account() -> String {
    format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.NetApp/netAppAccounts/anf"
    )
}

fn volume(name: &str) -> String {
    format!("{}/capacityPools/pool/volumes/{name}", account())
}

pub(crate) fn component(name: &str) -> Component {
    Component::new(name.parse().unwrap(), "netapp-volume", "azure".parse().unwrap(), volume(name))
}

pub(crate) fn in_vault(component: Component) -> Component {
    component.with_setting(BACKUP_VAULT, format!("{}/backupVaults/keep", account()))
}

pub(crate) fn scenario(rules: Value) -> Value {
    let volumes: Vec<_> = (0..SOURCES)
        .map(|at| json!({"name": format!("volume-{at}"), "size_gib": 100, "backup_vault": "keep"}))
        .collect();
    let pools = json!([{"name": "pool", "size_tib": 8, "volumes": volumes}]);
    let account = json!({"name": "anf", "backup_vaults": [{"name": "keep"}], "pools": pools});
    group(json!({"location": "westeurope", "netapp_accounts": [account]}), rules)
}

fn provider(world: &World) -> AzureProvider {
    let places = (0..SOURCES).map(|at| volume(&format!("volume-{at}")));
    world.provider().looking_in(places.chain([format!("{}/backupVaults/keep", account())])).unwrap()
}

fn sources() -> Sources {
    Sources {
        name: "volume",
        count: SOURCES,
        scenario: || scenario(json!({})),
        component,
        provider,
        destination: json!({"pool": "pool"}),
        restores: true,
        taken: str::to_owned,
    }
}

#[tokio::test]
async fn volumes_keep_the_contract_of_providers() -> Ended {
    let Some(suite) = Suite::of(sources()) else { return Ok(()) };
    let again = || suite.again();
    let left_out = ["a_job_says_when_its_content_was_captured", "a_copy_is_made_as_the_capability_says"];
    provider_checks_in_turn! { suite, again, left_out };
    // What the vault changes: what is listed, what goes along, and what is restored from.
    let suite = suite.with(Sources { component: |name| in_vault(component(name)), ..sources() });
    contract::snapshots_are_found_by_what_is_written_on_them(&suite).await?;
    suite.again();
    contract::a_deleted_snapshot_is_gone_and_stays_gone(&suite).await?;
    suite.again();
    contract::a_restore_brings_back_what_was_captured(&suite).await?;
    Ok(())
}

#[tokio::test]
async fn a_volume_is_captured_at_once_backed_up_in_its_turn_and_restored_by_its_backup() {
    let Some(world) = World::of(&scenario(json!({"netapp.snapshot_maximum": 3}))) else { return };
    let provider = provider(&world);
    let home = in_vault(component("volume-0"));
    let request = JobRequest::Backup(world.backup("op-1", &home));
    world.inject("netapp:snapshots.create", &json!({"kind": "cut", "when": "after"}));
    let lost = provider.start(&world.cx_of("op-1"), &request).await.unwrap_err();
    assert_eq!(lost.effect(), stillpoint_core::Effect::MaybeApplied);
    let job = provider.find(&world.cx(), &request, world.now()).await.unwrap()[0].job.clone();
    assert_eq!(world.start(&provider, &request).await, job);
    // Somebody else's backup of the volume runs first; the moment of ours is known all the same.
    let vault = format!("{}/backupVaults/keep", account());
    world.advance(10.0);
    world.inject(
        "netapp:backups.create",
        &json!({"kind": "error", "code": "Conflict", "status": 409, "message": "busy"}),
    );
    let waiting = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    assert_eq!(waiting.state, JobState::Running);
    assert!(waiting.captured.is_some() && waiting.warnings[0].contains("waits"), "{waiting:?}");
    provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    world.advance(20.0);
    let running = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap();
    let (done, total) = (running.progress.bytes_done, running.progress.bytes_total.unwrap());
    assert!(done > 0 && done < total, "{running:?}");
    let status = world.settle(&provider, &job).await;
    assert_eq!(
        (status.state, world.count("backups"), world.calls("backups.create")),
        (JobState::Succeeded, 1, 2)
    );
    let point = status.snapshot.unwrap();
    assert!(point.id.as_str().starts_with(&vault), "{point:?}");

    restored(&world, &provider, &point).await;
    limited(&world, &provider).await;
    deleted(&world, &provider, &point).await;
}

/// A new volume is not done before all of its data has arrived, and what somebody takes off it comes back.
async fn restored(world: &Arc<World>, provider: &AzureProvider, point: &SnapshotRef) {
    let home = in_vault(component("volume-0"));
    let restore = JobRequest::Restore(world.restore(point, &home, json!({"size_gib": 200})));
    let job = world.start(provider, &restore).await;
    let made = provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().restored.unwrap();
    world.advance(70.0);
    let there = world.resource(&made.resource);
    assert_eq!(there["properties"]["provisioningState"], "Succeeded");
    assert_eq!(provider.poll(&world.cx(), &job, Duration::ZERO).await.unwrap().state, JobState::Running);
    world.set(&json!({"resource": made.resource, "set": {"tags.keep": null}}));
    let status = world.settle(provider, &job).await;
    assert_eq!(status.state, JobState::Succeeded);
    assert!(status.warnings[0].contains("keep"), "{status:?}");
    world.advance(60.0);
    let there = world.resource(&made.resource);
    assert_eq!(
        (&there["tags"]["keep"], &there["properties"]["usageThreshold"]),
        (&json!("yes"), &json!(200_u64 << 30))
    );
    assert_eq!(there["hidden"]["content"], world.resource(&home.resource)["hidden"]["content"]);

    // A restore that Azure gives up says why.
    world.fake().post("inject", &json!({"op": "RestoreJob", "fault": {"kind": "outcome", "state": "Failed", "message": "the vault is on fire"}}));
    let mut again = world.restore(point, &home, json!({"name": "again"}));
    again.key = stillpoint_core::JobKey::new("restore-2".parse().unwrap(), home.id.clone(), 1);
    let status = world.run(provider, &JobRequest::Restore(again)).await;
    let JobState::Failed(error) = status.state else { panic!("{status:?}") };
    assert!(error.message.contains("on fire"), "{error:?}");
}

/// The quota is told as what it is.
async fn limited(world: &Arc<World>, provider: &AzureProvider) {
    for operation in ["op-2", "op-3"] {
        let plain = JobRequest::Backup(world.backup(operation, &component("volume-0")));
        let status = world.run(provider, &plain).await;
        assert!(status.captured.is_some_and(|window| window.from == window.to), "{status:?}");
    }
    let full = JobRequest::Backup(world.backup("op-4", &component("volume-0")));
    let error = provider.start(&world.cx_of("op-4"), &full).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert!(error.to_string().contains("255"), "{error}");
    let findings = provider.preflight(&world.cx(), &component("volume-0")).await.unwrap();
    assert_eq!(findings, [], "three of 255 are few");
}

/// Deleted is what is read back as gone, with the snapshot that it came from.
async fn deleted(world: &Arc<World>, provider: &AzureProvider, point: &SnapshotRef) {
    world.inject(
        "netapp:backups.delete",
        &json!({"kind": "error", "code": "ScopeLocked", "status": 409, "message": "locked"}),
    );
    let mut states = Vec::new();
    for _ in 0..20 {
        states.push(provider.delete(&world.cx(), point).await.unwrap());
        if states.last() == Some(&DeleteState::Gone) {
            break;
        }
        world.advance(10.0);
    }
    assert!(states.iter().any(|state| matches!(state, DeleteState::Locked { .. })), "{states:?}");
    assert_eq!(states.last(), Some(&DeleteState::Gone), "{states:?}");
    assert_eq!((world.count("backups"), world.count("snapshots")), (0, 2));
    let all = provider.snapshots(&world.cx(), &SnapshotQuery::all()).await.unwrap();
    assert_eq!(all.len(), 2, "{all:?}");
}
