//! The orchestrator: takes requests, drives operations to their end, and takes over what others left behind.

mod admission;
mod bases;
mod builder;
mod call_limit;
mod commit;
mod driver;
mod drives;
mod effects;
mod guarding;
mod hand_over;
mod holder;
mod holding_still;
mod in_use;
pub(crate) mod kept;
mod line;
mod local;
mod newcomer;
mod outlook;
mod overlap;
mod planning;
mod reach;
mod recovery;

use std::fmt::Debug;

pub use admission::OperationLimits;
pub use builder::{Builder, HOST, LEASE_TTL_DEFAULT, WorkspaceResolver};
pub use hand_over::HandedOver;
pub use holder::{Liveness, ProcessLiveness, process_holder};
pub use local::LocalOrchestrator;
pub use recovery::{RECOVER_EVERY_DEFAULT, Recovery};

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::error::Result;
use crate::event::OperationEvent;
use crate::id::OperationId;
use crate::operation::{BackupRequest, DeleteRequest, OperationStatus, Request, RestoreRequest};
use crate::outlook::{DeletePlan, RestorePlan};
use crate::plan::Plan;

/// Submits, watches, cancels and recovers operations.
///
/// An operation lives in the catalog, not in the process: whoever holds its lease drives it, and after a crash
/// [`Orchestrator::recover`] in any process goes on where it stopped.
#[async_trait]
pub trait Orchestrator: Debug + Send + Sync + 'static {
    /// The host that it works on, where it was told ([`Builder::host`]); a [`Scheduler`](crate::Scheduler) leaves runs of
    /// other hosts to them.
    fn host(&self) -> Option<&str> {
        None
    }

    /// Finds out what a backup would do, without doing it: components and exclusions, forecast, calls, permissions, tags,
    /// conflicts and findings. A request that carries it as [`BackupRequest::accepted_plan`] does nothing else.
    ///
    /// # Errors
    /// Whatever reading the workspace can meet.
    async fn plan(&self, request: &BackupRequest) -> Result<Plan>;

    /// Finds out what a restore would do, without doing it.
    ///
    /// # Errors
    /// `NotFound` where there is no such backup; whatever looking at it can meet.
    async fn plan_restore(&self, request: &RestoreRequest) -> Result<RestorePlan>;

    /// Finds out what a deletion would do, without doing it.
    ///
    /// # Errors
    /// `NotFound` where there is no such backup.
    async fn plan_delete(&self, request: &DeleteRequest) -> Result<DeletePlan>;

    /// Stores an operation and starts to drive it. The same id twice is one operation: an interrupted one is taken
    /// over, an ended one answers its end.
    ///
    /// # Errors
    /// `Busy` where another operation has the workspace, with who runs it and since when.
    async fn submit(&self, request: Request) -> Result<OperationStatus>;

    /// Where an operation stands, as stored.
    ///
    /// # Errors
    /// `NotFound` where there is no such operation.
    async fn status(&self, id: &OperationId) -> Result<OperationStatus>;

    /// Returns when the operation has ended or is detached, whoever drives it.
    ///
    /// # Errors
    /// `NotFound` where there is no such operation; whatever stopped this process from driving it.
    async fn wait(&self, id: &OperationId) -> Result<OperationStatus>;

    /// What happens from now on in the operations that this process drives. A reader that is too slow loses the
    /// oldest events; [`Orchestrator::status`] always answers the whole state.
    fn events(&self) -> BoxStream<'static, OperationEvent>;

    /// Asks an operation to stop, whoever drives it. It brings things in order and then ends.
    ///
    /// # Errors
    /// `NotFound` where there is no such operation.
    async fn cancel(&self, id: &OperationId) -> Result<()>;

    /// Takes over every unfinished operation that nobody drives and starts to drive it. To be called once at
    /// start-up, and as often as one likes; [`Recovery`] does so. One whose stored record cannot be read is said in a
    /// warning and passed over.
    ///
    /// # Errors
    /// Whatever reading the catalog can meet.
    async fn recover(&self) -> Result<Vec<OperationId>>;
}
