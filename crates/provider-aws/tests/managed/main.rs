//! The provider for managed workspaces against the fake AWS.

#[path = "../fake/mod.rs"]
mod fake;

mod backups;
mod copies;
mod discover;
mod file_systems;
mod holds;
mod pace;
mod points;
mod policy;
mod preflight;
mod restore_policy;
mod restores;
mod stories;
mod under_way;
mod whose;
