//! What a component must say so that Azure can back it up.

use stillpoint_core::{Component, Error, ErrorKind, Result, Wanted};

use super::compute::{DISKS, SNAPSHOTS};
use super::kind::BLOB_CONTAINER;
use super::names::made_by;
use super::resource_id::ResourceId;

/// The setting of a component that names the resource group its snapshots are kept in; without it they are kept in the
/// disk's own, and deleted with that. The snapshot of a disk is always in the disk's subscription.
pub const SNAPSHOT_RESOURCE_GROUP: &str = "snapshot_resource_group";
/// The setting of a component, or of a restore's destination, that names the resource group a restore makes the disk in;
/// without it that of the source.
pub const RESOURCE_GROUP: &str = "resource_group";
/// The setting of a component, or of a restore's destination, that says in which region it is.
pub const REGION: &str = "region";
/// The setting of a component that says how its snapshots are stored (`Standard_LRS`, `Standard_ZRS`); without it Azure
/// chooses.
pub const SNAPSHOT_SKU: &str = "snapshot_sku";

/// The kind of component that this provider captures.
pub(super) const DISK: &str = "disk";

/// A managed disk that is a component.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) id: ResourceId,
    /// Where its snapshots are kept.
    pub(super) group: String,
    pub(super) snapshot_sku: Option<String>,
}

impl Source {
    /// The disk that `component` is.
    ///
    /// # Errors
    /// `Unsupported` where it is something else; `InvalidInput` where the resource does not name a disk; `InvalidConfig`
    /// where a setting cannot be used.
    pub(super) fn of(component: &Component) -> Result<Self> {
        if component.kind != DISK {
            let why = match component.kind.as_str() {
                BLOB_CONTAINER => "which only a vault protects: name one by the setting vault",
                _ => "not a disk that Azure protects here",
            };
            let message = format!("component {} is a {}, {why}", component.id, component.kind);
            return Err(Error::new(ErrorKind::Unsupported, message).with("component", &component.id));
        }
        let id: ResourceId = component.resource.parse()?;
        if !id.is(DISKS) {
            let message = format!("{id} does not name what component {} of kind {DISK} is", component.id);
            return Err(Error::new(ErrorKind::InvalidInput, message).with("component", &component.id));
        }
        let settings = Wanted::new(&component.settings, None);
        let group = settings.text(SNAPSHOT_RESOURCE_GROUP)?.unwrap_or_else(|| id.group.clone());
        Ok(Self { id, group, snapshot_sku: settings.text(SNAPSHOT_SKU)? })
    }

    /// A source whose snapshots lie in itself.
    pub(super) fn itself(id: ResourceId) -> Self {
        Self { group: id.group.clone(), id, snapshot_sku: None }
    }

    /// The snapshot of it that the job `key` makes.
    ///
    /// # Errors
    /// `InvalidInput` where its resource group cannot be one.
    pub(super) fn snapshot(&self, key: &stillpoint_core::JobKey) -> Result<ResourceId> {
        let (provider, kind) = SNAPSHOTS.split_once('/').unwrap_or_default();
        ResourceId::new(&self.id.subscription, &self.group, provider, kind, &made_by(key))
    }
}

#[cfg(test)]
mod tests {
    use stillpoint_core::JobKey;

    use super::*;

    fn component(kind: &str, resource: &str) -> Component {
        Component::new("db".parse().unwrap(), kind, "azure".parse().unwrap(), resource)
    }

    const ID: &str = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.Compute/disks/db";

    #[test]
    fn only_full_names_of_disks_are_sources() {
        for (kind, resource, refused) in [
            ("nfs", "nfs.example.com:/export", ErrorKind::Unsupported),
            ("disk", "db", ErrorKind::InvalidInput),
            ("disk", &ID.replace("disks", "snapshots"), ErrorKind::InvalidInput),
        ] {
            assert_eq!(Source::of(&component(kind, resource)).unwrap_err().kind(), refused, "{resource}");
        }
    }

    #[test]
    fn a_snapshot_lies_where_the_component_says_and_is_named_by_its_key() {
        let key = JobKey::new("op".parse().unwrap(), "db".parse().unwrap(), 1);
        let own = Source::of(&component("disk", ID)).unwrap().snapshot(&key).unwrap();
        assert_eq!((own.group.as_str(), own.name()), ("rg", format!("stillpoint-{}", key.token()).as_str()));
        let kept = component("disk", ID).with_setting(SNAPSHOT_RESOURCE_GROUP, "Backups");
        assert_eq!(Source::of(&kept).unwrap().snapshot(&key).unwrap().group, "backups");
        let bad = component("disk", ID).with_setting(SNAPSHOT_RESOURCE_GROUP, "a/b");
        assert!(Source::of(&bad).unwrap().snapshot(&key).is_err());
    }
}
