//! Finds out what operations would do outside, without doing it.

use crate::catalog::{BackupRecord, OperationQuery};
use crate::context::OpContext;
use crate::error::{Error, ErrorKind, Result};
use crate::forecast::forecast_restore;
use crate::id::{BackupId, OperationId, ProviderId, WorkspaceId};
use crate::operation::{BackupRequest, DeleteRequest, RestoreRequest};
use crate::orchestrator::builder::Parts;
use crate::orchestrator::in_use;
use crate::outlook::{Conflict, DeletePlan, Outlook, PlannedCall, RestorePlan};
use crate::plan::Plan;
use crate::provider::{BackupJob, Finding, JobKey, JobRequest, RestoreJob, Severity};
use crate::workspace::{Component, Protection, Settings};

/// The calls of a job of the contract, in their order.
const JOB_CALLS: [&str; 2] = ["start", "poll"];

/// What the backup of `plan` would do.
pub(super) async fn of_backup(
    parts: &Parts,
    cx: &OpContext,
    request: &BackupRequest,
    plan: &Plan,
) -> Result<Outlook> {
    let mut outlook =
        Outlook { forecast: plan.forecast, bytes: Some(0), files: Some(0), ..Outlook::default() };
    outlook.conflicts = conflicts(parts, &request.workspace, &request.id).await?;
    let protected =
        plan.components.iter().filter(|planned| planned.component.protection == Protection::Protected);
    let guarded = protected.clone().filter(|planned| planned.guarded).map(|planned| &planned.component);
    for component in guarded.clone() {
        outlook.add_guard(parts, cx, component).await?;
        outlook.tags.extend(plan.definition.source_tags.clone());
    }
    outlook.calls.push(PlannedCall::new("workspace", "quiesce", "workspace"));
    for planned in protected.clone() {
        let key = JobKey::new(request.id.clone(), planned.component.id.clone(), 1);
        let (workspace, backup) = (request.workspace.clone(), BackupId::of(&request.id));
        let mut job = BackupJob::new(key, workspace, backup, planned.component.clone(), cx.clock().now());
        job.base.clone_from(&planned.base);
        job.retain = request.retain;
        job.tags.clone_from(&plan.definition.snapshot_tags);
        outlook.add_job(parts, cx, &JobRequest::Backup(job)).await?;
    }
    outlook.calls.push(PlannedCall::new("workspace", "resume", "workspace"));
    for planned in protected.clone() {
        let (provider, id) = (planned.component.provider.as_str(), planned.component.id.as_str());
        outlook.calls.push(PlannedCall::new(provider, "verify", id));
    }
    for component in guarded {
        outlook.calls.push(PlannedCall::new(component.provider.as_str(), "unguard", component.id.as_str()));
    }
    let providers = protected.map(|planned| &planned.component.provider);
    outlook.add_records(parts, providers, "put_record")?;
    if outlook.bytes.is_none()
        && let Some(parent) = &plan.parent
        && let Some(parent) = parts.catalog.backup(parent).await?
    {
        // What the backup before added is the best guess of what this one will.
        outlook.bytes = (parent.backup.parent.is_some()).then_some(parent.backup.added_bytes);
    }
    Ok(outlook)
}

/// What a restore would do.
pub(super) async fn of_restore(
    parts: &Parts,
    cx: &OpContext,
    request: &RestoreRequest,
    backup: BackupRecord,
    findings: Vec<Finding>,
) -> Result<RestorePlan> {
    let forecast = forecast_restore(&backup);
    let mut outlook = Outlook { forecast, bytes: Some(0), files: Some(0), ..Outlook::default() };
    outlook.conflicts = conflicts(parts, &request.target, &request.id).await?;
    outlook.calls.push(PlannedCall::new("provisioner", "provision", "workspace"));
    for component in &backup.components {
        let Some(snapshot) = component.snapshot.clone() else { continue };
        let key = JobKey::new(request.id.clone(), component.component.id.clone(), 1);
        let (component, target) = (component.component.clone(), request.target.clone());
        let mut job = RestoreJob::new(key, snapshot, component, target, Settings::new());
        job.include.clone_from(&request.include);
        job.landing = request.landing;
        let job = JobRequest::Restore(job);
        outlook.add_job(parts, cx, &job).await?;
        let subject = job.key().component().as_str();
        outlook.calls.push(PlannedCall::new(job.provider().as_str(), "finish_restore", subject));
    }
    for call in ["attach", "activate"] {
        outlook.calls.push(PlannedCall::new("provisioner", call, "workspace"));
    }
    // A restore is a full copy.
    outlook.bytes = outlook.bytes.or((backup.size_bytes > 0).then_some(backup.size_bytes));
    Ok(RestorePlan { backup, findings, outlook })
}

/// What a deletion would do.
pub(super) async fn of_deletion(
    parts: &Parts,
    request: &DeleteRequest,
    backup: BackupRecord,
) -> Result<DeletePlan> {
    let conflicts = conflicts(parts, &request.workspace, &request.id).await?;
    let mut outlook = Outlook { conflicts, ..Outlook::default() };
    let mut findings = Vec::new();
    if backup.held {
        let message = "the backup is held; release the hold first";
        findings.push(Finding::new("not-held", Severity::Blocker, message));
    }
    if let Some(reader) = in_use::reader(parts.catalog.as_ref(), &backup.id).await? {
        let message = in_use::refusal(&reader).record().message;
        findings.push(Finding::new("not-in-use", Severity::Blocker, message));
    }
    for component in &backup.components {
        let Some(snapshot) = &component.snapshot else { continue };
        let subject = component.component.id.as_str();
        outlook.calls.push(PlannedCall::new(snapshot.provider.as_str(), "delete", subject));
    }
    let snapshots = backup.components.iter().filter_map(|component| component.snapshot.as_ref());
    outlook.add_records(parts, snapshots.map(|snapshot| &snapshot.provider), "delete_record")?;
    Ok(DeletePlan { backup, findings, outlook })
}

/// The backup that a plan is about.
pub(super) async fn backup(parts: &Parts, id: &BackupId) -> Result<BackupRecord> {
    let found = parts.catalog.backup(id).await?.map(|stored| stored.backup);
    found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("backup {id} is not in the catalog")))
}

/// Operations on the workspace that have something left to do.
async fn conflicts(parts: &Parts, workspace: &WorkspaceId, own: &OperationId) -> Result<Vec<Conflict>> {
    let query = OperationQuery { workspace: Some(workspace.clone()), ..OperationQuery::unfinished() };
    let page = parts.catalog.operations(&query).await?;
    let others = page.items.into_iter().map(|stored| stored.operation).filter(|other| other.id != *own);
    Ok(others
        .map(|other| Conflict {
            kind: other.request.kind().to_owned(),
            operation: other.id,
            workspace: other.workspace,
            state: other.state,
            since: other.started_at,
        })
        .collect())
}

impl Outlook {
    /// Adds what a job does, by the contract and by its provider's own word.
    async fn add_job(&mut self, parts: &Parts, cx: &OpContext, request: &JobRequest) -> Result<()> {
        let provider = parts.provider(request.provider())?;
        let (whom, subject) = (provider.id().as_str(), request.key().component().as_str());
        self.calls.extend(JOB_CALLS.map(|call| PlannedCall::new(whom, call, subject)));
        let foreseen = provider.foresee(cx, request).await?;
        self.calls.extend(foreseen.calls.into_iter().map(|call| PlannedCall::new(whom, call, subject)));
        self.permissions.extend(foreseen.permissions);
        self.tags.extend(foreseen.tags);
        self.bytes = self.bytes.zip(foreseen.bytes).map(|(sum, bytes)| sum.saturating_add(bytes));
        self.files = self.files.zip(foreseen.files).map(|(sum, files)| sum.saturating_add(files));
        Ok(())
    }

    /// Adds what it takes to guard a source.
    async fn add_guard(&mut self, parts: &Parts, cx: &OpContext, component: &Component) -> Result<()> {
        let (whom, subject) = (component.provider.as_str(), component.id.as_str());
        self.calls.push(PlannedCall::new(whom, "guard", subject));
        let foreseen = parts.provider(&component.provider)?.foresee_guard(cx, component).await?;
        self.calls.extend(foreseen.calls.into_iter().map(|call| PlannedCall::new(whom, call, subject)));
        self.permissions.extend(foreseen.permissions);
        self.tags.extend(foreseen.tags);
        Ok(())
    }

    /// Adds the call of each provider that keeps records.
    fn add_records<'a>(
        &mut self,
        parts: &Parts,
        providers: impl Iterator<Item = &'a ProviderId>,
        call: &str,
    ) -> Result<()> {
        let ids: std::collections::BTreeSet<_> = providers.collect();
        for id in ids {
            if parts.provider(id)?.capabilities().holds_records {
                self.calls.push(PlannedCall::new(id.as_str(), call, "workspace"));
            }
        }
        Ok(())
    }
}
