//! The engine as its users see it, against real directories, a loopback S3 server, and stock restic.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]
#![expect(clippy::print_stdout, reason = "the counts belong in the log of the run")]

mod endless;
mod full_disk;
mod interop;
mod keys;
mod lock;
mod odd_names;
mod remote;
mod round_trip;
mod support;
mod tamper;
