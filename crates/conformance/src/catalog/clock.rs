//! A clock that a test moves by hand.

use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{Clock, Timestamp};
use tokio::sync::watch;

/// A clock that stands still until it is moved.
///
/// It suits code that waits for something outside the runtime, a database's thread for one: tokio's paused time
/// would jump over such a wait as if nothing could run.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn starting_at(now: Timestamp) -> Self {
        Self { now: watch::Sender::new(now) }
    }

    /// Moves the clock forward and wakes whoever slept until then.
    pub fn advance(&self, duration: Duration) {
        self.now.send_modify(|now| *now = now.after(duration));
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let due = self.now().after(duration);
        let mut moved = self.now.subscribe();
        // The sender lives as long as `self`, so the wait ends only when the time has come.
        let reached = moved.wait_for(|now| *now >= due).await;
        debug_assert!(reached.is_ok(), "the clock outlives its sleepers");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_far_enough() {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(0)));
        let sleeper = Arc::clone(&clock);
        let sleeping = tokio::spawn(async move { sleeper.sleep(Duration::from_secs(10)).await });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeping.is_finished(), "nine seconds are not ten");
        clock.advance(Duration::from_secs(1));
        sleeping.await.unwrap();
        assert_eq!(clock.now().as_millis(), 10_000);
    }
}
