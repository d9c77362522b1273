//! The event stream: what an orchestrator tells its host while operations run.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::OperationId;
use crate::operation::OperationState;
use crate::progress::ComponentProgress;

/// One thing that happened in an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OperationEvent {
    /// The operation.
    pub operation: OperationId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

impl OperationEvent {
    /// `kind` happened in `operation` at `at`.
    pub fn new(operation: OperationId, at: Timestamp, kind: EventKind) -> Self {
        Self { operation, at, kind }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum EventKind {
    /// The operation went to another step.
    Step {
        /// The step's name.
        step: String,
        /// The state it is in.
        state: OperationState,
    },
    /// A component's job advanced, or came to another step.
    Progress(ComponentProgress),
    /// Worth a look; the operation goes on.
    Warning {
        /// What.
        message: String,
    },
    /// The operation ended.
    Ended {
        /// How.
        state: OperationState,
    },
}
