//! Who was let in lately, and how often each caller may call. All times are elapsed time ([`Clock::elapsed`]): a clock that is
//! set back must not let a revoked token in for longer.
//!
//! [`Clock::elapsed`]: stillpoint_core::Clock::elapsed

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Result};

use super::token::TokenRecord;

/// How long a token that was found valid is not looked up again. A token that another server revoked is refused no
/// later than this.
const REMEMBERED_FOR: Duration = Duration::from_secs(5);
/// Tokens that are remembered.
const REMEMBERED_MAX: usize = 4096;
/// Tokens that are looked up in vain each second, all callers together.
const UNKNOWN_PER_SECOND: u32 = 50;

/// How often each caller may call: so many calls a second for long, and twice as many at once.
#[derive(Debug)]
pub(crate) struct Gate {
    per_second: u32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By the digest of the secret. What is over stays while there is room: it may be looked up again freely.
    known: HashMap<String, (TokenRecord, Duration)>,
    /// By the token's id.
    buckets: HashMap<String, Bucket>,
    unknown: Option<Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of a call.
    left: u64,
    at: Duration,
}

impl Bucket {
    fn full(per_second: u32, at: Duration) -> Self {
        Self { left: u64::from(per_second) * 2000, at }
    }

    fn take(&mut self, per_second: u32, now: Duration) -> bool {
        let passed = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        let gained = passed.saturating_mul(u64::from(per_second));
        self.left = self.left.saturating_add(gained).min(u64::from(per_second) * 2000);
        self.at = now;
        let taken = self.left >= 1000;
        self.left -= if taken { 1000 } else { 0 };
        taken
    }

    fn give_back(&mut self, per_second: u32) {
        self.left = (self.left + 1000).min(u64::from(per_second) * 2000);
    }
}

impl Gate {
    pub(crate) fn new(per_second: u32) -> Self {
        Self { per_second, inner: Mutex::default() }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token of this digest, where it was let in lately.
    pub(super) fn recall(&self, digest: &str, now: Duration) -> Option<TokenRecord> {
        let inner = self.inner();
        let (record, until) = inner.known.get(digest)?;
        (now < *until).then(|| record.clone())
    }

    /// Refuses to look up more unknown tokens than the catalog is to be bothered with. Whose token was let in before is
    /// not held up by those who guess.
    pub(super) fn look_up(&self, digest: &str, now: Duration) -> Result<()> {
        let mut inner = self.inner();
        if inner.known.contains_key(digest) {
            return Ok(());
        }
        let bucket = inner.unknown.get_or_insert_with(|| Bucket::full(UNKNOWN_PER_SECOND, now));
        if bucket.take(UNKNOWN_PER_SECOND, now) { Ok(()) } else { Err(too_often()) }
    }

    /// Notes what a look-up found: the valid token of `digest`, or none.
    pub(super) fn remember(&self, digest: &str, found: Option<&TokenRecord>, now: Duration) {
        let mut inner = self.inner();
        let Some(record) = found else {
            inner.known.remove(digest);
            return;
        };
        if !inner.known.contains_key(digest)
            && let Some(bucket) = &mut inner.unknown
        {
            bucket.give_back(UNKNOWN_PER_SECOND);
        }
        if inner.known.len() >= REMEMBERED_MAX {
            inner.known.retain(|_, (_, until)| now < *until);
        }
        if inner.known.len() < REMEMBERED_MAX {
            inner.known.insert(digest.to_owned(), (record.clone(), now + REMEMBERED_FOR));
        }
    }

    /// Forgets a token that was revoked.
    pub(crate) fn forget(&self, id: &str) {
        self.inner().known.retain(|_, (record, _)| record.id != id);
    }

    /// Counts a call of the token `id`.
    pub(super) fn count(&self, id: &str, now: Duration) -> Result<()> {
        let mut inner = self.inner();
        if inner.buckets.len() >= REMEMBERED_MAX {
            // One that has rested is full again anyway.
            inner.buckets.retain(|_, bucket| now.saturating_sub(bucket.at) < REMEMBERED_FOR);
        }
        let bucket = inner.buckets.entry(id.to_owned()).or_insert_with(|| Bucket::full(self.per_second, now));
        if bucket.take(self.per_second, now) { Ok(()) } else { Err(too_often()) }
    }
}

fn too_often() -> Error {
    Error::new(ErrorKind::RateLimited, "too many requests; slow down").retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{NewToken, Role};

    #[test]
    fn a_caller_may_call_twice_as_often_at_once_and_then_as_often_as_it_may_for_long() {
        let gate = Gate::new(10);
        let at = |millis: u64| Duration::from_millis(1_000_000 + millis);
        let taken = (0..100).filter(|_| gate.count("a", at(0)).is_ok()).count();
        assert_eq!(taken, 20);
        assert_eq!(gate.count("a", at(99)).unwrap_err().kind(), ErrorKind::RateLimited);
        assert!(gate.count("a", at(200)).is_ok());
        assert!(gate.count("b", at(0)).is_ok(), "another caller is not held up");
    }

    #[test]
    fn whoever_guesses_tokens_holds_up_nobody_whose_token_was_let_in_before() {
        let gate = Gate::new(10);
        let at = |seconds: u64| Duration::from_secs(1000 + seconds);
        let clock = stillpoint_core::VirtualClock::starting_at(stillpoint_core::Timestamp::from_millis(0));
        let made = NewToken::new("ada", Role::Viewer).make(&clock, &stillpoint_core::SeededEntropy::new(1));
        let (_, record) = made.unwrap();
        gate.remember(&record.digest, Some(&record), at(0));
        assert!(gate.recall(&record.digest, at(4)).is_some());
        assert!(gate.recall(&record.digest, at(5)).is_none());
        for number in 0..1000 {
            let digest = format!("new-{number}");
            assert!(gate.look_up(&digest, at(6)).is_ok(), "valid tokens count for nothing");
            gate.remember(&digest, Some(&record), at(6));
        }
        while gate.look_up("guessed", at(6)).is_ok() {}
        assert!(gate.look_up(&record.digest, at(6)).is_ok());

        gate.remember(&record.digest, None, at(6));
        assert!(gate.look_up(&record.digest, at(6)).is_err(), "once revoked it is as unknown as any");
    }
}
