//! Directories backed up, restored, listed and compared through a whole repository.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

mod backup;
mod browse;
mod interrupted;
mod remembered;
mod remote;
mod restic;
mod restore;
mod support;
