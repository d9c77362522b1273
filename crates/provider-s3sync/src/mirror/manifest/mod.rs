//! The manifest: what plain objects cannot carry about the files of one timestamp.
//!
//! Entries stand in path order, a directory before its content, in parts of a few megabytes, each one object:
//! Zstandard-compressed lines of JSON behind a line that says what they hash to. A part is written as soon as it is
//! full, so that a backup that was cut short left a record of what it had stored.

mod entry;
mod read;
mod write;

pub(crate) use entry::Entry;
pub(super) use entry::word;
pub(crate) use read::Item;
pub(super) use read::ManifestReader;
pub(super) use write::ManifestWriter;

/// What the objects are.
const MANIFEST: &str = "manifest";
/// The folder they lie in.
pub(super) const FOLDER: &str = "manifest";
