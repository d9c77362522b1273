//! Managed workspaces: EBS volumes and EFS file systems through AWS Backup.

mod arn;
mod backup;
mod clients;
mod copy;
mod ec2;
mod names;
mod points;
mod preflight;
mod provider;
mod refusal;
mod restore;
mod sts;
mod tags;

pub use provider::{AwsProvider, VaultPlace};
