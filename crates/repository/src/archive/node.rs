//! From what the file system says to what the repository stores.

use std::os::unix::ffi::OsStrExt;

use stillpoint_localfs::{FileKind, Metadata, OwnerNames};

use crate::time::Timestamp;
use crate::tree::{ExtendedAttribute, Mode, Node, NodeKind};

/// A node with everything but content, listing, link target and extended attributes.
///
/// The access time is not recorded: reading for a backup changes it on some systems, and each such change would make
/// every directory above look changed. Like restic, the time of the last change of content stands in its place.
pub(super) fn describe(name: &[u8], metadata: &Metadata, owners: &OwnerNames) -> Node {
    let (kind, type_bits) = match metadata.kind {
        FileKind::File => (NodeKind::File, 0o100_000),
        FileKind::Directory => (NodeKind::Dir, 0o040_000),
        FileKind::Symlink => (NodeKind::Symlink, 0o120_000),
        FileKind::Fifo => (NodeKind::Fifo, 0o010_000),
        FileKind::Socket => (NodeKind::Socket, 0o140_000),
        FileKind::CharDevice => (NodeKind::CharDevice, 0o020_000),
        FileKind::BlockDevice => (NodeKind::BlockDevice, 0o060_000),
    };
    let mut node = Node::new(name, kind);
    node.mode = Mode::from_unix(type_bits | metadata.mode);
    node.mtime = stamp(metadata.modified);
    node.atime = node.mtime;
    node.ctime = stamp(metadata.changed);
    (node.uid, node.gid) = (metadata.uid, metadata.gid);
    let text = |name: Option<std::ffi::OsString>| name.map(|name| name.to_string_lossy().into_owned());
    node.user = text(owners.user(metadata.uid)).unwrap_or_default();
    node.group = text(owners.group(metadata.gid)).unwrap_or_default();
    node.inode = metadata.inode;
    if metadata.kind != FileKind::Directory {
        node.links = metadata.links;
        // Device numbers differ between mounts of the same data, so they are kept only where they tell hard links.
        node.device_id = if metadata.links > 1 { metadata.device } else { 0 };
    }
    if metadata.kind == FileKind::File {
        node.size = metadata.size;
    }
    node.device = metadata.special_device;
    node
}

/// Whether the system's records say that nothing happened to the entry since `node` was stored.
pub(super) fn is_unchanged(node: &Node, metadata: &Metadata) -> bool {
    node.mtime == stamp(metadata.modified)
        && node.ctime == stamp(metadata.changed)
        && node.inode == metadata.inode
        && node.mode.unix_permissions() == metadata.mode
        && (node.uid, node.gid) == (metadata.uid, metadata.gid)
        && match metadata.kind {
            FileKind::File => {
                node.kind == NodeKind::File && node.size == metadata.size && node.links == metadata.links
            }
            FileKind::Directory => node.kind == NodeKind::Dir,
            FileKind::Symlink => node.kind == NodeKind::Symlink && node.links == metadata.links,
            FileKind::Fifo | FileKind::Socket | FileKind::CharDevice | FileKind::BlockDevice => false,
        }
}

/// Extended attributes as the repository stores them.
pub(super) fn extended(attributes: Vec<stillpoint_localfs::ExtendedAttribute>) -> Vec<ExtendedAttribute> {
    let stored = |entry: stillpoint_localfs::ExtendedAttribute| {
        ExtendedAttribute::new(entry.name.as_bytes(), entry.value)
    };
    attributes.into_iter().map(stored).collect()
}

fn stamp(time: stillpoint_localfs::Timestamp) -> Timestamp {
    Timestamp::new(time.seconds, time.nanoseconds)
}
