//! Recognising files that got another path since an earlier capture, so that their content need not be sent again.

use std::collections::HashMap;

use stillpoint_core::Result;
use stillpoint_localfs::{FileKind, Timestamp};

use crate::mirror::manifest::{Entry, Item, ManifestReader};

/// The shortest content that is worth looking for elsewhere.
const BYTES_MIN: u64 = 4 << 10;
/// Files that are remembered, some 25 MiB of them; those of later paths are sent again.
const FILES_MAX: usize = 50_000;

/// What a rename leaves as it was.
type Traits = (u64, u64, Timestamp);

/// The files of an earlier capture by what a rename leaves as it was.
#[derive(Debug, Default)]
pub(super) struct Moved {
    files: HashMap<Traits, Box<Entry>>,
}

impl Moved {
    /// Whether it repays to look for the content of `entry` under other paths.
    pub(super) fn is_worth_it(entry: &Entry) -> bool {
        entry.kind == FileKind::File && entry.size >= BYTES_MIN
    }

    /// Reads a whole manifest.
    ///
    /// # Errors
    /// The store's failure.
    pub(super) async fn read(mut manifest: ManifestReader) -> Result<Self> {
        let mut files = HashMap::new();
        while let Some(item) = manifest.next().await? {
            let Item::Entry(entry) = item else { continue };
            if files.len() < FILES_MAX && Self::is_worth_it(&entry) {
                files.insert(traits(&entry), entry);
            }
        }
        Ok(Self { files })
    }

    /// The file that `entry` may have been. Two names of one file are told by neither, and have the same content.
    pub(super) fn find(&self, entry: &Entry) -> Option<&Entry> {
        self.files.get(&traits(entry)).map(Box::as_ref)
    }
}

fn traits(entry: &Entry) -> Traits {
    (entry.inode, entry.size, entry.modified)
}
