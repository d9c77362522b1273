//! What a machine remembers of a store and of the sources it backs up, so that the next backup need not ask again.
//!
//! Nothing here is needed: whatever is missing, damaged or of another version counts as absent. Nothing here is believed
//! about the store either: a remembered object counts only while the store lists it, and a remembered walk only while
//! the store lists the snapshot it ended in and the index files that list what that holds.

mod bound;
mod codec;
mod folder;
mod head;
mod objects;
mod record;
mod recorder;
mod relied;
mod stat;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod targets;
mod walk;

pub use folder::CacheFolder;
pub(crate) use folder::StoreCache;
pub(crate) use objects::ObjectCache;
pub(crate) use record::Record;
pub(crate) use recorder::{Entry, Recorder};
pub(crate) use relied::Relied;
pub(crate) use stat::Stat;
pub(crate) use walk::{Block, SourceName, WalkCache};
