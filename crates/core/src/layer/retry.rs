//! Trying again, with one budget for each operation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::around::{Call, ProviderLayer};
use crate::context::OpContext;
use crate::error::{Effect, Error, Result, Retry};
use crate::id::OperationId;
use crate::meter::{self, Meter, NoMeter};
use crate::provider::Provider;

/// Operations whose spent budget is remembered.
const OPERATIONS_MAX: usize = 1024;

/// How often and how patiently a call is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Tries of one call, the first included.
    pub tries_max: u32,
    /// The wait before the second try; doubled before each further one.
    pub delay_first: Duration,
    /// The longest wait, unless the other side asks for a longer one.
    pub delay_max: Duration,
    /// Further tries of all calls of one operation together.
    pub operation_budget: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries_max: 5,
            delay_first: Duration::from_millis(200),
            delay_max: Duration::from_secs(20),
            operation_budget: 500,
        }
    }
}

impl RetryPolicy {
    /// Each call is made once.
    pub fn once() -> Self {
        Self { tries_max: 1, ..Self::default() }
    }
}

/// A provider whose calls are tried again while their errors say that this can help.
///
/// Every call of the contract is idempotent on its key, so a repeat is safe also where the first reply was lost.
/// Waiting ends at the operation's deadline and when it is cancelled. An error that was retried in vain says
/// [`Retry::Exhausted`]; one of whose tries any may have been carried out says [`Effect::MaybeApplied`].
#[derive(Debug)]
pub struct Retrying {
    inner: Arc<dyn Provider>,
    policy: RetryPolicy,
    spent: Mutex<Spent>,
    meter: Arc<dyn Meter>,
}

/// How many tries each operation has spent, and in which turn its last one was.
#[derive(Debug, Default)]
struct Spent {
    turn: u64,
    tries: BTreeMap<OperationId, (u32, u64)>,
}

impl Spent {
    /// Counts one more try of `operation` and answers how many there were. Those that spent nothing for the longest time are
    /// forgotten.
    fn count(&mut self, operation: &OperationId) -> u32 {
        if !self.tries.contains_key(operation) && self.tries.len() >= OPERATIONS_MAX {
            let oldest = self.tries.iter().min_by_key(|(_, (_, turn))| *turn).map(|(id, _)| id.clone());
            oldest.and_then(|oldest| self.tries.remove(&oldest));
        }
        self.turn += 1;
        let spent = self.tries.entry(operation.clone()).or_default();
        *spent = (spent.0.saturating_add(1), self.turn);
        spent.0
    }
}

impl Retrying {
    /// Wraps `inner`.
    pub fn new(inner: Arc<dyn Provider>, policy: RetryPolicy) -> Self {
        Self { inner, policy, spent: Mutex::default(), meter: Arc::new(NoMeter) }
    }

    /// The same, telling `meter` of each call.
    #[must_use]
    pub fn with_meter(mut self, meter: Arc<dyn Meter>) -> Self {
        self.meter = meter;
        self
    }

    async fn call<T, F>(&self, cx: &OpContext, verb: &'static str, attempt: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        let mut tries = 1;
        let mut open = false;
        loop {
            let begun = cx.clock().now();
            let answer = attempt().await;
            let outcome = answer.as_ref().map_or_else(|error| error.kind().as_str(), |_| "ok");
            let labels = [("provider", self.inner.id().as_str()), ("verb", verb), ("outcome", outcome)];
            self.meter.took(meter::CALL, &labels, cx.clock().now().since(begun));
            let error = match answer {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // That a later try changed nothing says nothing about an earlier one.
            open |= error.effect() == Effect::MaybeApplied;
            let error = if open { error.maybe_applied() } else { error };
            let Retry::After { delay_ms } = error.retry() else {
                return Err(error);
            };
            let delay = self.delay(tries).max(Duration::from_millis(delay_ms));
            let too_late = cx.deadline().is_some_and(|deadline| cx.clock().now().after(delay) >= deadline);
            if tries >= self.policy.tries_max || too_late || !self.spend(cx.operation()) {
                return Err(exhausted(error, tries));
            }
            tries += 1;
            self.meter.count(meter::RETRIES, &labels[..2], 1);
            tokio::select! {
                () = cx.clock().sleep(delay) => {}
                () = cx.cancellation().cancelled() => return Err(exhausted(error, tries)),
            }
        }
    }

    fn delay(&self, tries: u32) -> Duration {
        self.policy.delay_first.saturating_mul(1 << (tries - 1).min(16)).min(self.policy.delay_max)
    }

    /// Takes one further try out of the operation's budget; calls outside an operation have no common one.
    fn spend(&self, operation: Option<&OperationId>) -> bool {
        let Some(operation) = operation else { return true };
        let used = self.spent.lock().unwrap_or_else(PoisonError::into_inner).count(operation);
        used <= self.policy.operation_budget
    }
}

fn exhausted(error: Error, tries: u32) -> Error {
    error.with_retry(Retry::Exhausted).with("tries", tries)
}

impl ProviderLayer for Retrying {
    fn inner(&self) -> &dyn Provider {
        &*self.inner
    }

    async fn around<T: Send, F: Future<Output = Result<T>> + Send>(
        &self,
        cx: &OpContext,
        call: Call,
        attempt: impl Fn() -> F + Send + Sync,
    ) -> Result<T> {
        self.call(cx, call.verb, attempt).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::{Clock, Timestamp, VirtualClock};
    use crate::error::ErrorKind;
    use crate::memory::MemoryProvider;

    fn retrying(policy: RetryPolicy) -> Retrying {
        Retrying::new(Arc::new(MemoryProvider::new("memory".parse().unwrap())), policy)
    }

    async fn failing(calls: &AtomicU32, succeed_at: u32, error: ErrorKind) -> Result<u32> {
        let call = calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call >= succeed_at { Ok(call) } else { Err(Error::new(error, "not now")) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttled_call_is_tried_again_with_growing_delays() {
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)));
        let cx = OpContext::new(clock.clone());
        let calls = AtomicU32::new(0);
        let answer = retrying(RetryPolicy::default())
            .call(&cx, "start", || failing(&calls, 4, ErrorKind::RateLimited))
            .await;
        assert_eq!(answer.unwrap(), 4);
        assert_eq!(clock.now().as_millis(), 200 + 400 + 800);
    }

    #[tokio::test(start_paused = true)]
    async fn a_permanent_error_is_not_tried_again() {
        let cx = OpContext::background();
        let calls = AtomicU32::new(0);
        let answer = retrying(RetryPolicy::default())
            .call(&cx, "start", || failing(&calls, 9, ErrorKind::QuotaExceeded))
            .await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::QuotaExceeded);
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_try_that_changed_nothing_does_not_undo_an_earlier_one_whose_answer_was_lost() {
        let cx = OpContext::background();
        for last in [ErrorKind::Unauthenticated, ErrorKind::Busy, ErrorKind::RateLimited] {
            let calls = AtomicU32::new(0);
            let start = async || {
                let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
                let lost = || Error::new(ErrorKind::Unavailable, "no answer").maybe_applied();
                Err::<(), _>(if first { lost() } else { Error::new(last, "refused") })
            };
            let error = retrying(RetryPolicy::default()).call(&cx, "start", start).await.unwrap_err();
            assert_eq!((error.kind(), error.effect()), (last, Effect::MaybeApplied));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_operation_cannot_try_for_ever() {
        let cx = OpContext::background().for_operation("op-1".parse().unwrap(), 1);
        let policy = RetryPolicy { operation_budget: 6, ..RetryPolicy::default() };
        let provider = retrying(policy);
        let calls = AtomicU32::new(0);
        for _ in 0..5 {
            let error = provider
                .call(&cx, "start", || failing(&calls, u32::MAX, ErrorKind::Unavailable))
                .await
                .unwrap_err();
            assert_eq!(error.retry(), Retry::Exhausted);
        }
        assert_eq!(calls.load(Ordering::Relaxed), 5 + 6, "five calls and six further tries");
    }

    #[test]
    fn an_operation_that_goes_on_trying_is_never_forgotten() {
        let mut spent = Spent::default();
        let first: OperationId = "a".parse().unwrap();
        for other in 0..2 * OPERATIONS_MAX {
            let other: OperationId = format!("b{other}").parse().unwrap();
            assert_eq!(spent.count(&other), 1);
            assert_eq!(spent.count(&first), u32::try_from(spent.turn / 2).unwrap());
        }
        assert!(spent.tries.len() <= OPERATIONS_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn no_wait_goes_past_the_deadline() {
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(0)));
        let cx = OpContext::new(clock.clone()).with_deadline(Some(Timestamp::from_millis(500)));
        let calls = AtomicU32::new(0);
        let answer = retrying(RetryPolicy::default())
            .call(&cx, "start", || failing(&calls, 9, ErrorKind::Unavailable))
            .await;
        assert!(answer.is_err());
        assert!(clock.now().as_millis() < 500);
    }
}
