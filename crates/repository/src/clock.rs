//! The only module that reads the system clock.

use std::time::SystemTime;

use crate::time::Timestamp;

/// The wall-clock time now. Used for the time stamps the format demands and for the age of locks.
#[expect(clippy::disallowed_methods, reason = "this is the clock module")]
pub(crate) fn now() -> Timestamp {
    #[cfg(test)]
    if let Some(now) = simulated::now() {
        return now;
    }
    Timestamp::from(SystemTime::now())
}

/// Until the answer is dropped, this thread lives in another time.
#[cfg(test)]
pub(crate) fn simulate(now: impl Fn() -> Timestamp + 'static) -> impl Drop {
    simulated::set(Some(Box::new(now)));
    simulated::Reset
}

#[cfg(test)]
mod simulated {
    use std::cell::RefCell;

    use super::Timestamp;

    type Now = Box<dyn Fn() -> Timestamp>;

    thread_local! {
        static NOW: RefCell<Option<Now>> = const { RefCell::new(None) };
    }

    pub(super) struct Reset;

    impl Drop for Reset {
        fn drop(&mut self) {
            set(None);
        }
    }

    pub(super) fn set(now: Option<Now>) {
        NOW.set(now);
    }

    pub(super) fn now() -> Option<Timestamp> {
        NOW.with_borrow(|now| now.as_ref().map(|now| now()))
    }
}
