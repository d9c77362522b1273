//! Leaving in order: what a process that is to end still does, and what it leaves to others.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::context::Cancellation;
use crate::error::{Error, ErrorKind};
use crate::id::{OperationId, WorkspaceId};

/// The longest that a process which is to end goes on letting its workspaces go.
pub(super) const LET_GO_WITHIN: Duration = Duration::from_secs(60);
/// How long the catalog is waited for then, before workspaces are let go without it, and for the leases to be given up.
pub(super) const STORED_WITHIN: Duration = Duration::from_secs(5);

/// What an orchestrator left to others when its process was to end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandedOver {
    /// The operations that were still to be driven. Their leases are given up, so that anybody goes on at once.
    pub operations: Vec<OperationId>,
    /// Workspaces that could not be let go in time, as far as is known. Whoever takes their operations over lets them go
    /// first, as a [`Watchdog`](crate::Watchdog) does after their budget.
    pub still_held: Vec<WorkspaceId>,
}

/// What others in this process tell a driver.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Somebody asks the operation to stop.
    pub(super) cancel: Cancellation,
    /// The process is to end: what is held still is let go, and the rest is left where it stands.
    pub(super) leave: Cancellation,
}

impl Told {
    /// Returns when a driver that was told to leave has waited long enough for its catalog.
    pub(super) fn overdue(&self, clock: &Arc<dyn Clock>) -> impl Future<Output = ()> + Send + 'static {
        let (leave, clock) = (self.leave.clone(), Arc::clone(clock));
        async move {
            leave.cancelled().await;
            clock.sleep(STORED_WITHIN).await;
        }
    }
}

/// How a driver came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// With its operation.
    Ended,
    /// It was told to leave, and nothing is held still any more.
    Left,
    /// Somebody else took the operation over, its hold too.
    TakenOver,
    /// It lost its catalog; whether the workspace is still held still.
    Lost { held: bool },
}

/// The catalog's failure to answer in time.
pub(super) fn unanswered() -> Error {
    Error::new(ErrorKind::Unavailable, "the catalog does not answer while the process is to end")
        .maybe_applied()
}
