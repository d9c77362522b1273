//! How often the step at hand has failed, and whether that was once too often.

use serde::{Deserialize, Serialize};

use super::job::backoff;
use super::{OUTAGE_TRIES_MAX, TRIES_MAX, is_outage};
use crate::clock::Timestamp;
use crate::error::ErrorRecord;

/// Failed tries of one step. An outage says nothing about the request, so that however many there were the first refusal is
/// not the last try; and refusals take no tries from an outage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tries {
    /// Tries that were refused.
    #[serde(default)]
    pub misses: u32,
    /// Tries that nobody could answer.
    #[serde(default)]
    pub outages: u32,
}

impl Tries {
    /// Counts a try that failed with `error`; answers whether it is to be tried again, at `retry_at`.
    pub(super) fn again(
        &mut self,
        retry_at: &mut Option<Timestamp>,
        error: &ErrorRecord,
        now: Timestamp,
    ) -> bool {
        self.again_within(OUTAGE_TRIES_MAX, retry_at, error, now)
    }

    /// The same, where so many outages are the most.
    pub(super) fn again_within(
        &mut self,
        outages_max: u32,
        retry_at: &mut Option<Timestamp>,
        error: &ErrorRecord,
        now: Timestamp,
    ) -> bool {
        let (count, most) = match is_outage(error) {
            true => (&mut self.outages, outages_max),
            false => (&mut self.misses, TRIES_MAX),
        };
        *count = count.saturating_add(1);
        let goes_on = *count < most;
        *retry_at = Some(now.after(backoff(self.misses.saturating_add(self.outages))));
        goes_on
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, ErrorKind};

    /// Whether a step is tried again after these, one after the other.
    fn goes_on(kinds: &[(ErrorKind, usize)]) -> bool {
        let (mut tries, mut retry_at, mut again) = (Tries::default(), None, true);
        let all = kinds.iter().flat_map(|(kind, times)| std::iter::repeat_n(*kind, *times));
        for (turn, kind) in all.enumerate() {
            assert!(again, "it was given up after {turn} tries");
            let error = Error::new(kind, "not now").record();
            again = tries.again(&mut retry_at, &error, Timestamp::from_millis(0));
        }
        again
    }

    #[test]
    fn neither_kind_of_failure_takes_tries_from_the_other() {
        let (away, odd) = (ErrorKind::Unavailable, ErrorKind::Unexpected);
        assert!(goes_on(&[(away, 99), (odd, 5)]));
        assert!(goes_on(&[(odd, 5), (away, 99)]));
        assert!(!goes_on(&[(away, 10), (odd, 6)]));
        assert!(!goes_on(&[(odd, 5), (away, 100)]));
        assert!(!goes_on(&[(odd, 3), (away, 5), (odd, 3)]), "what is refused now and then is refused");
    }

    #[test]
    fn records_of_earlier_versions_are_read() {
        let read: Tries = serde_json::from_str(r#"{"misses":3}"#).unwrap();
        assert_eq!(read, Tries { misses: 3, outages: 0 });
    }
}
