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

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Sku {
    pub(super) name: Option<String>,
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
