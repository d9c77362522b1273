//! Copy jobs found again. AWS keeps nothing of ours with one; what proves it is the mark on the copy that it made.

use stillpoint_core::{Candidate, CopyJob, ErrorKind, Evidence, OpContext, Result, Timestamp};

use super::super::AwsProvider;
use super::super::known::{self, KnownJob};
use super::super::listing::{self, CLOCKS_DIFFER, before};
use super::super::names::{JobName, PointName};
use super::super::pages::pages;
use super::super::points::PointState;
use super::super::refusal::unread;
use super::super::tags::JOB;
use super::super::time::timestamp;
use super::{Copy, vault_name};

impl AwsProvider {
    pub(in super::super) async fn find_copy(
        &self,
        cx: &OpContext,
        job: &CopyJob,
        since: Timestamp,
    ) -> Result<Vec<Candidate>> {
        let copy = self.copy(job).await?;
        let now = cx.clock().now();
        listing::reaches(now, since, &copy.point.arn)?;
        let state = match PointState::describe(&copy.clients, &copy.point).await {
            // What is gone cannot be copied any more, and a copy that was made of it cannot be found by it.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let found = copy.found(&state.resource, since).await?;
        listing::settled(now, since, found.is_empty(), &copy.point.arn)?;
        let candidate = |(name, evidence): (JobName, Evidence)| {
            Ok(Candidate::new(name.of(self.provider_id())?, evidence))
        };
        known::candidates(found, since, now).into_iter().map(candidate).collect()
    }
}

impl Copy {
    /// The copy jobs of this point into this vault since `since` that are or may be ours.
    pub(super) async fn found(&self, resource: &str, since: Timestamp) -> Result<Vec<KnownJob>> {
        let listed = pages("ListCopyJobs", async |token| {
            let call = self.clients.backup.list_copy_jobs().by_resource_arn(resource);
            let call = call.by_destination_vault_arn(self.destination.0.to_string()).set_next_token(token);
            let answer = call.send().await.map_err(unread("ListCopyJobs"))?;
            Ok((answer.copy_jobs.unwrap_or_default(), answer.next_token))
        });
        let earliest = before(since, CLOCKS_DIFFER);
        let mut found = Vec::new();
        for job in listed.await? {
            let created = job.creation_date().and_then(timestamp);
            let fits = job.source_recovery_point_arn() == Some(&self.point.arn.to_string())
                && job.iam_role_arn() == Some(&self.role)
                && job.created_by().is_none_or(|plan| plan.backup_plan_arn().is_none())
                && created.is_none_or(|created| created >= earliest);
            let (true, Some(id)) = (fits, job.copy_job_id()) else { continue };
            let state = job.state().map_or("", |state| state.as_str());
            let (evidence, active) = match (state, job.destination_recovery_point_arn()) {
                ("COMPLETED", Some(made)) => (self.mark_on(made).await?, false),
                ("COMPLETED" | "FAILED" | "PARTIAL", _) => (None, false),
                _ => (Some(Evidence::Likely), true),
            };
            found.extend(evidence.map(|evidence| KnownJob {
                name: self.name(id),
                evidence,
                created,
                active,
            }));
        }
        Ok(found)
    }

    /// Whose mark a copy carries.
    async fn mark_on(&self, made: &str) -> Result<Option<Evidence>> {
        let point = PointName::new(vault_name(&self.destination.0), made.parse()?);
        let carried = match point.tags(&self.there).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        let original = self.point.tags(&self.clients).await?;
        Ok(evidence(carried.get(JOB), original.get(JOB), &self.token))
    }
}

/// Whose a copy is that carries this mark; `None` where it is another job's. One that still carries the original's, or none,
/// was marked by nobody yet, so it may be one whose maker was stopped before it came to that.
fn evidence(mark: Option<&String>, original: Option<&String>, token: &str) -> Option<Evidence> {
    match mark {
        Some(mark) if mark == token => Some(Evidence::Proven),
        mark if mark.is_none() || mark == original => Some(Evidence::Likely),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_nobody_marked_may_be_ours() {
        let [ours, original, other] = ["ours", "original", "other"].map(str::to_owned);
        let of = |mark| evidence(mark, Some(&original), &ours);
        assert_eq!(of(Some(&ours)), Some(Evidence::Proven));
        assert_eq!(of(Some(&original)), Some(Evidence::Likely));
        assert_eq!(of(None), Some(Evidence::Likely));
        assert_eq!(of(Some(&other)), None);
        assert_eq!(evidence(Some(&other), None, &ours), None);
    }
}
