//! The provider suite on disks and SMB shares that go through a vault, and what both kinds of vaults have in common.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use stillpoint_conformance::provider::{Content, Harness, Occupied};
use stillpoint_core::{Clock, Component, Provider, RestoredResource, Result, Settings};
use stillpoint_provider_azure::managed::{AzureProvider, VAULT};

use crate::fake::{GROUP, SUBSCRIPTION, World, compute, group};

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

fn of(kind: &str, name: &str, resource: String) -> Component {
    Component::new(name.parse().unwrap(), kind, "azure".parse().unwrap(), resource)
        .with_setting(VAULT, "keep")
}

/// Disks and shares, each protected by the vault `keep` of its kind, whose jobs are short.
pub(crate) fn scenario(mut rules: Value) -> Value {
    for (name, seconds) in
        [("job.backup_seconds", 12), ("job.restore_seconds", 12), ("job.cancel_seconds", 4)]
    {
        rules.as_object_mut().unwrap().entry(name).or_insert_with(|| seconds.into());
    }
    let names = |kind: &str| (0..SOURCES).map(|at| format!("{kind}-{at}")).collect::<Vec<_>>();
    let disks: Vec<_> = names("disk").iter().map(|name| json!({"name": name, "size_gib": 8})).collect();
    let instances: Vec<_> = names("disk").iter().map(|name| json!({"name": name, "disk": name})).collect();
    let shares: Vec<_> = names("share").iter().map(|name| json!({"name": name})).collect();
    let items: Vec<_> =
        names("share").iter().map(|name| json!({"account": "files", "share": name})).collect();
    let account = json!({"name": "files", "kind": "FileStorage", "sku": "Premium_LRS", "soft_delete_days": 0,
        "shares": shares});
    group(
        json!({"location": "westeurope", "disks": disks, "storage_accounts": [account],
            "backup_vaults": [{"name": "keep", "instances": instances}],
            "recovery_vaults": [{"name": "keep", "items": items}]}),
        rules,
    )
}

/// The provider, which also looks for what the vaults keep.
pub(crate) fn provider(world: &World) -> AzureProvider {
    let disks = (0..SOURCES).map(|at| instance(&format!("disk-{at}")));
    let shares = (0..SOURCES).map(|at| item(&format!("share-{at}")));
    world.provider().looking_in(disks.chain(shares)).unwrap()
}

/// The provider suite's view of one kind of vaulted things.
struct VaultHarness {
    world: Arc<World>,
    used: AtomicUsize,
    /// Makes the component that a name of the scenario is.
    component: fn(&str) -> Component,
    prefix: &'static str,
}

impl VaultHarness {
    fn content(&self, resource: &str) -> Content {
        let content = self.world.resource(resource)["hidden"]["content"].clone();
        content.as_str().map(|content| ("content".to_owned(), content.into())).into_iter().collect()
    }
}

#[async_trait]
impl Harness for VaultHarness {
    async fn provider(&self) -> Result<Arc<dyn Provider>> {
        Ok(Arc::new(provider(&self.world)))
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.world.clock()
    }

    async fn source(&self, name: &str, seed: u64) -> Result<Component> {
        let at = self.used.fetch_add(1, Ordering::Relaxed);
        assert!(at < SOURCES, "the scenario has no more sources");
        let mut source = (self.component)(&format!("{}-{at}", self.prefix));
        source.id = name.parse()?;
        self.change(&source, seed).await?;
        Ok(source)
    }

    async fn change(&self, source: &Component, seed: u64) -> Result<()> {
        let write = json!({"resource": source.resource, "content": format!("written {seed}")});
        self.world.fake().post("write", &write);
        Ok(())
    }

    fn missing(&self) -> Component {
        (self.component)("missing")
    }

    async fn source_content(&self, source: &Component) -> Result<Content> {
        Ok(self.content(&source.resource))
    }

    async fn restored_content(&self, resource: &RestoredResource) -> Result<Content> {
        let going = self.world.resource(&resource.resource)["properties"]["provisioningState"] == "Deleting";
        Ok(if going { Content::new() } else { self.content(&resource.resource) })
    }

    async fn destination(&self, _name: &str) -> Result<Settings> {
        Ok(Settings::new())
    }

    async fn occupied(&self, name: &str) -> Result<Option<Occupied>> {
        let source = self.source(name, 99).await?;
        let taken = source.resource.rsplit('/').next().unwrap_or_default().to_owned();
        let resource = RestoredResource::new(source.provider, source.id, source.resource);
        Ok(Some(Occupied::new(Settings::from([("name".to_owned(), taken.into())]), resource)))
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
async fn disks_in_a_vault_keep_the_contract_of_providers()
-> std::result::Result<(), Box<dyn std::error::Error>> {
    let Some(world) = World::of(&scenario(json!({}))) else { return Ok(()) };
    let harness = VaultHarness { world, used: AtomicUsize::new(0), component: disk, prefix: "disk" };
    let again = || {
        harness.world.reset(&scenario(json!({})));
        harness.used.store(0, Ordering::Relaxed);
    };
    stillpoint_conformance::provider_checks! { (crate::suite::checks) (harness, again, &LEFT_OUT) };
    Ok(())
}

#[tokio::test]
async fn shares_in_a_vault_keep_the_contract_of_providers()
-> std::result::Result<(), Box<dyn std::error::Error>> {
    let Some(world) = World::of(&scenario(json!({}))) else { return Ok(()) };
    let harness = VaultHarness { world, used: AtomicUsize::new(0), component: files, prefix: "share" };
    let again = || {
        harness.world.reset(&scenario(json!({})));
        harness.used.store(0, Ordering::Relaxed);
    };
    // What a provider says that it can do is one answer for all kinds, and only these jobs can be stopped.
    let left_out = [&LEFT_OUT[..], &["cancelling_follows_the_capability"]].concat();
    stillpoint_conformance::provider_checks! { (crate::suite::checks) (harness, again, &left_out) };
    Ok(())
}
