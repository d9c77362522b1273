//! One regular file on its way to its final name.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};

use super::staging::Staging;
use super::target::Target;
use super::{FileId, apply, sparse};
use crate::attributes::Attributes;
use crate::error::{Error, Operation, Result};
use crate::metadata::{FileKind, Metadata};
use crate::name::validate_path;

/// A regular file being written in any order. Until [`finish`](Self::finish) it has a temporary name and mode 0600;
/// dropped before that, it is removed.
#[derive(Debug)]
pub struct FileWriter {
    target: Arc<Target>,
    staging: Arc<Staging>,
    relative: PathBuf,
    staged: OsString,
    id: FileId,
    file: Option<File>,
    size: u64,
    published: bool,
}

impl FileWriter {
    pub(super) fn create(target: Arc<Target>, relative: &Path, size: u64) -> Result<Self> {
        validate_path(relative)?;
        let create = |source| Error::io(Operation::Create, relative, source);
        let folder = relative.parent().unwrap_or(Path::new(""));
        let staging = match target.directory(folder) {
            Ok(parent) => target.staging_for(parent.as_fd(), folder)?,
            // Why it cannot be opened is told when the file is to get its name.
            Err(_) => Arc::clone(&target.staging),
        };
        let staged = target.staged_name();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&staging.fd, &staged, flags, Mode::RUSR | Mode::WUSR).map_err(create)?;
        let metadata = Metadata::of(fd.as_fd()).map_err(create)?;
        let writer = Self {
            target,
            staging,
            relative: relative.to_path_buf(),
            staged,
            id: FileId::of(&metadata),
            file: Some(File::from(fd)),
            size,
            published: false,
        };
        if size > 0 {
            writer.opened()?.set_len(size).map_err(|source| Error::io(Operation::Write, relative, source))?;
        }
        Ok(writer)
    }

    /// The path the file will have, relative to the target.
    pub fn relative(&self) -> &Path {
        &self.relative
    }

    /// Writes `data` at `offset`. Blocks of zeros are left as holes, unless the options
    /// say otherwise; no part may be written twice with other content.
    ///
    /// # Errors
    /// The system's reason; `InvalidInput` beyond the declared size.
    pub fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        let end = offset.checked_add(data.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            let reason = io::Error::new(io::ErrorKind::InvalidInput, "more content than the declared size");
            return Err(Error::io(Operation::Write, &self.relative, reason));
        }
        self.reopen()?;
        let file = self.opened()?;
        for range in sparse::written_ranges(offset, data, self.target.options.sparse) {
            let part = data.get(range.clone()).unwrap_or_default();
            file.write_all_at(part, offset + range.start as u64)
                .map_err(|source| Error::io(Operation::Write, &self.relative, source))?;
        }
        Ok(())
    }

    /// Closes the descriptor until the next call that needs it, so that many files can be under way.
    pub fn park(&mut self) {
        self.file = None;
    }

    /// Gives the file its attributes and then its final name.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the name is taken and may not be replaced; the system's reason. The temporary file is
    /// gone in either case. Attributes that cannot be set become warnings of the extraction.
    pub fn finish(mut self, attributes: &Attributes) -> Result<FileId> {
        self.reopen()?;
        let file = self.opened()?;
        self.target.apply(apply::Handle::Open(file.as_fd(), FileKind::File), &self.relative, attributes);
        let (parent, name) = self.target.parent(&self.relative)?;
        self.target.publish(&self.staging, &self.staged, &parent, name, &self.relative)?;
        self.published = true;
        Ok(self.id)
    }

    fn opened(&self) -> Result<&File> {
        let closed = || io::Error::new(io::ErrorKind::NotConnected, "the file is parked");
        self.file.as_ref().ok_or_else(|| Error::io(Operation::Write, &self.relative, closed()))
    }

    fn reopen(&mut self) -> Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let open = |source| Error::io(Operation::Open, &self.relative, source);
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd: OwnedFd = openat(&self.staging.fd, &self.staged, flags, Mode::empty()).map_err(open)?;
        let metadata = Metadata::of(fd.as_fd()).map_err(open)?;
        if FileId::of(&metadata) != self.id {
            return Err(Error::Replaced { path: self.relative.clone() });
        }
        self.file = Some(File::from(fd));
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if self.published {
            return;
        }
        // What cannot be removed now is removed with the marker, or by the next run.
        if let Err(error) = self.staging.discard(&self.staged) {
            tracing::debug!(%error, "an unfinished file stays until the restore ends");
        }
    }
}
