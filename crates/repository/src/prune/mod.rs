//! Freeing the space of deleted snapshots, beside backups that go on meanwhile.
//!
//! The protocol, and why it loses nothing, is the decision record on garbage collection; `crates/protocol-model` visits
//! all its states. In short: a prune publishes the packs it condemns; at least the grace later a second run announces
//! its sweep, lists the snapshots once more, copies what they need out of the condemned packs, takes the packs out of
//! the index, and only then deletes them. A backup stores its snapshot, and then looks whether a prune sweeps or has
//! swept meanwhile. So of the two, at least one sees the other.

mod clock;
mod commit;
mod copy;
mod mark;
mod options;
mod plan;
mod reindex;
mod report;
mod rounds;
mod run;
mod sweep;

pub(crate) use commit::Commit;
pub use options::PruneOptions;
pub use report::{PruneReport, PruneState};
pub use rounds::Rounds;
