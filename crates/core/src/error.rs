//! The one error type of the contract.
//!
//! A caller of Stillpoint never has to parse a message: [`ErrorKind`] says what to do, [`Retry`] whether trying
//! again can help, and [`Effect`] whether the outside world may have changed. A step that sees
//! [`Effect::MaybeApplied`] must look (find by key, tag, name or time) before it acts again.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The result of every fallible call of the contract.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller should do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The thing does not exist; often a success for an idempotent step.
    NotFound,
    /// The thing exists already; read it back and compare.
    AlreadyExists,
    /// Somebody changed the record first: read it again, then decide.
    Conflict,
    /// Somebody else works on the same workspace or resource: wait, attach or give up. An orchestrator says with
    /// [`Retry::After`] when to come again; a provider's call is not made again by itself, for what holds the resource may
    /// last for hours.
    Busy,
    /// The request is wrong: fix it.
    InvalidInput,
    /// The configuration is wrong: fix it.
    InvalidConfig,
    /// The credentials are missing, wrong or expired.
    Unauthenticated,
    /// The credentials lack a permission; the context names the action.
    PermissionDenied,
    /// This provider, store or platform cannot do it; see its capabilities.
    Unsupported,
    /// The other side asked to slow down.
    RateLimited,
    /// The other side cannot be reached or is not well.
    Unavailable,
    /// A quota or a disk is full: free or raise it.
    QuotaExceeded,
    /// Stored data is damaged: stop, verify, restore another point.
    Corrupt,
    /// The operation was cancelled on request.
    Cancelled,
    /// The deadline passed.
    DeadlineExceeded,
    /// Something could not be undone: a person must look.
    NeedsAttention,
    /// A defect in Stillpoint or an answer nobody foresaw: report it.
    Unexpected,
}

impl ErrorKind {
    /// Its name as it is stored and told, `not_found` for example.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::InvalidInput => "invalid_input",
            Self::InvalidConfig => "invalid_config",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::Unsupported => "unsupported",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Corrupt => "corrupt",
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NeedsAttention => "needs_attention",
            Self::Unexpected => "unexpected",
        }
    }
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Retry {
    /// Trying again gives the same answer.
    Never,
    /// Trying again may help, not before this many milliseconds.
    After {
        /// The least time to wait, in milliseconds; zero where the other side gave no hint.
        delay_ms: u64,
    },
    /// It was tried again as often as the budget allows.
    Exhausted,
}

/// Whether the call may have changed anything outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Effect {
    /// Nothing changed.
    NotApplied,
    /// The request may have been carried out although no answer arrived.
    MaybeApplied,
}

/// An error of the contract: opaque, with everything a caller needs to decide.
pub struct Error(Box<Inner>);

struct Inner {
    record: ErrorRecord,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The storable part of an [`Error`]: what the ledger keeps and what a host shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ErrorRecord {
    /// What the caller should do.
    pub kind: ErrorKind,
    /// One sentence, lower case, without a full stop, that says what to do.
    pub message: String,
    /// Whether trying again can help.
    pub retry: Retry,
    /// Whether the outside may have changed.
    pub effect: Effect,
    /// Name and value pairs that locate the problem (operation, provider, resource, action).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub context: Vec<(String, String)>,
}

impl ErrorRecord {
    /// The value of one context pair.
    pub fn context(&self, name: &str) -> Option<&str> {
        self.context.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for ErrorRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error {
    /// An error of `kind`. Rate limits and unavailability may be retried; an unknown effect must be claimed with
    /// [`Error::maybe_applied`].
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retry = match kind {
            ErrorKind::RateLimited | ErrorKind::Unavailable => Retry::After { delay_ms: 0 },
            _ => Retry::Never,
        };
        let record = ErrorRecord {
            kind,
            message: message.into(),
            retry,
            effect: Effect::NotApplied,
            context: Vec::new(),
        };
        Self(Box::new(Inner { record, source: None }))
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds one name and value pair that locates the problem.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.0.record.context.push((name.to_owned(), value.to_string()));
        self
    }

    /// States that trying again may help, not before `delay`.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.record.retry = Retry::After { delay_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) };
        self
    }

    /// Replaces the retry advice.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.record.retry = retry;
        self
    }

    /// States that the call may have been carried out although it failed here.
    #[must_use]
    pub fn maybe_applied(mut self) -> Self {
        self.0.record.effect = Effect::MaybeApplied;
        self
    }

    /// What the caller should do.
    pub fn kind(&self) -> ErrorKind {
        self.0.record.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.record.retry
    }

    /// Whether the outside may have changed.
    pub fn effect(&self) -> Effect {
        self.0.record.effect
    }

    /// The value of one context pair.
    pub fn context(&self, name: &str) -> Option<&str> {
        self.0.record.context(name)
    }

    /// The storable part, with the chain of causes folded into the message.
    pub fn record(&self) -> ErrorRecord {
        let mut record = self.0.record.clone();
        record.message = self.to_string_chain();
        record
    }

    /// The message followed by each cause that adds something, separated by `: `.
    pub fn to_string_chain(&self) -> String {
        let mut text = self.0.record.message.clone();
        let mut next = self.source();
        while let Some(cause) = next {
            let part = cause.to_string();
            if !text.contains(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            next = cause.source();
        }
        text
    }
}

impl From<ErrorRecord> for Error {
    fn from(record: ErrorRecord) -> Self {
        Self(Box::new(Inner { record, source: None }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.record.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("record", &self.0.record).field("source", &self.0.source).finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_error_keeps_kind_retry_effect_and_causes() {
        let error = Error::new(ErrorKind::Unavailable, "the vault did not answer")
            .with_source(std::io::Error::other("connection reset"))
            .with("action", "StartBackupJob")
            .maybe_applied();
        let text = serde_json::to_string(&error.record()).unwrap();
        let back: ErrorRecord = serde_json::from_str(&text).unwrap();
        assert_eq!(back.kind, ErrorKind::Unavailable);
        assert_eq!(back.effect, Effect::MaybeApplied);
        assert_eq!(back.retry, Retry::After { delay_ms: 0 });
        assert_eq!(back.message, "the vault did not answer: connection reset");
        assert_eq!(Error::from(back).context("action"), Some("StartBackupJob"));
    }
}
