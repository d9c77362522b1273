//! Workspaces that ended operations left held still, as far as the host knows.

use std::fmt::Debug;

use async_trait::async_trait;
use stillpoint_core::{Result, WorkspaceId};

use super::sight::Sight;
use crate::access::Caller;
use crate::document::LeftHold;
use crate::plane::ControlPlane;

/// What a host knows of workspaces whose services stand still although nothing is under way: its notes, which no catalog
/// has.
#[async_trait]
pub trait HoldNotes: Debug + Send + Sync + 'static {
    /// All of them.
    ///
    /// # Errors
    /// Whatever reading the notes can meet.
    async fn left(&self) -> Result<Vec<LeftHold>>;
}

impl ControlPlane {
    /// Those of them that `caller` may see: all, or that of one workspace. Notes that cannot be read are logged, and keep
    /// nothing else from being shown.
    ///
    /// # Errors
    /// Whatever reading the catalog can meet.
    pub(crate) async fn left_held(
        &self,
        caller: &Caller,
        workspace: Option<&WorkspaceId>,
    ) -> Result<Vec<LeftHold>> {
        let Some(notes) = self.hold_notes() else { return Ok(Vec::new()) };
        let all = notes.left().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "whether a workspace was left held still cannot be told");
            Vec::new()
        });
        let (mut seen, mut sight) = (Vec::new(), Sight::new(self, caller));
        for held in all.into_iter().filter(|held| workspace.is_none_or(|id| *id == held.workspace)) {
            if sight.of_workspace(&held.workspace).await? {
                seen.push(held);
            }
        }
        Ok(seen)
    }
}
