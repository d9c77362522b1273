//! The real program: each test runs it as people and schedulers do.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails in the parts that tests share fails the test"
)]

mod agent;
mod agent_restores;
mod append_only;
mod bad_input;
mod canary;
mod catalogued;
mod commands;
mod common;
mod demo;
mod drill;
mod forget;
mod hosts;
mod interrupts;
mod keys;
mod kill;
mod landing;
mod left_out;
mod limits;
mod managed_workspaces;
mod mirror;
mod origins;
mod postgres;
mod presets;
mod restic;
mod schedules;
mod serve;
mod studio;
mod two_stores;
