//! Volumes.

use serde::Deserialize;
use serde_json::{Value, json};
use stillpoint_core::{Result, Tags};

use super::super::compute::or_default;
use super::super::resource::resource;
use super::super::resource_id::ResourceId;
use super::{Standing, VERSION};
use crate::connection::{Begun, Connection, Request};

const READ: &str = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/read";
pub(in super::super) const WRITE: &str = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/write";
const DELETE: &str = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/delete";

/// A volume.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Volume {
    pub(in super::super) location: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(in super::super) tags: Tags,
    #[serde(default, deserialize_with = "or_default")]
    pub(in super::super) zones: Vec<String>,
    pub(in super::super) properties: Properties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Properties {
    provisioning_state: Option<String>,
    /// Its path, by which it is mounted; of one volume only.
    pub(in super::super) creation_token: Option<String>,
    /// Its size in bytes.
    pub(in super::super) usage_threshold: Option<u64>,
    pub(in super::super) subnet_id: Option<String>,
    pub(in super::super) service_level: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(in super::super) protocol_types: Vec<String>,
    pub(in super::super) export_policy: Option<Value>,
    pub(in super::super) network_features: Option<String>,
    pub(in super::super) security_style: Option<String>,
    pub(in super::super) throughput_mibps: Option<f64>,
    pub(in super::super) is_restoring: Option<bool>,
}

resource!(Volume, READ, DELETE, VERSION);

impl Volume {
    /// Makes the volume `id`.
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

    /// Writes `tags` on the volume `id` in place of those it has.
    ///
    /// # Errors
    /// Whatever the call can meet.
    pub(in super::super) async fn write_tags(
        connection: &Connection,
        id: &ResourceId,
        tags: &Tags,
    ) -> Result<()> {
        let body = json!({ "tags": tags });
        connection.patch(&Request::new(WRITE, id.to_string(), VERSION), &body).await.map(drop)
    }

    pub(in super::super) fn standing(&self) -> Standing {
        Standing::of(self.properties.provisioning_state.as_deref())
    }
}
