//! The crate against the contract and end to end, on a local store and on an S3 server.

mod conformance;
mod end_to_end;
mod interrupted;
mod support;
