//! Calls to Azure Compute: disks and their snapshots.

mod disks;
mod snapshots;

use serde::Deserialize;
use serde_json::{Value, json};
use stillpoint_core::{Result, Tags, Timestamp};

use super::resource_id::ResourceId;
use crate::connection::{Connection, Request};

pub(super) use disks::Disk;
pub(super) use snapshots::{Snapshot, Usable};

/// The full type of a managed disk.
pub(super) const DISKS: &str = "Microsoft.Compute/disks";
/// The full type of a snapshot of one.
pub(super) const SNAPSHOTS: &str = "Microsoft.Compute/snapshots";
/// The version of Compute's interface for both.
const VERSION: &str = "2026-03-02";

/// What a disk or snapshot was made from.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct CreationData {
    pub(super) source_resource_id: Option<String>,
    pub(super) source_unique_id: Option<String>,
}

impl CreationData {
    /// Whether it was made from `id`.
    pub(super) fn is_of(&self, id: &ResourceId) -> bool {
        let source = self.source_resource_id.as_deref().and_then(|text| text.parse::<ResourceId>().ok());
        source.as_ref() == Some(id)
    }
}

/// Who may export the content of a disk or snapshot.
/// Source: <https://learn.microsoft.com/azure/virtual-machines/disks-restrict-import-export-overview>.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Access {
    /// Nothing where everybody may who has the right.
    #[serde(rename = "networkAccessPolicy", deserialize_with = "restricted")]
    pub(super) policy: Option<String>,
    #[serde(rename = "diskAccessId")]
    pub(super) through: Option<String>,
    /// Nothing where it may be done from everywhere.
    #[serde(rename = "publicNetworkAccess", deserialize_with = "restricted")]
    pub(super) public: Option<String>,
}

impl Access {
    /// The members of a request that keep it so.
    pub(super) fn members(&self) -> impl Iterator<Item = (String, Value)> {
        let members = [
            ("networkAccessPolicy", &self.policy),
            ("diskAccessId", &self.through),
            ("publicNetworkAccess", &self.public),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?))))
    }

    /// The same in another region, where a private way does not lead: closed, which is not less.
    pub(super) fn elsewhere(mut self) -> Self {
        if self.through.take().is_some() {
            self.policy = Some("DenyAll".to_owned());
        }
        self
    }
}

/// What restricts access; Azure's own default does not.
fn restricted<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let word = Option::<String>::deserialize(from)?;
    Ok(word.filter(|word| !["", "AllowAll", "Enabled"].contains(&word.as_str())))
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Sku {
    pub(super) name: Option<String>,
}

impl Sku {
    /// Whether its rates are set apart from its size, and its data arrives in the background as Azure tells it.
    pub(super) fn is_paced(&self) -> bool {
        self.name.as_deref().is_some_and(is_paced)
    }
}

/// Whether a disk of this SKU has rates of its own and tells how much of its data is there.
pub(super) fn is_paced(sku: &str) -> bool {
    sku.starts_with("PremiumV2") || sku.starts_with("UltraSSD")
}

/// A member that may be absent or null is its default.
pub(super) fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

pub(super) fn time(text: Option<&String>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

/// Where all of a type (`Microsoft.Compute/disks`) are listed, in a subscription or one of its resource groups.
///
/// # Errors
/// `InvalidInput` where these cannot be names: a path of another meaning would list something else.
pub(super) fn listing(subscription: &str, group: Option<&str>, resource_type: &str) -> Result<String> {
    let (provider, kind) = resource_type.split_once('/').unwrap_or_default();
    let place = ResourceId::new(subscription, group.unwrap_or("any"), provider, kind, "any")?;
    let group = group.map(|_| format!("/resourceGroups/{}", place.group)).unwrap_or_default();
    Ok(format!("/subscriptions/{}{group}/providers/{resource_type}", place.subscription))
}

/// Writes `tags` on `id` in place of those it has.
///
/// # Errors
/// Whatever the call can meet.
async fn write_tags(
    connection: &Connection,
    action: &'static str,
    id: &ResourceId,
    tags: &Tags,
) -> Result<()> {
    let body: Value = json!({ "tags": tags });
    connection.patch(&Request::new(action, id.to_string(), VERSION), &body).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_places_to_list() {
        let at = |subscription: &str, group: Option<&str>| listing(subscription, group, DISKS);
        assert_eq!(
            at("1A", Some("RG")).unwrap(),
            "/subscriptions/1a/resourceGroups/rg/providers/Microsoft.Compute/disks"
        );
        assert_eq!(at("1", None).unwrap(), "/subscriptions/1/providers/Microsoft.Compute/disks");
        for (subscription, group) in [("1", ".."), ("1", "a/b"), ("1", ""), ("1/..", "g"), ("..", "g")] {
            let refused = at(subscription, Some(group)).unwrap_err();
            assert_eq!(refused.kind(), stillpoint_core::ErrorKind::InvalidInput, "{subscription} {group}");
        }
    }

    #[test]
    fn a_private_way_into_a_disk_is_closed_in_another_region() {
        let access = |value| serde_json::from_value::<Access>(value).unwrap();
        let private =
            access(json!({"networkAccessPolicy": "AllowPrivate", "diskAccessId": "/a"})).elsewhere();
        assert_eq!((private.policy.as_deref(), private.through), (Some("DenyAll"), None));
        let open =
            access(json!({"networkAccessPolicy": "AllowAll", "publicNetworkAccess": null})).elsewhere();
        assert_eq!(open.members().count(), 0);
    }
}
