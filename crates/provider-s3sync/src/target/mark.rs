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
    /// When the mark was made, by the clock of the file system; unknown for older ones.
    pub(super) made: Option<Moment>,
}

/// Seconds and nanoseconds by the clock of a file system.
pub(super) type Moment = (i64, u32);

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
        Self { operation: operation.as_str().to_owned(), met, made: None }
    }

    fn to_text(&self) -> String {
        let met = match self.met {
            Met::Missing => "created",
            Met::Empty => "found",
            Met::Unfinished => "resumed",
        };
        match self.made {
            Some((seconds, nanoseconds)) => format!("{met}@{seconds}.{nanoseconds:09} {}", self.operation),
            None => format!("{met} {}", self.operation),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let (how, operation) = text.split_once(' ')?;
        let (how, made) = match how.split_once('@') {
            Some((how, time)) => {
                let (seconds, nanoseconds) = time.split_once('.')?;
                (how, Some((seconds.parse().ok()?, nanoseconds.parse().ok()?)))
            }
            None => (how, None),
        };
        let met = match how {
            "created" => Met::Missing,
            "found" => Met::Empty,
            "resumed" => Met::Unfinished,
            _ => return None,
        };
        Some(Self { operation: operation.to_owned(), met, made })
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

/// Marks `path` with the moment at which it does; a directory that cannot carry a mark stays without.
pub(super) fn write(path: &Path, mark: &Mark) -> Result<()> {
    let set =
        |mark: &Mark| rustix::fs::setxattr(path, ATTRIBUTE, mark.to_text().as_bytes(), XattrFlags::empty());
    // The change of the attribute has the time that the file system will give to what is written next.
    let marked = set(mark).and_then(|()| {
        let stat = rustix::fs::stat(path)?;
        set(&Mark { made: moment(stat.st_ctime, stat.st_ctime_nsec), ..mark.clone() })
    });
    match marked {
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

/// A moment of the system's records.
pub(super) fn moment(seconds: impl TryInto<i64>, nanoseconds: impl TryInto<u32>) -> Option<Moment> {
    Some((seconds.try_into().ok()?, nanoseconds.try_into().ok()?))
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
        let found = read(dir.path()).unwrap().unwrap();
        assert!(found.made.is_some());
        assert_eq!(Mark { made: None, ..found }, mark);
        assert_eq!(Mark::from_text("created op 1"), Some(mark), "one without a time");
        clear(dir.path()).unwrap();
        clear(dir.path()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        clear(Path::new("/no/such/place")).unwrap();
    }
}
