//! Managed workspaces: EBS volumes and EFS file systems through AWS Backup.

mod arn;
mod backup;
#[cfg(feature = "blocks")]
pub mod blocks;
mod clients;
mod copy;
mod discover;
mod ec2;
mod efs;
mod guard;
mod iam;
mod kms;
mod known;
mod listing;
mod marks;
mod names;
mod pages;
mod points;
mod policy;
mod preflight;
mod provider;
mod recorded;
mod refusal;
mod restore;
mod settings;
mod sts;
mod tags;
mod time;
mod vault;

pub use policy::{PolicyDocument, PolicyDocuments, PolicyScope, ServiceRole, Statement, Task, policy};
pub use provider::{AwsProvider, VaultPlace};
pub use settings::{BackupSettings, COMPLETE_WINDOW_MINUTES, ROLE_ARN, START_WINDOW_MINUTES, VAULT};
pub use vault::{CREATE_VAULT, NewVault, VAULT_KMS_KEY, VAULT_TAGS};
