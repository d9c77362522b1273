//! Runs effects: the only place where the orchestrator calls workspaces, providers and provisioners.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Mutex;

use crate::catalog::{BackupRecord, BackupState, Lease, StoredBackup, WorkspaceRecord};
use crate::context::OpContext;
use crate::decide::{Effect, FOREIGN, Inspection, Outcome};
use crate::error::{Error, ErrorKind, Result};
use crate::id::{BackupId, ProviderId, QuiesceId};
use crate::layer::Place;
use crate::operation::Request;
use crate::orchestrator::builder::Parts;
use crate::orchestrator::drives::{Drives, to_its_end};
use crate::orchestrator::{in_use, kept, newcomer, planning};
use crate::plan::Plan;
use crate::provider::{Finding, Provider, Severity};
use crate::provisioner::ProvisionRequest;
use crate::workspace::{Protection, Settings, Workspace};

/// The longest a poll may wait inside the provider for a change.
const POLL_WAIT: Duration = Duration::from_millis(500);

/// Runs the effects of one operation.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    pub(super) parts: Arc<Parts>,
    pub(super) drives: Weak<Drives>,
    pub(super) cx: OpContext,
    pub(super) lease: Lease,
    pub(super) request: Request,
    /// Taken while the workspace is being held still or let go.
    pub(super) hold: Shown,
    /// The places that the operation has among all.
    pub(super) places: Places,
}

/// The hold that the workspace was seen to show, where it shows any.
pub(super) type Shown = Arc<Mutex<Option<QuiesceId>>>;

/// The places that an operation has; they are free again when it is detached or its driver is gone.
pub(super) type Places = Arc<std::sync::Mutex<Vec<Place>>>;

impl Runner {
    pub(super) async fn run(self, effect: Effect) -> Result<Outcome> {
        match effect {
            Effect::InspectWorkspace => self.inspect_workspace().await,
            Effect::InspectBackup => self.inspect_backup().await,
            Effect::MarkBackup(marked) => self.mark(*marked).await,
            Effect::Admit { providers } => self.admit(&providers).await.map(|_waited| Outcome::Done),
            Effect::Quiesce { id, budget, earlier } => self.hold_still(&id, budget, earlier).await,
            Effect::Resume { id, earlier } => self.let_go(&id, earlier).await,
            Effect::Provision(request) => {
                let made = newcomer::provision(&self.parts, &self.cx, &request).await?;
                Ok(Outcome::Provisioned(Box::new(made)))
            }
            Effect::Attach { made, resources } => {
                self.provisioner()?.attach(&self.cx, &made, &resources).await?;
                Ok(Outcome::Done)
            }
            Effect::Activate(made) => {
                self.provisioner()?.activate(&self.cx, &made).await?;
                Ok(Outcome::Done)
            }
            Effect::DiscardWorkspace(made) => {
                self.provisioner()?.discard(&self.cx, &made).await?;
                Ok(Outcome::Done)
            }
            other => self.run_on_provider(other).await,
        }
    }

    async fn run_on_provider(self, effect: Effect) -> Result<Outcome> {
        let (parts, cx) = (&self.parts, &self.cx);
        match effect {
            Effect::Guard { component, operation, tags } => {
                let provider = parts.provider(&component.provider)?;
                Ok(Outcome::Guarded(provider.guard(cx, &component, &operation, &tags).await?))
            }
            Effect::Unguard { component, operation } => {
                self.unguard(&component, &operation).await?;
                Ok(Outcome::Done)
            }
            Effect::Start(request) => {
                Ok(Outcome::Started(parts.provider(request.provider())?.start(cx, &request).await?))
            }
            Effect::Find { request, since, after } => {
                if !after.is_zero() {
                    cx.clock().sleep(after).await;
                }
                Ok(Outcome::Found(parts.provider(request.provider())?.find(cx, &request, since).await?))
            }
            Effect::Poll { job, after, .. } => {
                if !after.is_zero() {
                    cx.clock().sleep(after).await;
                }
                let status = parts.provider(&job.provider)?.poll(cx, &job, POLL_WAIT).await?;
                Ok(Outcome::Polled(Box::new(status)))
            }
            Effect::CancelJob { job, .. } => {
                Ok(Outcome::CancelAsked(parts.provider(&job.provider)?.cancel(cx, &job).await?))
            }
            Effect::Verify { snapshot, depth, made_by, .. } => {
                let snapshot = parts.provider(&snapshot.provider)?.open(cx, &snapshot).await?;
                let mut verification = snapshot.verify(cx, depth).await?;
                let info = snapshot.describe(cx).await?;
                // What was imported carries no mark; only before the sealing does that make it somebody else's.
                let unmarked = matches!(self.request, Request::Verify(_)) && info.operation.is_none();
                if !unmarked && info.operation.as_ref() != Some(&made_by) {
                    verification.problems.push(crate::provider::Issue::new(
                        FOREIGN,
                        info.snapshot.id.as_str(),
                        "the snapshot does not carry the mark of this operation",
                    ));
                }
                Ok(Outcome::Verified(verification))
            }
            Effect::WriteRecord(record) => self.write_record(&record).await,
            Effect::DeleteRecord(record) => self.delete_record(&record).await,
            Effect::DeleteSnapshot { snapshot, .. } => {
                let provider = parts.provider(&snapshot.provider)?;
                // Whoever went on with it may have credentials of another account, in which its absence means nothing.
                if let Request::Delete(delete) = &self.request
                    && let Some(stored) = parts.catalog.backup(&delete.backup).await?
                {
                    kept::reaches(cx, provider.as_ref(), &stored.backup.definition, &snapshot).await?;
                }
                Ok(Outcome::Deleted(provider.delete(cx, &snapshot).await?))
            }
            Effect::FinishRestore(resource) => Ok(Outcome::Finished(
                parts.provider(&resource.provider)?.finish_restore(cx, &resource).await?,
            )),
            Effect::Discard(resource) => {
                parts.provider(&resource.provider)?.discard(cx, &resource).await?;
                Ok(Outcome::Done)
            }
            _ => Err(Error::new(ErrorKind::Unexpected, "this effect is not a provider's")),
        }
    }

    fn provisioner(&self) -> Result<&Arc<dyn crate::provisioner::Provisioner>> {
        match &self.request {
            Request::Restore(restore) => self.parts.provisioner(&restore.provisioner),
            _ => Err(Error::new(ErrorKind::Unexpected, "only a restore has a provisioner")),
        }
    }

    async fn inspect_workspace(&self) -> Result<Outcome> {
        let workspace = self.parts.workspace(self.request.workspace()).await?;
        let mut plan = self.plan(workspace.as_ref()).await?;
        let protected = plan.components.iter().map(|planned| &planned.component);
        let providers = protected.filter(|component| component.protection == Protection::Protected);
        let providers = providers.map(|component| component.provider.clone()).collect();
        // What was read before a long wait for a place may be true no longer.
        if plan.waits_for.is_empty() && self.admit(&providers).await? {
            plan = self.plan(workspace.as_ref()).await?;
        }
        if plan.waits_for.is_empty() {
            plan.waits_for = self.reserve(&self.extents(&plan).await?).await?;
        }
        let (definition, components) = match self.settings().is_empty() {
            true => {
                let components = plan.components.iter().map(|planned| planned.component.clone());
                (plan.definition.clone(), components.collect())
            }
            false => (workspace.definition(&self.cx).await?, workspace.inventory(&self.cx).await?),
        };
        let record = WorkspaceRecord::new(definition, components, self.cx.clock().now());
        let parts = Arc::clone(&self.parts);
        to_its_end(async move { parts.catalog.put_workspace(&record).await }).await?;
        Ok(Outcome::Planned(Box::new(plan)))
    }

    async fn plan(&self, workspace: &dyn Workspace) -> Result<Plan> {
        let mut plan =
            planning::plan(&self.parts, &self.cx, workspace, self.settings(), self.retain()).await?;
        plan.waits_for = self.detached(workspace.id()).await?;
        Ok(plan)
    }

    /// What the request sets over the workspace's own settings.
    fn settings(&self) -> &Settings {
        static NONE: Settings = Settings::new();
        match &self.request {
            Request::Backup(backup) => &backup.settings,
            _ => &NONE,
        }
    }

    fn retain(&self) -> Option<Duration> {
        match &self.request {
            Request::Backup(backup) => backup.retain,
            _ => None,
        }
    }

    /// Waits for the operation's place among all; answers whether that took time.
    async fn admit(&self, providers: &BTreeSet<ProviderId>) -> Result<bool> {
        let begun = self.cx.clock().now();
        // One that inspects once more would wait for the place that it has itself.
        self.places.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let places = self.parts.admission.enter(self.request.workspace(), providers).await?;
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = places;
        Ok(self.cx.clock().now() > begun)
    }

    async fn inspect_backup(&self) -> Result<Outcome> {
        let id: &BackupId = match &self.request {
            Request::Restore(restore) => &restore.backup,
            Request::Delete(delete) => &delete.backup,
            Request::Verify(verify) => &verify.backup,
            Request::Copy(copy) => &copy.backup,
            Request::Backup(_) => {
                return Err(Error::new(ErrorKind::Unexpected, "a backup has no backup to inspect"));
            }
        };
        let mut found = Inspection::new(None, Vec::new(), std::collections::BTreeMap::new());
        let Some(mut stored) = self.parts.catalog.backup(id).await? else {
            return Ok(Outcome::Inspected(Box::new(found)));
        };
        if let Request::Restore(restore) = &self.request {
            stored.backup = restore.narrowed(stored.backup)?;
        }
        let mut providers = BTreeSet::new();
        for component in &stored.backup.components {
            let Some(snapshot) = &component.snapshot else { continue };
            let provider = match &self.request {
                Request::Copy(copy) => copy.provider.as_ref().unwrap_or(&snapshot.provider),
                _ => &snapshot.provider,
            };
            let provider = self.parts.provider(provider)?;
            if *provider.id() == snapshot.provider {
                kept::reaches(&self.cx, provider.as_ref(), &stored.backup.definition, snapshot).await?;
            }
            if matches!(self.request, Request::Copy(_)) && !provider.capabilities().copies {
                let message = format!("{} cannot copy snapshots; choose another provider", provider.id());
                found.findings.push(Finding::new("copy-supported", Severity::Blocker, message));
            }
            providers.insert(provider.id().clone());
            let in_process = provider.capabilities().in_process_jobs;
            found.in_process.insert(component.component.id.clone(), in_process);
        }
        if let Request::Restore(restore) = &self.request {
            self.admit(&providers).await?;
            let request = ProvisionRequest::new(restore.clone(), stored.backup.clone());
            let extents = self.provisioner()?.extents(&self.cx, &request).await?;
            found.waits_for = self.reserve(&extents).await?;
            if found.waits_for.is_empty() {
                found.findings =
                    planning::restore_findings(&self.parts, &self.cx, restore, &stored.backup).await?;
            }
        }
        if let Request::Delete(_) = &self.request {
            let reader = in_use::reader(self.parts.catalog.as_ref(), id).await?;
            found.in_use = match reader {
                Some(reader) => Some(in_use::refusal(&reader).record()),
                None => kept::refusal(&self.parts, &self.cx, &stored.backup).await?,
            };
        }
        if let Request::Copy(_) = &self.request {
            self.admit(&providers).await?;
            found.findings.extend(planning::snapshot_findings(&self.parts, &self.cx, &stored.backup).await?);
        }
        (found.backup, found.revision) = (Some(stored.backup), Some(stored.revision));
        Ok(Outcome::Inspected(Box::new(found)))
    }

    /// Writes the mark. Whoever began to read the backup before a deletion marked it is seen after that, and whoever begins
    /// later sees the mark.
    async fn mark(self, marked: StoredBackup) -> Result<Outcome> {
        let parts = Arc::clone(&self.parts);
        let backup = marked.backup.clone();
        to_its_end(async move { parts.catalog.put_backup(&backup, Some(marked.revision)).await }).await?;
        let deletes = marked.backup.state == BackupState::Deleting;
        if matches!(self.request, Request::Delete(_)) && deletes {
            let reader = in_use::reader(self.parts.catalog.as_ref(), &marked.backup.id).await?;
            reader.map_or(Ok(()), |reader| Err(in_use::refusal(&reader)))?;
        }
        Ok(Outcome::Done)
    }

    async fn write_record(&self, record: &BackupRecord) -> Result<Outcome> {
        if matches!(self.request, Request::Delete(_)) {
            self.reaches_all(record).await?;
        }
        for provider in self.record_keepers(record)? {
            provider.put_record(&self.cx, record).await?;
        }
        Ok(Outcome::Done)
    }

    /// Whoever went on with a deletion may be pointed at another store, which never had the record.
    async fn reaches_all(&self, record: &BackupRecord) -> Result<()> {
        for snapshot in record.components.iter().filter_map(|component| component.snapshot.as_ref()) {
            let provider = self.parts.provider(&snapshot.provider)?;
            kept::reaches(&self.cx, provider.as_ref(), &record.definition, snapshot).await?;
        }
        Ok(())
    }

    async fn delete_record(&self, record: &BackupRecord) -> Result<Outcome> {
        self.reaches_all(record).await?;
        for provider in self.record_keepers(record)? {
            provider.delete_record(&self.cx, &record.id).await?;
        }
        Ok(Outcome::Done)
    }

    /// The providers of the record's snapshots that keep records, each once.
    fn record_keepers(&self, record: &BackupRecord) -> Result<Vec<&Arc<dyn Provider>>> {
        let ids: BTreeSet<_> =
            record.components.iter().filter_map(|c| c.snapshot.as_ref()).map(|s| &s.provider).collect();
        let mut keepers = Vec::new();
        for id in ids {
            let provider = self.parts.provider(id)?;
            if provider.capabilities().holds_records {
                keepers.push(provider);
            }
        }
        Ok(keepers)
    }
}
