//! What stands in the target already, and what of it a restore takes over, keeps, or replaces.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat};

use super::ground::{EntryFound, FileFound};
use super::links::SharedFile;
use super::{Extractor, FileId, apply};
use crate::attributes::Attributes;
use crate::capture::OpenFile;
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};

/// What stands where a file shall be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "callers must treat each one")]
pub enum Standing {
    /// Nothing, or something that will be replaced.
    Free,
    /// The very file; it was adopted.
    Complete(FileId),
    /// A file of the right content that has further names. Nothing was changed.
    Shared(SharedFile),
    /// Something else, which is kept.
    Taken,
}

impl Extractor {
    /// Whether an entry that stands is kept although it differs, as was asked for.
    pub fn keeps_what_stands(&self) -> bool {
        self.target.ground().keeps_what_stands()
    }

    /// Looks at the place of a file of `size` bytes that is to have `attributes`. `is_right` reads the whole content of a
    /// file and tells whether it is what is to be restored; it is called only where size and time leave that open.
    ///
    /// A restore that goes on where an earlier run stopped takes over what has the right content, whatever its time. What
    /// differs was written by somebody since: a file gets its name and its times only when it is whole. Only what has the
    /// time that this restore gave it and lacks content, as after a power failure, makes room.
    ///
    /// # Errors
    /// [`Error::InvalidName`]; the system's reason.
    pub fn file_stands(
        &self,
        relative: &Path,
        size: u64,
        attributes: &Attributes,
        is_right: impl FnOnce(&mut OpenFile) -> Result<bool>,
    ) -> Result<Standing> {
        Ok(match self.target.ground().file(relative, size, attributes, is_right)? {
            FileFound::Missing | FileFound::Replaced => Standing::Free,
            FileFound::Right(file) => self.take_over(&file, attributes),
            FileFound::Lacking(file) if self.remove_existing(&file)? => Standing::Free,
            FileFound::Lacking(_) | FileFound::Other => Standing::Taken,
        })
    }

    fn take_over(&self, file: &OpenFile, attributes: &Attributes) -> Standing {
        let (found, keeps) = (file.metadata(), self.keeps_what_stands());
        match found.links > 1 {
            false => Standing::Complete(self.adopt(file, (!keeps).then_some(attributes))),
            true => Standing::Shared(SharedFile {
                id: FileId::of(found),
                links: found.links,
                is_right: keeps || attributes.are_those_of(found),
            }),
        }
    }

    /// Adopts a file all of whose names were met in the target, and gives it `attributes` unless it is to keep its own.
    ///
    /// # Errors
    /// [`Error::Replaced`] if something else stands there by now; the system's reason.
    pub fn adopt_shared(
        &self,
        relative: &Path,
        shared: SharedFile,
        attributes: &Attributes,
    ) -> Result<FileId> {
        let file = self.open_existing(relative)?;
        if FileId::of(file.metadata()) != shared.id || file.metadata().links != shared.links {
            return Err(Error::Replaced { path: relative.to_path_buf() });
        }
        Ok(self.adopt(&file, (!self.keeps_what_stands()).then_some(attributes)))
    }

    /// Whether the symbolic link `relative` stands and leads to `to`. One whose attributes an earlier run could not set
    /// gets them now.
    ///
    /// # Errors
    /// [`Error::InvalidName`]; the system's reason.
    pub fn link_stands(&self, relative: &Path, to: &Path, attributes: &Attributes) -> Result<bool> {
        self.stands_as(relative, FileKind::Symlink, attributes, |_| {
            Ok(self.target.ground().existing_link(relative)? == to.as_os_str())
        })
    }

    /// As [`link_stands`](Self::link_stands), for a pipe, a socket or the node of a device.
    ///
    /// # Errors
    /// [`Error::InvalidName`]; the system's reason.
    pub fn special_stands(
        &self,
        relative: &Path,
        kind: FileKind,
        special_device: u64,
        attributes: &Attributes,
    ) -> Result<bool> {
        self.stands_as(relative, kind, attributes, |found| Ok(found.special_device == special_device))
    }

    fn stands_as(
        &self,
        relative: &Path,
        kind: FileKind,
        attributes: &Attributes,
        is_same: impl FnOnce(&Metadata) -> Result<bool>,
    ) -> Result<bool> {
        let found = match self.target.ground().entry(relative, kind, attributes, is_same)? {
            EntryFound::Other(_) => return Ok(false),
            EntryFound::Stands(_) => return Ok(true),
            EntryFound::Bare(found) => found,
        };
        let failed = |source| Error::io(Operation::Open, relative, source);
        let (parent, name) = self.target.parent(relative)?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&parent, name, flags, Mode::empty()).map_err(failed)?;
        if !Metadata::of(fd.as_fd()).map_err(failed)?.same_inode(&found) {
            return Ok(false);
        }
        self.target.apply(apply::Handle::PathOnly(fd.as_fd(), kind), relative, attributes);
        Ok(true)
    }

    /// The metadata of what stands at `relative`, if anything does.
    ///
    /// # Errors
    /// [`Error::InvalidName`]; the system's reason, also when a parent is not a directory.
    pub fn existing(&self, relative: &Path) -> Result<Option<Metadata>> {
        self.target.ground().existing(relative)
    }

    /// Opens the regular file at `relative` for reading, to compare it with what would be written.
    ///
    /// # Errors
    /// As [`Directory::open_file`](crate::Directory::open_file).
    pub fn open_existing(&self, relative: &Path) -> Result<OpenFile> {
        self.target.ground().open_existing(relative)
    }

    /// Accepts a file found in place as if this run had written it.
    fn adopt(&self, file: &OpenFile, attributes: Option<&Attributes>) -> FileId {
        if let Some(attributes) = attributes {
            self.target.settle(file.as_fd(), FileKind::File, file.path(), attributes);
        }
        FileId::of(file.metadata())
    }

    /// Removes a file that was looked at, unless it is another one by now.
    fn remove_existing(&self, file: &OpenFile) -> Result<bool> {
        let failed = |source| Error::io(Operation::Remove, file.path(), source);
        let (parent, name) = self.target.parent(file.path())?;
        let found = Metadata::at(parent.as_fd(), name).map_err(failed)?;
        if file.changed()? || !found.same_inode(file.metadata()) {
            return Ok(false);
        }
        rustix::fs::unlinkat(&parent, name, AtFlags::empty()).map_err(failed)?;
        Ok(true)
    }
}
