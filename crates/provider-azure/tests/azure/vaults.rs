//! The provider suite on disks and SMB shares that go through a vault, and what both kinds of vaults have in common.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use serde_json::{Value, json};
use stillpoint_conformance::provider_checks_in_turn;
use stillpoint_core::Component;
use stillpoint_provider_azure::managed::{AzureProvider, STORAGE_ACCOUNT, VAULT};

use crate::fake::{GROUP, SUBSCRIPTION, World, compute, group};
use crate::suite::{Ended, Sources, Suite};

const SOURCES: usize = 3;

fn in_group(path: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/{path}")
}

pub(crate) fn share(name: &str) -> String {
    in_group(&format!("Microsoft.Storage/storageAccounts/files/fileServices/default/shares/{name}"))
}

/// What the vault of disks knows of one.
pub(crate) fn instance(name: &str) -> String {
    in_group(&format!("Microsoft.DataProtection/backupVaults/keep/backupInstances/{name}"))
}

/// What the vault of shares knows of one.
pub(crate) fn item(name: &str) -> String {
    let container = format!("StorageContainer;Storage;{GROUP};files");
    in_group(&format!(
        "Microsoft.RecoveryServices/vaults/keep/backupFabrics/Azure/protectionContainers/{container}/protectedItems/\
         AzureFileShare;{name}"
    ))
}

/// A disk of the scenario that goes through its vault.
pub(crate) fn disk(name: &str) -> Component {
    of("disk", name, compute("disks", name))
}

/// A share of the scenario that goes through its vault.
pub(crate) fn files(name: &str) -> Component {
    of("file-share", name, share(name))
}

/// A container of an account.
pub(crate) fn container(account: &str, name: &str) -> String {
    in_group(&format!("Microsoft.Storage/storageAccounts/{account}/blobServices/default/containers/{name}"))
}

/// A container of the scenario that goes through its vault, and comes back in another account.
pub(crate) fn blobs(name: &str) -> Component {
    of("blob-container", name, container("blobs", name))
        .with_setting(STORAGE_ACCOUNT, in_group("Microsoft.Storage/storageAccounts/again"))
}

fn of(kind: &str, name: &str, resource: String) -> Component {
    Component::new(name.parse().unwrap(), kind, "azure".parse().unwrap(), resource)
        .with_setting(VAULT, "keep")
}

/// Disks, shares and containers, each protected by the vault `keep` of its kind, whose jobs are short.
pub(crate) fn scenario(mut rules: Value) -> Value {
    for (name, seconds) in
        [("job.backup_seconds", 12), ("job.restore_seconds", 12), ("job.cancel_seconds", 4)]
    {
        rules.as_object_mut().unwrap().entry(name).or_insert_with(|| seconds.into());
    }
    let names = |kind: &str| (0..SOURCES).map(|at| format!("{kind}-{at}")).collect::<Vec<_>>();
    let disks: Vec<_> = names("disk").iter().map(|name| json!({"name": name, "size_gib": 8})).collect();
    let mut instances: Vec<_> =
        names("disk").iter().map(|name| json!({"name": name, "disk": name})).collect();
    instances
        .push(json!({"name": "blobs", "account": "blobs", "policy": "blobs", "containers": names("blobs")}));
    let containers: Vec<_> = names("blobs").iter().map(|name| json!({"name": name})).collect();
    let blobs = |name: &str| json!({"name": name, "containers": containers, "soft_delete_days": 0});
    let policies = json!([{"name": "daily"}, {"name": "blobs", "type": "Microsoft.Storage/storageAccounts/blobServices"}]);
    let shares: Vec<_> = names("share").iter().map(|name| json!({"name": name})).collect();
    let items: Vec<_> =
        names("share").iter().map(|name| json!({"account": "files", "share": name})).collect();
    let account = json!({"name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "soft_delete_days": 0,
        "shares": shares});
    group(
        json!({"location": "westeurope", "disks": disks, "storage_accounts": [account, blobs("blobs"), blobs("again")],
            "backup_vaults": [{"name": "keep", "policies": policies, "instances": instances}],
            "recovery_vaults": [{"name": "keep", "items": items}]}),
        rules,
    )
}

/// The provider, which also looks for what the vaults keep.
pub(crate) fn provider(world: &World) -> AzureProvider {
    let disks = (0..SOURCES).map(|at| instance(&format!("disk-{at}")));
    let shares = (0..SOURCES).map(|at| item(&format!("share-{at}")));
    world.provider().looking_in(disks.chain(shares).chain([instance("blobs")])).unwrap()
}

/// Disks or shares that go through their vault.
fn sources(name: &'static str, component: fn(&str) -> Component) -> Sources {
    Sources {
        name,
        count: SOURCES,
        scenario: || scenario(json!({})),
        component,
        provider,
        destination: json!({}),
        restores: true,
        taken: str::to_owned,
    }
}

/// What no vault can do, and what only disks outside of vaults can.
const LEFT_OUT: [&str; 4] = [
    "a_deleted_snapshot_is_gone_and_stays_gone",
    "a_snapshot_outlives_the_one_it_builds_on",
    "a_job_says_when_its_content_was_captured",
    "a_copy_is_made_as_the_capability_says",
];

#[tokio::test]
async fn disks_in_a_vault_keep_the_contract_of_providers() -> Ended {
    let Some(suite) = Suite::of(sources("disk", disk)) else { return Ok(()) };
    let again = || suite.again();
    provider_checks_in_turn! { suite, again, LEFT_OUT };
    Ok(())
}

#[tokio::test]
async fn containers_in_a_vault_keep_the_contract_of_providers() -> Ended {
    let taken = |source: &str| source.replace("/blobs/blobServices", "/again/blobServices");
    let Some(suite) = Suite::of(Sources { taken, ..sources("blobs", blobs) }) else { return Ok(()) };
    let again = || suite.again();
    provider_checks_in_turn! { suite, again, LEFT_OUT };
    Ok(())
}

#[tokio::test]
async fn shares_in_a_vault_keep_the_contract_of_providers() -> Ended {
    let Some(suite) = Suite::of(sources("share", files)) else { return Ok(()) };
    let again = || suite.again();
    // What a provider says that it can do is one answer for all kinds, and only these jobs can be stopped.
    let left_out = [&LEFT_OUT[..], &["cancelling_follows_the_capability"]].concat();
    provider_checks_in_turn! { suite, again, left_out };
    Ok(())
}
