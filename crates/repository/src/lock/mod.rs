//! Restic's lock objects: how processes that share a repository stay out of each other's way.
//!
//! Any number of shared locks may exist, or one exclusive lock. A holder refreshes its lock by writing a new object and
//! removing the old. A lock is abandoned when it is half an hour old by the store's clock, or at once when its process on
//! this machine is dead.

mod judge;
mod record;
mod refresh;
mod unlock;

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock;
use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::{Listing, Repository};
use judge::{is_there, read_all, refuse_conflicts};
use record::LockRecord;
use refresh::{Refreshed, Refresher, TAKEN};
pub use unlock::FoundLock;

/// What a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockMode {
    /// For backup, restore and check: excludes exclusive locks only.
    Shared,
    /// For deleting data: excludes every other lock.
    Exclusive,
    /// For a prune in the second run of its two: excludes every lock but the shared ones of this program, whose backups
    /// look for prunes before they report success.
    Sweep,
}

/// A held lock. Refreshed in the background until released.
///
/// Dropping it also releases it, but without waiting and without telling whether that worked; a lock that stays behind
/// is removed by the next process on this host, or counts as stale after half an hour.
pub struct Lock {
    stop: watch::Sender<bool>,
    state: watch::Receiver<LockState>,
    task: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LockState {
    /// As last refreshed then, with this object.
    Held {
        since: Refreshed,
        id: Id,
    },
    Lost(Arc<str>),
}

/// Reads a lock as any process would that finds it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn parse(bytes: &[u8]) -> Option<Error> {
    let record = LockRecord::from_json("locks/x", bytes).ok()?;
    Some(record.conflict())
}

/// Whether an error says that no lock can be had, but nothing of what others do: the store may only be read or is full, or a
/// lock cannot be read. Whoever changes nothing then goes on without.
pub(crate) fn is_in_the_way(error: &ErrorKind) -> bool {
    match error {
        ErrorKind::PermissionDenied | ErrorKind::NoSpace => true,
        ErrorKind::Corrupt { object } => object.starts_with(FileKind::Lock.folder()),
        _ => false,
    }
}

impl Repository {
    /// Takes a lock. Stale locks are removed on the way.
    ///
    /// # Errors
    /// `Locked` with holder and time if another process excludes this one, `Corrupt` if a lock cannot be read that was written
    /// within the last half hour.
    pub async fn lock(&self, mode: LockMode) -> Result<Lock> {
        Ok(self.lock_and_list(mode).await?.0)
    }

    /// Takes a lock, and says what the repository held then, but for packs.
    pub(crate) async fn lock_and_list(&self, mode: LockMode) -> Result<(Lock, Listing)> {
        self.lock_and_list_from(mode, FileKind::Index).await
    }

    /// As [`Self::lock_and_list`], with packs if these are to be the `first` that is listed.
    pub(crate) async fn lock_and_list_from(
        &self,
        mode: LockMode,
        first: FileKind,
    ) -> Result<(Lock, Listing)> {
        self.store().sweep().await?;
        let mut record = LockRecord::new(self.origin(), mode != LockMode::Shared);
        record.sweep = mode == LockMode::Sweep;
        // Created first and checked second: of two processes that do so at once, at least one sees the other.
        let steady = clock::steady();
        let id = record.save(self).await?;
        let refreshed = Refreshed::new(record.time, steady);
        let listing = match look_around(self, &record, id, first).await {
            Ok(seen) => seen,
            Err(conflict) => {
                // Whoever must not delete still learns that somebody else holds the repository; the lock grows stale.
                if let Err(error) = self.store().delete(&FileKind::Lock.key(&id)).await {
                    tracing::warn!(lock = %id, %error, "an own lock that lost to another one stays");
                }
                return Err(conflict);
            }
        };
        let (stop, stopped) = watch::channel(false);
        let (state_sender, state) = watch::channel(LockState::Held { since: refreshed, id });
        let refresher = Refresher::new(self.clone(), record, (refreshed, id), state_sender);
        let task = tokio::spawn(refresher.run(stopped));
        Ok((Lock { stop, state, task: Some(task) }, listing))
    }
}

/// Lists the repository and fails if a living lock excludes `own`.
async fn look_around(
    repository: &Repository,
    own: &LockRecord,
    own_id: Id,
    first: FileKind,
) -> Result<Listing> {
    let listing = repository.list_all(first).await?;
    let others = listing.locks.iter().copied().filter(|id| *id != own_id).collect();
    refuse_conflicts(repository, others, &FileKind::Lock.key(&own_id), |other| own.excludes(other)).await?;
    Ok(listing)
}

/// Fails if one of these locks is exclusive and its holder may live, or if one cannot be read. `reference` is an object
/// that was written just now.
pub(crate) async fn refuse_exclusive(repository: &Repository, locks: Vec<Id>, reference: &str) -> Result<()> {
    refuse_conflicts(repository, locks, reference, |other| other.exclusive).await
}

impl Repository {
    /// The runs of this program that hold a lock, or have left one.
    pub(crate) async fn sessions(&self) -> Result<Vec<Id>> {
        let ids = self.list_files(FileKind::Lock).await?.into_iter().map(|(id, _)| id).collect();
        Ok(read_all(self, ids).await?.into_iter().filter_map(|(_, record)| record.session).collect())
    }

    /// Fails if a run of one of these sessions still holds a lock beside `own`.
    pub(crate) async fn refuse_sessions(&self, own: &Lock, sessions: &[Id]) -> Result<()> {
        own.ensure_held()?;
        let (reference, ids) = (own.watch().key(), self.list_files(FileKind::Lock).await?);
        let ids = ids.into_iter().map(|(id, _)| id).collect();
        let awaited = |record: &LockRecord| record.session.is_some_and(|session| sessions.contains(&session));
        refuse_conflicts(self, ids, &reference, awaited).await
    }
}

impl Lock {
    /// Fails once the lock could not be refreshed in time: others may then believe us dead. Check it before anything
    /// that relies on the lock becomes visible.
    ///
    /// # Errors
    /// `Unavailable` if the lock is lost.
    pub fn ensure_held(&self) -> Result<()> {
        self.watch().ensure_held()
    }

    /// Waits until the lock is lost; forever if it is not.
    pub async fn lost(&self) -> Error {
        self.watch().lost().await
    }

    /// A view of the lock that others can hold.
    pub(crate) fn watch(&self) -> LockWatch {
        LockWatch { state: self.state.clone() }
    }

    /// Removes the lock object.
    ///
    /// # Errors
    /// If the store fails; the lock then stays until it is stale.
    pub async fn release(mut self) -> Result<()> {
        self.stop.send_replace(true);
        match self.task.take() {
            Some(task) => task.await.map_err(Error::cancelled)?,
            None => Ok(()),
        }
    }

    /// As [`Self::release`], where what was done under the lock counts whether or not its object can be removed.
    pub(crate) async fn let_go(self) {
        if let Err(error) = self.release().await {
            tracing::warn!(%error, "the repository lock stays until it is stale");
        }
    }
}

/// Tells whether a lock is held.
#[derive(Clone, Debug)]
pub(crate) struct LockWatch {
    state: watch::Receiver<LockState>,
}

impl LockWatch {
    /// As [`Lock::ensure_held`].
    pub(crate) fn ensure_held(&self) -> Result<()> {
        match &*self.state.borrow() {
            // The refresher may not have looked yet since a machine woke up, so the clocks are asked here too.
            LockState::Held { since, .. } if since.is_over() => {
                Err(lost("it could not be refreshed in time, or this machine slept"))
            }
            LockState::Held { .. } => Ok(()),
            LockState::Lost(reason) => Err(lost(reason)),
        }
    }

    /// Fails unless the lock object is still there; `listed` are those that a listing has just shown.
    ///
    /// Who removes another's lock deletes data as if that other were not there.
    pub(crate) async fn ensure_stands(&self, repository: &Repository, listed: &[Id]) -> Result<()> {
        loop {
            self.ensure_held()?;
            let Some(id) = self.id() else { return Err(lost(TAKEN)) };
            if listed.contains(&id) || is_there(repository, id).await? {
                return Ok(());
            }
            // A refresh may have put another in its place since.
            if self.id() == Some(id) {
                return Err(lost(TAKEN));
            }
        }
    }

    /// The name of the lock object as it was last written.
    fn key(&self) -> String {
        self.id().map(|id| FileKind::Lock.key(&id)).unwrap_or_default()
    }

    fn id(&self) -> Option<Id> {
        match &*self.state.borrow() {
            LockState::Held { id, .. } => Some(*id),
            LockState::Lost(_) => None,
        }
    }

    /// As [`Lock::lost`].
    pub(crate) async fn lost(&self) -> Error {
        let mut state = self.state.clone();
        match state.wait_for(|state| matches!(state, LockState::Lost(_))).await.map(|state| state.clone()) {
            Ok(LockState::Lost(reason)) => lost(&reason),
            Ok(LockState::Held { .. }) | Err(_) => std::future::pending().await,
        }
    }
}

fn lost(reason: &str) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the repository lock is lost: {reason}; run the same command again"),
    )
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The task sees this, removes the lock object and ends; nobody waits for it.
        self.stop.send_replace(true);
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lock").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
