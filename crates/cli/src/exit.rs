//! How a run ends: exit codes, and the one error that commands return.

use std::fmt;
use std::process::ExitCode;

use stillpoint_core::{Error, ErrorKind, ErrorRecord, OperationId, OperationState};
pub(crate) use stillpoint_provider_s3sync::REPOSITORY;
use stillpoint_server::document::{ErrorDocument, FailureDocument};

/// How the SQL catalog says that another process keeps it locked; the contract's kinds have no word for it.
const CATALOG_LOCKED: &str = "the catalog is locked";

/// The result of a command: how it ended, or why it could not.
pub(crate) type Outcome = Result<Exit, Failure>;

/// How a run ended, as its exit code says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed; nothing is lost.
    Failed = 1,
    /// The command line itself is wrong.
    Usage = 2,
    /// Done, but some items were skipped, torn or left out by an error; they are listed.
    Partial = 3,
    /// The deadline passed; jobs run on, or what was moved is kept for the next run.
    Detached = 4,
    /// Stopped on request.
    Cancelled = 5,
    /// There is no repository at that place.
    NoRepository = 10,
    /// Locked, or busy with another operation.
    Busy = 11,
    /// The password does not open the repository.
    WrongPassword = 12,
    /// Interrupted from the keyboard or by a signal.
    Interrupted = 130,
}

impl Exit {
    /// The code for the shell.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// How a run ended whose code is known; a code that nobody knows is a failure.
    pub(crate) fn of_code(code: i32) -> Self {
        let all = [
            Self::Done,
            Self::Usage,
            Self::Partial,
            Self::Detached,
            Self::Cancelled,
            Self::NoRepository,
            Self::Busy,
            Self::WrongPassword,
            Self::Interrupted,
        ];
        all.into_iter().find(|exit| i32::from(exit.code()) == code).unwrap_or(Self::Failed)
    }

    /// The code of an error.
    pub(crate) fn of_error(error: &ErrorRecord) -> Self {
        match (error.context(REPOSITORY), error.kind) {
            (Some("missing"), _) => Self::NoRepository,
            (Some("wrong-password"), _) => Self::WrongPassword,
            (Some("locked"), _) | (_, ErrorKind::Busy) => Self::Busy,
            (_, ErrorKind::Unavailable) if error.message.starts_with(CATALOG_LOCKED) => Self::Busy,
            (_, ErrorKind::DeadlineExceeded) => Self::Detached,
            (_, ErrorKind::Cancelled) => Self::Cancelled,
            _ => Self::Failed,
        }
    }

    /// The code of an operation that ended in `state`, or was left there.
    pub(crate) fn of_operation(state: OperationState, error: Option<&ErrorRecord>) -> Self {
        match state {
            OperationState::Completed => Self::Done,
            OperationState::Partial => Self::Partial,
            OperationState::Cancelled => Self::Cancelled,
            OperationState::Detached => Self::Detached,
            _ => error.map_or(Self::Failed, Self::of_error),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended without a result.
#[derive(Debug)]
pub(crate) struct Failure {
    error: ErrorRecord,
    operation: Option<OperationId>,
    exit: Exit,
}

impl Failure {
    /// The failure of an operation.
    pub(crate) fn of_operation(error: ErrorRecord, operation: OperationId) -> Self {
        let exit = Exit::of_error(&error);
        Self { error, operation: Some(operation), exit }
    }

    /// The same failure, ending with another code.
    #[must_use]
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// A command that was interrupted, and of which nothing has to be resumed.
    pub(crate) fn interrupted() -> Self {
        let message = "interrupted; the same command again begins anew";
        Self::from(Error::new(ErrorKind::Cancelled, message)).with_exit(Exit::Interrupted)
    }

    /// A command line that cannot be understood.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::from(Error::new(ErrorKind::InvalidInput, message)).with_exit(Exit::Usage)
    }

    /// What stopped the run.
    pub(crate) fn error(&self) -> &ErrorRecord {
        &self.error
    }

    /// The operation that failed, where one was begun.
    pub(crate) fn operation(&self) -> Option<&OperationId> {
        self.operation.as_ref()
    }

    /// How the run ends.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The JSON document that stands for the result.
    pub(crate) fn document(&self) -> FailureDocument {
        FailureDocument::new(ErrorDocument::new(&self.error, self.operation.as_ref()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error.message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let operation = error.context("operation").and_then(|id| id.parse().ok());
        let error = error.record();
        let exit = Exit::of_error(&error);
        Self { error, operation, exit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_one_kind_end_with_different_codes_where_their_reasons_differ() {
        let code = |kind, reason: Option<&str>| {
            let error = Error::new(kind, "no");
            let error = if let Some(reason) = reason { error.with(REPOSITORY, reason) } else { error };
            Failure::from(error).exit().code()
        };
        assert_eq!(code(ErrorKind::NotFound, None), 1);
        assert_eq!(code(ErrorKind::NotFound, Some("missing")), 10);
        assert_eq!(code(ErrorKind::Unauthenticated, Some("wrong-password")), 12);
        assert_eq!(code(ErrorKind::Unauthenticated, None), 1);
        assert_eq!(code(ErrorKind::Unavailable, Some("locked")), 11);
        assert_eq!(code(ErrorKind::Busy, None), 11);
        let locked = Error::new(ErrorKind::Unavailable, "the catalog is locked by another process; wait");
        assert_eq!(Failure::from(locked).exit().code(), 11);
        assert_eq!(code(ErrorKind::Unavailable, None), 1);
        assert_eq!(code(ErrorKind::DeadlineExceeded, None), 4);
        assert_eq!(Failure::usage("what?").exit().code(), 2);
    }

    #[test]
    fn the_error_document_names_the_operation() {
        let error = Error::new(ErrorKind::Busy, "busy").with("operation", "op-1");
        let document = serde_json::to_value(Failure::from(error).document()).unwrap();
        assert_eq!(document["error"]["kind"], "busy");
        assert_eq!(document["error"]["retry"], "never");
        assert_eq!(document["error"]["effect"], "not_applied");
        assert_eq!(document["error"]["operation_id"], "op-1");
    }
}
