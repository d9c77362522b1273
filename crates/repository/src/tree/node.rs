//! One entry of a directory.

use super::Mode;
use crate::id::Id;
use crate::time::Timestamp;

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeKind {
    /// Regular file.
    File,
    /// Directory.
    Dir,
    /// Symbolic link.
    Symlink,
    /// Block device.
    BlockDevice,
    /// Character device.
    CharDevice,
    /// Named pipe.
    Fifo,
    /// Unix socket.
    Socket,
    /// Something this program does not know; listed, never restored.
    Irregular,
}

const KINDS: [(NodeKind, &str); 8] = [
    (NodeKind::File, "file"),
    (NodeKind::Dir, "dir"),
    (NodeKind::Symlink, "symlink"),
    (NodeKind::BlockDevice, "dev"),
    (NodeKind::CharDevice, "chardev"),
    (NodeKind::Fifo, "fifo"),
    (NodeKind::Socket, "socket"),
    (NodeKind::Irregular, "irregular"),
];

impl NodeKind {
    /// The format's word for it.
    pub fn as_str(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("irregular", |(_, word)| word)
    }

    pub(super) fn parse(word: &str) -> Self {
        KINDS.iter().find(|(_, known)| *known == word).map_or(Self::Irregular, |(kind, _)| *kind)
    }
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtendedAttribute {
    /// Full name with its namespace, such as `user.comment`.
    pub name: Vec<u8>,
    /// Value, any bytes.
    pub value: Vec<u8>,
}

impl ExtendedAttribute {
    /// An attribute. The format stores names as text: bytes that are not UTF-8 are replaced when written.
    pub fn new(name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// One entry of a directory with everything restic's format keeps about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// Name inside its directory: any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// Permissions and type.
    pub mode: Mode,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last access.
    pub atime: Timestamp,
    /// Last change of inode.
    pub ctime: Timestamp,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Owner's name, empty if unknown.
    pub user: String,
    /// Group's name, empty if unknown.
    pub group: String,
    /// Inode number where it was read.
    pub inode: u64,
    /// Device number where it was read; together with `inode` it tells hard links.
    pub device_id: u64,
    /// Bytes of content.
    pub size: u64,
    /// Number of hard links.
    pub links: u64,
    /// Target of a symbolic link, any bytes.
    pub link_target: Vec<u8>,
    /// Extended attributes.
    pub extended_attributes: Vec<ExtendedAttribute>,
    /// Device number of a device node.
    pub device: u64,
    /// Data blobs that make up a file, in order; `None` for anything else.
    pub content: Option<Vec<Id>>,
    /// Tree blob that lists a directory.
    pub subtree: Option<Id>,
    /// What went wrong while it was read, empty if nothing.
    pub error: String,
}

impl Node {
    /// A node with everything but name and kind zero or empty.
    pub fn new(name: impl Into<Vec<u8>>, kind: NodeKind) -> Self {
        Self {
            name: name.into(),
            kind,
            mode: Mode::default(),
            mtime: Timestamp::default(),
            atime: Timestamp::default(),
            ctime: Timestamp::default(),
            uid: 0,
            gid: 0,
            user: String::new(),
            group: String::new(),
            inode: 0,
            device_id: 0,
            size: 0,
            links: 0,
            link_target: Vec::new(),
            extended_attributes: Vec::new(),
            device: 0,
            content: None,
            subtree: None,
            error: String::new(),
        }
    }
}
