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
use crate::repository::{Listing, Repository};
use crate::time::Timestamp;
use record::LockRecord;
use refresh::{Refresher, is_over};

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
    /// For a prune in the second run of its two: excludes every lock but the shared ones of this program, whose backups
    /// look for prunes before they report success.
    Sweep,
}

/// A held lock. Refreshed in the background until released.
///
/// Dropping it also releases it, but without waiting and without telling whether that worked; a lock that stays behind
/// is removed by the next process on this host, or counts as stale after half an hour.
pub struct Lock {
    /// Whether another lock was there when this one was taken.
    met_others: bool,
    stop: watch::Sender<bool>,
    state: watch::Receiver<LockState>,
    task: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum LockState {
    /// As last refreshed at this time.
    Held(Timestamp),
    Lost(Arc<str>),
}

/// Reads a lock as any process would that finds it.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn parse(bytes: &[u8]) -> Option<Error> {
    let record = LockRecord::from_json("locks/x", bytes).ok()?;
    Some(record.conflict())
}

impl Repository {
    /// Takes a lock. Stale locks are removed on the way.
    ///
    /// # Errors
    /// `Locked` with holder and time if another process excludes this one, `Corrupt` if a lock cannot be read.
    pub async fn lock(&self, mode: LockMode) -> Result<Lock> {
        Ok(self.lock_and_list(mode).await?.0)
    }

    /// Takes a lock, and says what the repository held then.
    pub(crate) async fn lock_and_list(&self, mode: LockMode) -> Result<(Lock, Listing)> {
        self.store().sweep().await?;
        let mut record = LockRecord::new(self.origin(), mode != LockMode::Shared);
        record.sweep = mode == LockMode::Sweep;
        // Created first and checked second: of two processes that do so at once, at least one sees the other.
        let id = record.save(self).await?;
        let (listing, others) = match look_around(self, &record, id).await {
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
        let (state_sender, state) = watch::channel(LockState::Held(record.time));
        let refresher = Refresher::new(self.clone(), record, id, state_sender);
        let task = tokio::spawn(refresher.run(stopped));
        Ok((Lock { met_others: others > 0, stop, state, task: Some(task) }, listing))
    }
}

/// Lists the repository and fails if a living lock excludes `own`. Also returns how many other locks there were.
async fn look_around(repository: &Repository, own: &LockRecord, own_id: Id) -> Result<(Listing, usize)> {
    let listing = repository.list_all().await?;
    let others = listing.locks.iter().copied().filter(|id| *id != own_id).collect();
    let met = refuse_conflicts(repository, others, |other| own.excludes(other)).await?;
    Ok((listing, met))
}

/// Fails if one of these locks is exclusive and its holder lives, or if one cannot be read; removes dead ones.
pub(crate) async fn refuse_exclusive(repository: &Repository, locks: Vec<Id>) -> Result<()> {
    refuse_conflicts(repository, locks, |other| other.exclusive).await.map(drop)
}

/// Fails if one of these locks `conflicts` and its holder lives; removes dead ones. Returns how many there were, living
/// or dead.
async fn refuse_conflicts(
    repository: &Repository,
    others: Vec<Id>,
    conflicts: impl Fn(&LockRecord) -> bool + Send,
) -> Result<usize> {
    let reads = stream::iter(others.into_iter().map(|id| read(repository, id))).buffer_unordered(AT_ONCE);
    let mut records: Vec<_> = reads.try_filter_map(|found| async { Ok(found) }).try_collect().await?;
    // The oldest is named, and removed, first.
    records.sort_unstable_by_key(|(id, record)| (record.time, *id));
    let met = records.len();
    for (id, record) in records {
        if record.is_stale(repository.origin()) {
            tracing::info!(lock = %id, holder = %record.holder(), "removing a stale lock");
            // Whoever may only add to a store leaves it to others.
            if let Err(error) = repository.store().delete(&FileKind::Lock.key(&id)).await {
                tracing::warn!(lock = %id, %error, "a stale lock cannot be removed and is passed over");
            }
        } else if conflicts(&record) {
            return Err(record.conflict());
        }
    }
    Ok(met)
}

impl Repository {
    /// The runs of this program that hold a lock now, each with the words in which a refusal names it.
    pub(crate) async fn live_sessions(&self) -> Result<Vec<(Id, Error)>> {
        let ids = self.list_files(FileKind::Lock).await?;
        let mut records =
            stream::iter(ids.into_iter().map(|(id, _)| read(self, id))).buffer_unordered(AT_ONCE);
        let mut sessions = Vec::new();
        while let Some(found) = records.try_next().await? {
            let Some((_, record)) = found.filter(|(_, record)| !record.is_stale(self.origin())) else {
                continue;
            };
            sessions.extend(record.session.map(|session| (session, record.conflict())));
        }
        Ok(sessions)
    }
}

/// A lock that is there; one that vanishes meanwhile is none.
async fn read(repository: &Repository, id: Id) -> Result<Option<(Id, LockRecord)>> {
    match repository.load_file(FileKind::Lock, id).await {
        Err(error) if *error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(json) => LockRecord::from_json(&FileKind::Lock.key(&id), &json).map(|record| Some((id, record))),
    }
}

impl Lock {
    /// Whether another run held a lock, or had left one behind, when this one was taken: the mark by which a run that
    /// was killed is known.
    pub(crate) fn met_others(&self) -> bool {
        self.met_others
    }

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
            // The refresher may not have looked yet since a machine woke up, so the clock is asked here too.
            LockState::Held(refreshed) if is_over(*refreshed) => {
                Err(lost("it could not be refreshed in time, or this machine slept"))
            }
            LockState::Held(_) => Ok(()),
            LockState::Lost(reason) => Err(lost(reason)),
        }
    }

    /// As [`Lock::lost`].
    pub(crate) async fn lost(&self) -> Error {
        let mut state = self.state.clone();
        match state.wait_for(|state| matches!(state, LockState::Lost(_))).await.map(|state| state.clone()) {
            Ok(LockState::Lost(reason)) => lost(&reason),
            Ok(LockState::Held(_)) | Err(_) => std::future::pending().await,
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
mod tests {
    use super::*;
    use crate::clock;
    use crate::credentials::Credentials;
    use crate::origin::Origin;
    use crate::store::Store;

    async fn repository() -> Repository {
        let credentials = Credentials::generate().unwrap().0;
        Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap()
    }

    /// Leaves an exclusive lock as another process, perhaps on another host, would have written it.
    async fn leave(repository: &Repository, change: impl FnOnce(&mut LockRecord)) {
        let mut record = LockRecord::new(repository.origin(), true);
        change(&mut record);
        repository.save_file(FileKind::Lock, serde_json::to_vec(&record).unwrap()).await.unwrap();
    }

    async fn locks(repository: &Repository) -> usize {
        repository.list_files(FileKind::Lock).await.unwrap().len()
    }

    #[tokio::test]
    async fn the_lock_of_a_dead_process_on_this_host_is_removed_at_once() {
        let repository = repository().await;
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        leave(&repository, |record| (record.pid, record.process_namespace) = (dead, Some(1))).await;
        let elsewhere = repository.lock(LockMode::Exclusive).await.unwrap_err();
        assert!(
            matches!(elsewhere.kind(), ErrorKind::Locked { .. }),
            "its process id is of another container"
        );
        for (id, _) in repository.list_files(FileKind::Lock).await.unwrap() {
            repository.store().delete(&FileKind::Lock.key(&id)).await.unwrap();
        }
        leave(&repository, |record| record.pid = dead).await;
        let lock = repository.lock(LockMode::Exclusive).await.unwrap();
        assert_eq!(locks(&repository).await, 1);
        lock.release().await.unwrap();
        assert_eq!(locks(&repository).await, 0);
    }

    #[tokio::test]
    async fn a_living_holder_is_named() {
        let repository = repository().await;
        leave(&repository, |record| record.username = "ada".to_owned()).await;
        let refused = repository.lock(LockMode::Shared).await.unwrap_err();
        let message = refused.to_string();
        assert!(
            message.contains("exclusively locked by ada, process ") && message.contains(" since 2"),
            "{message}"
        );
        assert_eq!(locks(&repository).await, 1, "the refused lock is gone, the other stays");
    }

    #[tokio::test]
    async fn a_lock_of_another_host_counts_until_it_is_half_an_hour_old() {
        let repository = repository().await;
        leave(&repository, |record| record.hostname = "elsewhere".to_owned()).await;
        let refused = repository.lock(LockMode::Shared).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Locked { host, .. } if host == "elsewhere"), "{refused}");
        for (id, _) in repository.list_files(FileKind::Lock).await.unwrap() {
            repository.store().delete(&FileKind::Lock.key(&id)).await.unwrap();
        }
        leave(&repository, |record| {
            record.hostname = "elsewhere".to_owned();
            record.time = Timestamp::new(clock::now().seconds - 31 * 60, 0);
        })
        .await;
        repository.lock(LockMode::Exclusive).await.unwrap().release().await.unwrap();
    }

    #[tokio::test]
    async fn a_damaged_lock_stops_us_with_its_name() {
        let repository = repository().await;
        let object = FileKind::Lock.key(&Id::of(b"half"));
        repository.store().put_new(&object, "half a".into()).await.unwrap();
        let refused = repository.lock(LockMode::Shared).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Corrupt { object: named } if *named == object));
    }

    #[tokio::test]
    async fn a_lock_whose_time_ran_out_is_not_held_before_the_refresher_has_looked() {
        for (minutes, held) in [(0, true), (21, true), (23, false), (31, false)] {
            let refreshed = Timestamp::new(clock::now().seconds - minutes * 60, 0);
            let (stop, _stopped) = watch::channel(false);
            let (_refresher, state) = watch::channel(LockState::Held(refreshed));
            let asked = Lock { stop, state, task: None, met_others: false }.ensure_held();
            assert_eq!(asked.is_ok(), held, "{minutes} minutes");
            assert!(asked.is_ok() || asked.is_err_and(|error| *error.kind() == ErrorKind::Unavailable));
        }
    }

    #[tokio::test]
    async fn a_stale_lock_that_may_not_be_removed_is_passed_over() {
        use stillpoint_testkit::s3::{Fault, FaultRule, Server};
        let server = std::thread::spawn(Server::start).join().unwrap().unwrap();
        let store = Store::from_url(&server.url("repo"), &crate::StoreSettings::new(server.env())).unwrap();
        let credentials = Credentials::generate().unwrap().0;
        let repository = Repository::init(store, &credentials, Origin::detect()).await.unwrap();
        leave(&repository, |record| {
            record.hostname = "elsewhere".to_owned();
            record.time = Timestamp::new(clock::now().seconds - 31 * 60, 0);
        })
        .await;
        // Some clients delete by a POST that names several objects.
        for verb in ["DELETE", "POST"] {
            server.inject(FaultRule::new(Fault::AccessDenied).method(verb));
        }
        let lock = repository.lock(LockMode::Exclusive).await.unwrap();
        assert_eq!(locks(&repository).await, 2, "the stale one stays");
        server.heal();
        lock.release().await.unwrap();
        assert_eq!(locks(&repository).await, 1);
    }

    #[tokio::test]
    async fn a_dropped_lock_is_removed_without_waiting() {
        let repository = repository().await;
        drop(repository.lock(LockMode::Shared).await.unwrap());
        while locks(&repository).await > 0 {
            tokio::task::yield_now().await;
        }
    }
}
