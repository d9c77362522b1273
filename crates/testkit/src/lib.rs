//! Test support shared by the crates of this workspace; nothing here ships.
//!
//! | module | gives |
//! |---|---|
//! | [`tree`] | directory trees made from a seed, and seeded edits of them |
//! | [`compare`] | what differs between two trees, in content and in metadata; a digest of one tree |
//! | [`s3`] | an S3 server on loopback with a request counter and faults on demand |
//! | [`oracle`] | programs written by others that read and write the same repository format |
//! | [`fuzz`] | corpora of fuzz targets, replayed and mutated without an engine |
//! | [`postgres`] | a PostgreSQL server on loopback, stopped when nobody uses it any more |
//! | [`inject`] | child processes one of whose calls into the file system fails |
//! | [`process`] | child processes that are killed at a chosen moment, or measured while they run |
//!
//! A seed always makes the same tree on the same version of this crate, so a failing test is repeated by its seed.
#![expect(
    clippy::exhaustive_structs,
    clippy::exhaustive_enums,
    reason = "an unpublished crate has no later version to stay compatible with"
)]

pub mod compare;
pub mod fuzz;
pub mod inject;
pub mod oracle;
pub mod postgres;
pub mod process;
pub mod s3;
pub mod tree;

mod meta;
mod wait;

pub use wait::eventually;
