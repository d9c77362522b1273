//! Operations that work on the same data, whatever workspaces they belong to: one at a time.

use std::sync::{Arc, PoisonError};

use crate::catalog::StoredOperation;
use crate::error::{Error, ErrorKind, Result};
use crate::extent::Extent;
use crate::id::{OperationId, WorkspaceId};
use crate::operation::OperationRecord;
use crate::orchestrator::drives::to_its_end;
use crate::orchestrator::effects::Runner;
use crate::orchestrator::local::BUSY_PAUSE;
use crate::plan::Plan;
use crate::workspace::Protection;

/// So many lease times after its lease ran out, an operation that nobody here can drive is no longer waited for.
const LEASES_WAITED: u32 = 3;

impl Runner {
    /// What the planned backup works on.
    pub(super) async fn extents(&self, plan: &Plan) -> Result<Vec<Extent>> {
        let mut extents = Vec::new();
        for component in plan.components.iter().map(|planned| &planned.component) {
            if component.protection == Protection::Protected {
                extents.extend(self.parts.provider(&component.provider)?.extents(&self.cx, component).await?);
            }
        }
        Ok(extents)
    }

    /// Keeps `extents` to this operation. Answers the operations that are to be waited for because they work on some of it.
    ///
    /// # Errors
    /// `Busy` where an interrupted operation stands in the way that nobody goes on with.
    pub(super) async fn reserve(&self, extents: &[Extent]) -> Result<Vec<OperationId>> {
        if extents.is_empty() {
            return Ok(Vec::new());
        }
        let (parts, lease, wanted) = (Arc::clone(&self.parts), self.lease.clone(), extents.to_vec());
        let others = to_its_end(async move { parts.catalog.reserve(&lease, &wanted).await }).await?;
        if !others.is_empty() {
            // One that is waited for may itself wait for a place.
            self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        for other in &others {
            if let Some(stored) = self.parts.catalog.operation(other).await? {
                self.see_to(&stored).await?;
            }
        }
        Ok(others)
    }

    /// The detached backups of `workspace`, which are waited for: their jobs still work on it outside.
    ///
    /// # Errors
    /// `Busy` where nobody here can follow one of them, and nobody else has for a while.
    pub(super) async fn detached(&self, workspace: &WorkspaceId) -> Result<Vec<OperationId>> {
        let Some(drives) = self.drives.upgrade() else { return Ok(Vec::new()) };
        let detached = drives.detached(workspace).await?;
        for stored in &detached {
            self.see_to(stored).await?;
        }
        Ok(detached.into_iter().map(|stored| stored.operation.id).collect())
    }

    /// Sees to it that what is waited for comes to an end.
    async fn see_to(&self, other: &StoredOperation) -> Result<()> {
        if other.operation.state.is_terminal() || other.lease.live {
            return Ok(());
        }
        if let Some(drives) = self.drives.upgrade()
            && drives.take_over(other).await?
        {
            return Ok(());
        }
        // Another host may have taken it over in between, or brought it to its end.
        let now = self.parts.catalog.operation(&other.operation.id).await?;
        let Some(other) = now.filter(|now| !now.operation.state.is_terminal() && !now.lease.live) else {
            return Ok(());
        };
        let given_up = other.lease.expires_at.after(self.parts.lease_ttl.saturating_mul(LEASES_WAITED));
        if self.cx.clock().now() < given_up {
            return Ok(());
        }
        let OperationRecord { id, workspace, request, .. } = &other.operation;
        let kind = request.kind();
        let mut message = format!(
            "{kind} {id} of workspace {workspace} works on the same data and was interrupted; resume it, or cancel it"
        );
        if let Some(lacking) = self.parts.lacks(&other.operation).await? {
            message.push_str(&format!(
                ": {lacking} is not registered here, so resume it where that is; cancelled, it is given up here, and its issues \
                 name what may still run outside"
            ));
        }
        Err(Error::new(ErrorKind::Busy, message).with("operation", id).retry_after(BUSY_PAUSE))
    }
}
