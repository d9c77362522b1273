//! The mark on a directory that says which operation's restore made it.
//!
//! It is an extended attribute, so it is durable and leaves the tree's content alone. File systems without user
//! attributes keep no mark; nothing is ever removed from them.

use std::path::Path;

use rustix::fs::{Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use stillpoint_core::{OperationId, Result};

use crate::error::from_io;

const ATTRIBUTE: &std::ffi::CStr = c"user.stillpoint.operation";
/// The longest mark that is read.
const BYTES_MAX: usize = 4200;

/// What a mark says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The operation.
    pub(super) operation: String,
    /// How the restore met the directory.
    pub(super) met: Met,
}

/// How a restore met its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// It made it.
    Missing,
    /// It found it empty.
    Empty,
    /// It found work of its own kind in it. Somebody may have added to that meanwhile, so it is never emptied.
    Unfinished,
}

impl Mark {
    pub(super) fn new(operation: &OperationId, met: Met) -> Self {
        Self { operation: operation.as_str().to_owned(), met }
    }

    fn to_text(&self) -> String {
        let met = match self.met {
            Met::Missing => "created",
            Met::Empty => "found",
            Met::Unfinished => "resumed",
        };
        format!("{met} {}", self.operation)
    }

    fn from_text(text: &str) -> Option<Self> {
        let (how, operation) = text.split_once(' ')?;
        let met = match how {
            "created" => Met::Missing,
            "found" => Met::Empty,
            "resumed" => Met::Unfinished,
            _ => return None,
        };
        Some(Self { operation: operation.to_owned(), met })
    }
}

/// The mark on `path`, if it has one.
pub(super) fn read(path: &Path) -> Result<Option<Mark>> {
    let mut bytes = vec![0; BYTES_MAX];
    match rustix::fs::getxattr(path, ATTRIBUTE, &mut bytes) {
        Ok(length) => {
            let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
            Ok(text.and_then(Mark::from_text))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT | Errno::NOTDIR | Errno::RANGE) => Ok(None),
        Err(error) => Err(from_io(error.into(), "read the restore mark of", path)),
    }
}

/// Marks `path`; a directory that cannot carry a mark stays without.
pub(super) fn write(path: &Path, mark: &Mark) -> Result<()> {
    match rustix::fs::setxattr(path, ATTRIBUTE, mark.to_text().as_bytes(), XattrFlags::empty()) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSPC | Errno::TOOBIG) => {
            tracing::warn!(
                ?path,
                "the target cannot carry a restore mark; a failed restore will leave it as it is"
            );
            Ok(())
        }
        Err(error) => Err(from_io(error.into(), "mark", path)),
    }
}

/// Takes the mark off: from then on the directory belongs to its user. Absent is a success.
pub(crate) fn clear(path: &Path) -> Result<()> {
    match rustix::fs::removexattr(path, ATTRIBUTE) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(Errno::ACCESS | Errno::PERM) if clear_read_only(path).is_ok() => Ok(()),
        Err(error) => Err(from_io(error.into(), "take the restore mark off", path)),
    }
}

/// A directory restored as read-only lets its owner change attributes only while it is writable.
fn clear_read_only(path: &Path) -> rustix::io::Result<()> {
    let directory =
        rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let mode = Mode::from_raw_mode(rustix::fs::fstat(&directory)?.st_mode);
    rustix::fs::fchmod(&directory, mode | Mode::WUSR)?;
    let removed = rustix::fs::fremovexattr(&directory, ATTRIBUTE);
    rustix::fs::fchmod(&directory, mode)?;
    removed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_back_and_taken_off() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        let mark = Mark::new(&"op 1".parse().unwrap(), Met::Missing);
        write(dir.path(), &mark).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(mark));
        clear(dir.path()).unwrap();
        clear(dir.path()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        clear(Path::new("/no/such/place")).unwrap();
    }
}
