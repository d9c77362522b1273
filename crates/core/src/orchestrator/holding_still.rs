//! Holding a workspace still and letting it go, whatever this host knows of the holds before.
//!
//! A workspace may keep its hold on the host that took it. Where an operation went from host to host, the one that goes on
//! with it may know a hold that somebody else let go long ago, and not the one that stands.

use std::sync::Arc;
use std::time::Duration;

use crate::decide::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::id::QuiesceId;
use crate::orchestrator::effects::Runner;
use crate::watchdog::{Watchdog, Watched};
use crate::workspace::{HoldInfo, QuiesceOptions, Workspace};

/// How long a resume waits for a quiesce under way, so that the two do not overtake each other.
const HOLD_GRACE: Duration = Duration::from_secs(30);
/// How long a workspace is waited for that is to say who holds it still.
const SEEN_WITHIN: Duration = Duration::from_secs(10);

impl Runner {
    /// Holds the workspace still for `budget` at the most, after `earlier` holds of the same operation.
    pub(super) async fn hold_still(&self, id: &QuiesceId, budget: Duration, earlier: u32) -> Result<Outcome> {
        let mut shown = self.hold.lock().await;
        let workspace = self.parts.workspace(self.request.workspace()).await?;
        let quiesced = self.quiesce(workspace.as_ref(), id, earlier, &QuiesceOptions::new(budget)).await;
        *shown = self.seen_hold(workspace.as_ref()).await.map(|hold| hold.id);
        quiesced
    }

    /// Lets the hold go, after what this host still takes for one although it is given up: a workspace that shows another hold
    /// than the one it is asked to let go does nothing.
    pub(super) async fn let_go(&self, id: &QuiesceId, earlier: u32) -> Result<Outcome> {
        let shown = tokio::time::timeout(HOLD_GRACE, self.hold.lock()).await;
        let workspace = self.parts.workspace(self.request.workspace()).await?;
        let seen = self.seen_hold(workspace.as_ref()).await;
        // Somebody whose clock is ahead may have called the hold overdue.
        let shows = shown.is_ok_and(|shown| shown.as_ref() == Some(id));
        let stands = !shows || seen.as_ref().is_some_and(|hold| hold.id == *id);
        if let Some(hold) = seen
            && hold.id != *id
            && self.is_given_up(&hold, earlier).await?
        {
            workspace.resume(&self.cx, &hold.id).await?;
        }
        workspace.resume(&self.cx, id).await?;
        Ok(if stands { Outcome::Done } else { Outcome::FoundFree })
    }

    /// Holds the workspace still; no hold stands in the way that is given up or has lasted too long.
    async fn quiesce(
        &self,
        on: &dyn Workspace,
        id: &QuiesceId,
        earlier: u32,
        options: &QuiesceOptions,
    ) -> Result<Outcome> {
        match on.quiesce(&self.cx, id, options).await {
            Err(error) if error.kind() == ErrorKind::Busy => {
                let hold = on.hold(&self.cx).await?;
                if let Some(hold) = hold
                    && self.is_given_up(&hold, earlier).await?
                {
                    on.resume(&self.cx, &hold.id).await?;
                } else {
                    let seen = Watchdog::new(Arc::clone(&self.parts.clock)).look(on).await?;
                    if !matches!(seen, Watched::Released(_)) {
                        return Err(error);
                    }
                }
                Ok(Outcome::Quiesced(on.quiesce(&self.cx, id, options).await?))
            }
            answer => Ok(Outcome::Quiesced(answer?)),
        }
    }

    /// Whether `hold` is one of the `earlier` holds of this operation, or of an operation that is known to have ended, on
    /// another host for example. A later hold of this operation is its next driver's, and one whose operation this catalog
    /// does not know may be under way in another one.
    async fn is_given_up(&self, hold: &HoldInfo, earlier: u32) -> Result<bool> {
        let operation = self.request.id();
        if (0..earlier).any(|count| QuiesceId::renewed(operation, count) == hold.id) {
            return Ok(true);
        }
        let Some(id) = &hold.operation else { return Ok(false) };
        let stored = self.parts.catalog.operation(id).await?;
        Ok(stored.is_some_and(|stored| stored.operation.state.is_terminal()))
    }

    /// The hold that the workspace shows; none where it cannot be asked, which keeps nobody from letting it go.
    async fn seen_hold(&self, on: &dyn Workspace) -> Option<HoldInfo> {
        let seen = tokio::time::timeout(SEEN_WITHIN, on.hold(&self.cx)).await;
        let unseen =
            |error| tracing::warn!(workspace = %on.id(), %error, "cannot see whether it is held still");
        let silent = |_| Error::new(ErrorKind::DeadlineExceeded, "the workspace does not say who holds it");
        seen.map_err(silent).and_then(|seen| seen).map_err(unseen).ok().flatten()
    }
}
