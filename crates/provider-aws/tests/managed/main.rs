//! The provider for managed workspaces against the fake AWS.

mod backups;
mod blocks;
mod copies;
mod crash;
mod discover;
mod fake;
mod file_systems;
mod guards;
mod holds;
mod live;
mod points;
mod policy;
mod preflight;
mod restore_policy;
mod restore_stories;
mod restores;
mod stories;
mod suites;
mod vaults;
mod whose;
