//! Who waits for a busy workspace inside one orchestrator, in the order of arrival.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind, Result};
use crate::id::WorkspaceId;
use crate::layer::{FairQueue, Place};
use crate::orchestrator::local::BUSY_PAUSE;

/// How many requests may wait for one workspace.
const WAITING_MAX: usize = 64;

/// One line for each workspace that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<BTreeMap<WorkspaceId, (FairQueue, usize)>>);

/// The first place in a line, or a place in it; given up when it is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    lines: &'a Lines,
    workspace: WorkspaceId,
    first: Option<Place>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.first = None;
        let mut lines = self.lines.lock();
        if let Some((_, waiting)) = lines.get_mut(&self.workspace) {
            *waiting -= 1;
            if *waiting == 0 {
                lines.remove(&self.workspace);
            }
        }
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkspaceId, (FairQueue, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until everybody who came earlier has had the workspace, or no longer wants it.
    pub(super) async fn enter(&self, workspace: &WorkspaceId) -> Result<Turn<'_>> {
        let queue = {
            let mut lines = self.lock();
            let (queue, waiting) = lines.entry(workspace.clone()).or_insert_with(|| (FairQueue::new(1), 0));
            if *waiting >= WAITING_MAX {
                let message = format!("{WAITING_MAX} requests wait for workspace {workspace} already");
                return Err(Error::new(ErrorKind::Busy, message).retry_after(BUSY_PAUSE));
            }
            *waiting += 1;
            queue.clone()
        };
        let mut turn = Turn { lines: self, workspace: workspace.clone(), first: None };
        turn.first = Some(queue.enter("").await?);
        Ok(turn)
    }
}
