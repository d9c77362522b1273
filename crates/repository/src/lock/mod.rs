//! Restic's lock objects: how processes that share a repository stay out of each other's way.
//!
//! Any number of shared locks may exist, or one exclusive lock. A holder refreshes its lock by writing a new object and
//! removing the old. A lock is abandoned when it is half an hour old by the store's clock, or at once when its process on
//! this machine is dead.

mod judge;
mod record;
mod refresh;

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

impl Repository {
    /// Takes a lock. Stale locks are removed on the way.
    ///
    /// # Errors
    /// `Locked` with holder and time if another process excludes this one, `Corrupt` if a lock cannot be read.
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
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::origin::Origin;
    use crate::store::Store;
    use crate::time::Timestamp;

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

    /// A repository in a directory, where a lock can be made older by the store's clock.
    async fn on_disk() -> (tempfile::TempDir, Repository) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("file://{}", folder.path().display());
        let store = Store::from_url(&url, &crate::StoreSettings::default()).unwrap();
        let credentials = Credentials::generate().unwrap().0;
        let repository = Repository::init(store, &credentials, Origin::detect()).await.unwrap();
        (folder, repository)
    }

    /// Makes all locks so many minutes older, as the store's clock counts.
    fn age(folder: &tempfile::TempDir, minutes: u64) {
        for lock in std::fs::read_dir(folder.path().join("locks")).unwrap() {
            let file = std::fs::File::open(lock.unwrap().path()).unwrap();
            let written = file.metadata().unwrap().modified().unwrap();
            file.set_modified(written - std::time::Duration::from_secs(minutes * 60)).unwrap();
        }
    }

    #[tokio::test]
    async fn a_lock_of_another_host_counts_until_it_is_half_an_hour_old_by_the_stores_clock() {
        let (folder, repository) = on_disk().await;
        leave(&repository, |record| record.hostname = "elsewhere".to_owned()).await;
        age(&folder, 29);
        let refused = repository.lock(LockMode::Shared).await.unwrap_err();
        assert!(matches!(refused.kind(), ErrorKind::Locked { host, .. } if host == "elsewhere"), "{refused}");
        age(&folder, 2);
        repository.lock(LockMode::Exclusive).await.unwrap().release().await.unwrap();
        assert_eq!(locks(&repository).await, 0);
    }

    #[tokio::test]
    async fn a_living_lock_stays_whatever_the_clocks_of_its_holder_or_of_this_machine_say() {
        for minutes in [-40, 40] {
            let repository = repository().await;
            leave(&repository, |record| {
                record.hostname = "elsewhere".to_owned();
                record.exclusive = false;
                record.time = Timestamp::new(clock::now().seconds + minutes * 60, 0);
            })
            .await;
            repository.lock(LockMode::Shared).await.unwrap().release().await.unwrap();
            let refused = repository.lock(LockMode::Exclusive).await.unwrap_err();
            assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{refused}");
            assert_eq!(locks(&repository).await, 1, "{minutes} minutes");
        }
    }

    #[tokio::test]
    async fn process_ids_of_other_machines_and_programs_say_nothing() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let strangers: [fn(&mut LockRecord); 3] = [
            |restic| (restic.session, restic.process_namespace, restic.boot) = (None, None, None),
            |older| older.boot = None,
            |namesake| namesake.boot = Some("of another machine".to_owned()),
        ];
        for (number, stranger) in strangers.iter().enumerate() {
            let repository = repository().await;
            leave(&repository, |record| {
                record.pid = dead;
                stranger(record);
            })
            .await;
            let refused = repository.lock(LockMode::Shared).await.unwrap_err();
            assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{number}: {refused}");
            assert_eq!(locks(&repository).await, 1, "{number}");
        }
    }

    #[tokio::test]
    async fn an_exclusive_lock_of_another_program_is_left_to_whoever_knows_it_however_old_it_is() {
        let (folder, repository) = on_disk().await;
        leave(&repository, |record| record.session = None).await;
        age(&folder, 24 * 60);
        let refused = repository.lock(LockMode::Shared).await.unwrap_err();
        assert!(refused.to_string().contains("restic unlock"), "{refused}");
        assert_eq!(locks(&repository).await, 1);
    }

    #[tokio::test]
    async fn a_lock_that_somebody_removed_does_not_stand() {
        let repository = repository().await;
        let lock = repository.lock(LockMode::Shared).await.unwrap();
        let id = lock.watch().id().unwrap();
        lock.watch().ensure_stands(&repository, &[id]).await.unwrap();
        lock.watch().ensure_stands(&repository, &[]).await.unwrap();
        repository.store().delete(&FileKind::Lock.key(&id)).await.unwrap();
        let gone = lock.watch().ensure_stands(&repository, &[]).await.unwrap_err();
        assert_eq!(*gone.kind(), ErrorKind::Unavailable);
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
            let time = Timestamp::new(clock::now().seconds - minutes * 60, 0);
            let since = Refreshed::new(time, clock::steady());
            let (stop, _stopped) = watch::channel(false);
            let (_refresher, state) = watch::channel(LockState::Held { since, id: Id::of(b"lock") });
            let asked = Lock { stop, state, task: None }.ensure_held();
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
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        leave(&repository, |record| record.pid = dead).await;
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
