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
    /// The command that lets it go, on the host that has the note of it.
    pub command: String,
    /// Whether that host still has the workspace configured, which the command needs.
    pub configured: bool,
}

impl LeftHold {
    /// `workspace` is held still by `hold` since then.
    pub fn new(workspace: WorkspaceId, hold: QuiesceId, since: Timestamp) -> Self {
        let command = "stillpoint resume".to_owned();
        Self { workspace, hold, since, operation: None, command, configured: true }
    }

    /// The same, taken by `operation`.
    #[must_use]
    pub fn taken_by(mut self, operation: Option<OperationId>) -> Self {
        self.operation = operation;
        self
    }

    /// The same, let go by `command` once the workspace is `configured`.
    #[must_use]
    pub fn let_go_by(mut self, command: impl Into<String>, configured: bool) -> Self {
        (self.command, self.configured) = (command.into(), configured);
        self
    }

    /// In words, with what to do.
    pub fn sentence(&self) -> String {
        let by = self.operation.as_ref().map_or("somebody".to_owned(), |id| {
            format!("operation {id}, which is not under way in this catalog")
        });
        let first = if self.configured { "" } else { "configure the workspace again, then " };
        format!(
            "workspace {} needs attention: its services are held still since {} by {by}; {first}`{}` on that host lets them \
             go, once what its resume hook may fail for is mended",
            self.workspace, self.since, self.command
        )
    }
}
