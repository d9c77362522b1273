//! A clock that is off.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{Clock, Timestamp};

/// Shows another time than the clock behind it, and sleeps as long as that one does.
#[derive(Clone, Debug)]
pub struct SkewedClock {
    inner: Arc<dyn Clock>,
    off_millis: i64,
    jump: Option<(Timestamp, i64)>,
}

impl SkewedClock {
    /// A clock that is ahead of `inner` by so many milliseconds, or behind it where they are negative.
    pub fn new(inner: Arc<dyn Clock>, off_millis: i64) -> Self {
        Self { inner, off_millis, jump: None }
    }

    /// The same clock, that somebody sets by so many milliseconds more after this time.
    #[must_use]
    pub fn jumping(mut self, after: Duration, by_millis: i64) -> Self {
        self.jump = Some((self.inner.now().after(after), by_millis));
        self
    }
}

#[async_trait]
impl Clock for SkewedClock {
    fn now(&self) -> Timestamp {
        let now = self.inner.now();
        let jumped = self.jump.filter(|(at, _)| *at <= now).map_or(0, |(_, by)| by);
        Timestamp::from_millis(now.as_millis().saturating_add(self.off_millis).saturating_add(jumped))
    }

    fn elapsed(&self) -> Duration {
        self.inner.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        self.inner.sleep(duration).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stillpoint_core::VirtualClock;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_back_shows_an_earlier_time_and_goes_on() {
        let inner: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(100_000)));
        let clock = SkewedClock::new(inner, 500).jumping(Duration::from_secs(10), -30_000);
        assert_eq!(clock.now().as_millis(), 100_500);
        clock.sleep(Duration::from_secs(9)).await;
        assert_eq!(clock.now().as_millis(), 109_500);
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(clock.now().as_millis(), 80_500);
    }
}
