//! What AWS remembers of jobs: how far back its lists reach, how new a job may be missing from them, and for how long a
//! repeated call is recognised.

use std::time::Duration;

use stillpoint_core::{Error, ErrorKind, Result, Timestamp};

use super::arn::Arn;

/// Lists of jobs reach back so far. Source: the model of `ListBackupJobs`.
pub(super) const HORIZON: Duration = Duration::from_secs(30 * 24 * 3600);
/// AWS's clock and ours may differ by this much.
pub(super) const CLOCKS_DIFFER: Duration = Duration::from_secs(5 * 60);
/// A repeated call is recognised by its token for at least this long. Older texts of AWS say an hour.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(50 * 60);
/// How soon a new job is looked at.
const LOOK_FIRST: Duration = Duration::from_secs(1);
/// A new job may be missing from lists for this long.
const LAG: Duration = Duration::from_secs(120);

/// Proves that a job begun at `since` on `resource` would be listed at all.
///
/// # Errors
/// `NeedsAttention` where lists do not reach back so far.
pub(super) fn reaches(now: Timestamp, since: Timestamp, resource: &Arn) -> Result<()> {
    if now.since(since) <= HORIZON {
        return Ok(());
    }
    let message = format!(
        "whether a job was started on {resource} can no longer be told: AWS lists jobs of the last 30 days only"
    );
    Err(Error::new(ErrorKind::NeedsAttention, message).with("resource", resource))
}

/// Proves that a list which shows nothing means that there is nothing.
///
/// # Errors
/// `Unavailable`, to look again, where a job begun at `since` may be too new to be listed.
pub(super) fn settled(now: Timestamp, since: Timestamp, nothing: bool, resource: &Arn) -> Result<()> {
    settled_after(LAG, now, since, nothing, resource)
}

/// As [`settled`], of what may be missing from lists for as long as `lag`.
///
/// # Errors
/// `Unavailable`, to look again, where what was begun at `since` may be too new to be listed.
pub(super) fn settled_after(
    lag: Duration,
    now: Timestamp,
    since: Timestamp,
    nothing: bool,
    resource: &Arn,
) -> Result<()> {
    let age = now.since(since);
    if !nothing || age >= lag {
        return Ok(());
    }
    let message = format!("what was begun on {resource} may be too new to be listed; look again");
    Err(Error::new(ErrorKind::Unavailable, message).retry_after(lag.saturating_sub(age)))
}

/// When to look again at a job that began at `created`: soon while it is young, so that nobody waits much longer for a short
/// one than it takes, and after `most` at the latest.
pub(super) fn look_after(now: Timestamp, created: Option<Timestamp>, most: Duration) -> Duration {
    let age = created.map_or(most, |created| now.since(created));
    (age / 4).clamp(LOOK_FIRST.min(most), most)
}

/// The time `span` before `time`.
pub(super) fn before(time: Timestamp, span: Duration) -> Timestamp {
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_sub(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_looked_at_more_rarely_as_it_grows_old() {
        let (created, most) = (Timestamp::from_millis(10_000_000), Duration::from_secs(15));
        let looked = |age| look_after(created.after(Duration::from_secs(age)), Some(created), most).as_secs();
        assert_eq!([0, 4, 20, 60, 3600].map(looked), [1, 1, 5, 15, 15]);
        assert_eq!(look_after(created, None, most), Duration::from_millis(3750));
    }
}
