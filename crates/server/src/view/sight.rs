//! What a caller may see, remembered for as long as one answer takes.

use std::collections::HashMap;

use stillpoint_core::{BackupId, OperationRecord, Request, Result, WorkspaceId};

use crate::access::Caller;
use crate::plane::ControlPlane;

/// What `caller` was found to see. Each workspace and each backup is looked up once.
pub(super) struct Sight<'a> {
    plane: &'a ControlPlane,
    caller: &'a Caller,
    workspaces: HashMap<WorkspaceId, bool>,
    backups: HashMap<BackupId, Option<bool>>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(plane: &'a ControlPlane, caller: &'a Caller) -> Self {
        Self { plane, caller, workspaces: HashMap::new(), backups: HashMap::new() }
    }

    /// How many look-ups it has cost so far.
    pub(super) fn cost(&self) -> usize {
        self.workspaces.len() + self.backups.len()
    }

    /// Whether a catalogued workspace is one that the caller may see. One that nobody catalogued is seen by those who
    /// see everything.
    pub(crate) async fn of_workspace(&mut self, id: &WorkspaceId) -> Result<bool> {
        if self.caller.environment.is_none() {
            return Ok(true);
        }
        if let Some(known) = self.workspaces.get(id) {
            return Ok(*known);
        }
        let known = self.plane.catalog().workspace(id).await?;
        let seen = known.is_some_and(|known| self.caller.sees(known.definition.environment.as_deref()));
        self.workspaces.insert(id.clone(), seen);
        Ok(seen)
    }

    /// Whether an operation is on what the caller may see: the backup's environment, or the workspace's where there is
    /// no such backup.
    pub(crate) async fn of_operation(&mut self, operation: &OperationRecord) -> Result<bool> {
        if self.caller.environment.is_none() {
            return Ok(true);
        }
        let backup = match &operation.request {
            Request::Restore(request) => Some(&request.backup),
            Request::Delete(request) => Some(&request.backup),
            Request::Verify(request) => Some(&request.backup),
            Request::Copy(request) => Some(&request.backup),
            _ => operation.backup.as_ref(),
        };
        if let Some(backup) = backup
            && let Some(seen) = self.of_backup(backup).await?
        {
            return Ok(seen);
        }
        self.of_workspace(&operation.workspace).await
    }

    /// Whether the caller may see this backup; `None` where there is none.
    async fn of_backup(&mut self, id: &BackupId) -> Result<Option<bool>> {
        if let Some(known) = self.backups.get(id) {
            return Ok(*known);
        }
        let stored = self.plane.catalog().backup(id).await?;
        let seen = stored.map(|stored| self.caller.sees(stored.backup.definition.environment.as_deref()));
        self.backups.insert(id.clone(), seen);
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use stillpoint_core::memory::MemoryCatalog;
    use stillpoint_core::{BackupRequest, LocalOrchestrator, Timestamp};

    use super::*;
    use crate::access::{MemoryAccess, Role};

    #[tokio::test]
    async fn what_was_looked_up_once_costs_nothing_again() {
        let catalog = Arc::new(MemoryCatalog::new());
        let orchestrator = Arc::new(LocalOrchestrator::builder(catalog.clone()).build());
        let plane = ControlPlane::new(catalog, orchestrator, Arc::new(MemoryAccess::default()));
        let bound = Caller::new("t", "t", Role::Viewer, Some("lab".to_owned()));
        let mut sight = Sight::new(&plane, &bound);
        for number in 0..9 {
            let request = BackupRequest::new(format!("op-{number}").parse().unwrap(), "ada".parse().unwrap());
            let mut record =
                OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(number));
            record.backup = Some("b-1".parse().unwrap());
            assert!(!sight.of_operation(&record).await.unwrap());
        }
        assert_eq!(sight.cost(), 2, "one workspace and one backup");
    }
}
