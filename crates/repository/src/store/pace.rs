//! Holding transfers to a rate.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The most bytes per second, each way. A limit holds on average over some seconds: each request or part of one goes as
/// fast as it can, and the next waits until the rate has caught up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransferLimits {
    /// Into the store; unlimited where it is not set.
    pub upload: Option<NonZeroU64>,
    /// Out of the store; unlimited where it is not set.
    pub download: Option<NonZeroU64>,
}

/// The line that all transfers of one way wait in.
#[derive(Debug)]
pub(super) struct Pace {
    bytes_per_second: NonZeroU64,
    /// When what was let through so far would be over at the rate.
    free_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(super) fn new(bytes_per_second: NonZeroU64) -> Arc<Self> {
        Arc::new(Self { bytes_per_second, free_at: Mutex::default() })
    }

    /// Takes a place in the line for `bytes` and waits for its turn.
    pub(super) async fn pass(&self, bytes: usize) {
        sleep_until(self.turn(bytes)).await;
    }

    /// Counts `bytes` that pass beside the line; whoever takes a place after this waits for them.
    pub(super) fn charge(&self, bytes: usize) {
        self.turn(bytes);
    }

    fn turn(&self, bytes: usize) -> Instant {
        let nanos = u128::try_from(bytes).unwrap_or(u128::MAX).saturating_mul(1_000_000_000)
            / u128::from(self.bytes_per_second.get());
        let lasts = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let turn = free_at.map_or(now, |free_at| free_at.max(now));
        *free_at = turn.checked_add(lasts);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(rate: u64) -> Arc<Pace> {
        Pace::new(NonZeroU64::new(rate).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_transfer_passes_at_once_and_the_others_keep_the_rate() {
        let (pace, start) = (pace(1000), Instant::now());
        let mut passed = Vec::new();
        for _ in 0..4 {
            pace.pass(500).await;
            passed.push(start.elapsed().as_millis());
        }
        assert_eq!(passed, [0, 500, 1000, 1500]);
    }

    #[tokio::test(start_paused = true)]
    async fn transfers_at_once_share_the_rate() {
        let (pace, start) = (pace(1000), Instant::now());
        futures::future::join_all((0..11).map(|_| pace.pass(1000))).await;
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_beside_the_line_is_made_up_for_by_what_comes_after() {
        let (pace, start) = (pace(1000), Instant::now());
        for _ in 0..4 {
            pace.charge(500);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        pace.pass(500).await;
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_is_not_made_up_for_by_a_burst() {
        let (pace, start) = (pace(1000), Instant::now());
        pace.pass(1000).await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        pace.pass(1000).await;
        pace.pass(1000).await;
        assert_eq!(start.elapsed(), Duration::from_secs(3601));
    }
}
