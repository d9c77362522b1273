//! The crate against the contract and end to end, on a local store and on an S3 server.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in shared set-up")]

mod conformance;
mod damage;
mod end_to_end;
mod hook;
mod import;
mod interrupted;
mod mirror;
mod mirror_attempts;
mod not_there;
mod preview;
mod progress;
mod standing;
mod support;
