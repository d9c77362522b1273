//! Looking into snapshots: trees in bulk, entries in order, differences.

mod cache;
mod diff;
mod entries;
mod locate;
mod tree_packs;

pub(crate) use cache::TreeCache;
pub use diff::{Change, Difference};
pub use entries::SnapshotEntry;
pub(crate) use locate::{locate, names, path_of};
