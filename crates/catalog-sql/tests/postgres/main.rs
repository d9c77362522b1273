//! The catalog on a PostgreSQL server.

#![expect(clippy::expect_used, reason = "a failed assumption ends the test")]

#[macro_use]
#[path = "../workload/mod.rs"]
mod workload;

mod crashes;
mod opening;
mod suite;
mod support;
