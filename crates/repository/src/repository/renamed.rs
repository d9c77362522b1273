//! Snapshots that another program stored again under another name.
//!
//! `restic tag` and `restic rewrite` store a changed snapshot as a new one, note in it which it was (`original`), and remove
//! that one (<https://restic.readthedocs.io/en/stable/045_working_with_repos.html>). Whoever knows it by its first name
//! finds it again by that note.

use std::collections::{BTreeMap, HashSet};

use super::{Repository, SnapshotList, StoredSnapshot};
use crate::error::{ErrorKind, Result};
use crate::id::Id;
use crate::snapshot::Snapshot;

impl SnapshotList {
    /// The snapshots that stand for one that is gone, by the name of that one. What Stillpoint `removed` stays so.
    fn successors(&self, removed: &HashSet<Id>) -> BTreeMap<Id, &StoredSnapshot> {
        let readable = self.readable.iter().map(|stored| stored.id);
        let present: HashSet<Id> = readable.chain(self.damaged.iter().map(|damaged| damaged.id)).collect();
        let mut successors = BTreeMap::new();
        for stored in &self.readable {
            let original = stored.snapshot.original;
            if let Some(original) = original.filter(|id| !present.contains(id) && !removed.contains(id)) {
                successors.insert(original, stored);
            }
        }
        successors
    }
}

impl Repository {
    /// For snapshots that another program stored again, the names under which they were stored first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn first_names(&self, list: &SnapshotList) -> Result<BTreeMap<Id, Id>> {
        if list.readable.iter().all(|stored| stored.snapshot.original.is_none()) {
            return Ok(BTreeMap::new());
        }
        let removed = self.removed_snapshots().await?;
        let successors = list.successors(&removed).into_iter();
        Ok(successors.map(|(original, stored)| (stored.id, original)).collect())
    }

    /// The snapshot of this name, or what another program made of it: the one that names it as its original, when it is gone
    /// and Stillpoint did not remove it.
    ///
    /// # Errors
    /// `NotFound` if there is neither, `Corrupt` if it is damaged.
    pub async fn follow_snapshot(&self, id: &Id) -> Result<StoredSnapshot> {
        self.follow(id, self.load_snapshot(id).await).await
    }

    /// As [`Self::follow_snapshot`], but from this machine's memory where it is there; whether the store still has it is then
    /// not known.
    ///
    /// # Errors
    /// As [`Self::follow_snapshot`].
    pub async fn follow_known_snapshot(&self, id: &Id) -> Result<StoredSnapshot> {
        self.follow(id, self.load_known_snapshot(id).await).await
    }

    async fn follow(&self, id: &Id, loaded: Result<Snapshot>) -> Result<StoredSnapshot> {
        let gone = match loaded {
            Ok(snapshot) => return Ok(StoredSnapshot { id: *id, snapshot }),
            Err(error) if *error.kind() == ErrorKind::NotFound => error,
            Err(error) => return Err(error),
        };
        let list = self.snapshots().await?;
        let found = self.first_names(&list).await?.into_iter().find(|(_, first)| first == id);
        let stored = found.and_then(|(now, _)| list.readable.into_iter().find(|stored| stored.id == now));
        stored.ok_or(gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;
    use crate::time::Timestamp;

    #[test]
    fn a_snapshot_stands_for_its_original_only_while_that_is_gone() {
        let id = |name: &str| Id::of(name.as_bytes());
        let stored = |name: &str, original: Option<&str>| {
            let mut snapshot =
                Snapshot::new(Timestamp::default(), id("tree"), Vec::new(), &Origin::default());
            snapshot.original = original.map(id);
            StoredSnapshot { id: id(name), snapshot }
        };
        let readable =
            vec![stored("new", Some("old")), stored("kept", None), stored("rewritten", Some("kept"))];
        let list = SnapshotList { readable, ..SnapshotList::default() };
        let names = |removed: &[Id]| {
            let removed = removed.iter().copied().collect();
            list.successors(&removed).into_iter().map(|(first, now)| (first, now.id)).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), [(id("old"), id("new"))]);
        assert_eq!(names(&[id("old")]), []);
    }
}
