//! One regular file of a captured tree, open for reading.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::holes::Holes;
use super::tick;
use crate::attributes::{self, ExtendedAttribute};
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};

/// How often a file that was changed this very moment is looked at again before it is read.
const LOOKS_MAX: usize = 3;

/// How much more than its size a file may yield, in bytes: what grows faster than it is read would never end.
const GROWTH_MAX: u64 = 64 << 20;

/// An open regular file with the metadata it had when it was opened.
///
/// Read it to the end, then ask [`changed`](Self::changed): if the answer is no, what was read is one state of the file
/// as far as the system's records can tell. Of a file that grows meanwhile, at most 64 MiB more than its size are read.
#[derive(Debug)]
pub struct OpenFile {
    file: File,
    path: PathBuf,
    metadata: Metadata,
    read: u64,
    holes: Holes,
}

impl OpenFile {
    pub(crate) fn new(fd: OwnedFd, path: PathBuf) -> Result<Self> {
        let look =
            || Metadata::of(fd.as_fd()).map_err(|source| Error::io(Operation::Stat, path.as_path(), source));
        let mut metadata = look()?;
        for _ in 0..LOOKS_MAX {
            if !tick::wait_until_past(metadata.changed) {
                break;
            }
            metadata = look()?;
        }
        if metadata.kind != FileKind::File {
            return Err(Error::Replaced { path });
        }
        let holes = Holes::expected_in(&fd, &metadata);
        Ok(Self { file: File::from(fd), path, metadata, read: 0, holes })
    }

    /// The path below the source's root.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The metadata when the file was opened.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The extended attributes, sorted by name.
    ///
    /// # Errors
    /// The system's reason.
    pub fn extended_attributes(&self) -> Result<Vec<ExtendedAttribute>> {
        attributes::read_open(&self.file)
            .map_err(|source| Error::io(Operation::ReadAttributes, self.path.as_path(), source))
    }

    /// Whether content or attributes have changed since the file was opened.
    ///
    /// # Errors
    /// The system's reason.
    pub fn changed(&self) -> Result<bool> {
        let now = Metadata::asked(self.file.as_fd())
            .map_err(|source| Error::io(Operation::Stat, self.path.as_path(), source))?;
        Ok(!now.unchanged_since(&self.metadata))
    }

    /// What to say of the file if it changed each of so many times that it was read.
    pub fn why_torn(&self, attempts: usize) -> String {
        match self.room() {
            0 => format!(
                "it grew by more than {} MiB each of the {attempts} times it was read, and what came after is left out: pause \
                 what writes it, or exclude it",
                GROWTH_MAX >> 20
            ),
            _ => format!("it changed each of the {attempts} times it was read"),
        }
    }

    /// How many bytes may still be read.
    const fn room(&self) -> u64 {
        self.metadata.size.saturating_add(GROWTH_MAX).saturating_sub(self.read)
    }

    /// Goes back to the beginning.
    pub(crate) fn rewind(&mut self) {
        self.read = 0;
        self.holes = Holes::expected_in(&self.file, &self.metadata);
    }

    /// How many bytes from here on are a hole: zeros that take no space and need not be read. A file that is written to
    /// meanwhile has [`changed`](Self::changed), as one that is read.
    pub fn hole(&mut self) -> u64 {
        self.holes.at(&self.file, self.read).min(self.room())
    }

    /// Goes on behind so many bytes of the hole that was found here.
    pub fn skip_hole(&mut self, bytes: u64) {
        self.read += bytes.min(self.hole());
    }

    /// Turns a failure of reading into one that names the file.
    pub fn read_error(&self, source: io::Error) -> Error {
        Error::io(Operation::Read, self.path.as_path(), source)
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Read for OpenFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.room()).map_or(buffer.len(), |room| room.min(buffer.len()));
        let buffer = buffer.get_mut(..length).unwrap_or_default();
        let read = match self.hole() {
            0 => self.file.read_at(self.holes.before_next(buffer, self.read), self.read)?,
            hole => {
                let length = usize::try_from(hole).map_or(buffer.len(), |hole| hole.min(buffer.len()));
                buffer.get_mut(..length).unwrap_or_default().fill(0);
                length
            }
        };
        self.read += read as u64;
        Ok(read)
    }
}
