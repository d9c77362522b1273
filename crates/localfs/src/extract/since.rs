//! Until when what stands may be replaced: what people write while a restore replaces is theirs.

use std::collections::HashSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use rustix::fs::Mode;
use rustix::io::Result;

use super::FileId;
use crate::metadata::{Metadata, Timestamp};

/// Tells whether an entry was changed after the moment up to which a replacing restore may replace.
///
/// The time that counts is the inode's own, which no program sets and a rename moves on too. An inode of which the restore
/// took a name away has a new one by that alone; it goes by the time of its content, as does one with several names.
#[derive(Debug, Default)]
pub(super) struct Since {
    moment: Option<Timestamp>,
    /// Whose times tell what the file system takes for now.
    clock: Option<File>,
    loosened: Mutex<HashSet<FileId>>,
}

impl Since {
    /// Everything may be replaced that was changed at `moment` or before; without one, everything.
    pub(super) fn new(moment: Option<Timestamp>, clock: Option<File>, loosened: HashSet<FileId>) -> Self {
        Self { moment, clock, loosened: Mutex::new(loosened) }
    }

    /// Whether somebody changed the entry since.
    pub(super) fn is_later(&self, found: &Metadata) -> Result<bool> {
        let Some(moment) = self.moment else { return Ok(false) };
        let by_content = found.links > 1 || self.is_loosened(found);
        let time = if by_content { found.modified } else { found.changed };
        if time <= moment {
            return Ok(false);
        }
        // A time in the future is none of these days: such a file could never be replaced.
        self.clock.as_ref().map_or(Ok(true), |clock| Ok(time <= now(clock)?))
    }

    /// Goes by the time of an inode's content from here on.
    pub(super) fn loosen(&self, id: FileId) {
        self.loosened.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    fn is_loosened(&self, found: &Metadata) -> bool {
        self.loosened.lock().unwrap_or_else(PoisonError::into_inner).contains(&FileId::of(found))
    }
}

/// What the file system takes for now: the time that a change of the file's attributes gets.
pub(super) fn now(file: &File) -> Result<Timestamp> {
    rustix::fs::fchmod(file, Mode::RUSR | Mode::WUSR)?;
    Ok(Metadata::of(file.as_fd())?.changed)
}
