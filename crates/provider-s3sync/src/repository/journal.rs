//! The snapshots in the repository, looked at by what is written on them.

use std::collections::BTreeMap;

use stillpoint_core::{
    BackupJob, ProviderId, Result, SnapshotId, SnapshotInfo, SnapshotQuery, SnapshotRef, StoreRef,
};
use stillpoint_repository::{Id, Repository, StoredSnapshot};

use super::tags;
use crate::error::from_repository;
use crate::workspace::root_of;

/// All snapshots of a repository as they were when it was read, oldest first.
#[derive(Debug)]
pub(crate) struct Journal {
    stored: Vec<StoredSnapshot>,
    /// By which name those are known that another program stored again.
    first_names: BTreeMap<Id, Id>,
    store: StoreRef,
}

impl Journal {
    /// Reads all snapshots. A damaged one says nothing of itself and is passed over with a warning.
    pub(crate) async fn read(repository: &Repository) -> Result<Self> {
        let list = repository.snapshots().await.map_err(from_repository)?;
        for damaged in &list.damaged {
            tracing::warn!(snapshot = %damaged.id, error = %damaged.error, "a snapshot cannot be read");
        }
        let first_names = repository.first_names(&list).await.map_err(from_repository)?;
        Ok(Self { stored: list.readable, first_names, store: store_of(repository) })
    }

    /// The snapshot that the operation of `job` already made of its component.
    pub(super) fn of_capture(&self, job: &BackupJob) -> Option<&StoredSnapshot> {
        self.newest(&tags::of_capture(job))
    }

    /// The snapshot that the job of this token made.
    pub(crate) fn of_job(&self, token: &str) -> Option<&StoredSnapshot> {
        self.newest(&[tags::job_tag(token)])
    }

    /// What `job` can build on: its base, else the newest snapshot of the same component, else of the same path.
    pub(super) fn parent(&self, job: &BackupJob) -> Option<&StoredSnapshot> {
        let base = job.base.as_ref().map(|base| base.id.as_str());
        let base = self.stored.iter().find(|stored| base == Some(self.name_of(stored).to_hex().as_str()));
        base.or_else(|| self.newest(&tags::of_line(job))).or_else(|| {
            let same_path =
                |stored: &&StoredSnapshot| stored.snapshot.paths.iter().eq([root_of(&job.component)]);
            self.stored.iter().rev().find(same_path)
        })
    }

    /// What the snapshots that fit a query say of themselves.
    pub(crate) fn fitting(&self, provider: &ProviderId, query: &SnapshotQuery) -> Result<Vec<SnapshotInfo>> {
        let fitting = self.stored.iter().filter(|stored| tags::fits(&stored.snapshot, query));
        fitting.map(|stored| Ok(tags::info(self.reference(provider, stored)?, &stored.snapshot))).collect()
    }

    /// A snapshot's name in the contract.
    pub(super) fn reference(&self, provider: &ProviderId, stored: &StoredSnapshot) -> Result<SnapshotRef> {
        reference(&self.store, provider, self.name_of(stored))
    }

    fn name_of<'a>(&'a self, stored: &'a StoredSnapshot) -> &'a Id {
        self.first_names.get(&stored.id).unwrap_or(&stored.id)
    }

    fn newest(&self, wanted: &[String]) -> Option<&StoredSnapshot> {
        self.stored.iter().rev().find(|stored| tags::has_all(&stored.snapshot, wanted))
    }
}

/// The name in the contract of the snapshot `id` in `store`.
pub(crate) fn reference(store: &StoreRef, provider: &ProviderId, id: &Id) -> Result<SnapshotRef> {
    Ok(SnapshotRef::new(provider.clone(), SnapshotId::new(id.to_hex())?).in_store(store.clone()))
}

/// The repository as snapshots name it: the id in its own configuration.
pub(crate) fn store_of(repository: &Repository) -> StoreRef {
    StoreRef::new(repository.id(), repository.store().description())
}
