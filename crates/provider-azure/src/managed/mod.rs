//! Managed workspaces on Azure: disks through incremental snapshots, file shares and NetApp volumes through theirs.

mod backup;
mod compute;
mod copy;
mod discover;
mod empty;
mod guard;
mod kind;
mod names;
mod netapp;
mod points;
mod policy;
mod preflight;
mod provider;
mod recorded;
mod resource;
mod resource_id;
mod restore;
mod settings;
mod shares;
mod storage;
mod tags;
mod under_way;
mod vault;
mod volumes;

pub use empty::RESOURCE;
pub use policy::{PolicyDocuments, PolicyScope, RoleDefinition, Task, policy};
pub use provider::{AzureProvider, GroupPlace};
pub use settings::{REGION, RESOURCE_GROUP, SNAPSHOT_RESOURCE_GROUP, SNAPSHOT_SKU};
pub use vault::{BACKUP_RULE, RETENTION_TAG, STORAGE_ACCOUNT, VAULT, VAULT_RESOURCE_GROUP};
pub use volumes::BACKUP_VAULT;
