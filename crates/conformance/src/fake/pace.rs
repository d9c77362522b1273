//! The fake's clock for code that sleeps in several places at once: time moves to the next sleeper when nothing happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{Clock, Provider, Timestamp};
use tokio::sync::oneshot;

use super::Fake;
use super::under_way::{Counted, Death, UnderWay};

/// How often everybody else gets a turn until nothing more is expected of those who were woken.
const TURNS: usize = 64;

/// Who sleeps until when, in the order of their coming.
type Waiting = BTreeMap<(i64, u64), oneshot::Sender<()>>;
type Sleepers = Mutex<Waiting>;

/// Moves the fake's time from sleeper to sleeper, for as long as it lives.
#[derive(Debug)]
pub struct PacedClock {
    now: Arc<AtomicI64>,
    sleepers: Arc<Sleepers>,
    count: AtomicU64,
    calls: UnderWay,
}

impl PacedClock {
    /// The clock of `fake`. It needs a runtime.
    pub fn of(fake: Arc<dyn Fake>) -> Arc<Self> {
        let now = Arc::new(AtomicI64::new(fake.now().as_millis()));
        let sleepers = Arc::new(Sleepers::default());
        let (time, waiting) = (Arc::clone(&now), Arc::downgrade(&sleepers));
        let calls = UnderWay::default();
        let under_way = calls.clone();
        tokio::spawn(async move {
            loop {
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
                // An answer that takes a while on a busy machine takes no time of the fake's.
                let first = match waiting.upgrade() {
                    None => return,
                    Some(_) if under_way.is_any() => None,
                    Some(waiting) => first(&waiting),
                };
                let Some((until, sleeper)) = first else {
                    under_way.rings().await;
                    continue;
                };
                let millis = until - time.load(Ordering::SeqCst);
                if let Ok(millis @ 1..) = u64::try_from(millis) {
                    fake.advance(Duration::from_millis(millis));
                    time.store(until, Ordering::SeqCst);
                }
                let _gone = sleeper.send(());
            }
        });
        Arc::new(Self { now, sleepers, count: AtomicU64::new(0), calls })
    }

    /// The same provider, for whose answers this clock waits.
    pub fn waits_for(&self, provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Counted::new(provider, self.calls.clone(), None))
    }

    /// The same, of a process that dies of the first answer that it does not get.
    pub fn waits_for_mortal(&self, provider: Arc<dyn Provider>, death: &Death) -> Arc<dyn Provider> {
        Arc::new(Counted::new(provider, self.calls.clone(), Some(death.clone())))
    }
}

/// Who wakes first. Whoever no longer waits moves nothing.
fn first(sleepers: &Sleepers) -> Option<(i64, oneshot::Sender<()>)> {
    let mut sleepers = locked(sleepers);
    sleepers.retain(|_, sleeper| !sleeper.is_closed());
    sleepers.pop_first().map(|((until, _), sleeper)| (until, sleeper))
}

fn locked(sleepers: &Sleepers) -> MutexGuard<'_, Waiting> {
    sleepers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl Clock for PacedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.load(Ordering::SeqCst))
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now().after(duration).as_millis();
        let (wake, woken) = oneshot::channel();
        let at = self.count.fetch_add(1, Ordering::Relaxed);
        locked(&self.sleepers).insert((until, at), wake);
        self.calls.ring();
        let _woken = woken.await;
    }
}
