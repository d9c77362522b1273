//! Managed workspaces on Azure: disks through incremental snapshots.

mod backup;
mod compute;
mod copy;
mod discover;
mod names;
mod points;
mod policy;
mod preflight;
mod provider;
mod recorded;
mod resource_id;
mod restore;
mod settings;
mod tags;
mod under_way;

pub use policy::{PolicyDocuments, PolicyScope, RoleDefinition, Task, policy};
pub use provider::{AzureProvider, GroupPlace};
pub use settings::{REGION, RESOURCE_GROUP, SNAPSHOT_RESOURCE_GROUP, SNAPSHOT_SKU};
