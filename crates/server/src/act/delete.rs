//! Deleting, and finding out what a deletion would do.

use stillpoint_core::{DeletePlan, DeleteRequest, OperationId, OperationStatus, Request, Result};

use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

impl ControlPlane {
    /// Begins a deletion, or answers the operation of the same id. It is read back before it ends.
    ///
    /// # Errors
    /// `PermissionDenied` below an administrator; `NotFound` where the caller may not see the backup, and where it is gone;
    /// whatever submitting can meet.
    pub(crate) async fn delete(
        &self,
        caller: &Caller,
        id: OperationId,
        backup: &str,
    ) -> Result<OperationStatus> {
        let done = async {
            caller.require(Role::Administrator)?;
            // The same deletion again is answered also where nothing is left of the backup.
            if let Some(request @ Request::Delete(_)) = self.repeated(caller, &id, backup).await? {
                return self.orchestrator().submit(request).await;
            }
            let backup = self.backup(caller, backup).await?;
            let mut request = DeleteRequest::new(id.clone(), backup.id, backup.workspace);
            request.creator = Some(caller.name.clone());
            self.submit(Request::Delete(request)).await
        };
        let done = done.await;
        self.noted(caller, "delete", backup, Some(&id), done).await
    }

    /// What a deletion would do.
    ///
    /// # Errors
    /// As [`ControlPlane::delete`].
    pub(crate) async fn plan_delete(&self, caller: &Caller, backup: &str) -> Result<DeletePlan> {
        caller.require(Role::Administrator)?;
        let backup = self.backup(caller, backup).await?;
        let id = OperationId::generate(self.entropy());
        let request = DeleteRequest::new(id, backup.id, backup.workspace);
        let mut plan = self.orchestrator().plan_delete(&request).await?;
        plan.backup.restored_from = backup.restored_from;
        Ok(plan)
    }
}
