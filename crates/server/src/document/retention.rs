//! What a retention policy does, as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{BackupId, ErrorRecord, Forgotten, Retention};
use utoipa::ToSchema;

/// What a policy would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct RetentionDocument {
    /// What stays.
    pub keep: Vec<KeptItem>,
    /// What goes.
    #[schema(value_type = Vec<String>)]
    pub remove: Vec<BackupId>,
}

/// A backup that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct KeptItem {
    /// The backup.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// Why it stays.
    pub reasons: Vec<String>,
}

impl RetentionDocument {
    /// `retention` as a document.
    pub fn new(retention: Retention) -> Self {
        let keep = retention.keep.into_iter().map(|kept| KeptItem { id: kept.id, reasons: kept.reasons });
        Self { keep: keep.collect(), remove: retention.remove }
    }
}

/// What applying a policy did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ForgottenDocument {
    /// Backups that are deleted and were read back as gone.
    #[schema(value_type = Vec<String>)]
    pub deleted: Vec<BackupId>,
    /// Backups that were to go and stay after all.
    pub kept: Vec<KeptItem>,
    /// Backups whose deletion failed.
    pub failed: Vec<FailedItem>,
}

/// A backup whose deletion failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct FailedItem {
    /// The backup.
    #[schema(value_type = String)]
    pub id: BackupId,
    /// Why.
    #[schema(value_type = Object)]
    pub error: ErrorRecord,
}

impl ForgottenDocument {
    /// `forgotten` as a document.
    pub fn new(forgotten: Forgotten) -> Self {
        let kept = forgotten.kept.into_iter().map(|(id, reason)| KeptItem { id, reasons: vec![reason] });
        let failed = forgotten.failed.into_iter().map(|(id, error)| FailedItem { id, error });
        Self { deleted: forgotten.deleted, kept: kept.collect(), failed: failed.collect() }
    }
}
