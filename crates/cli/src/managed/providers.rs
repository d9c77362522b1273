//! The provider of each cloud, made only when something needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{Component, Error, ErrorKind, OpContext, Provider, ProviderId, Result, Tags};
use stillpoint_provider_aws::managed::{AwsProvider, VaultPlace};
use stillpoint_provider_azure::managed::{AzureProvider, BACKUP_VAULT, GroupPlace, SNAPSHOT_RESOURCE_GROUP};

use super::inventory::Cloud;
use crate::settings::{AwsAccount, ConfigFile, ConfiguredComponent, Kind, ManagedConfig};

/// The name of the provider of AWS.
pub(crate) const AWS: &str = "aws";

/// The providers of AWS.
#[derive(Clone, Debug)]
pub(crate) struct Aws {
    /// With the credentials and endpoints of the environment.
    pub(crate) own: Arc<AwsProvider>,
    /// One for each other account, which keeps what is copied there.
    pub(crate) others: Vec<Arc<AwsProvider>>,
}

/// Whether the provider of this id is one of AWS.
pub(crate) fn is_aws(id: &ProviderId) -> bool {
    id.as_str().strip_prefix(AWS).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The name of the provider of Azure.
pub(crate) const AZURE: &str = "azure";

/// The clouds that a run works with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clouds {
    pub(crate) aws: Option<Aws>,
    pub(crate) azure: Option<Arc<AzureProvider>>,
}

impl Clouds {
    /// Their providers.
    pub(crate) fn providers(&self) -> impl Iterator<Item = Arc<dyn Provider>> {
        let others = self.aws.iter().flat_map(|aws| aws.others.clone());
        self.own().chain(others.map(|provider| provider as Arc<dyn Provider>))
    }

    /// Those with the credentials of the environment.
    pub(crate) fn own(&self) -> impl Iterator<Item = Arc<dyn Provider>> {
        let aws = self.aws.iter().map(|aws| Arc::clone(&aws.own) as Arc<dyn Provider>);
        aws.chain(self.azure.clone().map(|provider| provider as Arc<dyn Provider>))
    }

    /// What its cloud knows of the storage of `config`, where that cloud is among these.
    pub(crate) fn of(&self, config: &ManagedConfig) -> Option<Arc<dyn Cloud>> {
        if config.provider == AZURE {
            let azure = Arc::clone(self.azure.as_ref()?);
            return Some(Arc::new(Group { azure, place: place(config) }));
        }
        let region = config.region.to_string();
        Some(Arc::new(Region { aws: Arc::clone(&self.aws.as_ref()?.own), region }))
    }
}

/// The provider of everything on Azure, with the credentials and endpoints of the environment. It looks for snapshots where
/// the configured workspaces keep them.
///
/// # Errors
/// `InvalidConfig` where the environment names no usable endpoint.
pub(crate) fn azure<'a>(configured: impl Iterator<Item = &'a ManagedConfig>) -> Result<Arc<AzureProvider>> {
    let configured: Vec<_> = configured.filter(|config| config.provider == AZURE).collect();
    let groups: BTreeSet<_> = configured.iter().copied().flat_map(places).collect();
    let sources: BTreeSet<_> = configured.iter().copied().flat_map(sources).collect();
    let connection = stillpoint_provider_azure::Connection::from_environment()?;
    let provider = AzureProvider::new(ProviderId::new(AZURE)?, connection, groups);
    let vaulted: Vec<_> =
        configured.iter().copied().map(super::inventory::in_vaults).collect::<Result<_>>()?;
    Ok(Arc::new(provider.looking_in(sources)?.looking_in_vaults_of(vaulted.iter().flatten())?))
}

/// The shares and volumes of a workspace in which their own snapshots are, and the vaults that keep copies of these.
fn sources(config: &ManagedConfig) -> impl Iterator<Item = &str> {
    let components = config.components.iter().filter(|one| one.kind.is_filled() && !one.by_files());
    components
        .flat_map(|one| [one.resource(), one.settings.get(BACKUP_VAULT).and_then(|it| it.as_str())])
        .flatten()
}

/// The resource group of a workspace.
fn place(config: &ManagedConfig) -> GroupPlace {
    GroupPlace::new(config.owner(), config.resource_group.as_deref().unwrap_or_default())
}

/// Where a workspace's snapshots may be: in its resource group, in those of its disks, in those that these name for them.
fn places(config: &ManagedConfig) -> Vec<GroupPlace> {
    let of_disk = |component: &ConfiguredComponent| {
        let resource = component.resource().unwrap_or_default();
        resource.split('/').nth(4).map(|group| GroupPlace::new(config.owner(), group))
    };
    let of_setting = |component: &ConfiguredComponent| {
        let group = component.settings.get(SNAPSHOT_RESOURCE_GROUP)?.as_str()?;
        Some(GroupPlace::new(config.owner(), group))
    };
    let disks = config.components.iter().filter(|component| component.kind == Kind::Disk);
    // Who has shares only need not be allowed to look for snapshots of disks.
    let has_disks = disks.clone().next().is_some() || !config.discover_tags.is_empty();
    let own = (config.resource_group.is_some() && has_disks).then(|| place(config));
    disks.flat_map(|disk| [of_disk(disk), of_setting(disk)]).chain([own]).flatten().collect()
}

/// The providers of everything on AWS.
///
/// # Errors
/// `InvalidConfig` where the environment names no usable endpoint, or nothing names a region.
pub(crate) async fn aws(config: &ConfigFile, region: Option<&str>) -> Result<Aws> {
    let configured = config.all_managed();
    let (mut vaults, mut regions) = (Vec::new(), BTreeSet::new());
    for config in configured.filter(|config| config.provider == AWS) {
        regions.insert(config.region.as_str());
        vaults.extend(config.vault.as_ref().map(|vault| VaultPlace::new(config.region.as_str(), vault)));
    }
    let region = region.or_else(|| regions.first().copied());
    let connection = stillpoint_provider_aws::Connection::from_environment(region).await?;
    let mut own = AwsProvider::new(ProviderId::new(AWS)?, connection, vaults);
    let mut others = Vec::new();
    for AwsAccount { account, profile, vaults } in &config.aws_account {
        let connection = stillpoint_provider_aws::Connection::of_profile(profile, region).await?;
        let places = vaults.iter().map(|place| VaultPlace::new(place.region.as_str(), &place.vault));
        let id = ProviderId::new(format!("{AWS}-{account}"))?;
        let other = Arc::new(AwsProvider::new(id, connection, places));
        own = own.with_account(account.as_str(), Arc::clone(&other));
        others.push(other);
    }
    Ok(Aws { own: Arc::new(own), others })
}

/// One region of the account.
#[derive(Debug)]
struct Region {
    aws: Arc<AwsProvider>,
    region: String,
}

#[async_trait]
impl Cloud for Region {
    async fn discover(&self, cx: &OpContext, tags: &Tags) -> Result<Vec<Component>> {
        self.aws.discover(cx, &self.region, tags).await
    }

    async fn describe(&self, cx: &OpContext, component: &Component) -> Result<Component> {
        self.aws.record(cx, component).await
    }
}

/// One resource group of a subscription.
#[derive(Debug)]
struct Group {
    azure: Arc<AzureProvider>,
    place: GroupPlace,
}

#[async_trait]
impl Cloud for Group {
    async fn discover(&self, cx: &OpContext, tags: &Tags) -> Result<Vec<Component>> {
        if self.place.resource_group.is_empty() {
            let message =
                "components are found by their tags in a resource group; name it by the key resource_group";
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        self.azure.discover(cx, &self.place, tags).await
    }

    async fn describe(&self, cx: &OpContext, component: &Component) -> Result<Component> {
        self.azure.record(cx, component).await
    }
}

/// What a workspace must name before its components can be backed up into a vault.
///
/// # Errors
/// `InvalidConfig` that names the workspace and the key.
pub(crate) fn complete(config: &ManagedConfig) -> Result<()> {
    if config.provider == AZURE {
        return Ok(());
    }
    let missing = match (&config.vault, &config.role_arn) {
        (None, _) => "vault",
        (_, None) => "role_arn",
        _ => return Ok(()),
    };
    let message =
        format!("workspace {} names no {missing}, which its volumes and file systems need", config.id);
    Err(Error::new(ErrorKind::InvalidConfig, message))
}
