//! The way of a restore through its tree. What is still to come lies beside what is being restored, not in memory.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use stillpoint_localfs::{EntryId, Extractor, Names, Pile};

use super::spot::Spot;
use crate::error::{Error, Result};
use crate::id::Id;
use crate::issue::fatal;

/// A directory on the way.
#[derive(Clone, Debug)]
pub(super) struct Level {
    pub(super) id: EntryId,
    pub(super) spot: Arc<Spot>,
}

/// Depth first, in the order of the names.
#[derive(Debug)]
pub(super) struct Trail {
    names: Names,
    waiting: Pile,
    /// From the target down to where the restore is.
    levels: Vec<Level>,
}

impl Trail {
    pub(super) fn new(extractor: &Extractor) -> Self {
        let target = Level { id: EntryId::TARGET, spot: Spot::root() };
        Self { names: extractor.names(), waiting: extractor.pile(), levels: vec![target] }
    }

    /// Notes an entry that will be come back to.
    pub(super) fn add(&mut self, folder: &Level, name: &[u8]) -> Result<EntryId> {
        self.names.add(folder.id, OsStr::from_bytes(name)).map_err(fatal)
    }

    pub(super) fn path(&self, entry: EntryId) -> Result<PathBuf> {
        self.names.path(entry).map_err(fatal)
    }

    /// Puts the listing of a directory before all that wait.
    pub(super) fn wait(&mut self, directory: EntryId, listing: &Id) -> Result<()> {
        let record = [directory.to_bytes().as_slice(), listing.as_bytes()].concat();
        self.waiting.push(&record).map_err(fatal)
    }

    /// The next directory with its listing.
    pub(super) fn next(&mut self) -> Result<Option<(Level, Id)>> {
        let Some(record) = self.waiting.pop().map_err(fatal)? else { return Ok(None) };
        let (directory, listing) = record.split_first_chunk().ok_or_else(cut_short)?;
        let listing = listing.try_into().map_err(|_length| cut_short())?;
        let level = self.enter(EntryId::from_bytes(*directory))?;
        Ok(Some((level, Id::from_bytes(listing))))
    }

    /// Goes to a directory; what it has in common with where the restore was is kept once.
    pub(super) fn enter(&mut self, directory: EntryId) -> Result<Level> {
        let mut missing = Vec::new();
        let mut entry = directory;
        loop {
            while self.levels.last().is_some_and(|level| level.id > entry) {
                self.levels.pop();
            }
            if self.levels.last().is_none_or(|level| level.id == entry) {
                break;
            }
            let (above, name) = self.names.entry(entry).map_err(fatal)?;
            missing.push((entry, name));
            entry = above;
        }
        let mut here = self.levels.last().cloned().ok_or_else(cut_short)?;
        for (id, name) in missing.into_iter().rev() {
            here = Level { id, spot: Arc::new(Spot::new(&here.spot, name.as_bytes())) };
            self.levels.push(here.clone());
        }
        Ok(here)
    }
}

fn cut_short() -> Error {
    Error::invalid("what the restore noted of its way is cut short: restore again")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use stillpoint_localfs::ExtractOptions;

    use super::*;

    #[test]
    fn directories_come_depth_first_and_each_has_its_path() {
        let outer = tempfile::tempdir().unwrap();
        let extractor = Extractor::open(&outer.path().join("t"), "r", ExtractOptions::default()).unwrap();
        let mut trail = Trail::new(&extractor);
        trail.wait(EntryId::TARGET, &Id::of(b"")).unwrap();
        let mut met = Vec::new();
        while let Some((level, listing)) = trail.next().unwrap() {
            let path = level.spot.path();
            assert_eq!(listing, Id::of(path.as_os_str().as_bytes()));
            assert_eq!(trail.path(level.id).unwrap(), path);
            let below: Vec<_> = match path.components().count() {
                0..3 => ["a", "b", "c"]
                    .map(|name| (trail.add(&level, name.as_bytes()).unwrap(), path.join(name)))
                    .into(),
                _ => Vec::new(),
            };
            for (entry, path) in below.iter().rev() {
                trail.wait(*entry, &Id::of(path.as_os_str().as_bytes())).unwrap();
            }
            met.push((level, path));
        }
        assert_eq!(met.len(), 1 + 3 + 9 + 27);
        assert!(met.is_sorted_by_key(|(_, path)| path.clone()));
        for (level, path) in met.iter().rev() {
            let again = trail.enter(level.id).unwrap();
            assert_eq!((again.id, again.spot.path().as_path()), (level.id, path.as_path()));
        }
        assert_eq!(trail.enter(EntryId::TARGET).unwrap().spot.path(), Path::new(""));
    }
}
