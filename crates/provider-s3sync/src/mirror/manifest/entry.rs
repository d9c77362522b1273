//! One entry of a manifest and its line of JSON.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stillpoint_localfs::{
    Attributes, ExtendedAttribute, FileKind, LinkKey, Metadata, Timestamp, validate_path,
};
use stillpoint_repository::Id;

use crate::path_text;

/// An entry of a captured tree. The root itself has the empty path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) kind: FileKind,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) user: String,
    pub(crate) group: String,
    pub(crate) modified: Timestamp,
    /// Last change of the inode where it was captured; tells whether the file is as it was.
    pub(crate) changed: Timestamp,
    pub(crate) inode: u64,
    /// The device, where it tells hard links apart.
    pub(crate) device: u64,
    pub(crate) links: u64,
    /// Bytes of content; 0 for everything but files.
    pub(crate) size: u64,
    /// What a file's content hashes to; unknown for objects that the sample script stored.
    pub(crate) sha256: Option<Id>,
    /// Whether the content lies apart, because the path cannot be a key.
    pub(crate) apart: bool,
    /// Where a symbolic link leads, any bytes.
    pub(crate) target: PathBuf,
    /// The device a device node stands for.
    pub(crate) special: u64,
    pub(crate) extended: Vec<ExtendedAttribute>,
    /// Whether it changed each time it was read.
    pub(crate) torn: bool,
}

impl Entry {
    /// An entry as the file system describes it, without names, content, target and extended attributes.
    pub(crate) fn new(path: PathBuf, metadata: &Metadata) -> Self {
        let several = metadata.links > 1 && metadata.kind != FileKind::Directory;
        Self {
            path,
            kind: metadata.kind,
            mode: metadata.mode,
            uid: metadata.uid,
            gid: metadata.gid,
            user: String::new(),
            group: String::new(),
            modified: metadata.modified,
            changed: metadata.changed,
            inode: metadata.inode,
            device: if several { metadata.device } else { 0 },
            links: if several { metadata.links } else { 1 },
            size: if metadata.kind == FileKind::File { metadata.size } else { 0 },
            sha256: None,
            apart: false,
            target: PathBuf::new(),
            special: metadata.special_device,
            extended: Vec::new(),
            torn: false,
        }
    }

    /// An entry of which only path, kind, size and time are known.
    pub(crate) fn plain(path: PathBuf, kind: FileKind, size: u64, modified: Timestamp) -> Self {
        Self {
            path,
            kind,
            mode: if kind == FileKind::Directory { 0o755 } else { 0o644 },
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            user: String::new(),
            group: String::new(),
            modified,
            changed: modified,
            inode: 0,
            device: 0,
            links: 1,
            size,
            sha256: None,
            apart: false,
            target: PathBuf::new(),
            special: 0,
            extended: Vec::new(),
            torn: false,
        }
    }

    /// What a restored entry gets besides its content.
    pub(crate) fn attributes(&self) -> Attributes {
        Attributes::new(self.mode, self.uid, self.gid)
            .with_times(self.modified, self.modified)
            .with_extended(self.extended.clone())
    }

    /// What tells the names of a file that has several; `None` for a file with one name.
    pub(crate) fn link(&self) -> Option<LinkKey> {
        let content = self.sha256.filter(|_| self.kind == FileKind::File && self.links > 1)?;
        Some(LinkKey::new(self.device, self.inode, content.as_bytes()))
    }

    /// Whether nothing the system records has moved since `earlier`, so that the content is taken to be the same.
    pub(crate) fn is_unchanged_since(&self, earlier: &Self) -> bool {
        self.kind == earlier.kind
            && self.size == earlier.size
            && self.modified == earlier.modified
            && self.changed == earlier.changed
            && self.inode == earlier.inode
            && !earlier.torn
    }

    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let extended = self.extended.iter();
        serde_json::to_vec(&Line {
            path: path_text::to_text(&self.path),
            kind: word(self.kind).to_owned(),
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
            user: self.user.clone(),
            group: self.group.clone(),
            mtime: (self.modified.seconds, self.modified.nanoseconds),
            ctime: (self.changed.seconds, self.changed.nanoseconds),
            inode: self.inode,
            device: self.device,
            links: self.links,
            size: self.size,
            sha256: self.sha256,
            apart: self.apart,
            target: path_text::to_text(&self.target),
            special: self.special,
            xattrs: extended.map(|own| (path_text::to_text(own.name.as_ref()), hex(&own.value))).collect(),
            torn: self.torn,
        })
    }

    /// The entry of a line, or the path as written and why it is refused.
    pub(super) fn from_json(line: &[u8]) -> Result<Self, (String, String)> {
        let line: Line = serde_json::from_slice(line).map_err(|error| (String::new(), error.to_string()))?;
        let text = line.path.clone();
        Self::from_line(line).map_err(|why| (text, why))
    }

    fn from_line(line: Line) -> Result<Self, String> {
        let path = path_text::from_text(&line.path);
        validate_path(&path).map_err(|error| error.to_string())?;
        let kind = kind(&line.kind).ok_or_else(|| format!("{:?} is no kind of entry", line.kind))?;
        if line.mtime.1 >= 1_000_000_000 {
            return Err("its time is none".to_owned());
        }
        let extended = line.xattrs.into_iter().map(|(name, value)| {
            let value = bytes_of(&value)
                .ok_or_else(|| format!("the attribute {name:?} is not written in hexadecimal"))?;
            Ok(ExtendedAttribute::new(path_text::from_text(&name).into_os_string(), value))
        });
        Ok(Self {
            path,
            kind,
            mode: line.mode & 0o7777,
            uid: line.uid,
            gid: line.gid,
            user: line.user,
            group: line.group,
            modified: Timestamp::new(line.mtime.0, line.mtime.1),
            changed: Timestamp::new(line.ctime.0, line.ctime.1),
            inode: line.inode,
            device: line.device,
            links: line.links,
            size: if kind == FileKind::File { line.size } else { 0 },
            sha256: line.sha256,
            apart: line.apart,
            target: path_text::from_text(&line.target),
            special: line.special,
            extended: extended.collect::<Result<_, String>>()?,
            torn: line.torn,
        })
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect()
}

const KINDS: [(FileKind, &str); 7] = [
    (FileKind::File, "file"),
    (FileKind::Directory, "dir"),
    (FileKind::Symlink, "symlink"),
    (FileKind::Fifo, "fifo"),
    (FileKind::Socket, "socket"),
    (FileKind::BlockDevice, "dev"),
    (FileKind::CharDevice, "chardev"),
];

/// The word for a kind of entry.
pub(crate) fn word(kind: FileKind) -> &'static str {
    KINDS.iter().find(|(known, _)| *known == kind).map_or("file", |(_, word)| word)
}

fn kind(word: &str) -> Option<FileKind> {
    KINDS.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
}

/// The line of JSON. What has its usual value is left out.
#[derive(Serialize, Deserialize)]
struct Line {
    path: String,
    kind: String,
    #[serde(default)]
    mode: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    group: String,
    #[serde(default)]
    mtime: (i64, u32),
    #[serde(default)]
    ctime: (i64, u32),
    #[serde(default)]
    inode: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    device: u64,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    links: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<Id>,
    #[serde(default, skip_serializing_if = "is_false")]
    apart: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    target: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    special: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    xattrs: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "is_false")]
    torn: bool,
}

const fn one() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_one(number: &u64) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(truth: &bool) -> bool {
    !*truth
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};

    use super::*;

    #[test]
    fn an_entry_survives_its_line_whatever_bytes_it_holds() {
        let odd = PathBuf::from(OsString::from_vec(b"a/\xff\n\\x".to_vec()));
        let mut entry = Entry::plain(odd, FileKind::File, 7, Timestamp::new(-5, 999_999_999));
        entry.sha256 = Some(Id::of(b"x"));
        entry.target = PathBuf::from(OsString::from_vec(b"../\xfe".to_vec()));
        entry.extended =
            vec![ExtendedAttribute::new(std::ffi::OsStr::from_bytes(b"user.\xfd"), vec![0, 255])];
        (entry.links, entry.device, entry.apart, entry.torn) = (3, 9, true, true);
        let line = entry.to_json().unwrap();
        assert!(!line.contains(&b'\n'));
        assert_eq!(Entry::from_json(&line).unwrap(), entry);
        let root = Entry::plain(PathBuf::new(), FileKind::Directory, 0, Timestamp::default());
        assert_eq!(Entry::from_json(&root.to_json().unwrap()).unwrap(), root);
    }

    #[test]
    fn hostile_paths_are_refused() {
        for path in ["..", "a/../b", "/etc/passwd", "a//b", "a/", "./a", "a\\\\x00/../x", "a\\x00", "a/."] {
            let line = format!("{{\"path\":\"{}\",\"kind\":\"file\"}}", path.replace('\\', "\\\\"));
            assert!(Entry::from_json(line.as_bytes()).is_err(), "{path}");
        }
        assert!(Entry::from_json(b"{\"path\":\"a\",\"kind\":\"door\"}").is_err());
        assert!(Entry::from_json(b"[]").is_err());
    }
}
