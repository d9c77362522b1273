//! What a PostgreSQL server reports, in the words of the contract.

use sqlx::error::DatabaseError;
use stillpoint_core::{Error, ErrorKind};

/// SQLSTATE codes (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
mod code {
    pub(super) const UNIQUE_VIOLATION: &str = "23505";
    pub(super) const READ_ONLY: &str = "25006";
    pub(super) const SERIALIZATION_FAILURE: &str = "40001";
    pub(super) const DEADLOCK: &str = "40P01";
    pub(super) const NO_PRIVILEGE: &str = "42501";
    pub(super) const NO_SUCH_DATABASE: &str = "3D000";
    pub(super) const TAKEN: [&str; 3] = ["42P06", "42P07", "42723"];
    pub(super) const DISK_FULL: &str = "53100";
    pub(super) const TOO_MANY_CONNECTIONS: &str = "53300";
    pub(super) const LOCK_TIMEOUT: &str = "55P03";
    pub(super) const STATEMENT_TIMEOUT: &str = "57014";
    pub(super) const NOT_TEXT: [&str; 2] = ["22021", "22P05"];
    /// The server ends this connection, or is not there yet.
    pub(super) const SHUTDOWN: [&str; 5] = ["57P01", "57P02", "57P03", "57P04", "57P05"];
}

/// The primary key of the ledger.
const LEDGER_KEY: &str = "ledger_pkey";

/// The error of the contract for an error of a statement that changed nothing.
pub(super) fn fault(error: sqlx::Error) -> Error {
    let (kind, message) = match &error {
        sqlx::Error::Database(database) => reported(database.as_ref()),
        _ if is_lost(&error) => {
            (ErrorKind::Unavailable, "the connection to the catalog's server was lost; try again")
        }
        sqlx::Error::Tls(_) => (
            ErrorKind::InvalidConfig,
            "no encrypted connection to the catalog's server came about; check sslmode and sslrootcert",
        ),
        _ => (ErrorKind::Unexpected, "the catalog's server answered something unforeseen; report this"),
    };
    Error::new(kind, message).with_source(error)
}

/// The error of a change: where the connection was lost on the way, nobody knows whether it was made.
pub(super) fn unsettled(error: sqlx::Error) -> Error {
    let lost = is_lost(&error);
    let fault = fault(error);
    if lost { fault.maybe_applied() } else { fault }
}

/// Whether the connection is gone.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database
            .code()
            .is_some_and(|code| code.starts_with("08") || code::SHUTDOWN.contains(&code.as_ref())),
        _ => false,
    }
}

/// Whether the statement was undone because of others that ran beside it, so that it can be run again at once.
pub(super) fn is_undone(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|database| match database.code().as_deref() {
        Some(code::SERIALIZATION_FAILURE | code::DEADLOCK) => true,
        // Two steps of one operation at once count the ledger's lines alike; the second counts again.
        Some(code::UNIQUE_VIOLATION) => database.constraint() == Some(LEDGER_KEY),
        _ => false,
    })
}

fn reported(error: &dyn DatabaseError) -> (ErrorKind, &'static str) {
    let code = error.code().unwrap_or_default();
    match code.as_ref() {
        code::UNIQUE_VIOLATION => (ErrorKind::Busy, "another operation is active on this workspace"),
        code::SERIALIZATION_FAILURE | code::DEADLOCK => {
            (ErrorKind::Unavailable, "the catalog is busy with changes of the same records; try again")
        }
        code::LOCK_TIMEOUT => (
            ErrorKind::Unavailable,
            "the catalog is locked by another process; wait until it is done, or stop it",
        ),
        code::STATEMENT_TIMEOUT => {
            (ErrorKind::Unavailable, "the catalog's server took too long for a statement; look at its load")
        }
        code::TOO_MANY_CONNECTIONS => (
            ErrorKind::Unavailable,
            "the catalog's server has no connection left; use fewer, or raise its max_connections",
        ),
        code::READ_ONLY => (
            ErrorKind::Unavailable,
            "the catalog's server is read-only, a standby perhaps; connect to the primary",
        ),
        code::DISK_FULL => {
            (ErrorKind::QuotaExceeded, "the disk of the catalog's server is full; free some space")
        }
        code::NO_PRIVILEGE => (
            ErrorKind::PermissionDenied,
            "the catalog's database user lacks a privilege; grant it the schema and its tables",
        ),
        code::NO_SUCH_DATABASE => {
            (ErrorKind::InvalidConfig, "the catalog's database does not exist; create it")
        }
        other if code::TAKEN.contains(&other) => (
            ErrorKind::InvalidConfig,
            "the schema holds tables of another program; give the catalog a schema of its own",
        ),
        other if code::NOT_TEXT.contains(&other) => {
            (ErrorKind::InvalidInput, "a text with a zero character cannot be stored")
        }
        other if other.starts_with("28") => {
            (ErrorKind::Unauthenticated, "the catalog's server refused the user or the password")
        }
        other if other.starts_with("XX00") => (
            ErrorKind::Corrupt,
            "the catalog's server reports damaged data; look at its log, restore or rebuild",
        ),
        other if other.starts_with("08") || code::SHUTDOWN.contains(&other) => {
            (ErrorKind::Unavailable, "the catalog's server is starting up or shutting down; try again")
        }
        other if other.starts_with("53") => {
            (ErrorKind::Unavailable, "the catalog's server is short of resources; look at its log")
        }
        _ => (ErrorKind::Unexpected, "the catalog's server refused a statement; report this"),
    }
}
