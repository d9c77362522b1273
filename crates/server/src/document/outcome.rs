//! What an operation came to, as a document.

use serde::{Deserialize, Serialize};
use stillpoint_core::{OperationStatus, Request};
use utoipa::ToSchema;

use super::operation::OperationItem;
use super::restore::RestoreDocument;
use super::result::BackupDocument;

/// What an operation came to, or has come to so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct OperationResult {
    /// The operation.
    pub operation: OperationItem,
    /// What a backup came to.
    pub backup: Option<BackupDocument>,
    /// What a restore came to.
    pub restore: Option<RestoreDocument>,
}

impl OperationResult {
    /// What the operation of `status` came to.
    pub fn new(status: &OperationStatus) -> Self {
        let is_backup = matches!(status.operation.request, Request::Backup(_));
        Self {
            operation: OperationItem::of_status(status),
            backup: is_backup.then(|| BackupDocument::new(status)),
            restore: RestoreDocument::new(&status.operation),
        }
    }
}
