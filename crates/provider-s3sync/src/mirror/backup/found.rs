//! What the walk hands on.

use stillpoint_localfs::Lineage;

use crate::mirror::manifest::Entry;

/// An entry of the tree, in path order. Of a file, content and extended attributes are still to be read.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) entry: Entry,
    /// The directory in which it was listed.
    pub(super) parent: Lineage,
}
