//! Looks at a workspace, its providers and a backup's snapshots before an operation begins; changes nothing.

use std::time::Duration;

use crate::catalog::{BackupRecord, Origin};
use crate::context::OpContext;
use crate::error::{ErrorKind, Result};
use crate::forecast::{Estimate, forecast};
use crate::id::WorkspaceId;
use crate::operation::RestoreRequest;
use crate::orchestrator::bases;
use crate::orchestrator::builder::Parts;
use crate::plan::{Plan, PlannedComponent};
use crate::provider::{Finding, Provider, Severity};
use crate::provisioner::ProvisionRequest;
use crate::workspace::{Component, Protection, Settings, Workspace};

/// What stands against a restore; changes nothing.
pub(super) async fn restore_findings(
    parts: &Parts,
    cx: &OpContext,
    restore: &RestoreRequest,
    backup: &BackupRecord,
) -> Result<Vec<Finding>> {
    let request = ProvisionRequest::new(restore.clone(), backup.clone());
    let mut findings = parts.provisioner(&restore.provisioner)?.preflight(cx, &request).await?;
    findings.extend(snapshot_findings(parts, cx, backup).await?);
    Ok(findings)
}

/// Looks at each snapshot with the provider's own eyes before anything is made for it.
pub(super) async fn snapshot_findings(
    parts: &Parts,
    cx: &OpContext,
    backup: &BackupRecord,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for component in &backup.components {
        let Some(reference) = &component.snapshot else {
            continue;
        };
        let opened = match parts.provider(&reference.provider)?.open(cx, reference).await {
            Ok(snapshot) => snapshot.describe(cx).await,
            Err(error) => Err(error),
        };
        let problem = match opened {
            Ok(info) if info.usable => continue,
            Ok(_) => "its snapshot is not usable".to_owned(),
            Err(error) if error.kind() == ErrorKind::NotFound => "its snapshot no longer exists".to_owned(),
            Err(error) => return Err(error),
        };
        let message = format!("{}: {problem}", component.component.id);
        findings.push(Finding::new("snapshot-usable", Severity::Blocker, message));
    }
    Ok(findings)
}

/// The components of a workspace, with `settings` over their own.
pub(super) async fn inventory(
    cx: &OpContext,
    workspace: &dyn Workspace,
    settings: &Settings,
) -> Result<Vec<Component>> {
    let mut components = workspace.inventory(cx).await?;
    components.iter_mut().for_each(|component| lay_over(&mut component.settings, settings));
    Ok(components)
}

fn lay_over(own: &mut Settings, settings: &Settings) {
    own.extend(settings.iter().map(|(name, value)| (name.clone(), value.clone())));
}

/// Reads a workspace, lays `settings` over its own and runs every preflight of a backup that is kept for `retain`; changes
/// nothing.
pub(super) async fn plan(
    parts: &Parts,
    cx: &OpContext,
    workspace: &dyn Workspace,
    settings: &Settings,
    retain: Option<Duration>,
) -> Result<Plan> {
    let mut definition = workspace.definition(cx).await?;
    lay_over(&mut definition.settings, settings);
    let parents = bases::parents(parts, workspace.id()).await?;
    let mut built_on: Option<&BackupRecord> = None;
    let (mut components, mut estimates) = (Vec::new(), Vec::new());
    for component in inventory(cx, workspace, settings).await? {
        let mut planned = PlannedComponent::new(component);
        if planned.component.protection == Protection::Protected {
            let provider = parts.provider(&planned.component.provider)?;
            planned.in_process = provider.capabilities().in_process_jobs;
            planned.guarded = provider.capabilities().guards_sources && !definition.source_tags.is_empty();
            planned.findings = provider.preflight(cx, &planned.component).await?;
            planned.findings.extend(provider.preflight_retention(cx, &planned.component, retain).await?);
            if planned.guarded {
                let tags = &definition.source_tags;
                planned.findings.extend(provider.preflight_guard(cx, &planned.component, tags).await?);
            }
            planned.place = provider.place(cx, &planned.component).await?;
            estimates
                .push((planned.component.clone(), estimate(provider.as_ref(), cx, &planned.component).await));
            match bases::base(&parents, &planned.component) {
                Some((backup, snapshot)) => {
                    planned.findings.extend(provider.preflight_base(cx, &snapshot).await?);
                    planned.base = Some(snapshot);
                    built_on =
                        built_on.filter(|other| other.created_at >= backup.created_at).or(Some(backup));
                }
                None => planned.base_lost = bases::why_none(&parents, &planned.component),
            }
        }
        components.push(planned);
    }
    let mut plan = Plan::new(definition, components, built_on.map(|backup| backup.id.clone()));
    plan.findings = bases::gone(&parents, plan.components.iter().map(|planned| &planned.component));
    plan.restored_from = origin(parts, workspace.id()).await?;
    plan.forecast = forecast(&parents, estimates.iter().map(|(component, known)| (component, *known)));
    Ok(plan)
}

/// Where the workspace comes from. A catalogued workspace that cannot be read keeps no backup from beginning.
async fn origin(parts: &Parts, id: &WorkspaceId) -> Result<Option<Origin>> {
    match parts.catalog.workspace(id).await {
        Ok(known) => Ok(known.and_then(|known| known.origin)),
        Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::InvalidConfig) => {
            tracing::warn!(workspace = %id, %error, "where it comes from cannot be read");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// What the provider says of a component's size; a provider that cannot say keeps no backup from beginning.
async fn estimate(provider: &dyn Provider, cx: &OpContext, component: &Component) -> Option<Estimate> {
    provider.estimate(cx, component).await.unwrap_or_else(|error| {
        tracing::debug!(component = %component.id, %error, "no estimate of its size");
        None
    })
}
