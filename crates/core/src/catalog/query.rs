//! Queries and pages. A page is bounded, and its cursor is opaque.

use serde::{Deserialize, Serialize};

use crate::catalog::{BackupRecord, BackupSort, BackupState};
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

/// The cursor of a list that is ordered by time and id, after the row of this time and id. Every catalog's cursors of
/// backups and operations have this form, so that whoever passes rows over can say where to go on.
pub fn cursor_after(at: Timestamp, id: &str) -> String {
    format!("{}:{id}", at.as_millis())
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
    /// Of a workspace that was in this environment then.
    pub environment: Option<String>,
    /// Only those that are held, or only those that are not.
    pub held: Option<bool>,
    /// With this text in what [`BackupRecord::searched`] answers, in small letters or capitals.
    pub search: Option<String>,
    /// What the list is sorted by, downwards. A cursor is good for the order that it came from.
    pub sort: BackupSort,
    /// Upwards, not downwards: the oldest first, the smallest, the first of the alphabet.
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
            environment: None,
            held: None,
            search: None,
            sort: BackupSort::Created,
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

    /// Whether every condition that is set holds for `backup`.
    ///
    /// ```
    /// use stillpoint_core::{BackupQuery, BackupRecord, Definition, Timestamp};
    ///
    /// let made = Timestamp::from_millis(0);
    /// let backup = BackupRecord::new("b-1".parse().unwrap(), "op".parse().unwrap(), Definition::new("ada".parse().unwrap()), made);
    /// let mut query = BackupQuery::of_workspace("ada".parse().unwrap());
    /// query.search = Some("B-".into());
    /// assert!(query.fits(&backup));
    /// query.held = Some(true);
    /// assert!(!query.fits(&backup));
    /// ```
    pub fn fits(&self, backup: &BackupRecord) -> bool {
        self.workspace.as_ref().is_none_or(|workspace| backup.workspace == *workspace)
            && self.state.is_none_or(|wanted| backup.state == wanted)
            && (self.name.is_none() || backup.name == self.name)
            && self.id_prefix.as_ref().is_none_or(|prefix| backup.id.as_str().starts_with(prefix))
            && self.created_from.is_none_or(|from| backup.created_at >= from)
            && self.created_before.is_none_or(|before| backup.created_at < before)
            && (self.environment.is_none() || backup.definition.environment == self.environment)
            && self.held.is_none_or(|held| backup.held == held)
            && self.search.as_ref().is_none_or(|text| backup.searched().contains(&text.to_lowercase()))
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
