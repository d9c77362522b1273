//! The fake's clock for code that sleeps in several places at once: time moves to the next sleeper when nothing happens.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::{Clock, Provider, Timestamp};
use tokio::sync::oneshot;

use crate::fake::World;
use crate::under_way::{Counted, UnderWay};

/// How long, in real time, whoever was woken may take until time moves on.
const QUIET: Duration = Duration::from_millis(3);

type Sleepers = Arc<Mutex<BTreeMap<(i64, u64), oneshot::Sender<()>>>>;

/// Moves the fake's time from sleeper to sleeper, for as long as it lives.
#[derive(Debug)]
pub(crate) struct PacedClock {
    now: Arc<AtomicI64>,
    sleepers: Sleepers,
    count: AtomicU64,
    calls: UnderWay,
}

impl PacedClock {
    pub(crate) fn of(world: &Arc<World>) -> Arc<Self> {
        let now = Arc::new(AtomicI64::new(world.now().as_millis()));
        let sleepers = Sleepers::default();
        let (world, time, waiting) = (Arc::clone(world), Arc::clone(&now), Arc::downgrade(&sleepers));
        let calls = UnderWay::default();
        let under_way = calls.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(QUIET).await;
                // An answer that takes a while on a busy machine takes no time of the fake's.
                if under_way.is_any() {
                    continue;
                }
                let Some(waiting) = waiting.upgrade() else { return };
                let first = waiting.lock().unwrap().pop_first();
                let Some(((until, _), sleeper)) = first else { continue };
                // Whoever no longer waits moves nothing.
                if sleeper.is_closed() {
                    continue;
                }
                let millis = until - time.load(Ordering::SeqCst);
                if millis > 0 {
                    #[expect(clippy::cast_precision_loss, reason = "a few days in milliseconds")]
                    world.advance(millis as f64 / 1000.0);
                    time.store(until, Ordering::SeqCst);
                }
                let _gone = sleeper.send(());
            }
        });
        Arc::new(Self { now, sleepers, count: AtomicU64::new(0), calls })
    }

    /// The same provider, for whose answers this clock waits.
    pub(crate) fn waits_for(&self, provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
        Arc::new(Counted::new(provider, self.calls.clone()))
    }
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
        self.sleepers.lock().unwrap().insert((until, at), wake);
        let _woken = woken.await;
    }
}
