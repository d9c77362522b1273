//! Containers of blobs, as the control plane has them.

use std::collections::BTreeMap;

use serde::Deserialize;
use stillpoint_core::{Result, Tags};

use super::super::compute::or_default;
use super::super::resource::resource;
use super::super::resource_id::ResourceId;
use super::{Metadata, VERSION, read_metadata};
use crate::connection::Connection;

const READ: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/read";
const WRITE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/write";
const DELETE: &str = "Microsoft.Storage/storageAccounts/blobServices/containers/delete";

/// A container of blobs.
#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct Container {
    pub(in super::super) properties: Properties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in super::super) struct Properties {
    #[serde(deserialize_with = "or_default")]
    pub(in super::super) metadata: BTreeMap<String, String>,
}

resource!(Container, READ, DELETE, VERSION);

impl Container {
    /// Writes `tags` as its metadata, in place of what was there.
    ///
    /// # Errors
    /// `InvalidInput` where they are too long; whatever the call can meet.
    pub(in super::super) async fn write_tags(
        connection: &Connection,
        id: &ResourceId,
        tags: &Tags,
    ) -> Result<()> {
        Self::write_metadata(connection, id, &Metadata::of(tags)?.written).await
    }

    /// Writes `metadata` on the container `id` in place of what it has.
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

    /// What is written on it.
    pub(in super::super) fn tags(&self) -> Tags {
        read_metadata(&self.properties.metadata)
    }
}
