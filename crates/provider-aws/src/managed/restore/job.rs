//! Restore jobs of AWS Backup: started once, and found again by what their metadata says.

use aws_sdk_backup::types::RestoreJobsListMember;
use stillpoint_core::{Error, ErrorKind, Evidence, OpContext, Result, Timestamp};

use super::finish::Plan;
use super::metadata::{self, CREATION_TOKEN, Metadata, REQUEST_ID};
use super::{PLAN, Restore, place, unknown_id};
use crate::managed::arn::Arn;
use crate::managed::known::{self, KnownJob};
use crate::managed::listing::{self, CLOCKS_DIFFER, HORIZON, before};
use crate::managed::names::{JobKind, JobName};
use crate::managed::pages::pages;
use crate::managed::recorded::{ALWAYS_RECORDED, file_system_settings};
use crate::managed::refusal::{undone, unread};
use crate::managed::time::timestamp;

/// Jobs of one recovery point whose metadata is asked for.
const JOBS_MAX: usize = 100;

/// The note that carries a file system's creation token.
pub(super) const TOKEN: &str = "token";

impl Restore<'_> {
    /// Starts the restore job, or answers the one that this key started.
    pub(super) async fn start_job(&self, cx: &OpContext) -> Result<JobName> {
        let since = before(cx.clock().now(), HORIZON);
        self.prove().await?;
        place::prove_mount_targets(&self.clients, &self.wanted).await?;
        let origin = match self.usable_origin().await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(self.without_origin(error).await);
            }
            other => other?,
        };
        // AWS forgets its idempotency tokens within the hour; what a job was started with it keeps.
        let known = self.jobs_of(&origin, since).await?;
        match known::started(known, cx.clock().now())? {
            Some(name) => Ok(name),
            None => self.call(&origin).await,
        }
    }

    /// What a point that is gone means: where an earlier try, whose answer was lost, has made a file system, that is named,
    /// since nothing else tells of its job any more.
    async fn without_origin(&self, gone: Error) -> Error {
        match self.clients.efs().made_with(&self.job.key.token()).await {
            Ok(None) => gone,
            Ok(Some(made)) => {
                let message = format!(
                    "{} was made by this restore, whose recovery point is gone by now ({gone}), so its job cannot be followed; look \
                     at the restore jobs of AWS Backup whether it is whole, and use it or delete it",
                    made.id
                );
                Error::new(ErrorKind::NeedsAttention, message).with_source(gone)
            }
            Err(unseen) => unseen,
        }
    }

    /// Makes the call, which answers the same job as often as it is made within the life of its token.
    async fn call(&self, origin: &Arn) -> Result<JobName> {
        let role = self.wanted.needed("role_arn", "a restore job of AWS Backup")?;
        let metadata = self.metadata(origin).await?;
        // Everything that can fail does so before the call: a job whose name is lost would run without us.
        let name = self.job_name(origin).await?;
        let call = self.clients.backup.start_restore_job().recovery_point_arn(self.point.arn.to_string());
        let call = call.resource_type(self.kind()).iam_role_arn(role).idempotency_token(self.job.key.token());
        // The source's tags say whose workspace it is, by which inventories would take the copy for the original.
        let copied = self.wanted.get("copy_source_tags")?.unwrap_or(false);
        let call = call.copy_source_tags_to_restored_resource(copied);
        let call = call.set_metadata(Some(metadata.into_iter().collect()));
        let answer = call.send().await.map_err(undone("StartRestoreJob"))?;
        match answer.restore_job_id {
            Some(id) => Ok(JobName { id, ..name }),
            None => Err(Error::new(ErrorKind::Unexpected, "StartRestoreJob answered no job").maybe_applied()),
        }
    }

    /// The restore jobs begun after `since` that are, or may be, this one.
    pub(super) async fn find_jobs(
        &self,
        cx: &OpContext,
        since: Timestamp,
    ) -> Result<Vec<(JobName, Evidence)>> {
        let now = cx.clock().now();
        listing::reaches(now, since, &self.point.arn)?;
        let origin = match self.origin().await {
            // What is gone has no job that could still be found by it; the next start looks for what one has made.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                listing::settled(now, since, true, &self.point.arn)?;
                return Ok(Vec::new());
            }
            other => other?,
        };
        let found = self.jobs_of(&origin, since).await?;
        listing::settled(now, since, found.is_empty(), &self.point.arn)?;
        Ok(known::candidates(found, since, now))
    }

    /// What AWS Backup calls the thing that is restored.
    fn kind(&self) -> &'static str {
        if self.point.is_snapshot() { "EBS" } else { "EFS" }
    }

    async fn prove(&self) -> Result<()> {
        // The name of a volume's point, which is a snapshot, has no account in it.
        let owner = if self.point.is_snapshot() {
            self.clients.ec2().snapshot(self.point.arn.resource_id()).await?.owner
        } else {
            self.point.arn.account.clone()
        };
        place::prove(&self.clients, &self.point.arn, &owner, &self.wanted).await.map(drop)
    }

    /// The region of the point, which the name of a snapshot has, and the account of the caller, which it has not.
    async fn place(&self) -> Result<Arn> {
        Ok(Arn { account: self.clients.caller().await?.account, ..self.point.arn.clone() })
    }

    async fn metadata(&self, origin: &Arn) -> Result<Metadata> {
        match (self.point.is_snapshot(), origin.service.as_str()) {
            (true, _) => {
                let wanted = self.with_source(&["availability_zone"]).await?;
                metadata::of_volume(self.job, &wanted, &self.place().await?, self.zone(&wanted).await?)
            }
            (false, "elasticfilesystem") => {
                let wanted = self.with_source(&["performance_mode"]).await?;
                metadata::of_file_system(self.job, &wanted, origin, &self.place().await?)
            }
            (false, _) => {
                let message = format!("a recovery point of {origin} is none that this provider restores");
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    async fn jobs_of(&self, origin: &Arn, since: Timestamp) -> Result<Vec<KnownJob>> {
        let listed = self.listed(origin, since).await?;
        if listed.len() > JOBS_MAX {
            let message = format!(
                "{} was restored more than {JOBS_MAX} times within a month, so which of the jobs is this one cannot be told; \
                 restore another backup",
                self.point.arn
            );
            return Err(Error::new(ErrorKind::NeedsAttention, message));
        }
        let mut found = Vec::new();
        for job in &listed {
            let Some(id) = job.restore_job_id() else { continue };
            let call = self.clients.backup.get_restore_job_metadata().restore_job_id(id);
            let sent = match call.send().await.map_err(unread("GetRestoreJobMetadata")) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other?.metadata.unwrap_or_default(),
            };
            if let Some(evidence) = evidence(&sent.into_iter().collect(), &self.job.key.token()) {
                let name = JobName { id: id.to_owned(), ..self.job_name(origin).await? };
                let created = job.creation_date().and_then(timestamp);
                let status = job.status().map_or("", |status| status.as_str());
                let active = !matches!(status, "COMPLETED" | "FAILED" | "ABORTED" | "PARTIAL");
                found.push(KnownJob { name, evidence, created, active });
            }
        }
        Ok(found)
    }

    /// The restore jobs of this recovery point, newest first.
    async fn listed(&self, resource: &Arn, since: Timestamp) -> Result<Vec<RestoreJobsListMember>> {
        let since = before(since, CLOCKS_DIFFER);
        let point = self.point.arn.to_string();
        let listed = pages("ListRestoreJobsByProtectedResource", async |token| {
            let call = self.clients.backup.list_restore_jobs_by_protected_resource();
            let call = call.resource_arn(resource.to_string()).set_next_token(token);
            let answer = call.send().await.map_err(unread("ListRestoreJobsByProtectedResource"))?;
            Ok((answer.restore_jobs.unwrap_or_default(), answer.next_token))
        });
        let mut found = match listed.await {
            // AWS does not know the resource, so nothing of it was ever restored here.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        found.retain(|job| {
            let begun = job.creation_date().and_then(timestamp);
            job.recovery_point_arn() == Some(&point) && begun.is_none_or(|begun| begun >= since)
        });
        Ok(found)
    }

    /// The name of this restore's job, but for its id, for which there is room.
    async fn job_name(&self, origin: &Arn) -> Result<JobName> {
        let name = self.name(JobKind::Restore, &unknown_id());
        if self.point.is_snapshot() {
            return Ok(name);
        }
        let name = name.with(TOKEN, self.job.key.token());
        let wanted = self.with_source(&ALWAYS_RECORDED).await?;
        let plan = Plan::new(&wanted, file_system_settings(&wanted)?, origin)?;
        let room = stillpoint_core::ID_BYTES_MAX.saturating_sub(name.to_string().len() + PLAN.len() + 2);
        Ok(name.with(PLAN, plan.fitting(room)?.encoded()?))
    }
}

/// What a job's metadata says of whose it is; `None` where it is somebody else's.
fn evidence(sent: &Metadata, token: &str) -> Option<Evidence> {
    let said = [CREATION_TOKEN, REQUEST_ID].map(|name| metadata::value(sent, name));
    match said {
        [Some(creation), _] => (creation == token).then_some(Evidence::Proven),
        [None, Some(request)] => (request == token).then_some(Evidence::Proven),
        // AWS may not give the request's name back.
        [None, None] => Some(Evidence::Likely),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> Option<Evidence> {
        let sent = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        evidence(&sent, "mine")
    }

    #[test]
    fn a_job_is_ours_by_its_token_alone() {
        assert_eq!(said(&[("creationtoken", "mine")]), Some(Evidence::Proven));
        assert_eq!(said(&[("CreationToken", "theirs"), ("aws:backup:request-id", "mine")]), None);
        assert_eq!(said(&[("aws:backup:request-id", "mine")]), Some(Evidence::Proven));
        assert_eq!(said(&[("availabilityZone", "us-east-1a")]), Some(Evidence::Likely));
    }
}
