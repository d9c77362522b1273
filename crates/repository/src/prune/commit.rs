//! How a backup becomes final beside prunes: its snapshot first, then a look.

use super::mark::Reached;
use super::rounds::Rounds;
use crate::error::{Error, ErrorKind, Result};
use crate::id::Id;
use crate::lock::{Lock, LockWatch};
use crate::repository::Repository;
use crate::snapshot::Snapshot;

/// What became of a snapshot.
#[derive(Debug)]
pub(crate) enum Commit {
    /// It is stored, and whole for as long as it is there.
    Stored(Id),
    /// A prune took what it needs; the snapshot is gone again, and the backup must begin anew.
    Swept,
}

impl Repository {
    /// Stores a snapshot beside prunes and returns its identifier; it is durable then, and everything it needs stays
    /// until it is deleted. `opening` is what [`Self::rounds`] said when the lock was taken, before the index was
    /// loaded.
    ///
    /// Costs one listing more than [`Self::save_snapshot`]: it shows the prunes, and that the lock object is still there.
    /// Only if a prune deletes at this moment, or did since
    /// `opening`, everything the snapshot needs is looked up once more.
    ///
    /// # Errors
    /// `Unavailable` if the lock is lost, or gone from the store, or a prune deleted what the snapshot needs: the same work done again succeeds.
    /// Else if the store fails; a snapshot that is there then is not to be relied on.
    pub async fn commit_snapshot(&self, snapshot: &Snapshot, lock: &Lock, opening: &Rounds) -> Result<Id> {
        match self.commit(snapshot, Some(&lock.watch()), opening).await? {
            Commit::Stored(id) => Ok(id),
            Commit::Swept => {
                let message = "a prune deleted what this backup relied on; run the same command again";
                Err(Error::new(ErrorKind::Unavailable, message))
            }
        }
    }

    /// As [`Self::commit_snapshot`]. Without a lock to look for, only the rounds of our own prunes tell.
    pub(crate) async fn commit(
        &self,
        snapshot: &Snapshot,
        lock: Option<&LockWatch>,
        opening: &Rounds,
    ) -> Result<Commit> {
        lock.map_or(Ok(()), LockWatch::ensure_held)?;
        let id = self.save_snapshot(snapshot).await?;
        match self.confirm(snapshot, lock, opening).await {
            Ok(true) => Ok(Commit::Stored(id)),
            Ok(false) => {
                self.delete_snapshot(&id).await?;
                Ok(Commit::Swept)
            }
            Err(error) => {
                // Nobody was told of it; it must not stay, since it may lack something.
                if let Err(error) = self.delete_snapshot(&id).await {
                    tracing::warn!(snapshot = %id, %error, "an unconfirmed snapshot cannot be removed");
                }
                Err(error)
            }
        }
    }

    /// Whether a snapshot that was just stored has all it needs, and keeps it.
    async fn confirm(&self, snapshot: &Snapshot, lock: Option<&LockWatch>, opening: &Rounds) -> Result<bool> {
        let listing = self.list_holders().await?;
        let rounds = self.rounds_named(&listing.marks).await?;
        if let Some(lock) = lock {
            lock.ensure_stands(self, &listing.locks).await?;
        }
        if rounds.sweep == 0 && rounds.done == opening.done {
            return Ok(true);
        }
        tracing::info!(?rounds, "a prune deletes or has deleted meanwhile; looking everything up once more");
        self.keeps(snapshot, &rounds).await
    }

    /// Whether a snapshot that somebody else left behind, and perhaps never confirmed, has all it needs and keeps it. Every
    /// directory listing is read, and everything is looked up in the index, where only packs count that are there.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn confirm_snapshot(&self, snapshot: &Snapshot) -> Result<bool> {
        let rounds = self.rounds().await?;
        self.keeps(snapshot, &rounds).await
    }

    /// Whether all that a stored snapshot needs lies in packs that are there and that no prune was deleting when `rounds`
    /// was asked for. A prune that announces itself later finds the snapshot.
    ///
    /// The index alone proves nothing: a backup whose lock was taken from it indexes packs that a prune has deleted
    /// before.
    async fn keeps(&self, snapshot: &Snapshot, rounds: &Rounds) -> Result<bool> {
        let fresh = self.with_fresh_index();
        let index = fresh.index().await?;
        index.forget(&rounds.swept);
        index.forget(&index.lost_packs(&self.list_packs().await?));
        match Reached::default().add(&fresh, snapshot.tree).await {
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt { .. }) => Ok(false),
            result => result.map(|()| true),
        }
    }
}
