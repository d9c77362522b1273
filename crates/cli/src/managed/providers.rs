//! The provider of each cloud, made only when something needs it.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{Component, Error, ErrorKind, OpContext, ProviderId, Result, Tags};
use stillpoint_provider_aws::Connection;
use stillpoint_provider_aws::managed::{AwsProvider, VaultPlace};

use super::inventory::Cloud;
use crate::settings::{AwsAccount, ConfigFile, ManagedConfig};

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
    let connection = Connection::from_environment(region).await?;
    let mut own = AwsProvider::new(ProviderId::new(AWS)?, connection, vaults);
    let mut others = Vec::new();
    for AwsAccount { account, profile, vaults } in &config.aws_account {
        let connection = Connection::of_profile(profile, region).await?;
        let places = vaults.iter().map(|place| VaultPlace::new(place.region.as_str(), &place.vault));
        let id = ProviderId::new(format!("{AWS}-{account}"))?;
        let other = Arc::new(AwsProvider::new(id, connection, places));
        own = own.with_account(account.as_str(), Arc::clone(&other));
        others.push(other);
    }
    Ok(Aws { own: Arc::new(own), others })
}

/// What AWS knows of the storage of `config`.
pub(crate) fn cloud(aws: &Arc<AwsProvider>, config: &ManagedConfig) -> Arc<dyn Cloud> {
    Arc::new(Region { aws: Arc::clone(aws), region: config.region.to_string() })
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

/// What a workspace must name before its components can be backed up into a vault.
///
/// # Errors
/// `InvalidConfig` that names the workspace and the key.
pub(crate) fn complete(config: &ManagedConfig) -> Result<()> {
    let missing = match (&config.vault, &config.role_arn) {
        (None, _) => "vault",
        (_, None) => "role_arn",
        _ => return Ok(()),
    };
    let message =
        format!("workspace {} names no {missing}, which its volumes and file systems need", config.id);
    Err(Error::new(ErrorKind::InvalidConfig, message))
}
