//! Workspaces that were left held still, as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{OperationId, QuiesceId, Timestamp, WorkspaceId};
use utoipa::ToSchema;

/// A workspace whose services stand still although nothing is under way on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct LeftHold {
    /// The workspace.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// The hold.
    #[schema(value_type = String)]
    pub hold: QuiesceId,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The operation that took it.
    #[schema(value_type = Option<String>)]
    pub operation: Option<OperationId>,
}

impl LeftHold {
    /// `workspace` is held still by `hold` since then.
    pub fn new(workspace: WorkspaceId, hold: QuiesceId, since: Timestamp) -> Self {
        Self { workspace, hold, since, operation: None }
    }

    /// The same, taken by `operation`.
    #[must_use]
    pub fn taken_by(mut self, operation: Option<OperationId>) -> Self {
        self.operation = operation;
        self
    }

    /// In words, with what to do.
    pub fn sentence(&self) -> String {
        let by = self.operation.as_ref().map_or("somebody".to_owned(), |id| {
            format!("operation {id}, which is not under way in this catalog")
        });
        format!(
            "workspace {} needs attention: its services are held still since {} by {by}; `stillpoint resume` on that \
             host lets them go, once what its resume hook may fail for is mended",
            self.workspace, self.since
        )
    }
}
