//! Whether two trees are equal, byte for byte and in all metadata that a backup owes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// Differences listed in full; the rest is counted.
const LISTED_MAX: usize = 20;
/// Bytes compared at a time.
const CHUNK: usize = 64 * 1024;

/// What a comparison found.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Entries that both trees have, the root included.
    pub(crate) entries: u64,
    /// Bytes of content that were compared.
    pub(crate) bytes: u64,
    /// Differences, each with its path; a bounded list.
    pub(crate) differences: Vec<String>,
    /// Differences beyond those listed.
    pub(crate) more: u64,
}

impl Comparison {
    /// Whether nothing differs.
    pub(crate) fn is_equal(&self) -> bool {
        self.differences.is_empty() && self.more == 0
    }
}

/// Compares the trees at `left` and `right`: names, kinds, content, modes, owners, times to the nanosecond, link
/// targets, hard links, devices and extended attributes.
///
/// # Errors
/// When a tree cannot be read.
pub(crate) fn compare(left: &Path, right: &Path) -> io::Result<Comparison> {
    let mut walk = Walk { left: Side::new(left), right: Side::new(right), found: Comparison::default() };
    walk.entry(Path::new(""))?;
    Ok(walk.found)
}

struct Side {
    root: PathBuf,
    /// The first name seen of each file that has several.
    linked: BTreeMap<(u64, u64), PathBuf>,
}

impl Side {
    fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), linked: BTreeMap::new() }
    }

    fn at(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    /// The first name of the file at `path`, where it has several.
    fn first_name(&mut self, path: &Path, found: &Metadata) -> Option<PathBuf> {
        if found.is_dir() || found.nlink() < 2 {
            return None;
        }
        Some(self.linked.entry((found.dev(), found.ino())).or_insert_with(|| path.to_path_buf()).clone())
    }
}

struct Walk {
    left: Side,
    right: Side,
    found: Comparison,
}

impl Walk {
    fn differs(&mut self, path: &Path, what: &str) {
        if self.found.differences.len() < LISTED_MAX {
            self.found.differences.push(format!("{path:?}: {what}"));
        } else {
            self.found.more += 1;
        }
    }

    fn entry(&mut self, path: &Path) -> io::Result<()> {
        let (at_left, at_right) = (self.left.at(path), self.right.at(path));
        let (left, right) = (fs::symlink_metadata(&at_left)?, fs::symlink_metadata(&at_right)?);
        self.found.entries += 1;
        if kind(&left) != kind(&right) {
            self.differs(path, &format!("{} on one side, {} on the other", kind(&left), kind(&right)));
            return Ok(());
        }
        self.metadata(path, &left, &right);
        if self.left.first_name(path, &left) != self.right.first_name(path, &right) {
            self.differs(path, "other hard links");
        }
        if attributes(&at_left)? != attributes(&at_right)? {
            self.differs(path, "other extended attributes");
        }
        if left.is_symlink() && fs::read_link(&at_left)? != fs::read_link(&at_right)? {
            self.differs(path, "another link target");
        }
        if left.is_file() && left.len() == right.len() {
            self.found.bytes += left.len();
            if !same_content(&at_left, &at_right)? {
                self.differs(path, "other content");
            }
        }
        if left.is_dir() { self.children(path, &at_left, &at_right) } else { Ok(()) }
    }

    fn metadata(&mut self, path: &Path, left: &Metadata, right: &Metadata) {
        let link = left.is_symlink();
        let aspects = [
            (left.mode() == right.mode() || link, "another mode"),
            ((left.uid(), left.gid()) == (right.uid(), right.gid()), "another owner"),
            ((left.mtime(), left.mtime_nsec()) == (right.mtime(), right.mtime_nsec()), "another time"),
            (left.len() == right.len() || left.is_dir(), "another size"),
            (left.rdev() == right.rdev(), "another device"),
        ];
        for (same, what) in aspects {
            if !same {
                self.differs(path, what);
            }
        }
    }

    fn children(&mut self, path: &Path, at_left: &Path, at_right: &Path) -> io::Result<()> {
        let (left, right) = (names(at_left)?, names(at_right)?);
        for name in left.symmetric_difference(&right) {
            self.differs(&path.join(name), "only on one side");
        }
        for name in left.intersection(&right) {
            self.entry(&path.join(name))?;
        }
        Ok(())
    }
}

fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_dir() {
        "a directory"
    } else if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_file() {
        "a file"
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

fn names(directory: &Path) -> io::Result<BTreeSet<OsString>> {
    fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

fn same_content(left: &Path, right: &Path) -> io::Result<bool> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    let (mut one, mut other) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let length = fill(&mut left, &mut one)?;
        if fill(&mut right, &mut other)? != length || one[..length] != other[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            length => filled += length,
        }
    }
    Ok(filled)
}

/// The extended attributes of `path` itself; none where the file system has none.
fn attributes(path: &Path) -> io::Result<BTreeMap<OsString, Vec<u8>>> {
    let mut names = Vec::with_capacity(64 * 1024);
    match rustix::fs::llistxattr(path, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    }
    let mut found = BTreeMap::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        let mut value = Vec::with_capacity(64 * 1024);
        rustix::fs::lgetxattr(path, name, rustix::buffer::spare_capacity(&mut value))?;
        found.insert(name.to_owned(), value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::{Duration, SystemTime};

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789);
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/file"), "mind the gap").unwrap();
        fs::hard_link(dir.path().join("sub/file"), dir.path().join("same")).unwrap();
        symlink("nowhere", dir.path().join("link")).unwrap();
        for name in ["sub/file", "sub", "."] {
            File::open(dir.path().join(name)).unwrap().set_modified(time).unwrap();
        }
        let stat = rustix::fs::Timespec { tv_sec: 1_700_000_000, tv_nsec: 5 };
        let times = rustix::fs::Timestamps { last_access: stat, last_modification: stat };
        let (at, flags) = (rustix::fs::CWD, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        rustix::fs::utimensat(at, dir.path().join("link"), &times, flags).unwrap();
        dir
    }

    #[test]
    fn equal_trees_are_equal() {
        let (left, right) = (tree(), tree());
        let found = compare(left.path(), right.path()).unwrap();
        assert!(found.is_equal(), "{:?}", found.differences);
        assert_eq!((found.entries, found.bytes), (5, 24));
    }

    #[test]
    fn each_aspect_that_differs_is_named() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 6] = [
            ("other content", |root| {
                let time = fs::metadata(root.join("same")).unwrap().modified().unwrap();
                fs::write(root.join("same"), "mind the cap").unwrap();
                File::open(root.join("same")).unwrap().set_modified(time).unwrap();
            }),
            ("another mode", |root| {
                fs::set_permissions(root.join("sub"), fs::Permissions::from_mode(0o711)).unwrap();
            }),
            ("another time", |root| {
                File::open(root.join("sub")).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
            }),
            ("another link target", |root| {
                fs::remove_file(root.join("link")).unwrap();
                symlink("elsewhr", root.join("link")).unwrap();
            }),
            ("only on one side", |root| fs::remove_file(root.join("same")).unwrap()),
            ("other hard links", |root| {
                fs::remove_file(root.join("same")).unwrap();
                fs::copy(root.join("sub/file"), root.join("same")).unwrap();
            }),
        ];
        for (word, change) in changes {
            let (left, right) = (tree(), tree());
            change(right.path());
            let found = compare(left.path(), right.path()).unwrap();
            assert!(
                found.differences.iter().any(|text| text.contains(word)),
                "{word}: {:?}",
                found.differences
            );
        }
    }
}
