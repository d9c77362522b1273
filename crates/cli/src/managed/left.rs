//! Workspaces that an ended operation left held still on this host.

use std::path::Path;

use serde::Serialize;
use stillpoint_core::{Catalog, Error, OperationId, QuiesceId, Result, Timestamp, WorkspaceId};

use super::hold::HoldFile;
use crate::settings::ConfigFile;

/// A workspace whose services stand still although nothing is under way.
#[derive(Debug, Serialize)]
pub(crate) struct LeftHold {
    workspace: WorkspaceId,
    hold: QuiesceId,
    since: Timestamp,
    operation: Option<OperationId>,
    /// The command that lets it go.
    command: String,
    #[serde(skip)]
    configured: bool,
}

impl LeftHold {
    /// All that are noted below `holds`, and what is wrong with notes that cannot be told of. One whose operation the catalog
    /// does not know may be another catalog's, and is told as well.
    ///
    /// # Errors
    /// Whatever reading the notes can meet.
    pub(crate) async fn all(
        holds: &Path,
        catalog: &dyn Catalog,
        config: &ConfigFile,
    ) -> Result<(Vec<Self>, Vec<Error>)> {
        let mut left = Vec::new();
        let (all, mut untold) = HoldFile::all(holds)?;
        for held in all {
            let operation = held.operation.or(held.hold.operation);
            let stored = match &operation {
                Some(id) => catalog.operation(id).await,
                None => Ok(None),
            };
            let ended = stored.map(|stored| stored.map(|stored| stored.operation.state.is_terminal()));
            let (workspace, hold, since) = (held.workspace, held.hold.id, held.hold.since);
            let command = match ended {
                Ok(Some(true)) => "stillpoint resume".to_owned(),
                // No catalog says that it has ended, so nobody but a person can.
                Ok(None) => format!("stillpoint resume --held {workspace}"),
                Ok(Some(false)) => continue,
                Err(error) => {
                    untold.push(error);
                    continue;
                }
            };
            let configured = config.managed(workspace.as_str()).is_some();
            left.push(Self { workspace, hold, since, operation, command, configured });
        }
        Ok((left, untold))
    }

    /// In words, with what to do.
    pub(crate) fn line(&self) -> String {
        let by = self.operation.as_ref().map_or("somebody".to_owned(), |id| {
            format!("operation {id}, which is not under way in this catalog")
        });
        let first = if self.configured { "" } else { "configure the workspace again, then " };
        format!(
            "workspace {} needs attention: its services are held still since {} by {by}; {first}`{}` lets them go",
            self.workspace, self.since, self.command
        )
    }
}
