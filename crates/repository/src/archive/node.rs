//! From what the file system says to what the repository stores.

use std::os::unix::ffi::OsStrExt;

use stillpoint_localfs::{FileKind, OwnerNames};

use crate::cache::Stat;
use crate::tree::{ExtendedAttribute, Mode, Node, NodeKind};

/// A node with everything but content, listing, link target and extended attributes.
///
/// The access time is not recorded: reading for a backup changes it on some systems, and each such change would make
/// every directory above look changed. Like restic, the time of the last change of content stands in its place.
pub(crate) fn describe(name: &[u8], seen: impl Into<Stat>, owners: &OwnerNames) -> Node {
    let stat: Stat = seen.into();
    let (kind, type_bits) = match stat.kind {
        FileKind::File => (NodeKind::File, 0o100_000),
        FileKind::Directory => (NodeKind::Dir, 0o040_000),
        FileKind::Symlink => (NodeKind::Symlink, 0o120_000),
        FileKind::Fifo => (NodeKind::Fifo, 0o010_000),
        FileKind::Socket => (NodeKind::Socket, 0o140_000),
        FileKind::CharDevice => (NodeKind::CharDevice, 0o020_000),
        FileKind::BlockDevice => (NodeKind::BlockDevice, 0o060_000),
    };
    let mut node = Node::new(name, kind);
    node.mode = Mode::from_unix(type_bits | stat.mode);
    node.mtime = stat.modified.writable();
    node.atime = node.mtime;
    node.ctime = stat.changed.writable();
    (node.uid, node.gid) = (stat.uid, stat.gid);
    let text = |name: Option<std::ffi::OsString>| name.map(|name| name.to_string_lossy().into_owned());
    node.user = text(owners.user(stat.uid)).unwrap_or_default();
    node.group = text(owners.group(stat.gid)).unwrap_or_default();
    node.inode = stat.inode;
    if stat.kind != FileKind::Directory {
        node.links = stat.links;
        // Device numbers differ between mounts of the same data, so they are kept only where they tell hard links.
        node.device_id = if stat.links > 1 { stat.device } else { 0 };
    }
    if stat.kind == FileKind::File {
        node.size = stat.size;
    }
    node.device = stat.special_device;
    node
}

/// Whether the system's records say that nothing happened to the entry since `node` was stored.
pub(super) fn is_unchanged(node: &Node, stat: &Stat) -> bool {
    node.mtime == stat.modified.writable()
        && node.ctime == stat.changed.writable()
        && node.inode == stat.inode
        && node.mode.unix_permissions() == stat.mode
        && (node.uid, node.gid) == (stat.uid, stat.gid)
        && match stat.kind {
            FileKind::File => {
                node.kind == NodeKind::File
                    && node.size == stat.size
                    && node.links == stat.links
                    && (stat.links < 2 || node.device_id == stat.device)
            }
            FileKind::Directory => node.kind == NodeKind::Dir,
            FileKind::Symlink => node.kind == NodeKind::Symlink && node.links == stat.links,
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => false,
        }
}

/// The extended attributes of an entry, as far as the snapshot can keep them.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {
    pub(super) kept: Vec<ExtendedAttribute>,
    /// Why some are missing.
    pub(super) lacking: Option<String>,
}

impl Attributes {
    /// Writes them into the entry's node, and what is missing as its error: the next backup looks again, and tells again.
    /// `false` if anything is.
    pub(super) fn describe(self, node: &mut Node) -> bool {
        let sound = self.lacking.is_none();
        node.extended_attributes = self.kept;
        node.error = self.lacking.unwrap_or_default();
        sound
    }
}

/// Extended attributes as the repository stores them.
pub(super) fn extended(attributes: Vec<stillpoint_localfs::ExtendedAttribute>) -> Vec<ExtendedAttribute> {
    let stored = |entry: stillpoint_localfs::ExtendedAttribute| {
        ExtendedAttribute::new(entry.name.as_bytes(), entry.value)
    };
    attributes.into_iter().map(stored).collect()
}
