//! Creating everything that is not a regular file.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat};
use rustix::io::Errno;

use super::target::Target;
use super::{FileId, Landing, WarningKind, apply};
use crate::attributes::{Attributes, descriptor_path};
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};

impl Target {
    pub(super) fn create_directory(&self, relative: &Path, passed: bool) -> Result<bool> {
        let (parent, name) = self.parent(relative)?;
        let failed = |source| Error::io(Operation::Create, relative, source);
        self.note_made(&parent, name, relative)?;
        match rustix::fs::mkdirat(&parent, name, Mode::RWXU) {
            Ok(()) => return Ok(true),
            Err(Errno::EXIST) if self.resumed || self.options.landing != Landing::EmptyTarget => {}
            Err(Errno::EXIST) => {
                return Err(Error::AlreadyExists { path: relative.to_path_buf() });
            }
            Err(source) => return Err(failed(source)),
        }
        let found = Metadata::at(parent.as_fd(), name).map_err(failed)?;
        if found.kind != FileKind::Directory {
            return Err(Error::AlreadyExists { path: relative.to_path_buf() });
        }
        let ours = self.is_ours(relative, passed);
        // An earlier run may already have given the directory a mode that forbids writing into it.
        if found.mode & 0o700 != 0o700 {
            if !ours {
                self.note_mode(relative, found.mode)?;
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let fd = openat(&parent, name, flags, Mode::empty()).map_err(failed)?;
            let mode = Mode::from_raw_mode(found.mode | 0o700);
            rustix::fs::chmodat(CWD, descriptor_path(&fd), mode, AtFlags::empty()).map_err(failed)?;
        }
        Ok(ours)
    }

    pub(super) fn create_symlink(&self, relative: &Path, to: &Path, attributes: &Attributes) -> Result<()> {
        self.create_staged(relative, FileKind::Symlink, attributes, |staging, staged| {
            rustix::fs::symlinkat(to, staging, staged)
        })
    }

    pub(super) fn create_special(
        &self,
        relative: &Path,
        kind: FileKind,
        special_device: u64,
        attributes: &Attributes,
    ) -> Result<bool> {
        let (node, device) = match kind {
            FileKind::Fifo => (FileType::Fifo, 0),
            FileKind::Socket => (FileType::Socket, 0),
            FileKind::CharDevice => (FileType::CharacterDevice, special_device),
            FileKind::BlockDevice => (FileType::BlockDevice, special_device),
            FileKind::File | FileKind::Directory | FileKind::Symlink => {
                return Err(Error::io(Operation::Create, relative, Errno::INVAL));
            }
        };
        if kind != FileKind::Fifo && !self.options.special_files {
            self.warn(relative, WarningKind::SpecialFileWithheld, None);
            return Ok(false);
        }
        self.create_staged(relative, kind, attributes, |staging, staged| {
            rustix::fs::mknodat(staging, staged, node, Mode::RUSR | Mode::WUSR, device)
        })?;
        Ok(true)
    }

    pub(super) fn create_hard_link(&self, relative: &Path, original: &Path, id: FileId) -> Result<()> {
        let failed = |source| Error::io(Operation::Create, relative, source);
        let (original_parent, original_name) = self.parent(original)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&original_parent, original_name, flags, Mode::empty())
            .map_err(|source| Error::io(Operation::Open, original, source))?;
        let found = Metadata::of(fd.as_fd()).map_err(failed)?;
        if found.kind != FileKind::File || FileId::of(&found) != id {
            return Err(Error::Replaced { path: original.to_path_buf() });
        }
        let (parent, name) = self.parent(relative)?;
        match link_descriptor(&fd, &parent, name) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(Errno::XDEV) => {
                let (path, original) = (relative.to_path_buf(), original.to_path_buf());
                return Err(Error::OtherFileSystem { path, original });
            }
            Err(source) => return Err(failed(source)),
        }
        let existing = Metadata::at(parent.as_fd(), name).map_err(failed)?;
        if FileId::of(&existing) == id {
            return Ok(());
        }
        // Linked to a temporary name first, the new name replaces the old one in a single step.
        self.allow_replacing(&parent, name, relative)?;
        let staging = self.staging_for(parent.as_fd(), relative.parent().unwrap_or(Path::new("")))?;
        let staged = self.staged_name();
        link_descriptor(&fd, &staging.fd, &staged).map_err(failed)?;
        rustix::fs::renameat(&staging.fd, &staged, &parent, name).map_err(failed)
    }

    fn create_staged(
        &self,
        relative: &Path,
        kind: FileKind,
        attributes: &Attributes,
        create: impl FnOnce(&OwnedFd, &OsStr) -> rustix::io::Result<()>,
    ) -> Result<()> {
        let failed = |source| Error::io(Operation::Create, relative, source);
        let (parent, name) = self.parent(relative)?;
        let staging = self.staging_for(parent.as_fd(), relative.parent().unwrap_or(Path::new("")))?;
        let staged = self.staged_name();
        create(&staging.fd, &staged).map_err(failed)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let published = openat(&staging.fd, &staged, flags, Mode::empty()).map_err(failed).and_then(|fd| {
            self.apply(apply::Handle::PathOnly(fd.as_fd(), kind), relative, attributes);
            self.publish(&staging, &staged, &parent, name, relative)
        });
        if published.is_err() {
            staging.discard(&staged)?;
        }
        published
    }
}

/// Links the very inode behind `fd`, so that nothing put in place of its name meanwhile can be linked instead.
fn link_descriptor(fd: &OwnedFd, parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    rustix::fs::linkat(CWD, descriptor_path(fd), parent, name, AtFlags::SYMLINK_FOLLOW)
}
