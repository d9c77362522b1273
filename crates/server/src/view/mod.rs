//! What callers see: the read model that the API and the page share. Everything comes from the catalog, and nothing is
//! remembered from one call to the next.

mod backups;
mod operations;
mod schedules;
mod workspaces;

pub(crate) use backups::BackupFilter;
pub(crate) use operations::OperationFilter;

/// Rows that one call looks through before it answers what it has found so far.
pub(crate) const LOOKED_AT_MAX: usize = 5_000;
/// Rows that are looked at together.
pub(crate) const LOOK_AT: usize = 500;
/// Items on a page unless the caller says otherwise.
pub(crate) const LIMIT_DEFAULT: usize = 50;
