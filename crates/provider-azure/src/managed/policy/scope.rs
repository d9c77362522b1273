//! What a policy is to be about.

use std::collections::BTreeSet;

use stillpoint_core::{Component, Error, ErrorKind, Result};

use super::super::kind::Kind;
use super::super::provider::GroupPlace;
use super::super::resource_id::ResourceId;
use super::super::settings::Source;
use super::super::vault::STORAGE_ACCOUNT;
use super::super::volumes::SUBNET;
use super::super::{shares, vault, volumes};
use super::Task;
use super::vaults::What;

/// What a policy is to be about: which tasks on which components, with the resource groups that they lie in and that their
/// snapshots are kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyScope {
    /// The tasks.
    pub tasks: BTreeSet<Task>,
    /// The subscription that all of it belongs to.
    pub subscription: String,
    groups: BTreeSet<String>,
    pub(super) kinds: BTreeSet<Kind>,
    /// The resource groups of vaults, in full.
    pub(super) vaults: BTreeSet<String>,
    /// What the tasks have to do with in vaults.
    pub(super) what: BTreeSet<What>,
    /// The subnets that volumes are in and are restored into, in full.
    pub(super) subnets: BTreeSet<String>,
}

impl PolicyScope {
    /// `tasks` on `components`, whoever captures them. Components that Azure does not keep are passed over.
    ///
    /// # Errors
    /// `InvalidConfig` where they belong to different subscriptions, or where there is nothing to protect.
    pub fn of(components: &[Component], tasks: impl IntoIterator<Item = Task>) -> Result<Self> {
        let tasks: BTreeSet<Task> = tasks.into_iter().collect();
        let mut scope: Option<Self> = None;
        for component in components {
            let vaulted = vault::Source::of(component)?;
            let kind = Kind::of(component);
            let source = match vaulted.as_ref().map_or_else(|| place(kind, component), |it| Ok(it.place())) {
                Ok(source) => source,
                Err(error) if error.kind() == ErrorKind::Unsupported => continue,
                Err(error) => return Err(error),
            };
            let subscription = &source.id.subscription;
            let scope = scope.get_or_insert_with(|| Self {
                tasks: tasks.clone(),
                subscription: subscription.clone(),
                groups: BTreeSet::new(),
                kinds: BTreeSet::new(),
                vaults: BTreeSet::new(),
                what: BTreeSet::new(),
                subnets: BTreeSet::new(),
            });
            if scope.subscription != *subscription {
                let message = format!(
                    "{} belongs to subscription {subscription}, others to {}; ask for one policy each",
                    component.resource, scope.subscription
                );
                return Err(Error::new(ErrorKind::InvalidConfig, message));
            }
            match vaulted {
                Some(vaulted) => {
                    let vault = &vaulted.vault;
                    scope.vaults.insert(format!(
                        "/subscriptions/{}/resourceGroups/{}",
                        vault.subscription, vault.group
                    ));
                    scope.what.extend(vaulted.what());
                }
                None => drop(scope.kinds.insert(kind)),
            }
            scope.groups.extend([source.id.group, source.group.to_lowercase()]);
            if let Some(account) = component.settings.get(STORAGE_ACCOUNT).and_then(|it| it.as_str()) {
                scope.groups.insert(account.parse::<ResourceId>()?.group);
            }
            if let Some(subnet) = component.settings.get(SUBNET).and_then(|it| it.as_str()) {
                scope.subnets.insert(subnet.parse::<ResourceId>()?.to_string());
            }
        }
        scope.ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidConfig,
                "no component is a disk, share, volume or container of Azure that a cloud's own backup keeps; there is no policy",
            )
        })
    }

    /// The same with one more resource group: one that disks are restored into, or snapshots copied to.
    #[must_use]
    pub fn with_group(mut self, place: &GroupPlace) -> Self {
        self.groups.insert(place.resource_group.clone());
        self
    }

    /// The same with one more subnet that volumes are restored into, by its full resource id.
    ///
    /// # Errors
    /// `InvalidInput` for what is no resource id.
    pub fn with_subnet(mut self, subnet: &str) -> Result<Self> {
        self.subnets.insert(subnet.parse::<ResourceId>()?.to_string());
        Ok(self)
    }

    /// The resource groups of the subnets by their full names; of subnets that nobody named, all of the subscription.
    pub(super) fn networks(&self) -> Vec<String> {
        let group = |subnet: &String| subnet.split("/providers/").next().unwrap_or_default().to_owned();
        let groups: BTreeSet<String> = self.subnets.iter().map(group).collect();
        if groups.is_empty() {
            return vec![format!("/subscriptions/{}", self.subscription)];
        }
        groups.into_iter().collect()
    }

    /// The resource groups of vaults by their full names.
    pub(super) fn vaults(&self) -> Vec<String> {
        self.vaults.iter().cloned().collect()
    }

    /// The resource groups by their full names.
    pub(super) fn groups(&self) -> Vec<String> {
        let name = |group: &String| format!("/subscriptions/{}/resourceGroups/{group}", self.subscription);
        self.groups.iter().map(name).collect()
    }
}

/// What a component of `kind` is, and where its snapshots are kept.
pub(in super::super) fn place(kind: Kind, component: &Component) -> Result<Source> {
    match kind {
        Kind::Disk => Source::of(component),
        Kind::Share => shares::source(component).map(Source::itself),
        Kind::Volume => volumes::Source::of(component).map(|source| Source::itself(source.id)),
    }
}
