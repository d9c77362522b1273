//! Finding a job from outside: what lists show, how late they show it, and what that proves.

use stillpoint_core::{
    Candidate, Error, ErrorKind, Evidence, JobRef, JobRequest, ProviderId, Result, Timestamp,
};

use super::job::Job;
use super::state::State;

/// The jobs in the cloud's list that may be the one of `request`, whose intent was written at `since`.
///
/// A backup job does not carry the caller's key. It is proven once the tags of its snapshot show, likely before
/// that, and foreign where a plan made it. A restore job echoes its metadata and is proven at once.
pub(super) fn candidates(
    state: &State,
    provider: &ProviderId,
    request: &JobRequest,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Candidate>> {
    let found: Vec<_> = state
        .jobs
        .iter()
        .filter(|job| job.created_at.after(state.config.list_lag) <= now)
        .filter_map(|job| {
            let evidence = evidence(state, job, request, since)?;
            Some(Candidate::new(JobRef::new(provider.clone(), job.id.clone()), evidence))
        })
        .collect();
    let sure_from = since.after(state.config.list_lag);
    if found.is_empty() && now < sure_from {
        let message = "the job may have been started but not be listed yet";
        return Err(Error::new(ErrorKind::Unavailable, message).retry_after(sure_from.since(now)));
    }
    Ok(found)
}

fn evidence(state: &State, job: &Job, request: &JobRequest, since: Timestamp) -> Option<Evidence> {
    let JobRequest::Backup(wanted) = request else {
        return (job.key() == Some(request.key())).then_some(Evidence::Proven);
    };
    if job.is_restore() || job.resource != wanted.component.resource {
        return None;
    }
    if job.request.is_none() && job.snapshot.is_none() {
        return (!job.has_ended()).then_some(Evidence::Foreign);
    }
    let tags = job.snapshot.as_ref().and_then(|snapshot| state.points.get(snapshot));
    if let Some(point) = tags {
        return (point.key() == Some(request.key())).then_some(Evidence::Proven);
    }
    let not_before = job.created_at.after(state.config.clocks_differ) >= since;
    let not_after =
        job.created_at <= since.after(state.config.token_lifetime.max(state.config.clocks_differ));
    (not_before && not_after).then_some(Evidence::Likely)
}

/// The job that this key started earlier, where its token may be forgotten: proven, or the one likely job that
/// still runs.
pub(super) fn started_before(
    state: &State,
    provider: &ProviderId,
    request: &JobRequest,
    now: Timestamp,
) -> Option<JobRef> {
    let since = match request {
        JobRequest::Backup(job) => job.created_at,
        _ => now,
    };
    let found = candidates(state, provider, request, since, now).ok()?;
    let runs = |found: &&Candidate| state.job(&found.job.id).is_some_and(|job| !job.has_ended());
    let likely: Vec<_> =
        found.iter().filter(|found| found.evidence == Evidence::Likely).filter(runs).collect();
    let proven = found.iter().find(|found| found.evidence == Evidence::Proven);
    proven.or_else(|| likely.first().copied().filter(|_| likely.len() == 1)).map(|found| found.job.clone())
}
