//! Reads a tree into a sorted map.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::meta;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    Pipe,
    Socket,
    CharDevice,
    BlockDevice,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) size: u64,
    pub(super) allocated: u64,
    pub(super) device: u64,
    pub(super) target: Option<PathBuf>,
    owner: (u32, u32),
    modified: (i64, i64),
    file_id: (u64, u64),
    links: u64,
    attributes: Vec<(OsString, Vec<u8>)>,
}

impl Entry {
    fn read(path: &Path, meta: &Metadata) -> io::Result<Self> {
        let kind = kind(meta);
        Ok(Self {
            kind,
            mode: meta.mode() & 0o7777,
            size: meta.len(),
            allocated: meta.blocks() * 512,
            device: if matches!(kind, Kind::CharDevice | Kind::BlockDevice) { meta.rdev() } else { 0 },
            target: if kind == Kind::Symlink { Some(fs::read_link(path)?) } else { None },
            owner: (meta.uid(), meta.gid()),
            modified: (meta.mtime(), meta.mtime_nsec()),
            file_id: (meta.dev(), meta.ino()),
            links: meta.nlink(),
            attributes: meta::xattrs(path)?,
        })
    }

    pub(super) fn owner(&self) -> String {
        format!("{}:{}", self.owner.0, self.owner.1)
    }

    pub(super) fn modified(&self) -> String {
        format!("{}.{:09}", self.modified.0, self.modified.1)
    }

    pub(super) fn xattrs(&self) -> String {
        let parts: Vec<String> = self
            .attributes
            .iter()
            .map(|(name, value)| format!("{name:?}={}", value.escape_ascii()))
            .collect();
        format!("[{}]", parts.join(", "))
    }
}

fn kind(meta: &Metadata) -> Kind {
    let kind = meta.file_type();
    match () {
        () if kind.is_dir() => Kind::Directory,
        () if kind.is_symlink() => Kind::Symlink,
        () if kind.is_fifo() => Kind::Pipe,
        () if kind.is_socket() => Kind::Socket,
        () if kind.is_char_device() => Kind::CharDevice,
        () if kind.is_block_device() => Kind::BlockDevice,
        () => Kind::File,
    }
}

/// All entries by path relative to `root`; the root itself is the empty path.
pub(super) fn scan(root: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut entries = BTreeMap::new();
    entries.insert(PathBuf::new(), Entry::read(root, &fs::metadata(root)?)?);
    let mut pending = vec![PathBuf::new()];
    while let Some(dir) = pending.pop() {
        for found in fs::read_dir(root.join(&dir))? {
            let found = found?;
            let path = dir.join(found.file_name());
            let entry = Entry::read(&found.path(), &found.metadata()?)?;
            if entry.kind == Kind::Directory {
                pending.push(path.clone());
            }
            entries.insert(path, entry);
        }
    }
    Ok(entries)
}

/// For each path that shares its file with another path of the tree, the first of them.
pub(super) fn link_groups(entries: &BTreeMap<PathBuf, Entry>) -> BTreeMap<&PathBuf, &PathBuf> {
    let mut groups: BTreeMap<(u64, u64), Vec<&PathBuf>> = BTreeMap::new();
    for (path, entry) in entries.iter().filter(|(_, entry)| entry.kind != Kind::Directory && entry.links > 1)
    {
        groups.entry(entry.file_id).or_default().push(path);
    }
    let shared = groups.into_values().filter(|paths| paths.len() > 1);
    shared.flat_map(|paths| paths.clone().into_iter().map(move |path| (path, paths[0]))).collect()
}

/// Offset of the first byte in which two files of equal length differ.
pub(super) fn first_difference(left: &Path, right: &Path) -> io::Result<Option<u64>> {
    let (mut left, mut right) = (File::open(left)?, File::open(right)?);
    let (mut ours, mut theirs) = (vec![0; 256 * 1024], vec![0; 256 * 1024]);
    let mut offset = 0;
    loop {
        let count = read_full(&mut left, &mut ours)?;
        let other = read_full(&mut right, &mut theirs)?;
        if ours[..count] != theirs[..other] {
            let same = ours[..count].iter().zip(&theirs[..other]).take_while(|(a, b)| a == b).count();
            return Ok(Some(offset + same as u64));
        }
        if count == 0 {
            return Ok(None);
        }
        offset += count as u64;
    }
}

pub(super) fn read_full(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}
