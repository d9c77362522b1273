//! The short way for a file whose whole content is in memory: one write, and no call whose answer is known.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};

use super::staging::{Staging, is_marker};
use super::target::Target;
use super::{apply, sparse};
use crate::attributes::Attributes;
use crate::error::{Error, Operation, Result};
use crate::name::{DEPTH_MAX, InvalidName, validate_name};

/// A directory of the target, held open while files are written into it one after another.
///
/// It was reached through directories only. It stays that directory even if somebody puts a link in place of its name
/// meanwhile.
#[derive(Debug)]
pub struct Folder {
    pub(super) fd: OwnedFd,
    pub(super) relative: PathBuf,
    pub(super) depth: usize,
    pub(super) staging: Arc<Staging>,
}

impl Folder {
    /// The path relative to the target.
    pub fn relative(&self) -> &Path {
        &self.relative
    }
}

impl Target {
    pub(super) fn write_file(
        &self,
        folder: &Folder,
        name: &OsStr,
        content: &[u8],
        attributes: &Attributes,
    ) -> Result<()> {
        let relative = folder.relative.join(name);
        let deep = if folder.depth < DEPTH_MAX { Ok(()) } else { Err(InvalidName::TooDeep) };
        deep.and_then(|()| validate_name(name))
            .map_err(|source| Error::InvalidName { path: relative.clone(), source })?;
        let works_here = folder.depth == 0 || !Arc::ptr_eq(&folder.staging, &self.staging);
        if works_here && is_marker(name, &self.id) {
            return Err(Error::AlreadyExists { path: relative });
        }
        let (staging, staged) = (&folder.staging, self.staged_name());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(&staging.fd, &staged, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|source| Error::io(Operation::Create, &relative, source))?;
        let file = File::from(fd);
        let published = fill(&file, content, self.options.sparse)
            .map_err(|source| Error::io(Operation::Write, &relative, source))
            .and_then(|()| {
                let handle = apply::Handle::Fresh(file.as_fd(), staging.fresh_owner);
                self.apply(handle, &relative, attributes);
                self.publish(staging, &staged, &folder.fd, name, &relative)
            });
        if published.is_err()
            && let Err(error) = staging.discard(&staged)
        {
            tracing::debug!(%error, "an unfinished file stays until the restore ends");
        }
        published
    }
}

/// Writes the whole content of a new file.
fn fill(file: &File, content: &[u8], sparse: bool) -> io::Result<()> {
    let mut end = 0;
    for range in sparse::written_ranges(0, content, sparse) {
        let part = content.get(range.clone()).unwrap_or_default();
        file.write_all_at(part, range.start as u64)?;
        end = range.end;
    }
    if end < content.len() { file.set_len(content.len() as u64) } else { Ok(()) }
}
