//! Making a snapshot visible without a lock, where nothing but the snapshot is to be stored.
//!
//! A snapshot whose tree is its parent's needs nothing that the parent does not need. It is written first and the store
//! is looked at second: from the moment it is written every deletion that begins finds it, and the look shows whether one
//! had begun before. The same look shows the index files that list what is needed, and the packs. Decision 17 has the
//! argument.

use crate::cache::Relied;
use crate::error::Result;
use crate::file::FileKind;
use crate::id::Id;
use crate::lock::refuse_exclusive;
use crate::repository::Repository;
use crate::snapshot::Snapshot;

/// A snapshot that was made visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) id: Id,
    /// Whether all packs that it may need were seen with their lengths.
    pub(super) packs_seen: bool,
}

/// Stores `snapshot`, whose tree is that of `parent`, which relies on `relied`. `None` if it cannot be shown that
/// everything it needs is indexed and there to stay; it is then removed again.
///
/// # Errors
/// If the store fails; the snapshot may then stand or not, and whoever finds it must check it.
pub(super) async fn publish_without_lock(
    repository: &Repository,
    snapshot: &Snapshot,
    parent: &Id,
    relied: &Relied,
) -> Result<Option<Published>> {
    let id = repository.save_snapshot(snapshot).await?;
    let confirmed = look(repository, &id, parent, relied).await;
    if let Ok(Some(packs_seen)) = confirmed {
        return Ok(Some(Published { id, packs_seen }));
    }
    let removed = repository.delete_snapshot(&id).await;
    confirmed?;
    removed?;
    tracing::debug!(snapshot = %id, "data is being deleted, or the parent or its index is gone; taking the lock");
    Ok(None)
}

/// Whether all packs are there, if both snapshots and the index files stand and nobody who deletes data had begun before
/// the new one stood.
async fn look(repository: &Repository, snapshot: &Id, parent: &Id, relied: &Relied) -> Result<Option<bool>> {
    let listing = repository.list_stored().await?;
    let stand = [snapshot, parent].iter().all(|id| listing.snapshots.contains(id));
    let safe = stand
        && relied.is_indexed(&listing.indexes)
        && !listing.is_swept()
        && refuse_exclusive(repository, listing.locks, &FileKind::Snapshot.key(snapshot)).await.is_ok();
    Ok(safe.then(|| relied.is_whole(&listing.packs)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::lock::{Lock, LockMode};
    use crate::origin::Origin;
    use crate::store::Store;
    use crate::time::Timestamp;

    const DATA: &str = "data/00/needed";
    const MARK: &str = "stillpoint/gc/sweep-1";

    /// A step of somebody who forgets the parent and deletes what is then not needed.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Lock,
        Unlock,
        Forget,
        /// Lists the snapshots; those that are seen count until the next look.
        Look,
        /// Marks the data for deletion, if no snapshot that was seen needs it.
        Mark,
        Unmark,
        /// Deletes the data, if no snapshot that was seen needs it.
        Delete,
    }

    use Step::{Delete, Forget, Lock as TakeLock, Look, Mark, Unlock, Unmark};

    struct Scene {
        repository: Repository,
        parent: Id,
        snapshot: Snapshot,
        lock: Option<Lock>,
        seen: Vec<Id>,
    }

    impl Scene {
        async fn new() -> Self {
            let credentials = Credentials::generate().unwrap().0;
            let store = Store::memory();
            let repository = Repository::init(store, &credentials, Origin::detect()).await.unwrap();
            repository.store().put_new(DATA, "data".into()).await.unwrap();
            let origin = Origin::default();
            let mut snapshot = Snapshot::new(Timestamp::new(1, 0), Id::of(b"tree"), vec![], &origin);
            let parent = repository.save_snapshot(&snapshot).await.unwrap();
            snapshot.time = Timestamp::new(2, 0);
            Self { repository, parent, snapshot, lock: None, seen: Vec::new() }
        }

        async fn take(&mut self, step: Step) {
            let unneeded = self.seen.iter().all(|id| *id == self.parent);
            let store = self.repository.store().clone();
            match step {
                TakeLock => self.lock = Some(self.repository.lock(LockMode::Exclusive).await.unwrap()),
                Unlock => self.lock.take().unwrap().release().await.unwrap(),
                Forget => self.repository.delete_snapshot(&self.parent).await.unwrap(),
                Look => self.seen = self.repository.list_holders().await.unwrap().snapshots,
                Mark if unneeded => store.put(MARK, "".into()).await.unwrap(),
                Unmark => store.delete(MARK).await.unwrap(),
                Delete if unneeded => store.delete(DATA).await.unwrap(),
                Mark | Delete => {}
            }
        }

        async fn publish(&self, relied: &Relied) -> Result<Option<Published>> {
            publish_without_lock(&self.repository, &self.snapshot, &self.parent, relied).await
        }

        async fn data_is_there(&self) -> bool {
            self.repository.store().get(DATA, 10).await.is_ok()
        }
    }

    /// Lets the two steps of a backup happen at every pair of moments of `steps`. Returns how often it was confirmed.
    async fn interleave(steps: &[Step]) -> usize {
        let mut confirmations = 0;
        for written in 0..=steps.len() {
            for looked in written..=steps.len() {
                let mut scene = Scene::new().await;
                let (mut id, mut confirmed) = (None, None);
                for at in 0..=steps.len() {
                    if at == written {
                        id = Some(scene.repository.save_snapshot(&scene.snapshot).await.unwrap());
                    }
                    if at == looked {
                        let relied = Relied::default();
                        let seen = look(&scene.repository, &id.unwrap(), &scene.parent, &relied).await;
                        let safe = seen.unwrap().is_some();
                        confirmed = Some(safe);
                        if !safe {
                            scene.repository.delete_snapshot(&id.unwrap()).await.unwrap();
                        }
                    }
                    if let Some(step) = steps.get(at) {
                        scene.take(*step).await;
                    }
                }
                confirmations += usize::from(confirmed.unwrap());
                assert!(
                    !confirmed.unwrap() || scene.data_is_there().await,
                    "{steps:?}: written before {written}, looked before {looked}"
                );
            }
        }
        confirmations
    }

    #[tokio::test]
    async fn a_confirmed_snapshot_outlives_every_interleaving_with_a_prune() {
        // As restic does, with the snapshots listed before or behind the forgetting, in one go or two.
        assert!(interleave(&[TakeLock, Look, Forget, Delete, Unlock]).await > 0);
        assert!(interleave(&[TakeLock, Forget, Look, Delete, Unlock]).await > 0);
        assert!(interleave(&[TakeLock, Forget, Unlock, TakeLock, Look, Delete, Unlock]).await > 0);
        // As rustic does: without locks, in two phases that each look for themselves.
        assert!(interleave(&[Forget, Look, Look, Delete]).await > 0);
        // The same with marks of our own.
        assert!(interleave(&[Forget, Look, Mark, Look, Delete, Unmark]).await > 0);
        // A prune that keeps the parent deletes nothing, and may still be met by nobody.
        assert!(interleave(&[TakeLock, Look, Unlock]).await > 0);
    }

    #[tokio::test]
    async fn a_snapshot_that_cannot_be_confirmed_is_removed_again() {
        for step in [TakeLock, Mark, Forget] {
            let mut scene = Scene::new().await;
            scene.take(step).await;
            let published = scene.publish(&Relied::default()).await;
            assert_eq!(published.unwrap(), None, "{step:?}");
            let mut left = scene.repository.list_holders().await.unwrap().snapshots;
            left.retain(|id| *id != scene.parent);
            assert!(left.is_empty(), "{step:?}");
        }
        let scene = Scene::new().await;
        let shared = scene.repository.lock(LockMode::Shared).await.unwrap();
        let mut relied = Relied::default();
        let published = scene.publish(&relied).await;
        assert!(published.unwrap().unwrap().packs_seen, "other backups are in nobody's way");
        relied.packs = vec![(Id::of(b"pack"), 1)];
        assert!(!scene.publish(&relied).await.unwrap().unwrap().packs_seen, "a pack is gone");
        relied.indexes = vec![Id::of(b"index")];
        assert_eq!(scene.publish(&relied).await.unwrap(), None, "its index file is gone");
        shared.release().await.unwrap();
    }
}
