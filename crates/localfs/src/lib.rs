//! Faithful capture and safe restoration of local directory trees.
//!
//! This crate knows files and nothing else: no repository, no network, no workspace. It has two halves.
//!
//! - **Capture** ([`Source`], [`Directory`], [`OpenFile`], [`Selection`]) lists and reads a tree through file
//!   descriptors only. No symbolic link is ever followed below the root, a file that changes while it is read is
//!   noticed, and everything a rule leaves out is counted.
//! - **Extract** ([`Extractor`], [`FileWriter`]) writes a tree below one target directory. Input is treated as
//!   hostile: every name is validated, every parent is opened beneath the target without following links, a file
//!   gets its final name only when it is complete, and a run that was killed is completed by the next one.
//!
//! Linux only: the guarantees rest on `openat2`, `statx`, `renameat2` and `/proc/self/fd`.

mod attributes;
mod beneath;
mod capture;
mod error;
mod extract;
mod itemised;
mod metadata;
mod name;
mod owner;
mod pool;
mod select;

pub use attributes::{Attributes, ExtendedAttribute};
pub use capture::{Directory, Entry, Listing, OpenFile, Source};
pub use error::{Error, Operation, Result};
pub use extract::{
    ExtractOptions, ExtractReport, Extractor, FileId, FileWriter, Landing, RESTORE_MARKER_PREFIX, Warning,
    WarningKind,
};
pub use itemised::Itemised;
pub use metadata::{FileKind, Metadata, Timestamp};
pub use name::{DEPTH_MAX, InvalidName, NAME_BYTES_MAX, validate_name, validate_path};
pub use owner::OwnerNames;
pub use pool::{JobStack, run_jobs};
pub use select::{RuleOrigin, RuleReport, Rules, Selection};
