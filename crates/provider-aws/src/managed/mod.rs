//! Managed workspaces: EBS volumes and EFS file systems through AWS Backup.

mod arn;
mod backup;
mod clients;
mod copy;
mod names;
mod points;
mod preflight;
mod provider;
mod refusal;
mod restore;
mod tags;

pub use provider::{AwsProvider, VaultPlace};
