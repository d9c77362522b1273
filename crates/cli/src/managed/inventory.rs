//! The components of a managed workspace: those of the configuration, then those that were found by their tags.

use std::collections::BTreeSet;
use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::{Value, json};
use stillpoint_core::{Component, Error, ErrorKind, OpContext, ProviderId, Result, Tags};
use stillpoint_provider_aws::managed::{CREATE_VAULT, ROLE_ARN, VAULT, VAULT_KMS_KEY, VAULT_TAGS};
use stillpoint_provider_azure::managed::{REGION, RESOURCE_GROUP};

use crate::settings::{ConfiguredComponent, Kind, ManagedConfig};

/// The setting of a component that says where this host sees its files.
pub(super) const MOUNT: &str = "mount";

/// The setting of a component that says what of its files is left out.
const EXCLUDES: &str = "excludes";
/// Where a mounted share or volume shows its own snapshots, which are no files of it.
const SNAPSHOT_FOLDERS: [&str; 2] = ["/.snapshot/", "/.snapshots/"];

/// What a cloud knows of a workspace's storage.
#[async_trait]
pub(crate) trait Cloud: Debug + Send + Sync + 'static {
    /// The components that carry all of `tags`.
    ///
    /// # Errors
    /// Whatever looking can meet; a list that may be incomplete is an error.
    async fn discover(&self, cx: &OpContext, tags: &Tags) -> Result<Vec<Component>>;

    /// The component with everything that a restore of it will need, read now.
    ///
    /// # Errors
    /// `NotFound` where the resource is gone; whatever looking can meet.
    async fn describe(&self, cx: &OpContext, component: &Component) -> Result<Component>;
}

/// The inventory of `config`; with `cloud` also what is found by tags, each component as the cloud describes it.
pub(super) async fn read(
    cx: &OpContext,
    config: &ManagedConfig,
    files: &ProviderId,
    cloud: Option<&dyn Cloud>,
) -> Result<Vec<Component>> {
    let Some(cloud) = cloud else { return of(config, files, Vec::new()) };
    let found = match &config.discover_tags {
        tags if tags.is_empty() => Vec::new(),
        tags => cloud.discover(cx, tags).await?,
    };
    let mut described = Vec::new();
    for component in of(config, files, found)? {
        if component.provider.as_str() != config.provider && component.kind == Kind::Nfs.as_str() {
            described.push(component);
            continue;
        }
        match cloud.describe(cx, &component).await {
            Ok(known) => described.push(known),
            // That it is gone is for the preflight to say, by name. What is only listed still was nobody's wish.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let wanted = config.component(&component.id).is_some();
                described.extend(wanted.then_some(component));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(described)
}

/// The inventory of `config`, with `found` at its end, each resource once.
pub(super) fn of(
    config: &ManagedConfig,
    files: &ProviderId,
    found: Vec<Component>,
) -> Result<Vec<Component>> {
    let mut components = Vec::with_capacity(config.components.len() + found.len());
    for configured in &config.components {
        components.push(component(config, configured, files)?);
    }
    let mut ids: BTreeSet<_> = components.iter().map(|component| component.id.clone()).collect();
    let resources: BTreeSet<_> = components.iter().map(|component| component.resource.clone()).collect();
    let mut new: Vec<_> =
        found.into_iter().filter(|component| !resources.contains(&component.resource)).collect();
    // The order of an answer is nothing to rely on.
    new.sort_by(|one, other| one.resource.cmp(&other.resource));
    new.dedup_by(|one, other| one.resource == other.resource);
    for mut component in new {
        if !ids.insert(component.id.clone()) {
            // Somebody gave another component the name that this one would have.
            component.id = component.resource.parse()?;
            ids.insert(component.id.clone());
        }
        components.push(in_place(config, component));
    }
    Ok(components)
}

/// The components of a workspace on Azure that may go through a vault.
///
/// # Errors
/// `InvalidInput` where the cloud's name cannot be one.
pub(super) fn in_vaults(config: &ManagedConfig) -> Result<Vec<Component>> {
    let known = config.components.iter().filter(|one| one.kind != Kind::Nfs && !one.by_files());
    let known = known.filter_map(|configured| Some((configured, configured.resource()?)));
    let component = |(configured, resource): (&ConfiguredComponent, &str)| {
        let provider = ProviderId::new(config.provider.clone())?;
        let mut component =
            Component::new(configured.id.clone(), configured.kind.as_str(), provider, resource);
        component.settings.clone_from(&configured.settings);
        Ok(in_place(config, component))
    };
    known.map(component).collect()
}

/// A component of the cloud with what its workspace says of all of them, unless it says otherwise itself: the vault and the
/// role that back it up, or where restores make it.
fn in_place(config: &ManagedConfig, mut component: Component) -> Component {
    let role = config.role_arn.as_ref().map(|role| role.get_ref());
    let region = (config.provider == super::AZURE).then(|| config.region.to_string());
    let said = [
        (VAULT, config.vault.as_ref()),
        (ROLE_ARN, role),
        (RESOURCE_GROUP, config.resource_group.as_ref()),
        (REGION, region.as_ref()),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            component.settings.entry(name.to_owned()).or_insert_with(|| value.as_str().into());
        }
    }
    // A component with a vault of its own says itself whether that is made.
    if config.create_vault && component.settings.get(VAULT).and_then(Value::as_str) == config.vault.as_deref()
    {
        let key = config.vault_kms_key.as_ref().map(|key| (VAULT_KMS_KEY, key.as_str().into()));
        let tags = (!config.vault_tags.is_empty()).then(|| (VAULT_TAGS, json!(config.vault_tags)));
        for (name, value) in [Some((CREATE_VAULT, true.into())), key, tags].into_iter().flatten() {
            component.settings.entry(name.to_owned()).or_insert(value);
        }
    }
    component
}

fn component(
    config: &ManagedConfig,
    configured: &ConfiguredComponent,
    files: &ProviderId,
) -> Result<Component> {
    let Some(resource) = configured.resource() else {
        let message = format!(
            "component {} of workspace {} names no resource, so it can be restored but not backed up",
            configured.id, config.id
        );
        return Err(Error::new(ErrorKind::InvalidConfig, message));
    };
    let mount = configured.mount.as_ref().and_then(|mount| mount.to_str());
    let provider =
        if configured.by_files() { files.clone() } else { ProviderId::new(config.provider.clone())? };
    let mut component = Component::new(configured.id.clone(), configured.kind.as_str(), provider, resource);
    component.settings.clone_from(&configured.settings);
    match (configured.kind, mount) {
        (Kind::Nfs, None) => {
            let reason = format!(
                "external NFS ({resource}) is outside the cloud's backup; give the component a mount to have its files \
                 protected from this host"
            );
            Ok(component.excluded(reason))
        }
        (Kind::Nfs, Some(mount)) => Ok(component.with_setting(MOUNT, mount)),
        (kind, Some(mount)) if kind.is_filled() => {
            component.settings.entry(EXCLUDES.to_owned()).or_insert_with(|| SNAPSHOT_FOLDERS.into());
            Ok(component.with_setting(MOUNT, mount))
        }
        // Where this host sees a file system of the cloud matters for a restore into it, and says nothing of its backup.
        _ => Ok(in_place(config, component)),
    }
}
