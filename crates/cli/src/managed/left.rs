//! Workspaces that an ended operation left held still on this host.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use stillpoint_core::{Catalog, Result};
use stillpoint_server::HoldNotes;
use stillpoint_server::document::LeftHold;

use super::hold::HoldFile;

/// All that are noted below `holds`. One whose operation the catalog does not know may be another catalog's, and is told as
/// well.
///
/// # Errors
/// Whatever reading notes and catalog can meet.
pub(crate) async fn left_holds(holds: &Path, catalog: &dyn Catalog) -> Result<Vec<LeftHold>> {
    let mut left = Vec::new();
    for held in HoldFile::all(holds)? {
        let operation = held.operation.or(held.hold.operation);
        let stored = match &operation {
            Some(id) => catalog.operation(id).await?,
            None => None,
        };
        if stored.is_none_or(|stored| stored.operation.state.is_terminal()) {
            left.push(LeftHold::new(held.workspace, held.hold.id, held.hold.since).taken_by(operation));
        }
    }
    Ok(left)
}

/// The notes of this host, for a server of `catalog`.
#[derive(Debug)]
pub(crate) struct HostNotes {
    pub(crate) holds: PathBuf,
    pub(crate) catalog: Arc<dyn Catalog>,
}

#[async_trait]
impl HoldNotes for HostNotes {
    async fn left(&self) -> Result<Vec<LeftHold>> {
        left_holds(&self.holds, self.catalog.as_ref()).await
    }
}
