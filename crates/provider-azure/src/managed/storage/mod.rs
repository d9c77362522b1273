//! Calls to Azure Storage: file shares and their snapshots.

mod metadata;
mod shares;

pub(super) use metadata::{Metadata, read_metadata};
pub(super) use shares::{Share, Taken};

/// The full type of a file share.
pub(super) const SHARES: &str = "Microsoft.Storage/storageAccounts/fileServices/shares";
/// The version of Storage's interface.
const VERSION: &str = "2026-09-01";
