//! Components of backups as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{Component, ComponentRecord, ComponentState, Depth, Protection, Timestamp};
use utoipa::ToSchema;

/// One component of a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ComponentItem {
    /// Names it inside the workspace.
    pub id: String,
    /// What it is: `directory`, `ebs`, `efs`, …
    pub kind: String,
    /// The provider that protects it.
    pub provider: String,
    /// The provider's name of it.
    pub resource: String,
    /// What became of it: `completed`, `partial`, `late`, `failed`, `excluded`, `cancelled`, `damaged`.
    #[schema(value_type = String)]
    pub state: ComponentState,
    /// Its snapshot.
    pub snapshot_id: Option<String>,
    /// The address of the store that holds the snapshot, where its provider can be pointed at several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// From when its content was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub captured_from: Option<Timestamp>,
    /// Until when its content was read.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub captured_to: Option<Timestamp>,
    /// How deep it was verified: `listed`, `sized`, `decrypted`, `restored`.
    #[schema(value_type = Option<String>)]
    pub verified: Option<Depth>,
    /// When a verification after the sealing last looked at it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
    /// Why it is left out, where it is.
    pub excluded_reason: Option<String>,
    /// Why it was not built on the snapshot of an earlier backup. Nothing is missing because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_lost: Option<String>,
}

impl ComponentItem {
    /// The component as recorded.
    pub fn new(record: &ComponentRecord) -> Self {
        Self {
            id: record.component.id.to_string(),
            kind: record.component.kind.clone(),
            provider: record.component.provider.to_string(),
            resource: record.component.resource.clone(),
            state: record.state,
            snapshot_id: record.snapshot.as_ref().map(|snapshot| snapshot.id.to_string()),
            store: record
                .snapshot
                .as_ref()
                .and_then(|snapshot| snapshot.store.clone())
                .map(|store| store.url),
            captured_from: record.captured.map(|window| window.from),
            captured_to: record.captured.map(|window| window.to),
            verified: record.verified,
            verified_at: record.verified_at,
            excluded_reason: excluded_reason(&record.component).map(str::to_owned),
            base_lost: record.base_lost.clone(),
        }
    }
}

/// Why backups leave a component out; `None` for one that they hold.
pub fn excluded_reason(component: &Component) -> Option<&str> {
    match &component.protection {
        Protection::Excluded { reason } => Some(reason),
        _ => None,
    }
}
