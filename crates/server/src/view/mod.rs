//! What callers see: the read model that the API and the page share. Everything comes from the catalog, and nothing is
//! remembered from one call to the next.

mod backups;
mod files;
mod held;
mod operations;
mod roles;
mod schedules;
mod sight;
mod workspaces;

use serde::Deserialize;
use stillpoint_core::{Error, ErrorKind, PAGE_LIMIT_MAX, Result};
use utoipa::IntoParams;

pub(crate) use backups::BackupFilter;
pub(crate) use files::FileFilter;
pub use held::HoldNotes;
pub(crate) use operations::OperationFilter;
pub(crate) use roles::RolesFilter;
pub(crate) use schedules::ScheduleFilter;
pub(crate) use workspaces::WorkspaceFilter;

/// Rows that are looked at together.
pub(crate) const LOOK_AT: usize = 500;
/// Items on a page unless the caller says otherwise.
pub(crate) const LIMIT_DEFAULT: usize = 50;

/// The size of a page.
///
/// # Errors
/// `InvalidInput` for none and for too many.
pub(crate) fn page_limit(asked: Option<usize>) -> Result<usize> {
    match asked.unwrap_or(LIMIT_DEFAULT) {
        limit @ 1..=PAGE_LIMIT_MAX => Ok(limit),
        _ => Err(Error::new(ErrorKind::InvalidInput, format!("limit must be 1 to {PAGE_LIMIT_MAX}"))),
    }
}

/// How many lines of the audit log to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditFilter {
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    pub(crate) limit: Option<usize>,
}

/// The revision that a change is meant for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct RevisionGiven {
    /// Change only what still has this revision.
    #[param(minimum = 0)]
    pub(crate) revision: Option<u64>,
}
