//! Hooks: the administrator's commands that hold a workspace still, let it go, and make and start a new one.
//!
//! A hook is a line for `/bin/sh`. It may be called again after a crash with the same ids and must answer the same.
//! One hook of a workspace runs at a time, whichever process called it: what a killed process left running is stopped
//! before the next one begins, so that a slow `quiesce` can never overtake the `resume` that undoes it.

mod command;
mod turn;

use std::ffi::OsString;
use std::time::Duration;

use stillpoint_core::{BackupId, OperationId, WorkspaceId};

pub(crate) use turn::{Hooks, file_error};

/// Variables that hooks do not inherit, because they may hold a secret of Stillpoint's own.
const WITHHELD: [&str; 5] = [
    "STILLPOINT_PASSWORD",
    "STILLPOINT_NEW_PASSWORD",
    "STILLPOINT_TOKEN",
    "STILLPOINT_CATALOG",
    "PGPASSWORD",
];
/// The exit code of a hook that wants to be called again later (`EX_TEMPFAIL` of `sysexits.h`).
const TRY_AGAIN: i32 = 75;

/// Which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Stops or flushes what writes.
    Quiesce,
    /// Lets it go again.
    Resume,
    /// Makes a new workspace.
    Provision,
    /// Starts it.
    Activate,
    /// Moves restored files to the root of their file system.
    Reroot,
    /// Removes what provision made.
    Discard,
}

impl Hook {
    /// The word in the configuration and in `STILLPOINT_HOOK`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Quiesce => "quiesce",
            Self::Resume => "resume",
            Self::Provision => "provision",
            Self::Activate => "activate",
            Self::Reroot => "reroot",
            Self::Discard => "discard",
        }
    }

    /// Whether what it failed to do leaves something behind that a person must see to.
    fn undoes(self) -> bool {
        matches!(self, Self::Resume | Self::Discard)
    }
}

/// One call of a hook.
#[derive(Debug)]
pub(crate) struct HookCall<'a> {
    hook: Hook,
    line: &'a str,
    environment: Vec<(&'static str, OsString)>,
    limit: Option<Duration>,
}

impl<'a> HookCall<'a> {
    /// Calls `line` as `hook` of `workspace`.
    pub(crate) fn new(hook: Hook, line: &'a str, workspace: &WorkspaceId) -> Self {
        let environment = vec![
            ("STILLPOINT_HOOK", hook.as_str().into()),
            ("STILLPOINT_WORKSPACE_ID", workspace.as_str().into()),
        ];
        Self { hook, line, environment, limit: None }
    }

    /// The same on behalf of an operation.
    #[must_use]
    pub(crate) fn for_operation(self, operation: Option<&OperationId>) -> Self {
        match operation {
            Some(id) => self.with("STILLPOINT_OPERATION_ID", id.as_str()),
            None => self,
        }
    }

    /// The same about a backup.
    #[must_use]
    pub(crate) fn about(self, backup: Option<&BackupId>) -> Self {
        match backup {
            Some(id) => self.with("STILLPOINT_BACKUP_ID", id.as_str()),
            None => self,
        }
    }

    /// The same with one more variable.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// The same, stopped after `limit`.
    #[must_use]
    pub(crate) fn within(mut self, limit: Option<Duration>) -> Self {
        self.limit = limit;
        self
    }
}
