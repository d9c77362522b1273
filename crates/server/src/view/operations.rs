//! Operations: the list, and one of them.

use serde::Deserialize;
use stillpoint_core::{
    Error, ErrorKind, OperationId, OperationQuery, OperationRecord, OperationState, Request, Result,
    StoredOperation, WorkspaceId,
};
use utoipa::IntoParams;

use super::{LOOK_AT, LOOKED_AT_MAX, page_limit};
use crate::access::Caller;
use crate::document::{OperationItem, OperationPage, OperationResult};
use crate::plane::ControlPlane;

/// Which operations to list, newest first. Every condition that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct OperationFilter {
    /// On this workspace.
    #[param(value_type = Option<String>)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// In this state.
    #[param(value_type = Option<String>)]
    pub(crate) state: Option<OperationState>,
    /// Those that have ended too; without it only those with something left to do.
    pub(crate) all: bool,
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before.
    pub(crate) after: Option<String>,
}

impl ControlPlane {
    /// One page of the operations that `caller` may see.
    ///
    /// # Errors
    /// `InvalidInput` for a limit or cursor that is none; whatever reading can meet.
    pub(crate) async fn operations(
        &self,
        caller: &Caller,
        filter: &OperationFilter,
    ) -> Result<OperationPage> {
        let wanted = page_limit(filter.limit)?;
        let mut query = OperationQuery::all();
        query.workspace.clone_from(&filter.workspace);
        query.state = filter.state;
        query.unfinished = !filter.all && filter.state.is_none();
        query.after.clone_from(&filter.after);
        let mut answer = OperationPage::default();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT_MAX {
            query.limit = if caller.environment.is_none() { wanted } else { LOOK_AT };
            let page = self.catalog().operations(&query).await?;
            if caller.environment.is_none() {
                answer.damaged.extend(page.damaged);
            }
            for (index, stored) in page.items.iter().enumerate() {
                if !self.sees_operation(caller, &stored.operation).await? {
                    continue;
                }
                answer.operations.push(OperationItem::stored(stored));
                if answer.operations.len() == wanted {
                    query.limit = index + 1;
                    let last = index + 1 == page.items.len();
                    answer.next =
                        if last { page.next } else { self.catalog().operations(&query).await?.next };
                    return Ok(answer);
                }
            }
            looked_at += page.items.len().max(1);
            answer.next.clone_from(&page.next);
            match page.next {
                Some(next) if caller.environment.is_some() => query.after = Some(next),
                _ => break,
            }
        }
        Ok(answer)
    }

    /// The operation of this id, as stored.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see.
    pub(crate) async fn operation(&self, caller: &Caller, id: &OperationId) -> Result<StoredOperation> {
        let found = self.catalog().operation(id).await?;
        match found {
            Some(stored) if self.sees_operation(caller, &stored.operation).await? => Ok(stored),
            _ => {
                let message =
                    format!("there is no operation {id}; the list of operations shows what there is");
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }

    /// What an operation came to.
    ///
    /// # Errors
    /// `NotFound` where there is none that `caller` may see.
    pub(crate) async fn operation_result(
        &self,
        caller: &Caller,
        id: &OperationId,
    ) -> Result<OperationResult> {
        self.operation(caller, id).await?;
        Ok(OperationResult::new(&self.orchestrator().status(id).await?))
    }

    /// Whether an operation is on what `caller` may see: the workspace's environment, or that of the backup where the
    /// workspace is not catalogued, as a restore's target is not at first.
    pub(crate) async fn sees_operation(&self, caller: &Caller, operation: &OperationRecord) -> Result<bool> {
        if caller.environment.is_none() {
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
            && let Some(stored) = self.catalog().backup(backup).await?
        {
            return Ok(caller.sees(stored.backup.definition.environment.as_deref()));
        }
        self.sees_workspace(caller, &operation.workspace).await
    }

    /// Whether a catalogued workspace is one that `caller` may see. One that nobody catalogued is seen by those who see
    /// everything.
    pub(crate) async fn sees_workspace(&self, caller: &Caller, id: &WorkspaceId) -> Result<bool> {
        if caller.environment.is_none() {
            return Ok(true);
        }
        let known = self.catalog().workspace(id).await?;
        Ok(known.is_some_and(|known| caller.sees(known.definition.environment.as_deref())))
    }
}
