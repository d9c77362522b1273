//! The provider for managed workspaces against the fake AWS.

#[path = "../fake/mod.rs"]
mod fake;

mod backups;
mod discover;
mod pace;
mod points;
mod policy;
mod preflight;
mod stories;
