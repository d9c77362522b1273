//! Restoring a snapshot into a directory.
//!
//! The snapshot's listings are read in order; files are collected into windows of bounded size, and each window is
//! fetched in the order of the packs, neighbours together, while what arrived is decoded and written. Links come after
//! all files, and directories get their attributes last.

mod attributes;
mod existing;
mod fetch;
mod include;
mod links;
mod options;
mod pending;
mod run;
mod scan;
mod summary;

pub use options::RestoreOptions;
pub use summary::RestoreSummary;
