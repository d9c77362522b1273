//! Mount points below the target: what belongs there is built there.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::staging::{Mount, Staging, marker_name};
use super::target::Target;
use crate::error::{Error, Operation, Result};
use crate::metadata::Metadata;

impl Target {
    /// Where an entry is built whose place is in the directory `parent`, which lies at `relative`.
    pub(super) fn staging_for(&self, parent: BorrowedFd<'_>, relative: &Path) -> Result<Arc<Staging>> {
        let mount = Mount::of(parent).map_err(|source| Error::io(Operation::Stat, relative, source))?;
        if mount == self.staging.mount {
            return Ok(Arc::clone(&self.staging));
        }
        let mut mounted = self.mounted();
        if let Some(staging) = mounted.get(&mount) {
            return Ok(Arc::clone(staging));
        }
        let staging = Arc::new(self.begin_on(mount, relative)?);
        mounted.insert(mount, Arc::clone(&staging));
        Ok(staging)
    }

    /// Begins to work on a mount, in the highest directory above `relative` that may be written into.
    fn begin_on(&self, mount: Mount, relative: &Path) -> Result<Staging> {
        let mut refusal = None;
        let above: Vec<_> = relative.ancestors().collect();
        for place in above.into_iter().rev() {
            let directory = self.directory(place)?;
            let of = Mount::of(directory.as_fd());
            if of.map_err(|source| Error::io(Operation::Stat, place, source))? != mount {
                continue;
            }
            self.note_mount(place)?;
            match Staging::open(&directory, place, &self.id) {
                Ok(staging) => return Ok(staging),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or_else(|| Error::Replaced { path: relative.to_path_buf() }))
    }

    /// Removes what earlier runs were building on mounts.
    pub(super) fn clear_mounts(&self) -> Result<()> {
        let marker = marker_name(&self.id);
        for place in self.noted_mounts() {
            let found = self.directory(&place).and_then(|directory| {
                let found = Metadata::at(directory.as_fd(), &marker);
                found.map_err(|source| Error::io(Operation::Stat, &place, source))?;
                Staging::open(&directory, &place, &self.id)
            });
            match found {
                Ok(staging) => staging.withdraw()?,
                // Nothing is mounted there any more, or nothing was begun.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> Result<()> {
        self.staging.sync()?;
        self.mounted().values().try_for_each(|staging| staging.sync())
    }

    /// Leaves all mounts.
    pub(super) fn leave_mounts(&self) -> Result<()> {
        std::mem::take(&mut *self.mounted()).into_values().try_for_each(|staging| staging.withdraw())
    }

    fn mounted(&self) -> MutexGuard<'_, BTreeMap<Mount, Arc<Staging>>> {
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
