//! What this process heard of the jobs that it began: where Azure tells of the request, and which job it became.
//!
//! A help and no truth: another process finds the job by its mark.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use stillpoint_core::Timestamp;

use super::job::named;
use crate::connection::{Begun, Poll};

/// The most requests that are kept.
const REQUESTS_MAX: usize = 256;
/// A job that was accepted is listed after so long at the latest.
pub(super) const LISTED_AFTER: Duration = Duration::from_secs(120);

/// Requests by the names of their jobs.
#[derive(Debug, Default)]
pub(in super::super) struct Heard {
    known: Mutex<BTreeMap<String, Request>>,
}

/// One request of this process.
#[derive(Clone, Debug)]
pub(super) struct Request {
    turn: u64,
    /// When it was accepted, or its job first seen.
    pub(super) at: Timestamp,
    pub(super) poll: Option<Poll>,
    pub(super) job: Option<String>,
}

impl Heard {
    /// Keeps what was answered at `at` to the request that began `job`.
    pub(super) fn accepted(&self, job: &str, at: Timestamp, begun: &Begun, told: &Value) {
        self.keep(job, at, begun.poll.clone(), named(told));
    }

    /// Keeps which job of the vault the one called `job` is.
    pub(super) fn is(&self, job: &str, at: Timestamp, id: &str) {
        let (at, poll) = self.of(job).map_or((at, None), |known| (known.at, known.poll));
        self.keep(job, at, poll, Some(id.to_owned()));
    }

    fn keep(&self, job: &str, at: Timestamp, poll: Option<Poll>, id: Option<String>) {
        let mut known = self.known();
        let turn = known.values().map(|request| request.turn + 1).max().unwrap_or(0);
        let oldest = known.iter().min_by_key(|(_, request)| request.turn).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest.filter(|_| known.len() >= REQUESTS_MAX) {
            known.remove(&oldest);
        }
        known.insert(job.to_owned(), Request { turn, at, poll, job: id });
    }

    /// Forgets what is no longer so.
    pub(super) fn forget(&self, job: &str) {
        self.known().remove(job);
    }

    /// Where Azure tells of the request that began `job`, for people.
    pub(in super::super) fn address(&self, job: &str) -> Option<String> {
        self.of(job)?.poll?.address()
    }

    pub(super) fn of(&self, job: &str) -> Option<Request> {
        self.known().get(job).cloned()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Request>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_heard_is_bounded_and_the_oldest_goes_first() {
        let (heard, at) = (Heard::default(), Timestamp::from_millis(0));
        for job in 0..=REQUESTS_MAX {
            heard.accepted(&job.to_string(), at, &Begun { poll: None }, &json!({"jobId": "j"}));
        }
        assert!(heard.of("0").is_none());
        assert_eq!(heard.of("1").unwrap().job.as_deref(), Some("j"));
        heard.forget("1");
        assert!(heard.of("1").is_none());
    }
}
