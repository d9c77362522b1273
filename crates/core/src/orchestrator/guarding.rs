//! Guards of sources that several operations capture: whoever ends first leaves the source guarded for the others.
//!
//! A detached backup keeps no data to itself, so the backup of another workspace may take its guard over meanwhile.

use crate::catalog::OperationQuery;
use crate::decide::{GuardStep, Machine};
use crate::error::Result;
use crate::id::OperationId;
use crate::operation::{OperationRecord, OperationState};
use crate::orchestrator::effects::Runner;
use crate::provider::{JobRequest, Tags};
use crate::workspace::Component;

/// A guard that another operation needs on the same source.
struct Needed {
    operation: OperationId,
    component: Component,
    tags: Tags,
}

impl Runner {
    /// Removes the guard of `operation` from a source, unless another operation that is under way needs one there: then it
    /// is made that one's. What somebody wrote while it was removed may have been removed with it, and is written again.
    pub(super) async fn unguard(&self, component: &Component, operation: &OperationId) -> Result<()> {
        let provider = self.parts.provider(&component.provider)?;
        let mut needed = self.needed_guard(component, operation).await?;
        if needed.is_none() {
            provider.unguard(&self.cx, component, operation).await?;
            needed = self.needed_guard(component, operation).await?;
        }
        let Some(Needed { operation: other, component: its, tags }) = needed else { return Ok(()) };
        provider.guard(&self.cx, &its, &other, &tags).await?;
        // It may have removed its own before this one was written.
        let stored = self.parts.catalog.operation(&other).await?;
        let stands = stored.is_some_and(|stored| guard_on(&stored.operation, component).is_some());
        if stands { Ok(()) } else { provider.unguard(&self.cx, &its, &other).await }
    }

    /// The guard that an operation other than `own` needs on the source of `component`. Of two that are active only one works
    /// on it ([`Catalog::reserve`](crate::Catalog::reserve)), so that beside an active one only the few detached ones are looked at.
    async fn needed_guard(&self, component: &Component, own: &OperationId) -> Result<Option<Needed>> {
        let stored = self.parts.catalog.operation(own).await?;
        let is_active = stored.is_some_and(|stored| stored.operation.state.is_active());
        let mut query = OperationQuery::unfinished();
        query.state = is_active.then_some(OperationState::Detached);
        loop {
            let page = self.parts.catalog.operations(&query).await?;
            let others = page.items.iter().map(|stored| &stored.operation).filter(|other| other.id != *own);
            if let Some(needed) = others.filter_map(|other| guard_on(other, component)).next() {
                return Ok(Some(needed));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(None),
            }
        }
    }
}

/// The guard that the operation has on the source of `component` and does not remove yet.
fn guard_on(operation: &OperationRecord, component: &Component) -> Option<Needed> {
    let Machine::Backup(backup) = &operation.machine else { return None };
    if operation.state.is_terminal() {
        return None;
    }
    let own = backup.members.iter().find_map(|member| match &member.run.request {
        JobRequest::Backup(job) if matches!(member.guard.step, GuardStep::Writing | GuardStep::Standing) => {
            let same = (&job.component.provider, &job.component.resource)
                == (&component.provider, &component.resource);
            same.then_some(&job.component)
        }
        _ => None,
    })?;
    let tags = backup.plan.as_ref()?.definition.source_tags.clone();
    Some(Needed { operation: operation.id.clone(), component: own.clone(), tags })
}
