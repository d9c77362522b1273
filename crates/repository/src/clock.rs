//! The only module that reads the system clock.

use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};

use crate::time::Timestamp;

/// Goes on while the machine sleeps, where there is such a clock.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

/// The wall-clock time now. Used for the time stamps the format demands and for the age of locks.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    #[cfg(test)]
    if let Some((now, _)) = simulated::read() {
        return now;
    }
    Timestamp::from(SystemTime::now())
}

/// Time since some moment before this process began, by a clock that nobody can set.
pub(crate) fn steady() -> Duration {
    #[cfg(test)]
    if let Some((_, steady)) = simulated::read() {
        return steady;
    }
    Duration::try_from(clock_gettime(STEADY)).unwrap_or_default()
}

/// Until the answer is dropped, this thread lives in another time.
#[cfg(test)]
pub(crate) fn simulate(now: impl Fn() -> Timestamp + 'static) -> impl Drop {
    simulate_both(move || (now(), now().since(Timestamp::new(0, 0))))
}

/// As [`simulate`], with the steady clock apart from the one on the wall.
#[cfg(test)]
pub(crate) fn simulate_both(clocks: impl Fn() -> (Timestamp, Duration) + 'static) -> impl Drop {
    simulated::set(Some(Box::new(clocks)));
    simulated::Reset
}

#[cfg(test)]
mod simulated {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::Timestamp;

    type Clocks = Box<dyn Fn() -> (Timestamp, Duration)>;

    thread_local! {
        static CLOCKS: RefCell<Option<Clocks>> = const { RefCell::new(None) };
    }

    pub(super) struct Reset;

    impl Drop for Reset {
        fn drop(&mut self) {
            set(None);
        }
    }

    pub(super) fn set(clocks: Option<Clocks>) {
        CLOCKS.set(clocks);
    }

    pub(super) fn read() -> Option<(Timestamp, Duration)> {
        CLOCKS.with_borrow(|clocks| clocks.as_ref().map(|clocks| clocks()))
    }
}
