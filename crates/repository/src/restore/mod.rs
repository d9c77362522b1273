//! Restoring a snapshot into a directory.
//!
//! The snapshot's listings are read in order, and files are collected into windows of bounded size; most snapshots fit
//! into one. The packs of a window are fetched ahead, each once, within a fixed amount of memory, while workers decode
//! and write what arrived: small files whole, large ones piece by piece at their offsets. Further names come after all
//! files, and directories get their attributes last; until then both lie beside what is restored, not in memory.

mod attributes;
mod elsewhere;
mod existing;
mod fetch;
mod include;
mod links;
mod options;
mod pending;
mod preview;
mod repetition;
mod run;
mod scan;
mod spot;
mod summary;
mod trail;
mod window;

pub use options::RestoreOptions;
pub use summary::RestoreSummary;
