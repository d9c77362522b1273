//! Failures as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{Effect, ErrorKind, ErrorRecord, OperationId, Retry};
use utoipa::ToSchema;

/// What stopped a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ErrorDocument {
    /// What the caller should do: `not_found`, `busy`, `invalid_input`, …
    #[schema(value_type = String)]
    pub kind: ErrorKind,
    /// One sentence that says what to do.
    pub message: String,
    /// Whether trying again can help.
    #[schema(value_type = RetryAdvice)]
    pub retry: Retry,
    /// Whether the outside may have changed: `not_applied`, `maybe_applied`.
    #[schema(value_type = String)]
    pub effect: Effect,
    /// The operation that it is about.
    #[schema(value_type = Option<String>)]
    pub operation_id: Option<OperationId>,
}

/// Whether trying again can help.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "it describes the words of `Retry`, which is not ours to describe")]
pub(crate) enum RetryAdvice {
    /// Trying again gives the same answer.
    Never,
    /// Trying again may help, not before this many milliseconds.
    After {
        /// The least time to wait.
        delay_ms: u64,
    },
    /// It was tried again as often as the budget allows.
    Exhausted,
}

impl ErrorDocument {
    /// `error`, which is about `operation`.
    pub fn new(error: &ErrorRecord, operation: Option<&OperationId>) -> Self {
        Self {
            kind: error.kind,
            message: error.message.clone(),
            retry: error.retry,
            effect: error.effect,
            operation_id: operation.cloned(),
        }
    }
}

/// The document that stands for the result of a command that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct FailureDocument {
    /// What stopped it.
    pub error: ErrorDocument,
}

impl FailureDocument {
    /// The failure with `error`.
    pub fn new(error: ErrorDocument) -> Self {
        Self { error }
    }
}
