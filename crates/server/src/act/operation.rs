//! Submitting operations, and stopping them.

use stillpoint_core::{
    Error, ErrorKind, OperationId, OperationStatus, Request, Result, Timestamp, WorkspaceId,
};

use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

impl ControlPlane {
    /// What an operation of this id asks for already, where the caller may see it and `text` may name the backup that it is
    /// about: a name that means another one by now, or none, meant that one.
    pub(super) async fn repeated(
        &self,
        caller: &Caller,
        id: &OperationId,
        text: &str,
    ) -> Result<Option<Request>> {
        let Some(stored) = self.catalog().operation(id).await? else { return Ok(None) };
        let request = &stored.operation.request;
        let backup = match request {
            Request::Restore(request) => &request.backup,
            Request::Delete(request) => &request.backup,
            Request::Verify(request) => &request.backup,
            Request::Copy(request) => &request.backup,
            _ => return Ok(None),
        };
        let moves = text == "latest" || text.contains('@') || text.parse::<Timestamp>().is_ok();
        let meant = text == backup.as_str()
            || moves
            || backup.as_str().starts_with(text) && self.catalog().backup(&text.parse()?).await?.is_none();
        let seen = meant && self.sees_operation(caller, &stored.operation).await?;
        Ok(seen.then_some(stored.operation.request))
    }

    /// Submits `request`. The same id twice is one operation, if it asks for the same thing.
    ///
    /// # Errors
    /// `Conflict` where the id is that of another request; whatever submitting can meet.
    pub(super) async fn submit(&self, request: Request) -> Result<OperationStatus> {
        if let Some(stored) = self.catalog().operation(request.id()).await?
            && !asks_for_the_same(&stored.operation.request, &request)
        {
            return Err(another(request.id()));
        }
        let status = self.orchestrator().submit(request.clone()).await?;
        // Somebody may have used the same id between the look and the submission.
        if status.operation.id == *request.id() && !asks_for_the_same(&status.operation.request, &request) {
            return Err(another(request.id()));
        }
        Ok(status)
    }

    /// Refuses a workspace that `caller` may not see.
    pub(super) async fn require_workspace(&self, caller: &Caller, id: &WorkspaceId) -> Result<()> {
        if self.sees_workspace(caller, id).await? {
            return Ok(());
        }
        Err(unknown_workspace(caller, id))
    }

    /// Asks an operation to stop.
    ///
    /// # Errors
    /// `PermissionDenied` below an operator; `NotFound` where there is none that the caller may see; `Conflict` where it
    /// has ended.
    pub(crate) async fn cancel(&self, caller: &Caller, id: &OperationId) -> Result<OperationStatus> {
        let done = async {
            caller.require(Role::Operator)?;
            let stored = self.operation(caller, id).await?;
            if stored.operation.state.is_terminal() {
                let message = format!(
                    "operation {id} has ended already ({}); nothing to cancel",
                    stored.operation.state.as_str()
                );
                return Err(Error::new(ErrorKind::Conflict, message).with("operation", id));
            }
            self.orchestrator().cancel(id).await?;
            self.orchestrator().status(id).await
        };
        let done = done.await;
        self.noted(caller, "cancel", id.as_str(), Some(id), done).await
    }
}

/// What a caller hears of a workspace that it may not see.
pub(super) fn unknown_workspace(caller: &Caller, id: &WorkspaceId) -> Error {
    let environment = caller.environment.as_deref().unwrap_or("-");
    let message = format!(
        "no workspace {id} is known in environment {environment}; the list of workspaces shows what there is"
    );
    Error::new(ErrorKind::NotFound, message)
}

fn another(id: &OperationId) -> Error {
    let message = format!("operation {id} was submitted with another request; use a fresh idempotency key");
    Error::new(ErrorKind::Conflict, message).with("operation", id)
}

/// Whether two requests are one. Who asks is no part of what is asked for.
fn asks_for_the_same(stored: &Request, given: &Request) -> bool {
    let mut given = given.clone();
    let creator = match stored {
        Request::Backup(request) => &request.creator,
        Request::Restore(request) => &request.creator,
        Request::Delete(request) => &request.creator,
        Request::Verify(request) => &request.creator,
        Request::Copy(request) => &request.creator,
        _ => return *stored == given,
    };
    match &mut given {
        Request::Backup(request) => request.creator.clone_from(creator),
        Request::Restore(request) => request.creator.clone_from(creator),
        Request::Delete(request) => request.creator.clone_from(creator),
        Request::Verify(request) => request.creator.clone_from(creator),
        Request::Copy(request) => request.creator.clone_from(creator),
        _ => {}
    }
    *stored == given
}
