//! A copy job followed, and its copy marked as what it is: a point of another backup than the original.

use std::time::Duration;

use aws_sdk_backup::types::CopyJob as Job;
use stillpoint_core::{Error, ErrorKind, Issue, JobState, JobStatus, OpContext, Progress, Result};

use super::super::AwsProvider;
use super::super::arn::Arn;
use super::super::clients::Clients;
use super::super::listing::look_after;
use super::super::marks::Marks;
use super::super::names::{JobName, PointName};
use super::super::refusal::{undone, unread};
use super::super::time::timestamp;
use super::vault_name;

/// How often a copy job is looked at, at the least.
const POLL_AFTER: Duration = Duration::from_secs(30);
/// How soon a mark that was just written is read back.
const READ_BACK_AFTER: Duration = Duration::from_secs(2);
/// The word that says that a completed job has nothing to remark on.
const SUCCESS: &str = "SUCCESS";

impl AwsProvider {
    pub(in super::super) async fn poll_copy(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        cx.check()?;
        let clients = self.clients(&name.region)?;
        let answer = clients.backup.describe_copy_job().copy_job_id(&name.id).send().await;
        let job = answer.map_err(unread("DescribeCopyJob"))?.copy_job;
        let job =
            job.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("AWS knows no copy job {}", name.id)))?;
        let mut status = status_of(&job);
        let created = job.creation_date().and_then(timestamp);
        let after = look_after(cx.clock().now(), created, POLL_AFTER);
        status.poll_after = Some(after).filter(|_| !status.state.is_terminal());
        if matches!(status.state, JobState::Succeeded | JobState::SucceededWithIssues) {
            self.mark(&clients, name, &job, &mut status).await?;
        }
        Ok(status)
    }

    /// The copy is done only once it carries its own mark, read back.
    async fn mark(&self, clients: &Clients, name: &JobName, job: &Job, status: &mut JobStatus) -> Result<()> {
        let (Some(made), Some(vault)) =
            (job.destination_recovery_point_arn(), job.destination_backup_vault_arn())
        else {
            return Err(Error::new(ErrorKind::Unexpected, format!("copy job {} names no copy", name.id)));
        };
        let vault: Arn = vault.parse()?;
        let point = PointName::new(vault_name(&vault), made.parse()?);
        let provider = self.of_account(&clients.caller().await?.account, &vault.account)?;
        status.snapshot = Some(point.of(provider.provider_id(), Some(&vault))?);
        let there = provider.clients(&vault.region)?;
        let wanted = Marks::noted(name).at(&vault, job.resource_arn().unwrap_or_default());
        let missing = match point.tags(&there).await {
            Err(error) if error.kind() == ErrorKind::NotFound => wanted.tags().clone(),
            other => wanted.missing(&other?),
        };
        if missing.is_empty() {
            return Ok(());
        }
        let tagged = if point.is_snapshot() {
            there.ec2().tag(point.arn.resource_id(), &missing).await
        } else {
            let call = there.backup.tag_resource().resource_arn(point.arn.to_string());
            let call = call.set_tags(Some(missing.into_iter().collect()));
            call.send().await.map_err(undone("TagResource")).map(drop)
        };
        // A copy may be shown a little after its job has ended.
        if let Err(error) = tagged
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        status.state = JobState::Running;
        status.issues.clear();
        status.poll_after = Some(READ_BACK_AFTER);
        Ok(())
    }
}

fn status_of(job: &Job) -> JobStatus {
    let word = job.state().map_or("", |state| state.as_str());
    let category = job.message_category().filter(|category| *category != SUCCESS);
    let said: Vec<&str> =
        [category, job.status_message()].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    let said = said.join(": ");
    let mut status = JobStatus::new(state_of(word, &said));
    if status.state == JobState::SucceededWithIssues {
        status.issues.push(Issue::new(
            "message",
            job.copy_job_id().unwrap_or(""),
            format!("AWS Backup says {said}"),
        ));
    }
    let total = job.backup_size_in_bytes().and_then(|size| u64::try_from(size).ok());
    // AWS tells no percentage of a copy.
    let done = if word == "COMPLETED" { total.unwrap_or(0) } else { 0 };
    status.progress = Progress::new(done, 0).of(total, None);
    status
}

/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CopyJob.html>.
fn state_of(word: &str, said: &str) -> JobState {
    let failed = |kind, what: &str| {
        let said = if said.is_empty() { String::new() } else { format!(", and AWS says {said}") };
        JobState::Failed(Error::new(kind, format!("the copy job {what}{said}")).with("code", word).record())
    };
    match word {
        "CREATED" => JobState::Queued,
        "RUNNING" => JobState::Running,
        "COMPLETED" if said.is_empty() => JobState::Succeeded,
        "COMPLETED" => JobState::SucceededWithIssues,
        "PARTIAL" => failed(ErrorKind::Unexpected, "copied a part only"),
        "FAILED" => failed(
            ErrorKind::Unexpected,
            "failed; see that the destination vault exists and lets the role copy into it",
        ),
        other => JobState::Unknown(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_state_and_unknown_ones_are_kept() {
        assert_eq!(state_of("CREATED", ""), JobState::Queued);
        assert_eq!(state_of("COMPLETED", ""), JobState::Succeeded);
        assert_eq!(state_of("COMPLETED", "late"), JobState::SucceededWithIssues);
        assert_eq!(state_of("HIBERNATING", ""), JobState::Unknown("HIBERNATING".to_owned()));
        for word in ["PARTIAL", "FAILED"] {
            let JobState::Failed(error) = state_of(word, "no room") else { panic!("{word}") };
            assert!(error.message.contains("no room"), "{error}");
        }
    }
}
