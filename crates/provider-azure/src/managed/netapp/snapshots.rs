//! Snapshots of volumes.

use serde::Deserialize;
use serde_json::json;
use stillpoint_core::{Result, Timestamp};

use super::super::compute::time;
use super::super::resource::resource;
use super::super::resource_id::ResourceId;
use super::{Standing, VERSION};
use crate::connection::{Begun, Connection, Request};

const READ: &str = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/snapshots/read";
pub(in super::super) const WRITE: &str =
    "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/snapshots/write";
const DELETE: &str = "Microsoft.NetApp/netAppAccounts/capacityPools/volumes/snapshots/delete";

/// A snapshot of a volume. It carries no tags; what is to be known of it stands in its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Snapshot {
    pub(in super::super) id: String,
    pub(in super::super) location: String,
    #[serde(default)]
    properties: Properties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Properties {
    created: Option<String>,
    provisioning_state: Option<String>,
}

resource!(Snapshot, READ, DELETE, VERSION);

impl Snapshot {
    /// All snapshots of `volume`.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(in super::super) async fn list(connection: &Connection, volume: &ResourceId) -> Result<Vec<Self>> {
        connection.list(&Request::new(READ, format!("{volume}/snapshots"), VERSION)).await
    }

    /// Takes the snapshot `id` in the region of its volume. The same call again finds the same snapshot.
    ///
    /// # Errors
    /// `QuotaExceeded` where the volume has as many as it may have.
    pub(in super::super) async fn put(
        connection: &Connection,
        id: &ResourceId,
        region: &str,
    ) -> Result<Begun> {
        let body = json!({ "location": region });
        connection.put(&Request::new(WRITE, id.to_string(), VERSION), &body).await
    }

    /// When its content was captured, all of it at once.
    pub(in super::super) fn captured(&self) -> Option<Timestamp> {
        time(self.properties.created.as_ref())
    }

    pub(in super::super) fn standing(&self) -> Standing {
        Standing::of(self.properties.provisioning_state.as_deref())
    }
}
