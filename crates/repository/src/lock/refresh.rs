//! Keeping a held lock fresh.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::LockState;
use super::judge::is_there;
use super::record::{LockRecord, STALE_AFTER};
use crate::clock;
use crate::error::{Error, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::Repository;
use crate::time::Timestamp;

const REFRESH_EVERY: Duration = Duration::from_secs(5 * 60);
/// Well before others take the lock for stale, to allow for clocks that differ.
const LOST_AFTER: Duration = STALE_AFTER.saturating_sub(Duration::from_secs(8 * 60));
/// How often the wall clock is looked at: timers stand still while a machine sleeps, the wall clock does not. Simulations
/// of days would spend most of their time on it.
const LOOK_EVERY: Duration = Duration::from_secs(if cfg!(test) { 240 } else { 30 });

/// Whether a lock last refreshed then may count as stale to others soon.
pub(super) fn is_over(refreshed: Timestamp) -> bool {
    clock::now().since(refreshed) >= LOST_AFTER
}

/// Why a lock is lost that is not there any more.
pub(super) const TAKEN: &str = "somebody removed it";

#[derive(Debug)]
pub(super) struct Refresher {
    repository: Repository,
    record: LockRecord,
    id: Id,
    state: watch::Sender<LockState>,
}

impl Refresher {
    pub(super) fn new(
        repository: Repository,
        record: LockRecord,
        id: Id,
        state: watch::Sender<LockState>,
    ) -> Self {
        Self { repository, record, id, state }
    }

    /// Refreshes until told to stop, then removes the lock object.
    pub(super) async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Result<()> {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => break,
                _ = ticks.tick() => {}
            }
            let age = clock::now().since(self.record.time);
            if is_over(self.record.time) {
                self.lose("it could not be refreshed in time, or this machine slept");
                break;
            }
            if age < REFRESH_EVERY {
                continue;
            }
            // A store that does not answer must not keep this task from noticing that the time is up.
            match timeout(LOST_AFTER.saturating_sub(age), self.refresh()).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => {
                    self.lose(TAKEN);
                    break;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "the repository lock could not be refreshed; trying again");
                }
                Err(_elapsed) => tracing::warn!("the repository lock could not be refreshed in time"),
            }
        }
        self.remove(self.id).await
    }

    /// Stores a new lock object in the place of the old one. False if somebody had removed that: between then and now
    /// others could do whatever the lock forbids.
    async fn refresh(&mut self) -> Result<bool> {
        let mut renewed = self.record.clone();
        let id = renewed.save(&self.repository).await?;
        // Only now: if the old one is still there when the new one stands, there was one all the time.
        match is_there(&self.repository, self.id).await {
            Ok(true) => {}
            absent => {
                self.remove(id).await?;
                return absent;
            }
        }
        let old = std::mem::replace(&mut self.id, id);
        self.record = renewed;
        self.state.send_replace(LockState::Held { since: self.record.time, id });
        self.remove(old).await.map(|()| true)
    }

    async fn remove(&self, id: Id) -> Result<()> {
        self.repository.store().delete(&FileKind::Lock.key(&id)).await
    }

    fn lose(&self, reason: &str) {
        let error = Error::invalid(reason);
        tracing::error!(%error, "the repository lock is lost");
        self.state.send_replace(LockState::Lost(reason.into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Credentials;
    use crate::origin::Origin;
    use crate::store::Store;

    /// A lock that was last refreshed `age` seconds ago, run until its first look at the clock.
    async fn look_after(age: i64) -> (Repository, LockState) {
        let credentials = Credentials::generate().unwrap().0;
        let repository = Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap();
        let mut record = LockRecord::new(repository.origin(), false);
        let id = record.save(&repository).await.unwrap();
        record.time = Timestamp::new(clock::now().seconds - age, 0);
        let (state_sender, state) = watch::channel(LockState::Held { since: record.time, id });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Refresher::new(repository.clone(), record, id, state_sender).run(stopped));
        while repository.list_files(FileKind::Lock).await.unwrap().iter().any(|(found, _)| *found == id) {
            tokio::task::yield_now().await;
        }
        let seen = state.borrow().clone();
        stop.send_replace(true);
        task.await.unwrap().unwrap();
        (repository, seen)
    }

    #[tokio::test]
    async fn a_lock_of_five_minutes_is_replaced_by_a_new_object() {
        let (repository, state) = look_after(301).await;
        assert!(matches!(state, LockState::Held { .. }));
        assert_eq!(repository.store().counters().puts, 4, "key, configuration, lock, and its replacement");
        assert!(repository.list_files(FileKind::Lock).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_lock_that_somebody_removed_is_lost_at_its_next_refresh() {
        let credentials = Credentials::generate().unwrap().0;
        let repository = Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap();
        let mut record = LockRecord::new(repository.origin(), false);
        let id = record.save(&repository).await.unwrap();
        repository.store().delete(&FileKind::Lock.key(&id)).await.unwrap();
        record.time = Timestamp::new(clock::now().seconds - 301, 0);
        let (state_sender, state) = watch::channel(LockState::Held { since: record.time, id });
        let (_stop, stopped) = watch::channel(false);
        Refresher::new(repository.clone(), record, id, state_sender).run(stopped).await.unwrap();
        assert!(matches!(&*state.borrow(), LockState::Lost(reason) if &**reason == TAKEN));
        assert!(repository.list_files(FileKind::Lock).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_lock_that_slept_too_long_is_lost() {
        let (repository, state) = look_after(23 * 60).await;
        assert!(matches!(state, LockState::Lost(_)));
        assert_eq!(repository.store().counters().puts, 3);
    }
}
