//! The kinds of objects in a repository and their names.

use crate::id::Id;

/// Longest stored index file, snapshot or lock we read.
const MAX_FILE: u64 = 64 << 20;
/// Longest such file after decompression.
pub(crate) const MAX_FILE_PLAINTEXT: usize = 128 << 20;

/// A kind of object named after the SHA-256 of its stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    Key,
    Lock,
    Snapshot,
    Index,
    Pack,
}

impl FileKind {
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Key => "keys",
            Self::Lock => "locks",
            Self::Snapshot => "snapshots",
            Self::Index => "index",
            Self::Pack => "data",
        }
    }

    /// The object's name in the store.
    pub(crate) fn key(self, id: &Id) -> String {
        let folder = self.folder();
        match self {
            Self::Pack => format!("{folder}/{:02x}/{id}", id.as_bytes()[0]),
            _ => format!("{folder}/{id}"),
        }
    }

    pub(crate) const fn max_length(self) -> u64 {
        match self {
            Self::Key => crate::key::MAX_KEY_FILE,
            Self::Lock | Self::Snapshot => 16 << 20,
            Self::Index => MAX_FILE,
            Self::Pack => 4 << 30,
        }
    }
}
