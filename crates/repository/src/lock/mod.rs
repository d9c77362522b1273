//! Restic's lock objects: how processes that share a repository stay out of each other's way.
//!
//! Any number of shared locks may exist, or one exclusive lock. A holder refreshes its lock by writing a new object and
//! removing the old. A lock is stale when it is half an hour old, or at once when its process on this host is dead.

mod record;
mod refresh;

use std::fmt;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::Repository;
use record::LockRecord;
use refresh::Refresher;

/// Locks read at once.
const AT_ONCE: usize = 8;

/// What a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockMode {
    /// For backup, restore and check: excludes exclusive locks only.
    Shared,
    /// For deleting data: excludes every other lock.
    Exclusive,
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
    Held,
    Lost(Arc<str>),
}

impl Repository {
    /// Takes a lock. Stale locks are removed on the way.
    ///
    /// # Errors
    /// `Locked` with holder and time if another process excludes this one, `Corrupt` if a lock cannot be read.
    pub async fn lock(&self, mode: LockMode) -> Result<Lock> {
        self.store().sweep().await?;
        let mut record = LockRecord::new(self.origin(), mode == LockMode::Exclusive);
        // Created first and checked second: of two processes that do so at once, at least one sees the other.
        let id = record.save(self).await?;
        if let Err(conflict) = refuse_conflicts(self, &record, id).await {
            self.store().delete(&FileKind::Lock.key(&id)).await?;
            return Err(conflict);
        }
        let (stop, stopped) = watch::channel(false);
        let (state_sender, state) = watch::channel(LockState::Held);
        let refresher = Refresher::new(self.clone(), record, id, state_sender);
        let task = tokio::spawn(refresher.run(stopped));
        Ok(Lock { stop, state, task: Some(task) })
    }
}

/// Fails if a living lock excludes `own`; removes dead ones.
async fn refuse_conflicts(repository: &Repository, own: &LockRecord, own_id: Id) -> Result<()> {
    let ids = repository.list_files(FileKind::Lock).await?;
    let others = ids.into_iter().map(|(id, _)| id).filter(|id| *id != own_id);
    let mut records = stream::iter(others.map(|id| async move {
        match repository.load_file(FileKind::Lock, id).await {
            Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
            Ok(json) => LockRecord::from_json(&FileKind::Lock.key(&id), &json).map(|record| Some((id, record))),
        }
    }))
    .buffer_unordered(AT_ONCE);
    while let Some(found) = records.try_next().await? {
        let Some((id, record)) = found else { continue };
        if record.is_stale(repository.origin()) {
            tracing::info!(lock = %id, holder = %record.holder(), "removing a stale lock");
            repository.store().delete(&FileKind::Lock.key(&id)).await?;
        } else if own.exclusive || record.exclusive {
            return Err(record.conflict());
        }
    }
    Ok(())
}

impl Lock {
    /// Fails once the lock could not be refreshed in time: others may then believe us dead. Check it before anything
    /// that relies on the lock becomes visible.
    ///
    /// # Errors
    /// `Unavailable` if the lock is lost.
    pub fn ensure_held(&self) -> Result<()> {
        match &*self.state.borrow() {
            LockState::Held => Ok(()),
            LockState::Lost(reason) => Err(lost(reason)),
        }
    }

    /// Waits until the lock is lost; forever if it is not.
    pub async fn lost(&self) -> Error {
        let mut state = self.state.clone();
        match state.wait_for(|state| *state != LockState::Held).await.map(|state| state.clone()) {
            Ok(LockState::Lost(reason)) => lost(&reason),
            Ok(LockState::Held) | Err(_) => std::future::pending().await,
        }
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
}

fn lost(reason: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the repository lock is lost: {reason}; run the same command again"))
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
