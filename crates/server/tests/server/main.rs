//! The server, spoken to over HTTP on loopback.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken scene fails its test")]

mod access;
mod bounds;
mod connections;
mod documents;
mod fuzz;
mod idempotency;
mod limits;
mod lists;
mod operations;
mod retention;
mod schedules;
mod shared;
mod support;
mod tls;
mod unknown;
