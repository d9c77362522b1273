//! Managed workspaces from the command line, against a fake AWS that holds every call against the services' own models:
//! `AWS_ENDPOINT_URL` and static credentials are all that is special.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in the parts that tests share fails the test"
)]

mod backups;
#[path = "../common/mod.rs"]
mod common;
mod interrupted;
mod refusals;
mod restores;
mod volumes;
mod world;
