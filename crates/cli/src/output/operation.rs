//! Operations as documents.

use serde::Serialize;
use stillpoint_core::{
    ErrorRecord, Liveness, OperationId, OperationRecord, OperationState, OperationStatus, ProcessLiveness,
    StoredOperation, Timestamp, WorkspaceId,
};

/// One operation in the list.
#[derive(Debug, Serialize)]
pub(crate) struct OperationItem<'a> {
    id: &'a OperationId,
    kind: &'static str,
    workspace: &'a WorkspaceId,
    state: OperationState,
    step: &'a str,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    deadline: Timestamp,
    holder: Option<String>,
    progress: ProgressItem,
    backup_id: Option<&'a str>,
    cancel_requested: bool,
    error: Option<&'a ErrorRecord>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct ProgressItem {
    bytes_done: u64,
    bytes_total: Option<u64>,
    files_done: u64,
    last_advance: Timestamp,
}

impl<'a> OperationItem<'a> {
    /// An operation as stored. A holder that is certainly dead is none.
    pub(crate) fn stored(stored: &'a StoredOperation) -> Self {
        let holder = stored.lease.holder.as_ref();
        let holder = holder.filter(|holder| stored.lease.live && !ProcessLiveness::default().is_dead(holder));
        let mut item = Self::new(&stored.operation, holder.map(ToString::to_string));
        item.cancel_requested = stored.cancel_requested;
        item
    }

    /// An operation as its orchestrator answers it.
    pub(crate) fn of_status(status: &'a OperationStatus) -> Self {
        Self::new(&status.operation, status.holder.clone())
    }

    fn new(operation: &'a OperationRecord, holder: Option<String>) -> Self {
        Self {
            id: &operation.id,
            kind: operation.request.kind(),
            workspace: &operation.workspace,
            state: operation.state,
            step: &operation.step,
            started_at: operation.started_at,
            finished_at: operation.finished_at,
            deadline: operation.deadline,
            holder,
            progress: ProgressItem {
                bytes_done: operation.progress.bytes_done,
                bytes_total: operation.progress.bytes_total,
                files_done: operation.progress.files_done,
                last_advance: operation.last_advance,
            },
            backup_id: operation.backup.as_ref().map(|backup| backup.as_str()),
            cancel_requested: false,
            error: operation.error.as_ref(),
        }
    }

    /// Whether somebody works on it.
    pub(crate) fn is_driven(&self) -> bool {
        self.holder.is_some()
    }

    /// The operation as one line for people.
    pub(crate) fn line(&self) -> String {
        let whose = match (&self.holder, self.state.is_terminal()) {
            (Some(holder), _) => format!("run by {holder}"),
            (None, true) => self.error.map_or_else(|| "ended".to_owned(), |error| error.message.clone()),
            (None, false) => "interrupted; `stillpoint resume` goes on with it".to_owned(),
        };
        format!(
            "{}  {:<7}  {:<10}  {:<12}  since {}  {}  {whose}",
            self.id,
            self.kind,
            self.state.as_str(),
            self.step,
            self.started_at,
            self.workspace
        )
    }
}
