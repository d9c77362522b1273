//! Calls to Azure Storage: file shares and their snapshots, containers of blobs.

mod containers;
mod metadata;
mod shares;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::json;
use stillpoint_core::Result;

use super::resource_id::ResourceId;
use crate::connection::{Connection, Request};

pub(super) use containers::Container;
pub(super) use metadata::{Metadata, read_metadata};
pub(super) use shares::{Share, Taken};

/// The full type of a file share.
pub(super) const SHARES: &str = "Microsoft.Storage/storageAccounts/fileServices/shares";
/// The full type of a container of blobs.
pub(super) const CONTAINERS: &str = "Microsoft.Storage/storageAccounts/blobServices/containers";
/// The full type of a storage account.
pub(super) const ACCOUNTS: &str = "Microsoft.Storage/storageAccounts";
/// The version of Storage's interface.
const VERSION: &str = "2026-09-01";
const ACCOUNT_READ: &str = "Microsoft.Storage/storageAccounts/read";

#[derive(Deserialize)]
struct Account {
    location: String,
}

/// The region of the account of the share or container `id`.
///
/// # Errors
/// `NotFound` where it does not exist.
pub(super) async fn region(connection: &Connection, id: &ResourceId) -> Result<String> {
    let account = id.parent()?.parent()?;
    let request = Request::new(ACCOUNT_READ, account.to_string(), VERSION);
    Ok(connection.get::<Account>(&request).await?.location)
}

async fn write_metadata(
    connection: &Connection,
    action: &'static str,
    id: &ResourceId,
    metadata: &BTreeMap<String, String>,
) -> Result<()> {
    let body = json!({"properties": {"metadata": metadata}});
    connection.patch(&Request::new(action, id.to_string(), VERSION), &body).await.map(drop)
}
