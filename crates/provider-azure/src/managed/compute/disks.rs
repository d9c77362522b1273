//! Managed disks.

use serde::Deserialize;
use serde_json::Value;
use stillpoint_core::{Result, Tags};

use super::super::resource::resource;
use super::super::resource_id::ResourceId;
use super::{Access, CreationData, Sku, VERSION, listing, or_default, write_tags};
use crate::connection::{Begun, Connection, Request};

const READ: &str = "Microsoft.Compute/disks/read";
const WRITE: &str = "Microsoft.Compute/disks/write";
const DELETE: &str = "Microsoft.Compute/disks/delete";

/// A managed disk.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Disk {
    pub(in super::super) id: String,
    pub(in super::super) location: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in super::super) tags: Tags,
    #[serde(default, deserialize_with = "or_default")]
    pub(in super::super) zones: Vec<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(in super::super) sku: Sku,
    /// The machine that has it.
    pub(in super::super) managed_by: Option<String>,
    pub(in super::super) properties: Properties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Properties {
    pub(in super::super) provisioning_state: Option<String>,
    pub(in super::super) unique_id: Option<String>,
    pub(in super::super) disk_size_bytes: Option<u64>,
    #[serde(rename = "diskSizeGB")]
    pub(in super::super) disk_size_gib: Option<u64>,
    #[serde(rename = "diskIOPSReadWrite")]
    pub(in super::super) iops: Option<u64>,
    #[serde(rename = "diskMBpsReadWrite")]
    pub(in super::super) throughput_mbps: Option<u64>,
    pub(in super::super) tier: Option<String>,
    #[serde(flatten)]
    pub(in super::super) access: Access,
    pub(in super::super) completion_percent: Option<f64>,
    #[serde(deserialize_with = "or_default")]
    pub(in super::super) creation_data: CreationData,
    #[serde(deserialize_with = "or_default")]
    pub(in super::super) encryption: Encryption,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Encryption {
    #[serde(rename = "type")]
    pub(in super::super) kind: Option<String>,
    pub(in super::super) disk_encryption_set_id: Option<String>,
}

resource!(Disk, READ, DELETE, VERSION);

impl Disk {
    /// All disks of a subscription, or of one of its resource groups.
    ///
    /// # Errors
    /// Whatever listing can meet.
    pub(in super::super) async fn list(
        connection: &Connection,
        subscription: &str,
        group: Option<&str>,
    ) -> Result<Vec<Self>> {
        let path = listing(subscription, group, super::DISKS)?;
        connection.list(&Request::new(READ, path, VERSION)).await
    }

    /// Makes the disk `id`.
    ///
    /// # Errors
    /// Whatever the call can meet.
    pub(in super::super) async fn put(
        connection: &Connection,
        id: &ResourceId,
        body: &Value,
    ) -> Result<Begun> {
        connection.put(&Request::new(WRITE, id.to_string(), VERSION), body).await
    }

    /// Writes `tags` on the disk `id` in place of those it has.
    ///
    /// # Errors
    /// Whatever the call can meet.
    pub(in super::super) async fn write_tags(
        connection: &Connection,
        id: &ResourceId,
        tags: &Tags,
    ) -> Result<()> {
        write_tags(connection, WRITE, id, tags).await
    }
}
