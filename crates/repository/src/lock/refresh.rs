//! Keeping a held lock fresh.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::LockState;
use super::record::{LockRecord, STALE_AFTER};
use crate::clock;
use crate::error::{Error, Result};
use crate::file::FileKind;
use crate::id::Id;
use crate::repository::Repository;

const REFRESH_EVERY: Duration = Duration::from_secs(5 * 60);
/// Well before others take the lock for stale, to allow for clocks that differ.
const LOST_AFTER: Duration = STALE_AFTER.saturating_sub(Duration::from_secs(8 * 60));
/// How often the wall clock is looked at: timers stand still while a machine sleeps, the wall clock does not.
const LOOK_EVERY: Duration = Duration::from_secs(30);

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
                _ = stopped.wait_for(|stopped| *stopped) => break,
                _ = ticks.tick() => {}
            }
            let age = clock::now().since(self.record.time);
            if age > LOST_AFTER {
                self.lose("it could not be refreshed in time, or this machine slept");
                break;
            }
            if age >= REFRESH_EVERY
                && let Err(error) = self.refresh().await
            {
                tracing::warn!(%error, "the repository lock could not be refreshed; trying again");
            }
        }
        self.remove(self.id).await
    }

    async fn refresh(&mut self) -> Result<()> {
        let mut renewed = self.record.clone();
        let id = renewed.save(&self.repository).await?;
        let old = std::mem::replace(&mut self.id, id);
        self.record = renewed;
        self.remove(old).await
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
