//! The ledger of an operation: each call outside is written down before it is made, and what came of it after.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// One line of an operation's ledger: what was about to happen outside, or what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LedgerEntry {
    /// When it was written.
    pub at: Timestamp,
    /// The epoch of the lease under which it was written.
    pub fence: u64,
    /// `intent` before a call, `outcome` after it.
    pub kind: LedgerKind,
    /// What is called: `start`, `cancel`, `quiesce`, `resume`, …
    pub action: String,
    /// What it is called for: a component, or the workspace.
    pub subject: String,
    /// The try, from 1.
    pub attempt: u32,
    /// Equal parameters have equal hashes; the same attempt always has the same.
    pub params_hash: String,
    /// What came of it: `ok`, of a job perhaps with where its service tells of it, or the error's words.
    pub outcome: Option<String>,
}

impl LedgerEntry {
    /// An intent: durable before the call.
    pub fn intent(
        at: Timestamp,
        fence: u64,
        action: impl Into<String>,
        subject: impl Into<String>,
        attempt: u32,
        params_hash: impl Into<String>,
    ) -> Self {
        Self {
            at,
            fence,
            kind: LedgerKind::Intent,
            action: action.into(),
            subject: subject.into(),
            attempt,
            params_hash: params_hash.into(),
            outcome: None,
        }
    }

    /// An outcome: durable right after the call.
    pub fn outcome(
        at: Timestamp,
        fence: u64,
        action: impl Into<String>,
        subject: impl Into<String>,
        attempt: u32,
        outcome: impl Into<String>,
    ) -> Self {
        Self {
            at,
            fence,
            kind: LedgerKind::Outcome,
            action: action.into(),
            subject: subject.into(),
            attempt,
            params_hash: String::new(),
            outcome: Some(outcome.into()),
        }
    }
}

/// The two kinds of ledger lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LedgerKind {
    /// Before the call.
    Intent,
    /// After the call.
    Outcome,
}
