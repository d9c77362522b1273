//! The root of a captured tree.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::Directory;
use crate::beneath;
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};
use crate::name::validate_path;

/// An open directory whose tree is captured.
///
/// The root path itself is the operator's word and may contain links; nothing below it is reached through one.
#[derive(Debug)]
pub struct Source {
    fd: OwnedFd,
    path: PathBuf,
    metadata: Metadata,
}

impl Source {
    /// Opens the directory at `path`.
    ///
    /// # Errors
    /// [`Error::NotADirectory`], or the system's reason. This is the only failure of a capture that is fatal.
    pub fn open(path: &Path) -> Result<Self> {
        let open = |source| Error::io(Operation::Open, path, source);
        let found = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(open)?;
        let metadata = Metadata::of(found.as_fd()).map_err(open)?;
        if metadata.kind != FileKind::Directory {
            return Err(Error::NotADirectory { path: path.to_path_buf() });
        }
        let fd = beneath::open_directory(found.as_fd(), Path::new("")).map_err(open)?;
        Ok(Self { fd, path: path.to_path_buf(), metadata })
    }

    /// The path the source was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The root's metadata when it was opened.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Whether its path still leads to it: it was not removed, replaced or unmounted since it was opened. What was read of one
    /// that is gone may be a part of it.
    pub fn is_in_place(&self) -> bool {
        let same =
            |found: Metadata| (found.device, found.inode) == (self.metadata.device, self.metadata.inode);
        let open = rustix::fs::open(&self.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        open.and_then(|found| Metadata::of(found.as_fd())).is_ok_and(same)
    }

    /// Opens `directory` once more under its name, where it is stale ([`Error::is_stale`]); `None` where it is not.
    ///
    /// # Errors
    /// As [`Self::directory`].
    pub fn anew(&self, directory: &Directory) -> Result<Option<Directory>> {
        directory.is_stale().then(|| self.directory(directory.relative())).transpose()
    }

    /// Opens the directory at `relative` below the root; the empty path is the root itself.
    ///
    /// # Errors
    /// The system's reason, also when a component has become a symbolic link.
    pub fn directory(&self, relative: &Path) -> Result<Directory> {
        validate_path(relative)?;
        let fd = beneath::open_directory(self.fd.as_fd(), relative)
            .map_err(|source| Error::io(Operation::Open, relative, source))?;
        Ok(Directory::new(fd, relative.to_path_buf()))
    }
}
