//! What keeps one step from being done although it is tried again and again: told at once, and not for ever.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::is_outage;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, ErrorRecord};

/// How long a step is tried while the other side cannot be reached, or is not well.
const OUTAGE_MAX: Duration = Duration::from_secs(3600);

/// Why a step was not done yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trouble {
    /// Since when it has failed.
    pub since: Timestamp,
    /// Why it failed last.
    pub error: ErrorRecord,
}

impl Trouble {
    /// Notes that `what` failed with `error`, and warns when that is new. Answers with what the operation ends once the step
    /// is `spent`, since it was tried too often, or was tried for too long.
    pub(super) fn note(
        trouble: &mut Option<Self>,
        what: &str,
        error: &ErrorRecord,
        spent: bool,
        now: Timestamp,
        warnings: &mut Vec<String>,
    ) -> Option<ErrorRecord> {
        let since = trouble.as_ref().map_or(now, |before| before.since);
        if !is_outage(error) {
            *trouble = Some(Self { since, error: error.clone() });
            return spent.then(|| error.clone());
        }
        if spent || now.since(since) >= OUTAGE_MAX {
            let message = format!(
                "{what} has failed since {since}, last with: {error}; see to that, then ask for the same again: it goes on from here"
            );
            return Some(Error::new(ErrorKind::NeedsAttention, message).record());
        }
        if trouble.as_ref().is_none_or(|before| before.error.kind != error.kind) {
            warnings.push(format!("{what} has failed since {since} and is tried again: {error}"));
        }
        *trouble = Some(Self { since, error: error.clone() });
        None
    }
}
