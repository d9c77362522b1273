//! Until when what stands may be replaced: what people write while a restore replaces is theirs.

use std::collections::HashSet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{Mode, OFlags};
use rustix::io::Result;

use super::FileId;
use super::staging::fresh;
use crate::error::{Error, Operation};
use crate::metadata::{Metadata, Timestamp};

/// The name under which a file is made to learn the time.
const CLOCK: &str = "clock";
/// The same in a directory of people's.
const CLOCK_AMONG_OTHERS: &str = ".stillpoint-clock";

/// Tells whether an entry was changed after the moment up to which a replacing restore may replace.
///
/// The time that counts is the inode's own, which no program sets and a rename moves on too. An inode of which the restore
/// took a name away has a new one by that alone; it goes by the time of its content, as does one with several names.
#[derive(Debug, Default)]
pub(super) struct Since {
    moment: Option<Timestamp>,
    /// Where a new file tells what the file system takes for now.
    clock: Option<Mutex<OwnedFd>>,
    loosened: Mutex<HashSet<FileId>>,
}

impl Since {
    /// Everything may be replaced that was changed at `moment` or before; without one, everything.
    pub(super) fn new(moment: Option<Timestamp>, clock: Option<OwnedFd>, loosened: HashSet<FileId>) -> Self {
        Self { moment, clock: clock.map(Mutex::new), loosened: Mutex::new(loosened) }
    }

    /// Whether somebody changed the entry since.
    pub(super) fn is_later(&self, found: &Metadata) -> Result<bool> {
        let Some(moment) = self.moment else { return Ok(false) };
        let by_content = found.links > 1 || self.is_loosened(found);
        let time = if by_content { found.modified } else { found.changed };
        if time <= moment {
            return Ok(false);
        }
        let Some(clock) = &self.clock else { return Ok(true) };
        let clock = clock.lock().unwrap_or_else(PoisonError::into_inner);
        // A time in the future is none of these days: such a file could never be replaced. On another mount, whose clock may be
        // ahead, it may well be.
        let is_elsewhere = Metadata::of(clock.as_fd())?.device != found.device;
        Ok(is_elsewhere || time <= now(clock.as_fd())?)
    }

    /// Goes by the time of an inode's content from here on.
    pub(super) fn loosen(&self, id: FileId) {
        self.loosened.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    fn is_loosened(&self, found: &Metadata) -> bool {
        self.loosened.lock().unwrap_or_else(PoisonError::into_inner).contains(&FileId::of(found))
    }
}

/// What the file system of a marker takes for now.
pub(super) fn now(marker: impl AsFd) -> Result<Timestamp> {
    Ok(fresh(marker, CLOCK)?.changed)
}

/// What the file system of `directory` takes for now, which is another machine's time where that is a network's. A file is made
/// for that in the directory, and removed.
///
/// # Errors
/// The system's reason; the file cannot be made, for example.
pub fn time_in(directory: &Path) -> crate::error::Result<Timestamp> {
    let failed = |source| Error::io(Operation::Create, directory.join(CLOCK_AMONG_OTHERS), source);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory, flags, Mode::empty()).map_err(failed)?;
    Ok(fresh(&opened, CLOCK_AMONG_OTHERS).map_err(failed)?.changed)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn the_time_is_that_of_a_new_file_and_nothing_is_left_of_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CLOCK_AMONG_OTHERS), "left by a run that was killed").unwrap();
        let before = Metadata::of(File::create(dir.path().join("before")).unwrap().as_fd()).unwrap();
        let time = time_in(dir.path()).unwrap();
        let after = Metadata::of(File::create(dir.path().join("after")).unwrap().as_fd()).unwrap();
        assert!(before.changed <= time && time <= after.changed);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_time_in_the_future_is_a_change_where_another_clock_may_have_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let marker = OwnedFd::from(File::open(dir.path()).unwrap());
        let mut found = Metadata::of(File::create(dir.path().join("file")).unwrap().as_fd()).unwrap();
        let since = Since::new(Some(found.changed), Some(marker), HashSet::new());
        assert!(!since.is_later(&found).unwrap());
        found.changed = Timestamp::new(found.changed.seconds + 120, 0);
        assert!(!since.is_later(&found).unwrap(), "left by a clock that was wrong");
        found.device += 1;
        assert!(since.is_later(&found).unwrap(), "the clock of another server is ahead");
    }
}
