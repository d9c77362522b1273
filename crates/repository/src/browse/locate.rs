//! Finding the directory a snapshot was taken of.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::TreeCache;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::snapshot::Snapshot;
use crate::tree::{Node, NodeKind};

/// The directory that stands for a snapshot's source.
#[derive(Debug)]
pub(crate) struct Root {
    /// Its own entry; `None` for the top of a snapshot, which has no metadata.
    pub(crate) node: Option<Node>,
    /// Its listing.
    pub(crate) tree: Id,
}

/// Finds the directory a snapshot was taken of: the one its only path names, or the top if it has several.
///
/// # Errors
/// `Corrupt` if the snapshot does not hold the path it claims.
pub(crate) async fn locate(cache: &mut TreeCache, snapshot: &Snapshot) -> Result<Root> {
    let [path] = snapshot.paths.as_slice() else {
        return Ok(Root { node: None, tree: snapshot.tree });
    };
    let mut root = Root { node: None, tree: snapshot.tree };
    for name in names(Path::new(path)) {
        let listing = cache.take(&root.tree).await?;
        let node = listing.find(name).cloned().filter(|node| node.kind == NodeKind::Dir);
        let Some((node, tree)) = node.and_then(|node| node.subtree.map(|tree| (node, tree))) else {
            // Restic stores a relative source by its last name only, and single files as they are.
            return Ok(Root { node: None, tree: snapshot.tree });
        };
        root = Root { node: Some(node), tree };
    }
    Ok(root)
}

/// The names a stored path is made of; restic's Windows volumes and `..` never occur in one.
pub(crate) fn names(path: &Path) -> impl Iterator<Item = &[u8]> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.as_bytes()),
        _ => None,
    })
}

/// A node's name as a path component.
pub(crate) fn path_of(name: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(name))
}

/// The failure of a path that is not in a snapshot.
pub(super) fn not_in_snapshot(path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("the snapshot holds no {path:?}"))
}
