//! Operations: the list, and one of them.

use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{
    Error, ErrorKind, OperationId, OperationQuery, OperationRecord, OperationState, Result, StoredOperation,
    WorkspaceId, cursor_after,
};
use utoipa::IntoParams;

use super::sight::Sight;
use super::{LOOK_AT, page_limit};
use crate::access::Caller;
use crate::document::{OperationItem, OperationPage, OperationResult};
use crate::plane::ControlPlane;

/// Look-ups after which a page ends where the next time begins.
const LOOK_UPS_MAX: usize = 500;

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
        let mut query = OperationQuery::all();
        query.workspace.clone_from(&filter.workspace);
        query.state = filter.state;
        query.unfinished = !filter.all && filter.state.is_none();
        query.limit = page_limit(filter.limit)?;
        query.after.clone_from(&filter.after);
        if caller.environment.is_some() {
            return self.operations_within(caller, query).await;
        }
        let page = self.catalog().operations(&query).await?;
        let operations = page.items.iter().map(OperationItem::stored).collect();
        Ok(OperationPage { operations, next: page.next, damaged: page.damaged, held: Vec::new() })
    }

    /// A page for a caller that is bound to one environment. Whom operations concern the catalog has no index for, so a
    /// page ends early where that took too many look-ups. Where to go on is told by an operation that the caller may see,
    /// or by a time alone.
    async fn operations_within(&self, caller: &Caller, mut query: OperationQuery) -> Result<OperationPage> {
        let wanted = std::mem::replace(&mut query.limit, LOOK_AT);
        let (mut answer, mut sight) = (OperationPage::default(), Sight::new(self, caller));
        let mut time = None;
        loop {
            let page = self.catalog().operations(&query).await?;
            for stored in &page.items {
                let operation = &stored.operation;
                // Whatever is of one time is looked at together, so that a time says where to go on.
                if sight.cost() >= LOOK_UPS_MAX && time.is_some_and(|time| time != operation.started_at) {
                    let just_after = operation.started_at.after(Duration::from_millis(1));
                    answer.next = Some(cursor_after(just_after, ""));
                    return Ok(answer);
                }
                time = Some(operation.started_at);
                if !sight.of_operation(operation).await? {
                    continue;
                }
                if answer.operations.len() == wanted {
                    answer.next =
                        answer.operations.last().map(|last| cursor_after(last.started_at, last.id.as_str()));
                    return Ok(answer);
                }
                answer.operations.push(OperationItem::stored(stored));
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return Ok(answer),
            }
        }
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

    /// Whether an operation is on what `caller` may see.
    pub(crate) async fn sees_operation(&self, caller: &Caller, operation: &OperationRecord) -> Result<bool> {
        Sight::new(self, caller).of_operation(operation).await
    }

    /// Whether a catalogued workspace is one that `caller` may see.
    pub(crate) async fn sees_workspace(&self, caller: &Caller, id: &WorkspaceId) -> Result<bool> {
        Sight::new(self, caller).of_workspace(id).await
    }
}
