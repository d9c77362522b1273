//! What every call of the contract gets first: which operation it serves, until when, and how to stop it.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::id::OperationId;

/// A flag that is raised once and seen by every clone.
#[derive(Clone, Default)]
pub struct Cancellation(CancellationToken);

impl Cancellation {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether the flag is raised.
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Returns when the flag is raised.
    pub async fn cancelled(&self) {
        self.0.cancelled().await;
    }

    /// A flag that is raised with this one, or alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancellation").field(&self.is_cancelled()).finish()
    }
}

/// The context of a call: operation, fence, deadline, cancellation and clock.
#[derive(Clone, Debug)]
pub struct OpContext {
    operation: Option<OperationId>,
    fence: u64,
    deadline: Option<Timestamp>,
    cancellation: Cancellation,
    clock: Arc<dyn Clock>,
}

impl OpContext {
    /// A context without operation or deadline, on the system's clock: for reading calls outside an operation.
    pub fn background() -> Self {
        Self::new(Arc::new(SystemClock))
    }

    /// A context without operation or deadline.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { operation: None, fence: 0, deadline: None, cancellation: Cancellation::new(), clock }
    }

    /// The same context for a call made on behalf of `operation`, whose lease has the epoch `fence`.
    #[must_use]
    pub fn for_operation(mut self, operation: OperationId, fence: u64) -> Self {
        self.operation = Some(operation);
        self.fence = fence;
        self
    }

    /// The same context with another deadline.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Option<Timestamp>) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same context with another cancellation flag.
    #[must_use]
    pub fn with_cancellation(mut self, cancellation: Cancellation) -> Self {
        self.cancellation = cancellation;
        self
    }

    /// The operation this call serves.
    pub fn operation(&self) -> Option<&OperationId> {
        self.operation.as_ref()
    }

    /// The epoch of the lease under which the call is made; grows with each takeover. Zero outside an operation.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// When the operation's deadline passes.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// The flag that asks this call to stop.
    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Fails once the call was asked to stop; long work calls it between its steps.
    ///
    /// # Errors
    /// `Cancelled` when the flag is raised.
    pub fn check(&self) -> Result<()> {
        if self.cancellation.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the operation was cancelled"));
        }
        Ok(())
    }
}
