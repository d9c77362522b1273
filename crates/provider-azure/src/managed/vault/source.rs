//! Which component goes through which vault.

use stillpoint_core::{Component, Error, ErrorKind, Result, Wanted};

use super::super::compute::DISKS;
use super::super::kind::{BLOB_CONTAINER, FILE_SHARE};
use super::super::policy::vaults::What;
use super::super::resource_id::ResourceId;
use super::super::settings::{self, DISK};
use super::super::storage::{CONTAINERS, SHARES};
use super::{BACKUP_RULE, RETENTION_TAG, VAULT, VAULT_RESOURCE_GROUP, protection, recovery};
use crate::connection::Request;

/// The two services of Azure that keep vaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Service {
    /// Data Protection: disks and blobs.
    Protection,
    /// Recovery Services: SMB shares.
    Recovery,
}

impl Service {
    /// The full type of its vaults.
    pub(in super::super) fn vaults(self) -> &'static str {
        match self {
            Self::Protection => "Microsoft.DataProtection/backupVaults",
            Self::Recovery => "Microsoft.RecoveryServices/vaults",
        }
    }

    /// The full type of what a vault knows of one source.
    pub(in super::super) fn items(self) -> &'static str {
        match self {
            Self::Protection => "Microsoft.DataProtection/backupVaults/backupInstances",
            Self::Recovery => {
                "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"
            }
        }
    }

    /// The version of its interface.
    pub(super) fn version(self) -> &'static str {
        match self {
            Self::Protection => protection::VERSION,
            Self::Recovery => recovery::VERSION,
        }
    }

    /// The request that reads one of its vaults.
    pub(in super::super) fn read_vault(self, vault: &ResourceId) -> Request {
        match self {
            Self::Protection => Request::new(
                "Microsoft.DataProtection/backupVaults/read",
                vault.to_string(),
                protection::VERSION,
            ),
            Self::Recovery => Request::new(
                "Microsoft.RecoveryServices/vaults/read",
                vault.to_string(),
                recovery::VAULT_VERSION,
            ),
        }
    }

    /// What people call its vaults.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Protection => "backup vault (Microsoft.DataProtection)",
            Self::Recovery => "Recovery Services vault",
        }
    }
}

/// A component that a vault protects.
#[derive(Clone, Debug)]
pub(in super::super) struct Source {
    /// What the vault protects: a disk, a share, or the account of a container.
    pub(in super::super) id: ResourceId,
    pub(in super::super) vault: ResourceId,
    pub(in super::super) service: Service,
    /// The container of the account that this is about, where it is one.
    pub(in super::super) container: Option<String>,
    /// The rule of the policy by which it is backed up.
    pub(super) rule: Option<String>,
    /// The policy's word for how long.
    pub(super) retention_tag: Option<String>,
}

impl Source {
    /// Whether it is an account of whose containers the vault keeps some.
    pub(in super::super) fn is_of_blobs(&self) -> bool {
        self.container.is_some()
    }

    /// The container that it is, where it is one.
    ///
    /// # Errors
    /// None for a container's own name.
    pub(in super::super) fn container_id(&self) -> Result<Option<ResourceId>> {
        let id = |name: &String| self.id.child("blobServices", "default")?.child("containers", name);
        self.container.as_ref().map(id).transpose()
    }

    /// What the vault protects, as a source that keeps nothing elsewhere.
    pub(in super::super) fn place(&self) -> settings::Source {
        settings::Source::itself(self.id.clone())
    }

    /// What it calls for, beside what every provider's caller needs.
    pub(in super::super) fn what(&self) -> &'static [What] {
        match self.service {
            Service::Protection if self.is_of_blobs() => &[What::BackupVault, What::VaultedContainer],
            Service::Protection => &[What::BackupVault, What::VaultedDisk],
            Service::Recovery => &[What::RecoveryVault, What::VaultedShare],
        }
    }

    /// The source that `component` is; nothing where it goes through no vault.
    ///
    /// # Errors
    /// `InvalidInput` where its resource is not what its kind says; `InvalidConfig` where the vault cannot be one.
    pub(in super::super) fn of(component: &Component) -> Result<Option<Self>> {
        let (service, resource_type) = match component.kind.as_str() {
            DISK => (Service::Protection, DISKS),
            FILE_SHARE => (Service::Recovery, SHARES),
            BLOB_CONTAINER => (Service::Protection, CONTAINERS),
            _ => return Ok(None),
        };
        let settings = Wanted::new(&component.settings, None);
        let text = |name: &str| Ok::<_, Error>(settings.text(name)?.filter(|text| !text.is_empty()));
        let Some(vault) = text(VAULT)? else { return Ok(None) };
        let resource: ResourceId = component.resource.parse()?;
        if !resource.is(resource_type) {
            let message = format!(
                "{resource} does not name what component {} of kind {} is",
                component.id, component.kind
            );
            return Err(Error::new(ErrorKind::InvalidInput, message).with("component", &component.id));
        }
        let container = resource.is(CONTAINERS).then(|| resource.name().to_owned());
        let id = if container.is_some() { resource.parent()?.parent()? } else { resource };
        let group = text(VAULT_RESOURCE_GROUP)?.unwrap_or_else(|| id.group.clone());
        let vault = vault_of(&vault, service, &id.subscription, &group)
            .map_err(|error| error.with("component", &component.id).with("setting", VAULT))?;
        let (rule, retention_tag) = (text(BACKUP_RULE)?, text(RETENTION_TAG)?);
        Ok(Some(Self { id, vault, service, container, rule, retention_tag }))
    }
}

/// The vault that `text` names in full, or by its name in a resource group.
fn vault_of(text: &str, service: Service, subscription: &str, group: &str) -> Result<ResourceId> {
    let wrong = |message: String| Error::new(ErrorKind::InvalidConfig, message);
    let vault: ResourceId = if text.starts_with('/') {
        text.parse().map_err(|error: Error| wrong(format!("vault {text:?} is none")).with_source(error))?
    } else {
        let (provider, kind) = service.vaults().split_once('/').unwrap_or_default();
        ResourceId::new(subscription, group, provider, kind, text)
            .map_err(|error| wrong(format!("vault {text:?} is none")).with_source(error))?
    };
    if vault.is(service.vaults()) {
        return Ok(vault);
    }
    Err(wrong(format!(
        "{vault} is no {}, which this component needs; name another in the component's own settings, or \"\" for none",
        service.in_words()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a";

    fn component(kind: &str, resource: &str) -> Component {
        Component::new("c".parse().unwrap(), kind, "azure".parse().unwrap(), resource)
    }

    #[test]
    fn one_name_of_a_vault_is_that_of_the_service_which_takes_the_kind() {
        let disk = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Compute/disks/db";
        let share = format!("{ACCOUNT}/fileServices/default/shares/s");
        let container = format!("{ACCOUNT}/blobServices/default/containers/c");
        for (kind, resource, vault, source) in [
            ("disk", disk, "Microsoft.DataProtection/backupVaults", disk),
            ("file-share", &share, "Microsoft.RecoveryServices/vaults", &share),
            ("blob-container", &container, "Microsoft.DataProtection/backupVaults", ACCOUNT),
        ] {
            let plain = component(kind, resource);
            assert!(Source::of(&plain).unwrap().is_none(), "{kind} goes through no vault unless it says so");
            assert!(Source::of(&plain.clone().with_setting(VAULT, "")).unwrap().is_none());
            let named = plain.with_setting(VAULT, "keep").with_setting(VAULT_RESOURCE_GROUP, "far");
            let found = Source::of(&named).unwrap().unwrap();
            assert_eq!((found.vault.resource_type().as_str(), found.vault.group.as_str()), (vault, "far"));
            assert_eq!(found.id.to_string(), source);
            assert_eq!(found.container.as_deref(), (kind == "blob-container").then_some("c"));
        }
        let volume = component("netapp-volume", "anything").with_setting(VAULT, "keep");
        assert!(Source::of(&volume).unwrap().is_none(), "its vaults are another thing");
    }

    #[test]
    fn a_vault_of_the_other_service_is_refused() {
        let share = component("file-share", &format!("{ACCOUNT}/fileServices/default/shares/s"));
        for vault in [
            "/subscriptions/1/resourceGroups/rg/providers/Microsoft.DataProtection/backupVaults/v",
            "/subscriptions/1",
            "a/b",
        ] {
            let refused = Source::of(&share.clone().with_setting(VAULT, vault)).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidConfig, "{vault}");
        }
        let disk = component("disk", ACCOUNT).with_setting(VAULT, "v");
        assert_eq!(Source::of(&disk).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
