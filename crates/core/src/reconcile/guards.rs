//! Guards that were left on sources: by a process that slept through the end of its operation, or where removing them was
//! refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compare::note;
use super::{Maker, Reconciliation, StrayGuard};
use crate::catalog::{Catalog, PAGE_LIMIT_MAX, WorkspaceRecord};
use crate::context::OpContext;
use crate::error::Result;
use crate::id::{OperationId, WorkspaceId};
use crate::provider::Provider;
use crate::workspace::{Component, Protection};

/// Notes in `report` the guards on sources of catalogued workspaces that no operation under way needs. Workspaces without
/// source tags are not looked at.
pub(super) async fn find(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
    under_way: &BTreeSet<String>,
    report: &mut Reconciliation,
) -> Result<()> {
    let mut after: Option<WorkspaceId> = None;
    loop {
        let page = catalog.workspaces(after.as_ref(), PAGE_LIMIT_MAX).await?;
        for workspace in &page.items {
            for (component, provider) in guarded(workspace, providers) {
                let operation = match provider.guarded(cx, component).await {
                    Ok(Some(operation)) if !under_way.contains(operation.as_str()) => operation,
                    Ok(_) => continue,
                    Err(error) => {
                        let told = report.unreachable.iter().any(|(id, _)| id == provider.id());
                        report.unreachable.extend((!told).then(|| (provider.id().clone(), error.record())));
                        continue;
                    }
                };
                if let Some(made_by) = stray(catalog, operation).await? {
                    let guard = StrayGuard::new(&workspace.definition.id, component, made_by);
                    note(&mut report.guards, guard, &mut report.left_out);
                }
            }
        }
        match page.next {
            Some(next) => after = Some(WorkspaceId::new(next)?),
            None => return Ok(()),
        }
    }
}

/// Removes a guard, if it is as it was found and still nobody needs it; answers whether it did.
pub(super) async fn remove(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
    found: &StrayGuard,
) -> Result<bool> {
    let Some(workspace) = catalog.workspace(&found.workspace).await? else { return Ok(false) };
    let mut sources = guarded(&workspace, providers);
    let same = |(component, _): &(&Component, _)| {
        component.id == found.component && component.resource == found.resource
    };
    let Some((component, provider)) = sources.find(same) else { return Ok(false) };
    let Some(operation) = provider.guarded(cx, component).await? else { return Ok(false) };
    if stray(catalog, operation.clone()).await?.as_ref() != Some(&found.made_by) {
        return Ok(false);
    }
    provider.unguard(cx, component, &operation).await?;
    Ok(true)
}

/// The sources of a workspace that may carry a guard, each with its provider.
fn guarded<'a>(
    workspace: &'a WorkspaceRecord,
    providers: &'a [Arc<dyn Provider>],
) -> impl Iterator<Item = (&'a Component, &'a Arc<dyn Provider>)> {
    let asked = !workspace.definition.source_tags.is_empty();
    let sources = workspace.components.iter().filter(move |_| asked);
    let sources = sources.filter(|component| component.protection == Protection::Protected);
    sources.filter_map(move |component| {
        let provider = providers.iter().find(|provider| *provider.id() == component.provider)?;
        provider.capabilities().guards_sources.then_some((component, provider))
    })
}

/// Who wrote a guard that stands though nothing needs it. Asked after the source was: an operation that guards it is in the
/// catalog by then.
async fn stray(catalog: &dyn Catalog, operation: OperationId) -> Result<Option<Maker>> {
    Ok(match catalog.operation(&operation).await? {
        Some(stored) if !stored.operation.state.is_terminal() => None,
        Some(_) => Some(Maker::Ended(operation)),
        None => Some(Maker::Unknown(operation)),
    })
}
