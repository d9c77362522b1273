//! Workspaces that an ended operation left held still on this host.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{Catalog, Error, Result, WorkspaceId};
use stillpoint_server::HoldNotes;
use stillpoint_server::document::LeftHold;

use super::hold::HoldFile;

/// The notes of this host, read beside a catalog.
#[derive(Debug)]
pub(crate) struct HostNotes {
    pub(crate) holds: PathBuf,
    pub(crate) catalog: Arc<dyn Catalog>,
    /// The managed workspaces that are configured here.
    pub(crate) configured: BTreeSet<WorkspaceId>,
}

impl HostNotes {
    /// All that are noted, and what is wrong with notes that cannot be told of. One whose operation the catalog does not know
    /// may be another catalog's, and is told as well.
    ///
    /// # Errors
    /// Whatever reading the notes can meet.
    pub(crate) async fn all(&self) -> Result<(Vec<LeftHold>, Vec<Error>)> {
        let mut left = Vec::new();
        let (all, mut untold) = HoldFile::all(&self.holds)?;
        for held in all {
            let operation = held.operation.or(held.hold.operation);
            let stored = match &operation {
                Some(id) => self.catalog.operation(id).await,
                None => Ok(None),
            };
            let ended = stored.map(|stored| stored.map(|stored| stored.operation.state.is_terminal()));
            let command = match ended {
                Ok(Some(true)) => "stillpoint resume".to_owned(),
                // No catalog says that it has ended, so nobody but a person can.
                Ok(None) => format!("stillpoint resume --held {}", held.workspace),
                Ok(Some(false)) => continue,
                Err(error) => {
                    untold.push(error);
                    continue;
                }
            };
            let is_configured = self.configured.contains(&held.workspace);
            let hold = LeftHold::new(held.workspace, held.hold.id, held.hold.since).taken_by(operation);
            left.push(hold.let_go_by(command, is_configured));
        }
        Ok((left, untold))
    }
}

#[async_trait]
impl HoldNotes for HostNotes {
    async fn left(&self) -> Result<Vec<LeftHold>> {
        let (left, untold) = self.all().await?;
        for error in untold {
            tracing::warn!(%error, "whether a workspace was left held still cannot be told");
        }
        Ok(left)
    }
}
