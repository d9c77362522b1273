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
/// How often the clocks are looked at: timers stand still while a machine sleeps, the wall clock does not. Simulations of
/// days would spend most of their time on it.
const LOOK_EVERY: Duration = Duration::from_secs(if cfg!(test) { 240 } else { 30 });

/// When a lock was last refreshed, by two clocks: the one on the wall may be set back, and the steady one may stand still
/// while the machine sleeps. The one by which more time has passed counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refreshed {
    time: Timestamp,
    steady: Duration,
}

impl Refreshed {
    /// By a record of `time`, which was made up when the steady clock said `steady`.
    pub(super) fn new(time: Timestamp, steady: Duration) -> Self {
        Self { time, steady }
    }

    fn age(self) -> Duration {
        clock::now().since(self.time).max(clock::steady().saturating_sub(self.steady))
    }

    /// Whether the lock is to be refreshed. One from the future is: to others it looks as old as it is by their clocks.
    fn is_due(self) -> bool {
        self.age() >= REFRESH_EVERY || clock::now() < self.time
    }

    /// Whether the lock may count as stale to others soon.
    pub(super) fn is_over(self) -> bool {
        self.age() >= LOST_AFTER
    }
}

/// Why a lock is lost that is not there any more.
pub(super) const TAKEN: &str = "somebody removed it";

#[derive(Debug)]
pub(super) struct Refresher {
    repository: Repository,
    record: LockRecord,
    refreshed: Refreshed,
    id: Id,
    state: watch::Sender<LockState>,
}

impl Refresher {
    pub(super) fn new(
        repository: Repository,
        record: LockRecord,
        (refreshed, id): (Refreshed, Id),
        state: watch::Sender<LockState>,
    ) -> Self {
        Self { repository, record, refreshed, id, state }
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
            if self.refreshed.is_over() {
                self.lose("it could not be refreshed in time, or this machine slept");
                break;
            }
            if !self.refreshed.is_due() {
                continue;
            }
            // A store that does not answer must not keep this task from noticing that the time is up.
            match timeout(LOST_AFTER.saturating_sub(self.refreshed.age()), self.refresh()).await {
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
        let (mut renewed, steady) = (self.record.clone(), clock::steady());
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
        self.refreshed = Refreshed::new(self.record.time, steady);
        self.state.send_replace(LockState::Held { since: self.refreshed, id });
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
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use tokio::time::Instant;

    use super::*;
    use crate::credentials::Credentials;
    use crate::origin::Origin;
    use crate::store::Store;

    async fn repository() -> Repository {
        let credentials = Credentials::generate().unwrap().0;
        Repository::init(Store::memory(), &credentials, Origin::detect()).await.unwrap()
    }

    /// A lock that was last refreshed `age` seconds ago by the clock on the wall, and who refreshes it.
    async fn aged(
        repository: &Repository,
        age: i64,
    ) -> (Id, watch::Receiver<LockState>, watch::Sender<bool>, Refresher, watch::Receiver<bool>) {
        let mut record = LockRecord::new(repository.origin(), false);
        let id = record.save(repository).await.unwrap();
        record.time = Timestamp::new(clock::now().seconds - age, 0);
        let refreshed = Refreshed::new(record.time, clock::steady());
        let (state_sender, state) = watch::channel(LockState::Held { since: refreshed, id });
        let (stop, stopped) = watch::channel(false);
        (id, state, stop, Refresher::new(repository.clone(), record, (refreshed, id), state_sender), stopped)
    }

    async fn stands(repository: &Repository, id: Id) -> bool {
        repository.list_files(FileKind::Lock).await.unwrap().iter().any(|(found, _)| *found == id)
    }

    /// A lock that was last refreshed `age` seconds ago, run until its first look at the clock.
    async fn look_after(age: i64) -> (Repository, LockState) {
        let repository = repository().await;
        let (id, state, stop, refresher, stopped) = aged(&repository, age).await;
        let task = tokio::spawn(refresher.run(stopped));
        while stands(&repository, id).await {
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

    /// How long a new lock object is waited for after the wall clock jumped by so many seconds.
    async fn replaced_after(jump: i64) -> Duration {
        let repository = repository().await;
        let (start, base) = (Instant::now(), clock::now());
        let jumped = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&jumped);
        let _clocks = clock::simulate_both(move || {
            let passed = start.elapsed();
            // This clock on the wall stands still, but for jumps.
            (Timestamp::new(base.seconds + seen.load(Ordering::Relaxed), 0), passed)
        });
        let (id, state, stop, refresher, stopped) = aged(&repository, 0).await;
        jumped.store(jump, Ordering::Relaxed);
        let task = tokio::spawn(refresher.run(stopped));
        while stands(&repository, id).await {
            assert!(start.elapsed() < LOST_AFTER, "it is never replaced");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let waited = start.elapsed();
        assert!(matches!(&*state.borrow(), LockState::Held { id: now, .. } if *now != id));
        stop.send_replace(true);
        task.await.unwrap().unwrap();
        waited
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_is_refreshed_in_time_whatever_the_clock_on_the_wall_does() {
        let waited = replaced_after(0).await;
        assert!((REFRESH_EVERY..REFRESH_EVERY + 2 * LOOK_EVERY).contains(&waited), "{waited:?}");
        let waited = replaced_after(-7200).await;
        assert!(waited < LOOK_EVERY, "one from the future is replaced at once: {waited:?}");
    }

    #[tokio::test]
    async fn a_lock_that_somebody_removed_is_lost_at_its_next_refresh() {
        let repository = repository().await;
        let (id, state, _stop, refresher, stopped) = aged(&repository, 301).await;
        repository.store().delete(&FileKind::Lock.key(&id)).await.unwrap();
        refresher.run(stopped).await.unwrap();
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
