//! Whether an operation can be gone on with here: whoever lacks what it needs would only fail it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::context::OpContext;
use crate::decide::Machine;
use crate::error::{ErrorKind, Result};
use crate::id::{BackupId, ProviderId};
use crate::operation::{OperationRecord, Request};
use crate::orchestrator::builder::Parts;
use crate::workspace::{Protection, Workspace};

/// How long a workspace is asked what it consists of.
const ASKED_FOR: Duration = Duration::from_secs(30);

impl Parts {
    /// The host that `request` is noted with: this one, where no other has what it is about.
    ///
    /// # Errors
    /// Whatever reading the catalog can meet.
    pub(super) async fn host_of(&self, request: &Request) -> Result<Option<&String>> {
        let Some(host) = &self.host else { return Ok(None) };
        let bound = match request {
            Request::Backup(backup) => match self.workspace(&backup.workspace).await {
                Ok(workspace) => workspace.is_of_one_host(),
                // Whoever drives it meets that again and ends it.
                Err(error) if error.kind() == ErrorKind::NotFound || is_unreadable(error.kind()) => false,
                Err(error) => return Err(error),
            },
            Request::Restore(restore) => {
                self.provisioner(&restore.provisioner).is_ok_and(|provisioner| provisioner.is_of_one_host())
            }
            Request::Delete(_) | Request::Verify(_) | Request::Copy(_) => false,
        };
        Ok(bound.then_some(host))
    }

    /// What an operation needs and is not registered here, in words.
    ///
    /// # Errors
    /// Whatever reading the catalog can meet.
    pub(super) async fn lacks(&self, operation: &OperationRecord) -> Result<Option<String>> {
        let runs = operation.machine.runs().into_iter();
        let mut providers: BTreeSet<_> = runs.map(|run| run.request.provider().clone()).collect();
        match &operation.request {
            Request::Backup(backup) => {
                let workspace = match self.workspace(&backup.workspace).await {
                    Ok(workspace) => workspace,
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        return Ok(Some(format!("workspace {}", backup.workspace)));
                    }
                    // Whoever drives it meets that again and ends it; here nothing would.
                    Err(error) if is_unreadable(error.kind()) => return Ok(None),
                    Err(error) => return Err(error),
                };
                if !matches!(&operation.machine, Machine::Backup(machine) if machine.plan.is_some()) {
                    providers.extend(self.providers_of(workspace.as_ref()).await);
                }
            }
            Request::Restore(restore) => {
                if self.provisioner(&restore.provisioner).is_err() {
                    return Ok(Some(format!("provisioner {}", restore.provisioner)));
                }
                providers.extend(self.keepers(&restore.backup).await?);
            }
            Request::Delete(delete) => providers.extend(self.keepers(&delete.backup).await?),
            Request::Verify(verify) => providers.extend(self.keepers(&verify.backup).await?),
            Request::Copy(copy) => match &copy.provider {
                Some(provider) => drop(providers.insert(provider.clone())),
                None => providers.extend(self.keepers(&copy.backup).await?),
            },
        }
        let lacking = providers.into_iter().find(|id| self.provider(id).is_err());
        Ok(lacking.map(|id| format!("provider {id}")))
    }

    /// Whether the workspace of an operation can be held still and let go here.
    ///
    /// # Errors
    /// Whatever reading the catalog can meet.
    pub(super) async fn has_workspace(&self, operation: &OperationRecord) -> Result<bool> {
        match self.workspace(&operation.workspace).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            // Whoever drives it meets that again and ends it.
            Err(error) if is_unreadable(error.kind()) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The providers that a backup of a workspace needs. One that cannot say is met again by whoever drives the backup.
    async fn providers_of(&self, workspace: &dyn Workspace) -> BTreeSet<ProviderId> {
        let cx = OpContext::new(Arc::clone(&self.clock));
        let components = tokio::select! {
            components = workspace.inventory(&cx) => components.unwrap_or_default(),
            () = self.clock.sleep(ASKED_FOR) => Vec::new(),
        };
        let protected =
            components.into_iter().filter(|component| component.protection == Protection::Protected);
        protected.map(|component| component.provider).collect()
    }

    /// The providers that keep the snapshots of a backup.
    async fn keepers(&self, backup: &BackupId) -> Result<BTreeSet<ProviderId>> {
        let stored = match self.catalog.backup(backup).await {
            Err(error) if is_unreadable(error.kind()) => None,
            stored => stored?,
        };
        let Some(stored) = stored else { return Ok(BTreeSet::new()) };
        let snapshots = stored.backup.components.into_iter().filter_map(|component| component.snapshot);
        Ok(snapshots.map(|snapshot| snapshot.provider).collect())
    }
}

/// Whether a row is there that cannot be read, however often it is looked at.
fn is_unreadable(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Corrupt | ErrorKind::InvalidConfig)
}
