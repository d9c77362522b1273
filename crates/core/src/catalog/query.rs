//! Queries and pages. A page is bounded, and its cursor is opaque.

use serde::{Deserialize, Serialize};

use crate::catalog::BackupState;
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::id::WorkspaceId;
use crate::operation::OperationState;

/// The most items a page holds.
pub const PAGE_LIMIT_MAX: usize = 1000;

/// One page of an ordered list.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
    /// What belongs on this page and cannot be read. It keeps nobody from the other items.
    pub damaged: Vec<DamagedRow>,
}

impl<T> Page<T> {
    /// A page on which everything could be read.
    pub fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next, damaged: Vec::new() }
    }

    /// Logs what cannot be read, where the reader has no other place to tell of it. `what` is what the list is of.
    pub(crate) fn warn_of_damage(&self, what: &str) {
        for row in &self.damaged {
            tracing::error!(what, id = %row.id, error = %row.error, "a row of the catalog cannot be read; it is passed over");
        }
    }
}

/// A row of the catalog that cannot be read: it is damaged, or a newer version wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DamagedRow {
    /// Its id, as stored.
    pub id: String,
    /// Why it cannot be read.
    pub error: ErrorRecord,
}

impl DamagedRow {
    /// Row `id`, which cannot be read because of `error`.
    pub fn new(id: impl Into<String>, error: ErrorRecord) -> Self {
        Self { id: id.into(), error }
    }
}

/// Which backups to list, newest first unless the oldest are wanted first. Every condition that is set must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupQuery {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// In this state.
    pub state: Option<BackupState>,
    /// With this name.
    pub name: Option<String>,
    /// With an id that begins so.
    pub id_prefix: Option<String>,
    /// Created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
    /// The oldest first, not the newest. A cursor is good for the order that it came from.
    pub oldest_first: bool,
    /// At most so many, and never more than [`PAGE_LIMIT_MAX`].
    pub limit: usize,
    /// The cursor of the page before.
    pub after: Option<String>,
}

impl Default for BackupQuery {
    fn default() -> Self {
        Self {
            workspace: None,
            state: None,
            name: None,
            id_prefix: None,
            created_from: None,
            created_before: None,
            oldest_first: false,
            limit: PAGE_LIMIT_MAX,
            after: None,
        }
    }
}

impl BackupQuery {
    /// All backups.
    pub fn all() -> Self {
        Self::default()
    }

    /// The backups of `workspace`.
    pub fn of_workspace(workspace: WorkspaceId) -> Self {
        Self { workspace: Some(workspace), ..Self::default() }
    }
}

/// Which operations to list, newest first. Every condition that is set must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationQuery {
    /// On this workspace.
    pub workspace: Option<WorkspaceId>,
    /// In this state.
    pub state: Option<OperationState>,
    /// Only those with something left to do: running, cancelling or detached.
    pub unfinished: bool,
    /// With an id that begins so.
    pub id_prefix: Option<String>,
    /// At most so many, and never more than [`PAGE_LIMIT_MAX`].
    pub limit: usize,
    /// The cursor of the page before.
    pub after: Option<String>,
}

impl Default for OperationQuery {
    fn default() -> Self {
        Self {
            workspace: None,
            state: None,
            unfinished: false,
            id_prefix: None,
            limit: PAGE_LIMIT_MAX,
            after: None,
        }
    }
}

impl OperationQuery {
    /// All operations.
    pub fn all() -> Self {
        Self::default()
    }

    /// The operations with something left to do.
    pub fn unfinished() -> Self {
        Self { unfinished: true, ..Self::default() }
    }
}
