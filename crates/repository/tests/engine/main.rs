//! The engine as its users see it, against real directories, a loopback S3 server, and stock restic.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod full_disk;
mod interop;
mod lock;
mod remote;
mod round_trip;
mod support;
mod tamper;
