//! From an entry of a manifest to a node of a repository.

use std::os::unix::ffi::OsStrExt;

use stillpoint_core::Issue;
use stillpoint_localfs::{FileKind, Timestamp as Local};
use stillpoint_repository::tree::{ExtendedAttribute, Mode, Node, NodeKind};
use stillpoint_repository::{Id, Timestamp};

use crate::mirror::Entry;
use crate::path_text;

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
    let extended = entry.extended.iter().filter(|own| own.name.to_str().is_some());
    node.extended_attributes =
        extended.map(|own| ExtendedAttribute::new(own.name.as_bytes(), own.value.clone())).collect();
    node.device = entry.special;
    node.content = content;
    node
}

/// The attributes of an entry that a repository cannot keep, because their names are not UTF-8.
pub(super) fn unkept(entry: &Entry) -> impl Iterator<Item = Issue> + '_ {
    entry.extended.iter().filter(|own| own.name.to_str().is_none()).map(|own| {
        let message = format!(
            "its extended attribute {:?} has a name that is not UTF-8, which the format cannot keep",
            own.name
        );
        Issue::new("skipped", path_text::to_text(&entry.path), message)
    })
}

/// What of an entry the format cannot write exactly.
pub(super) fn inexact(entry: &Entry) -> Option<stillpoint_repository::Issue> {
    let modified = stamp(entry.modified);
    (!modified.is_writable()).then(|| stillpoint_repository::Issue::inexact_time(&entry.path))
}

fn stamp(time: Local) -> Timestamp {
    Timestamp::new(time.seconds, time.nanoseconds)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::path::PathBuf;

    use stillpoint_localfs::ExtendedAttribute as Own;

    use super::*;

    #[test]
    fn an_attribute_whose_name_is_not_text_is_left_out_and_told() {
        let mut entry = Entry::plain(PathBuf::from("a.txt"), FileKind::File, 0, Local::new(0, 0));
        let odd = OsString::from_vec(b"user.bad\xff".to_vec());
        entry.extended = vec![Own::new("user.good", "1"), Own::new(odd, "2")];
        let kept = node(&entry, None).extended_attributes;
        assert_eq!(kept, [ExtendedAttribute::new("user.good".as_bytes(), "1")]);
        assert!(inexact(&entry).is_none());
        entry.modified = Local::new(300_000_000_000, 0);
        assert!(inexact(&entry).is_some(), "no year of the format");
        let told: Vec<_> = unkept(&entry).collect();
        assert_eq!((told.len(), told[0].kind.as_str(), told[0].item.as_str()), (1, "skipped", "a.txt"));
    }
}
