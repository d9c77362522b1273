//! Jobs that a list shows and that are or may be the one asked for, and what they say about starting it.

use stillpoint_core::{Error, ErrorKind, Evidence, Result, Timestamp};

use super::listing::TOKEN_LIFE;
use super::names::JobName;

/// A restore or copy job that is or may be the one asked for.
#[derive(Debug)]
pub(super) struct KnownJob {
    pub(super) name: JobName,
    pub(super) evidence: Evidence,
    pub(super) created: Option<Timestamp>,
    /// Whether it has not ended.
    pub(super) active: bool,
}

/// What `known` says about a start: that it was made before, that it cannot be made now, or nothing, and then a call with the
/// same token makes no second job.
///
/// # Errors
/// `Busy` while a job runs that may be this one and is too old for its token to tell. One that has ended was found, or
/// given up, before this start.
pub(super) fn started(known: Vec<KnownJob>, now: Timestamp) -> Result<Option<JobName>> {
    let unclear =
        |job: &&KnownJob| job.active && job.created.is_some_and(|created| now.since(created) >= TOKEN_LIFE);
    if !is_proven(&known)
        && let Some(other) = known.iter().find(unclear)
    {
        let message = format!(
            "job {} already works on the same recovery point, and nothing proves whose it is; wait for its end",
            other.name.id
        );
        return Err(Error::new(ErrorKind::Busy, message));
    }
    Ok(known.into_iter().find(|job| job.evidence == Evidence::Proven).map(|job| job.name))
}

/// Whether one of `known` is the one asked for.
fn is_proven(known: &[KnownJob]) -> bool {
    known.iter().any(|job| job.evidence == Evidence::Proven)
}

/// What a search for a job begun at `since` answers. While AWS remembers its token a start that is repeated with it answers the
/// same job, so what only may be it is better left to that than followed.
pub(super) fn candidates(known: Vec<KnownJob>, since: Timestamp, now: Timestamp) -> Vec<(JobName, Evidence)> {
    if !is_proven(&known) && now.since(since) < TOKEN_LIFE {
        return Vec::new();
    }
    known.into_iter().map(|job| (job.name, job.evidence)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::listing::{HORIZON, before};
    use super::super::names::JobKind;
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(10_000_000_000)
    }

    fn known(evidence: Evidence, age: Duration, active: bool) -> KnownJob {
        let name = JobName::new(JobKind::Restore, "us-east-1", "1");
        KnownJob { name, evidence, created: Some(before(now(), age)), active }
    }

    #[test]
    fn a_job_that_may_be_ours_and_outlived_its_token_is_waited_for_until_it_ends() {
        let young = || known(Evidence::Likely, Duration::from_secs(60), true);
        let old = |active| known(Evidence::Likely, TOKEN_LIFE, active);
        assert_eq!(started(vec![young()], now()).unwrap(), None, "the token tells");
        assert_eq!(started(vec![young(), old(true)], now()).unwrap_err().kind(), ErrorKind::Busy);
        assert_eq!(started(vec![old(false)], now()).unwrap(), None, "nobody waits for what has ended");
        let ours = known(Evidence::Proven, HORIZON, false);
        assert!(started(vec![old(true), ours], now()).unwrap().is_some());
    }

    #[test]
    fn a_search_leaves_what_may_be_ours_to_the_token_while_that_lives() {
        let likely = || vec![known(Evidence::Likely, Duration::from_secs(60), false)];
        assert_eq!(candidates(likely(), before(now(), Duration::from_secs(90)), now()), []);
        assert_eq!(
            candidates(likely(), before(now(), TOKEN_LIFE), now()).len(),
            1,
            "and it is not taken for lost"
        );
        let proven = vec![known(Evidence::Proven, Duration::from_secs(60), true)];
        assert_eq!(candidates(proven, before(now(), Duration::from_secs(90)), now()).len(), 1);
    }
}
