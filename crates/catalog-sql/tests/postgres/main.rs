//! The catalog on a PostgreSQL server.

#![expect(clippy::expect_used, reason = "a failed assumption ends the test")]

mod opening;
mod suite;
mod support;
