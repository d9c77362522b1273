//! Workspaces that an ended operation left held still on this host.

use std::path::Path;

use serde::Serialize;
use stillpoint_core::{Catalog, OperationId, QuiesceId, Result, Timestamp, WorkspaceId};

use super::hold::HoldFile;

/// A workspace whose services stand still although nothing is under way.
#[derive(Debug, Serialize)]
pub(crate) struct LeftHold {
    workspace: WorkspaceId,
    hold: QuiesceId,
    since: Timestamp,
    operation: Option<OperationId>,
}

impl LeftHold {
    /// All that are noted below `holds`. One whose operation the catalog does not know may be another catalog's, and is
    /// told as well.
    ///
    /// # Errors
    /// Whatever reading notes and catalog can meet.
    pub(crate) async fn all(holds: &Path, catalog: &dyn Catalog) -> Result<Vec<Self>> {
        let mut left = Vec::new();
        for held in HoldFile::all(holds)? {
            let operation = held.operation.or(held.hold.operation);
            let stored = match &operation {
                Some(id) => catalog.operation(id).await?,
                None => None,
            };
            if stored.is_none_or(|stored| stored.operation.state.is_terminal()) {
                let (workspace, hold, since) = (held.workspace, held.hold.id, held.hold.since);
                left.push(Self { workspace, hold, since, operation });
            }
        }
        Ok(left)
    }

    /// In words, with what to do.
    pub(crate) fn line(&self) -> String {
        let by = self.operation.as_ref().map_or("somebody".to_owned(), |id| {
            format!("operation {id}, which is not under way in this catalog")
        });
        format!(
            "workspace {} needs attention: its services are held still since {} by {by}; `stillpoint resume` lets them go",
            self.workspace, self.since
        )
    }
}
