//! The log of who did what.

use serde::{Deserialize, Serialize};
use stillpoint_core::Timestamp;
use utoipa::ToSchema;

/// One line of the log: somebody asked for something that changes something, or was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct AuditLine {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: the token's id; `None` where none was given or known.
    pub token: Option<String>,
    /// The name that the token was given.
    pub name: Option<String>,
    /// What was asked for: `back-up`, `restore`, `token-create`, …
    pub action: String,
    /// What it concerns: a workspace, a backup, an operation, a schedule, a token.
    pub subject: String,
    /// The operation that it began, where it did.
    #[serde(default)]
    pub operation: Option<String>,
    /// What came of it.
    pub outcome: AuditOutcome,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuditOutcome {
    /// It was taken.
    Accepted,
    /// It was refused: the error's kind.
    Refused(String),
}
