//! A target as a restore finds it: what stands where, and whether it may stay. Nothing here changes anything, so that a
//! preview decides as the restore does.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use super::Landing;
use super::since::Since;
use super::staging::{Mount, is_marker};
use crate::attributes::Attributes;
use crate::beneath;
use crate::capture::{Directory, OpenFile};
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};
use crate::name::{InvalidName, validate_path};

/// The granularity in which a power failure takes content away, in bytes.
const BLOCK: u64 = 4096;

/// A target and how a restore is to meet it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ground<'a> {
    pub(super) root: BorrowedFd<'a>,
    pub(super) id: &'a str,
    pub(super) landing: Landing,
    /// Whether an earlier run of this restore left work in the target.
    pub(super) resumed: bool,
    /// Up to when what stands may be replaced.
    pub(super) since: &'a Since,
}

/// What stands where a file shall be restored.
#[derive(Debug)]
pub(super) enum FileFound {
    /// Nothing.
    Missing,
    /// Something that is replaced.
    Replaced,
    /// A file of the right content.
    Right(OpenFile),
    /// A file that lacks content, as after a power failure.
    Lacking(OpenFile),
    /// Something else, which is kept.
    Other,
}

/// What stands where a link or a special file shall be restored.
#[derive(Clone, Copy, Debug)]
pub(super) enum EntryFound {
    /// Nothing, or something else.
    Other(Option<Metadata>),
    /// The very entry, which stays as it is.
    Stands(Metadata),
    /// The very entry, without its attributes.
    Bare(Metadata),
}

impl Ground<'_> {
    /// Whether an entry that stands is kept although it differs.
    pub(super) const fn keeps_what_stands(&self) -> bool {
        match self.landing {
            Landing::Merge => true,
            Landing::Continue => !self.resumed,
            Landing::EmptyTarget | Landing::Replace => false,
        }
    }

    /// Whether entries may stand in the target already.
    fn may_hold_entries(&self) -> bool {
        self.landing != Landing::EmptyTarget || self.resumed
    }

    /// Whether this run goes on in a target that was empty when the restore began.
    fn goes_on(&self) -> bool {
        self.resumed && matches!(self.landing, Landing::EmptyTarget | Landing::Continue)
    }

    /// Whether something that stands makes room for what differs from it: no directory does, and nothing that somebody
    /// changed since the restore began.
    ///
    /// # Errors
    /// [`Error::WrittenSince`] for the latter; the system's reason.
    pub(super) fn replaces(&self, found: &Metadata, relative: &Path) -> Result<bool> {
        if self.landing != Landing::Replace || found.kind == FileKind::Directory {
            return Ok(false);
        }
        self.spare(found, relative).map(|()| true)
    }

    /// Fails where somebody changed the entry since the restore began.
    pub(super) fn spare(&self, found: &Metadata, relative: &Path) -> Result<()> {
        match self.since.is_later(found) {
            Ok(false) => Ok(()),
            Ok(true) => Err(Error::WrittenSince { path: relative.to_path_buf() }),
            Err(source) => Err(Error::io(Operation::Stat, relative, source)),
        }
    }

    /// Opens the parent of `relative` and names the last component.
    pub(super) fn parent<'p>(&self, relative: &'p Path) -> Result<(OwnedFd, &'p OsStr)> {
        validate_path(relative)?;
        let invalid = || Error::InvalidName { path: relative.to_path_buf(), source: InvalidName::NotPlain };
        let name = relative.file_name().ok_or_else(invalid)?;
        let parent = relative.parent().ok_or_else(invalid)?;
        let directory = self.directory(parent)?;
        if is_marker(name, self.id) && (parent.as_os_str().is_empty() || self.is_mounted(&directory)) {
            return Err(Error::AlreadyExists { path: relative.to_path_buf() });
        }
        Ok((directory, name))
    }

    /// Whether a directory is on another mount than the target, so that the restore may work in it.
    fn is_mounted(&self, directory: &OwnedFd) -> bool {
        Mount::of(directory.as_fd()).ok() != Mount::of(self.root).ok()
    }

    pub(super) fn directory(&self, relative: &Path) -> Result<OwnedFd> {
        validate_path(relative)?;
        beneath::open_directory(self.root, relative)
            .map_err(|source| Error::io(Operation::Open, relative, source))
    }

    /// The metadata of what stands at `relative`, if anything does.
    pub(super) fn existing(&self, relative: &Path) -> Result<Option<Metadata>> {
        let found = self.parent(relative).and_then(|(parent, name)| {
            Metadata::at(parent.as_fd(), name).map_err(|source| Error::io(Operation::Stat, relative, source))
        });
        match found {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the regular file at `relative` for reading.
    pub(super) fn open_existing(&self, relative: &Path) -> Result<OpenFile> {
        let (parent, name) = self.parent(relative)?;
        let parent_path = relative.parent().unwrap_or(Path::new("")).to_path_buf();
        Directory::new(parent, parent_path).open_file(name)
    }

    /// Where the symbolic link at `relative` leads.
    pub(super) fn existing_link(&self, relative: &Path) -> Result<OsString> {
        let (parent, name) = self.parent(relative)?;
        let parent_path = relative.parent().unwrap_or(Path::new("")).to_path_buf();
        Directory::new(parent, parent_path).link_target(name)
    }

    /// Looks at the place of a file; `is_right` reads its content where size and time leave open whether it is the file.
    pub(super) fn file(
        &self,
        relative: &Path,
        size: u64,
        attributes: &Attributes,
        is_right: impl FnOnce(&mut OpenFile) -> Result<bool>,
    ) -> Result<FileFound> {
        if !self.may_hold_entries() {
            return Ok(FileFound::Missing);
        }
        let Some(found) = self.existing(relative)? else { return Ok(FileFound::Missing) };
        let replaces = self.replaces(&found, relative);
        // What was changed since may be this restore's work, on a file system that keeps times less exactly.
        let is_spared = matches!(replaces, Err(Error::WrittenSince { .. }));
        let otherwise =
            replaces.map(|replaces| if replaces { FileFound::Replaced } else { FileFound::Other });
        let timely = found.modified == attributes.modified;
        let plausible = found.size == size && (timely || self.goes_on() || is_spared);
        let may_lack = found.size <= size && timely && self.goes_on();
        if found.kind != FileKind::File || !(plausible || may_lack) {
            return otherwise;
        }
        let mut file = self.open_existing(relative)?;
        if plausible && is_right(&mut file)? {
            // Written anew it shares nothing with what lies outside.
            let shares = self.landing == Landing::Replace && file.metadata().links > 1;
            return if shares { otherwise } else { Ok(FileFound::Right(file)) };
        }
        if may_lack && lacks_content(&mut file, size)? {
            return Ok(FileFound::Lacking(file));
        }
        otherwise
    }

    /// Looks at the place of a link or a special file; `is_same` tells whether one of that kind is the one.
    pub(super) fn entry(
        &self,
        relative: &Path,
        kind: FileKind,
        attributes: &Attributes,
        is_same: impl FnOnce(&Metadata) -> Result<bool>,
    ) -> Result<EntryFound> {
        if !self.may_hold_entries() {
            return Ok(EntryFound::Other(None));
        }
        let Some(found) = self.existing(relative)? else { return Ok(EntryFound::Other(None)) };
        if found.kind != kind || !is_same(&found)? {
            return Ok(EntryFound::Other(Some(found)));
        }
        if self.keeps_what_stands() || attributes.are_those_of(&found) {
            return Ok(EntryFound::Stands(found));
        }
        // One that this restore made, if perhaps in an earlier run, and whose attributes it could not set.
        let is_spared = matches!(self.replaces(&found, relative), Err(Error::WrittenSince { .. }));
        let is_bare = (self.goes_on() || is_spared) && found.links == 1;
        Ok(if is_bare { EntryFound::Bare(found) } else { EntryFound::Other(Some(found)) })
    }
}

/// Whether a file is shorter than `size`, or has a block that reads as zeros.
fn lacks_content(file: &mut OpenFile, size: u64) -> Result<bool> {
    if file.metadata().size < size {
        return Ok(true);
    }
    file.rewind();
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
