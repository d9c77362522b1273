//! What a check found.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Problems listed in full; of further ones only the number is kept.
const MAX_LISTED: usize = 1000;

/// How deep the check looked, and so how much its verdict is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum VerifiedDepth {
    /// Packs were listed and their sizes compared; directory listings were read.
    #[default]
    Sized,
    /// Some packs were read and every blob in them was opened and hashed.
    PartlyRead,
    /// All packs were read and every blob in them was opened and hashed.
    Read,
}

impl fmt::Display for VerifiedDepth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sized => "sizes compared",
            Self::PartlyRead => "partly read",
            Self::Read => "fully read",
        })
    }
}

/// Which part of the repository is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The configuration, without which no new process can open the repository.
    Config,
    /// A key file.
    Key,
    /// A lock.
    Lock,
    /// One of our own records.
    Record,
    /// An index file: blobs it lists may seem missing.
    Index,
    /// A snapshot object.
    Snapshot,
    /// A directory listing: everything below it is lost.
    Tree,
    /// A piece of file content.
    Data,
    /// A pack: missing, of another size, or with damaged blobs.
    Pack,
}

/// One damaged object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// Its name.
    pub object: String,
    /// What is wrong, as a sentence.
    pub message: String,
}

/// Result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// How deep it looked.
    pub depth: VerifiedDepth,
    /// Snapshots looked at.
    pub snapshots: u64,
    /// Different directory listings read.
    pub trees: u64,
    /// Blobs in the index.
    pub blobs: u64,
    /// Packs the index names.
    pub packs: u64,
    /// Packs read in full.
    pub packs_read: u64,
    /// Bytes of packs read.
    pub bytes_read: u64,
    /// Packs that no index names, as an interrupted backup leaves them. Harmless; a prune removes them.
    pub unused_packs: u64,
    /// What is damaged, at most a thousand entries.
    pub problems: Vec<Problem>,
    /// Problems beyond those listed.
    pub more_problems: u64,
    /// What is no damage but cannot be explained by what Stillpoint did: a snapshot that is gone or has come back. At
    /// most a thousand entries.
    pub warnings: Vec<Problem>,
}

impl CheckReport {
    /// True if nothing is damaged as far as the check looked.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.more_problems == 0
    }

    pub(super) fn add(&mut self, kind: ProblemKind, object: impl Into<String>, message: impl fmt::Display) {
        if self.problems.len() < MAX_LISTED {
            self.problems.push(Problem { kind, object: object.into(), message: message.to_string() });
        } else {
            self.more_problems += 1;
        }
    }

    pub(super) fn warn(&mut self, kind: ProblemKind, object: impl Into<String>, message: impl fmt::Display) {
        if self.warnings.len() < MAX_LISTED {
            self.warnings.push(Problem { kind, object: object.into(), message: message.to_string() });
        }
    }

    pub(super) fn add_error(&mut self, kind: ProblemKind, error: &Error) {
        let object = match error.kind() {
            ErrorKind::Corrupt { object } => object.clone(),
            _ => String::new(),
        };
        self.add(kind, object, error);
    }
}

/// True for errors that tell of damage in the repository rather than of a failing store.
pub(super) fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt { .. } | ErrorKind::Unsupported | ErrorKind::NotFound)
}
