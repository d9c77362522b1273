//! The protocol by which prunes and backups share a repository, small enough that every state of it can be visited.
//!
//! [`search`] visits all states of any [`Model`]; [`gc`] is the protocol of `docs/decisions` on garbage collection,
//! with the faults that a real process has: it may pause anywhere for ever, die anywhere, and its last request may
//! arrive after its death. No step depends on time or on locks, so what holds here holds whatever clocks and locks do.
//! Each [`gc::Fault`] takes one rule out of the protocol, and the tests show that the search misses none of them.
//!
//! [`lease`] is the protocol by which orchestrators share an operation and the jobs that it starts outside, with faults of
//! its own. [`ends`] finds, beyond what is wrong with a single state, states from which no end can be reached.

pub mod gc;
pub mod lease;
mod search;

pub use search::{Ending, Found, Model, ends, search, way};
