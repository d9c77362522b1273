//! One directory of a captured tree.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;

use super::OpenFile;
use crate::attributes::{self, ExtendedAttribute};
use crate::beneath;
use crate::error::{Error, Operation, Result};
use crate::metadata::Metadata;

/// Names in memory at once. No listing of a repository can have more.
const NAMES_MAX: usize = 4 << 20;

/// An open directory. All its calls act on this very inode, wherever it may have been moved.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    relative: PathBuf,
}

/// A directory entry as it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The name, any bytes.
    pub name: OsString,
    /// The metadata at the time of listing.
    pub metadata: Metadata,
    /// Whether this is a directory on another file system whose content is left out.
    pub mount_point: bool,
}

/// The entries of one directory, sorted by the bytes of their names, and those that could not be looked at.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Listing {
    /// The entries.
    pub entries: Vec<Entry>,
    /// What could not be read.
    pub errors: Vec<Error>,
}

impl Directory {
    pub(crate) const fn new(fd: OwnedFd, relative: PathBuf) -> Self {
        Self { fd, relative }
    }

    /// The same directory under the path by which it was listed.
    pub(super) fn called(self, relative: &Path) -> Self {
        Self { fd: self.fd, relative: relative.to_path_buf() }
    }

    /// Opens the directory `name` in this one.
    pub(super) fn subdirectory(&self, name: &OsStr) -> Result<Self> {
        let relative = self.relative.join(name);
        match openat(&self.fd, name, beneath::DIRECTORY, Mode::empty()) {
            Ok(fd) => Ok(Self::new(fd, relative)),
            Err(source) => Err(Error::io(Operation::Open, relative, source)),
        }
    }

    /// The path below the source's root.
    pub fn relative(&self) -> &Path {
        &self.relative
    }

    /// The directory's own metadata now.
    ///
    /// # Errors
    /// The system's reason.
    pub fn metadata(&self) -> Result<Metadata> {
        Metadata::of(self.fd.as_fd()).map_err(|source| Error::io(Operation::Stat, &self.relative, source))
    }

    /// Whether a file server no longer knows it ([`Error::is_stale`]).
    pub(super) fn is_stale(&self) -> bool {
        matches!(Metadata::asked(self.fd.as_fd()), Err(Errno::STALE))
    }

    /// The directory's own extended attributes, sorted by name.
    ///
    /// # Errors
    /// The system's reason.
    pub fn extended_attributes(&self) -> Result<Vec<ExtendedAttribute>> {
        attributes::read_open(&self.fd)
            .map_err(|source| Error::io(Operation::ReadAttributes, &self.relative, source))
    }

    /// Every name in the directory but `.` and `..`, sorted by bytes.
    ///
    /// # Errors
    /// [`Error::TooManyEntries`] above four million; the system's reason. A directory that can be listed only in part fails
    /// as a whole.
    pub fn names(&self) -> Result<Vec<OsString>> {
        let list = |source| Error::io(Operation::List, &self.relative, source);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(list)? {
            let name = entry.map_err(list)?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                if names.len() == NAMES_MAX {
                    return Err(Error::TooManyEntries { path: self.relative.clone(), most: NAMES_MAX });
                }
                names.push(OsString::from_vec(name));
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Every entry with its metadata. Entries that vanish meanwhile are no error: they were never there.
    ///
    /// # Errors
    /// The system's reason if the directory cannot be listed or is stale ([`Error::is_stale`]); an entry that cannot be looked
    /// at is itemised instead.
    pub fn list(&self) -> Result<Listing> {
        let mut listing = Listing::default();
        for name in self.names()? {
            match self.entry_metadata(&name) {
                Ok(metadata) => listing.entries.push(Entry { name, metadata, mount_point: false }),
                Err(error) if error.is_not_found() => {}
                Err(error) if error.is_stale() && self.is_stale() => return Err(error),
                Err(error) => listing.errors.push(error),
            }
        }
        Ok(listing)
    }

    /// The metadata of the entry `name`, not following a link.
    ///
    /// # Errors
    /// The system's reason.
    pub fn entry_metadata(&self, name: &OsStr) -> Result<Metadata> {
        Metadata::at(self.fd.as_fd(), name)
            .map_err(|source| Error::io(Operation::Stat, self.relative.join(name), source))
    }

    /// Opens the regular file `name` for reading, without following a link, blocking on a pipe or, where the system
    /// permits, touching its access time.
    ///
    /// # Errors
    /// [`Error::Replaced`] if `name` is no longer a regular file; otherwise the system's reason.
    pub fn open_file(&self, name: &OsStr) -> Result<OpenFile> {
        let path = self.relative.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = match openat(&self.fd, name, flags | OFlags::NOATIME, Mode::empty()) {
            // Only the owner and root may read without a trace.
            Err(Errno::PERM) => openat(&self.fd, name, flags, Mode::empty()),
            other => other,
        };
        match opened {
            Ok(fd) => OpenFile::new(fd, path),
            Err(Errno::LOOP | Errno::NXIO) => Err(Error::Replaced { path }),
            Err(source) => Err(Error::io(Operation::Open, path, source)),
        }
    }

    /// The target of the symbolic link `name`, any bytes.
    ///
    /// # Errors
    /// The system's reason; `EINVAL` if `name` is no longer a link.
    pub fn link_target(&self, name: &OsStr) -> Result<OsString> {
        readlinkat(&self.fd, name, Vec::new())
            .map(|target| OsStr::from_bytes(target.to_bytes()).to_os_string())
            .map_err(|source| Error::io(Operation::ReadLink, self.relative.join(name), source))
    }

    /// The extended attributes of an entry that is not opened for reading: a link, pipe, socket or device.
    ///
    /// # Errors
    /// The system's reason.
    pub fn entry_extended_attributes(&self, name: &OsStr) -> Result<Vec<ExtendedAttribute>> {
        openat(&self.fd, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
            .and_then(attributes::read_path_only)
            .map_err(|source| Error::io(Operation::ReadAttributes, self.relative.join(name), source))
    }
}
