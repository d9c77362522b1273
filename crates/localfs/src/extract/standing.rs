//! What stands in the target already, and what of it a restore takes over, keeps, or replaces.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, openat};

use super::links::SharedFile;
use super::{Extractor, FileId, Landing, apply};
use crate::attributes::Attributes;
use crate::capture::{Directory, OpenFile};
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};

/// The granularity in which a power failure takes content away, in bytes.
const BLOCK: u64 = 4096;

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
        match self.target.options.landing {
            Landing::Merge => true,
            Landing::Continue => !self.target.resumed,
            Landing::EmptyTarget | Landing::Replace => false,
        }
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
        if !self.may_hold_entries() {
            return Ok(Standing::Free);
        }
        let Some(found) = self.existing(relative)? else { return Ok(Standing::Free) };
        let replaces = self.target.options.landing == Landing::Replace;
        let otherwise = if replaces { Standing::Free } else { Standing::Taken };
        let timely = found.modified == attributes.modified;
        let plausible = found.size == size && (timely || self.goes_on());
        let may_lack = found.size <= size && timely && self.goes_on();
        if found.kind != FileKind::File || !(plausible || may_lack) {
            return Ok(otherwise);
        }
        let mut file = self.open_existing(relative)?;
        if plausible && is_right(&mut file)? {
            return Ok(self.take_over(&file, attributes));
        }
        if may_lack && lacks_content(&mut file, size)? && self.remove_existing(&file)? {
            return Ok(Standing::Free);
        }
        Ok(otherwise)
    }

    fn take_over(&self, file: &OpenFile, attributes: &Attributes) -> Standing {
        let (found, keeps) = (file.metadata(), self.keeps_what_stands());
        match found.links > 1 {
            false => Standing::Complete(self.adopt(file, (!keeps).then_some(attributes))),
            // Written anew it shares nothing with what lies outside.
            true if self.target.options.landing == Landing::Replace => Standing::Free,
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
            Ok(self.existing_link(relative)? == to.as_os_str())
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
        if !self.may_hold_entries() {
            return Ok(false);
        }
        let Some(found) = self.existing(relative)? else { return Ok(false) };
        if found.kind != kind || !is_same(&found)? {
            return Ok(false);
        }
        if self.keeps_what_stands() || attributes.are_those_of(&found) {
            return Ok(true);
        }
        if !self.goes_on() || found.links > 1 {
            return Ok(false);
        }
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

    /// Whether entries may stand in the target already.
    fn may_hold_entries(&self) -> bool {
        self.target.options.landing != Landing::EmptyTarget || self.target.resumed
    }

    /// Whether this run goes on in a target that was empty when the restore began.
    fn goes_on(&self) -> bool {
        self.target.resumed && matches!(self.target.options.landing, Landing::EmptyTarget | Landing::Continue)
    }

    /// The metadata of what stands at `relative`, if anything does.
    ///
    /// # Errors
    /// [`Error::InvalidName`]; the system's reason, also when a parent is not a directory.
    pub fn existing(&self, relative: &Path) -> Result<Option<Metadata>> {
        let found = self.target.parent(relative).and_then(|(parent, name)| {
            Metadata::at(parent.as_fd(), name).map_err(|source| Error::io(Operation::Stat, relative, source))
        });
        match found {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the regular file at `relative` for reading, to compare it with what would be written.
    ///
    /// # Errors
    /// As [`Directory::open_file`](crate::Directory::open_file).
    pub fn open_existing(&self, relative: &Path) -> Result<OpenFile> {
        let (parent, name) = self.target.parent(relative)?;
        let parent_path = relative.parent().unwrap_or(Path::new("")).to_path_buf();
        Directory::new(parent, parent_path).open_file(name)
    }

    fn existing_link(&self, relative: &Path) -> Result<OsString> {
        let (parent, name) = self.target.parent(relative)?;
        let parent_path = relative.parent().unwrap_or(Path::new("")).to_path_buf();
        Directory::new(parent, parent_path).link_target(name)
    }

    /// Accepts a file found in place as if this run had written it.
    fn adopt(&self, file: &OpenFile, attributes: Option<&Attributes>) -> FileId {
        if let Some(attributes) = attributes {
            let handle = apply::Handle::Open(file.as_fd(), FileKind::File);
            self.target.remove_unknown(handle, file.path(), &attributes.extended);
            self.target.apply(handle, file.path(), attributes);
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

/// Whether a file is shorter than `size`, or has a block that reads as zeros.
fn lacks_content(file: &mut OpenFile, size: u64) -> Result<bool> {
    if file.metadata().size < size {
        return Ok(true);
    }
    file.rewind()?;
    let mut block = Vec::new();
    loop {
        block.clear();
        let read = file.by_ref().take(BLOCK).read_to_end(&mut block);
        match read.map_err(|error| file.read_error(error))? {
            0 => return Ok(false),
            _ if block.iter().all(|byte| *byte == 0) => return Ok(true),
            _ => {}
        }
    }
}
