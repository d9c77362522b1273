#![doc = include_str!("../README.md")]
//!
//! # Where to look
//! - [`Source`], [`Directory`], [`OpenFile`], [`Selection`]: capture. [`Lineage`]: directories that are renamed meanwhile.
//! - [`Extractor`], [`FileWriter`]: extract. [`Foresight`]: what an extraction would do.
//! - [`run_jobs`]: the pool of workers that walks trees.

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
pub use capture::{Directory, Entry, Identity, Lineage, Listing, OpenFile, Source};
pub use error::{Error, Operation, Result, again_if_stale};
pub use extract::{
    EntryId, ExtractOptions, ExtractReport, Extractor, Fate, FileId, FileWriter, Folder, Foreseen, Foresight,
    HardLinks, Landing, LinkKey, Names, Pile, Preview, RESTORE_MARKER_PREFIX, SharedFile, Standing,
    Unfinished, Warning, WarningKind, time_in,
};
pub use itemised::Itemised;
pub use metadata::{FileKind, Metadata, Timestamp};
pub use name::{DEPTH_MAX, InvalidName, NAME_BYTES_MAX, validate_name, validate_path};
pub use owner::OwnerNames;
pub use pool::{JobStack, run_jobs};
pub use select::{Preset, RuleOrigin, RuleReport, Rules, Selection};
