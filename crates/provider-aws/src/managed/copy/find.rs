//! Copy jobs found again. AWS keeps nothing of ours with one; what proves it is the mark on the copy that it made.

use stillpoint_core::{Candidate, CopyJob, ErrorKind, Evidence, OpContext, Result, Timestamp};

use super::super::AwsProvider;
use super::super::listing::{self, CLOCKS_DIFFER, TOKEN_LIFE, before};
use super::super::names::{JobName, PointName};
use super::super::pages::pages;
use super::super::points::PointState;
use super::super::refusal::unread;
use super::super::tags::JOB;
use super::super::time::timestamp;
use super::{Copy, vault_name};

/// A job that is or may be ours, and when it was made.
pub(super) type Found = (JobName, Evidence, Option<Timestamp>);

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
        let proven = found.iter().any(|(_, evidence, _)| *evidence == Evidence::Proven);
        if !proven && !found.is_empty() && now.since(since) < TOKEN_LIFE {
            // One of them is ours in all likelihood, and the token says which.
            let name = copy.call(job).await?;
            return Ok(vec![Candidate::new(name.of(self.provider_id())?, Evidence::Proven)]);
        }
        let candidate =
            |(name, evidence, _): Found| Ok(Candidate::new(name.of(self.provider_id())?, evidence));
        found.into_iter().map(candidate).collect()
    }
}

impl Copy {
    /// The copy jobs of this point into this vault since `since` that are or may be ours.
    pub(super) async fn found(&self, resource: &str, since: Timestamp) -> Result<Vec<Found>> {
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
            let evidence = match (state, job.destination_recovery_point_arn()) {
                ("COMPLETED", Some(made)) => self.mark_on(made).await?,
                ("COMPLETED" | "FAILED" | "PARTIAL", _) => None,
                _ => Some(Evidence::Likely),
            };
            found.extend(evidence.map(|evidence| (self.name(id), evidence, created)));
        }
        Ok(found)
    }

    /// Whose mark a copy carries. One that was never marked is nobody's: whoever waits for it marks it.
    async fn mark_on(&self, made: &str) -> Result<Option<Evidence>> {
        let point = PointName::new(vault_name(&self.destination.0), made.parse()?);
        if self.destination.0.account != self.clients.caller().await?.account {
            return Ok(Some(Evidence::Likely));
        }
        let region = self.clients.sibling(&self.destination.0.region)?;
        match point.tags(&region).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            other => Ok((other?.get(JOB) == Some(&self.token)).then_some(Evidence::Proven)),
        }
    }
}
