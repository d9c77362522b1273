//! Managed workspaces on Azure: disks through incremental snapshots.

mod backup;
mod compute;
mod copy;
mod discover;
mod names;
mod points;
mod preflight;
mod provider;
mod recorded;
mod resource_id;
mod restore;
mod settings;
mod tags;
mod under_way;

pub use provider::{AzureProvider, GroupPlace};
pub use settings::{RESOURCE_GROUP, SNAPSHOT_SKU};
