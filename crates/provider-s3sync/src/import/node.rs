//! From an entry of a manifest to a node of a repository.

use std::os::unix::ffi::OsStrExt;

use stillpoint_localfs::{FileKind, Timestamp as Local};
use stillpoint_repository::tree::{ExtendedAttribute, Mode, Node, NodeKind};
use stillpoint_repository::{Id, Timestamp};

use crate::mirror::Entry;

/// The node of an entry. A file's content is what its pieces are; nothing else has any.
pub(super) fn node(entry: &Entry, content: Option<Vec<Id>>) -> Node {
    let (kind, type_bits) = match entry.kind {
        FileKind::File => (NodeKind::File, 0o100_000),
        FileKind::Directory => (NodeKind::Dir, 0o040_000),
        FileKind::Symlink => (NodeKind::Symlink, 0o120_000),
        FileKind::Fifo => (NodeKind::Fifo, 0o010_000),
        FileKind::Socket => (NodeKind::Socket, 0o140_000),
        FileKind::CharDevice => (NodeKind::CharDevice, 0o020_000),
        FileKind::BlockDevice => (NodeKind::BlockDevice, 0o060_000),
    };
    let name = entry.path.file_name().unwrap_or_default();
    let mut node = Node::new(name.as_bytes(), kind);
    node.mode = Mode::from_unix(type_bits | entry.mode);
    node.mtime = stamp(entry.modified);
    node.atime = node.mtime;
    node.ctime = stamp(entry.changed);
    (node.uid, node.gid) = (entry.uid, entry.gid);
    (node.user, node.group) = (entry.user.clone(), entry.group.clone());
    (node.inode, node.device_id) = (entry.inode, entry.device);
    if entry.kind != FileKind::Directory {
        node.links = entry.links;
    }
    node.size = entry.size;
    node.link_target = entry.target.as_os_str().as_bytes().to_vec();
    let extended = entry.extended.iter();
    node.extended_attributes =
        extended.map(|own| ExtendedAttribute::new(own.name.as_bytes(), own.value.clone())).collect();
    node.device = entry.special;
    node.content = content;
    node
}

fn stamp(time: Local) -> Timestamp {
    Timestamp::new(time.seconds, time.nanoseconds)
}
