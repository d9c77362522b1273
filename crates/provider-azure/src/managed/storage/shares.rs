//! File shares and their snapshots.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use stillpoint_core::{Result, Tags, Timestamp};

use super::super::compute::or_default;
use super::super::resource::resource;
use super::super::resource_id::ResourceId;
use super::{VERSION, read_metadata};
use crate::connection::{Connection, Request};

const READ: &str = "Microsoft.Storage/storageAccounts/fileServices/shares/read";
const WRITE: &str = "Microsoft.Storage/storageAccounts/fileServices/shares/write";
const DELETE: &str = "Microsoft.Storage/storageAccounts/fileServices/shares/delete";
/// The header that names one snapshot of a share.
const SNAPSHOT: &str = "x-ms-snapshot";

/// A file share, or one of its snapshots.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in super::super) struct Share {
    pub(in super::super) id: String,
    pub(in super::super) properties: Properties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Properties {
    #[serde(deserialize_with = "or_default")]
    pub(in super::super) metadata: BTreeMap<String, String>,
    /// When it was taken, as the service writes it; of snapshots only.
    pub(in super::super) snapshot_time: Option<String>,
    /// `NFS` or `SMB`.
    pub(in super::super) enabled_protocols: Option<String>,
    /// Its size in GiB.
    pub(in super::super) share_quota: Option<u64>,
    pub(in super::super) access_tier: Option<String>,
    pub(in super::super) root_squash: Option<String>,
    share_usage_bytes: Option<u64>,
}

/// One snapshot of a share: the share, and when it was taken.
#[derive(Clone, Debug)]
pub(in super::super) struct Taken {
    /// What names it, as the service wrote it.
    pub(in super::super) time: String,
    /// What is written on it.
    pub(in super::super) tags: Tags,
}

resource!(Share, READ, DELETE, VERSION);

impl Share {
    /// How many bytes the share holds.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(in super::super) async fn usage(connection: &Connection, id: &ResourceId) -> Result<Option<u64>> {
        let request = Request::new(READ, id.to_string(), VERSION).asking("$expand", "stats");
        Ok(connection.get::<Self>(&request).await?.properties.share_usage_bytes)
    }

    /// All shares of the account of `share` and their snapshots; only those whose name begins as `share`'s.
    ///
    /// # Errors
    /// Whatever listing can meet.
    async fn with_snapshots(connection: &Connection, share: &ResourceId) -> Result<Vec<Self>> {
        let service = share.parent()?;
        let request = Request::new(READ, format!("{service}/shares"), VERSION)
            .asking("$expand", "snapshots")
            .asking("$filter", share.name());
        connection.list(&request).await
    }

    /// All snapshots of the share `id`, oldest first.
    ///
    /// # Errors
    /// `NotFound` where its account does not exist.
    pub(in super::super) async fn snapshots(connection: &Connection, id: &ResourceId) -> Result<Vec<Taken>> {
        let listed = Self::with_snapshots(connection, id).await?;
        let of_this =
            listed.iter().filter(|each| each.id.parse::<ResourceId>().is_ok_and(|each| each == *id));
        let mut taken: Vec<Taken> = of_this.filter_map(Self::taken).collect();
        taken.sort_by(|one, other| one.time.cmp(&other.time));
        taken.dedup_by(|one, other| one.time == other.time);
        Ok(taken)
    }

    /// The snapshot of the share `id` that was taken at `time`, where there is one.
    ///
    /// # Errors
    /// Whatever else the call can meet.
    pub(in super::super) async fn snapshot(
        connection: &Connection,
        id: &ResourceId,
        time: &str,
    ) -> Result<Option<Taken>> {
        let request = Request::new(READ, id.to_string(), VERSION).with_header(SNAPSHOT, time);
        Ok(connection.known::<Self>(&request).await?.as_ref().and_then(Self::taken))
    }

    /// Takes a snapshot. The same call again takes another one.
    ///
    /// # Errors
    /// `QuotaExceeded` where the share has as many as it may have.
    pub(in super::super) async fn take(
        connection: &Connection,
        id: &ResourceId,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Option<Taken>> {
        let request = Request::new(WRITE, id.to_string(), VERSION).asking("$expand", "snapshots");
        let body = json!({"properties": {"metadata": metadata}});
        Ok(connection.put_new::<Self>(&request, &body).await?.taken())
    }

    /// Makes the share `id`, or changes it where it is there.
    ///
    /// # Errors
    /// Whatever the call can meet.
    pub(in super::super) async fn make(connection: &Connection, id: &ResourceId, body: &Value) -> Result<()> {
        connection.put(&Request::new(WRITE, id.to_string(), VERSION), body).await.map(drop)
    }

    /// Writes `metadata` on the share `id` in place of what it has. What else it is stays as it is.
    ///
    /// # Errors
    /// Whatever the call can meet.
    pub(in super::super) async fn write_metadata(
        connection: &Connection,
        id: &ResourceId,
        metadata: &BTreeMap<String, String>,
    ) -> Result<()> {
        super::write_metadata(connection, WRITE, id, metadata).await
    }

    /// Deletes one snapshot of the share `id`.
    ///
    /// # Errors
    /// Whatever refuses it.
    pub(in super::super) async fn delete_snapshot(
        connection: &Connection,
        id: &ResourceId,
        time: &str,
    ) -> Result<()> {
        let request = Request::new(DELETE, id.to_string(), VERSION).with_header(SNAPSHOT, time);
        connection.delete(&request).await.map(drop)
    }

    /// What is written on it.
    pub(in super::super) fn tags(&self) -> Tags {
        read_metadata(&self.properties.metadata)
    }

    /// The snapshot that it is, where it is one.
    pub(in super::super) fn taken(&self) -> Option<Taken> {
        Some(Taken { time: self.properties.snapshot_time.clone()?, tags: self.tags() })
    }
}

impl Taken {
    /// When it was taken.
    pub(in super::super) fn at(&self) -> Option<Timestamp> {
        self.time.parse().ok()
    }
}
