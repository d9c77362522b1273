//! Backups of disks: an incremental snapshot of a name that follows from the job's key.

mod find;
mod foresee;
mod poll;
mod start;

pub(super) use start::{SNAPSHOTS_IN_FIVE_MINUTES, SNAPSHOTS_MAX};

/// The note of a job's name that carries the mark of what it makes.
pub(super) const KEY: &str = "key";
/// The note of a job's name that says which disk was captured: one that is made again keeps its name, and changes this.
pub(super) const DISK: &str = "disk";
