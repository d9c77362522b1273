//! A restore job followed: what it makes is tagged at first sight, and looked at once more when the job has ended.

use std::time::Duration;

use aws_sdk_backup::operation::describe_restore_job::DescribeRestoreJobOutput;
use aws_sdk_efs::types::LifeCycleState;
use stillpoint_core::{
    Error, ErrorKind, Issue, JobState, JobStatus, OpContext, Progress, RestoredResource, Result, Tags,
};

use super::finish::{self, Plan, Stage};
use super::job::TOKEN;
use super::{PLAN, component, room};
use crate::managed::AwsProvider;
use crate::managed::arn::Arn;
use crate::managed::clients::Clients;
use crate::managed::listing::look_after;
use crate::managed::marks::{Marks, lost};
use crate::managed::names::JobName;
use crate::managed::refusal::unread;
use crate::managed::time::timestamp;

/// How often a restore job is looked at, at the least: often enough that its resource is tagged before a housekeeper comes by.
const POLL_AFTER: Duration = Duration::from_secs(15);

/// What a job has made so far.
struct Made {
    arn: String,
    /// The tags that it lacked at this look, and has now.
    put_back: Tags,
    /// What a person is to know of its tags.
    told: Option<String>,
}

impl AwsProvider {
    pub(in crate::managed) async fn poll_restore(&self, cx: &OpContext, name: &JobName) -> Result<JobStatus> {
        cx.check()?;
        let clients = self.clients(&name.region)?;
        let call = clients.backup.describe_restore_job().restore_job_id(&name.id);
        let job = call.send().await.map_err(unread("DescribeRestoreJob"))?;
        let made = made(&clients, name, job.created_resource_arn()).await?;
        let mut status = status_of(&job);
        if let Some(made) = &made {
            status.restored =
                Some(RestoredResource::new(self.provider_id().clone(), component(name)?, &made.arn));
        }
        if matches!(status.state, JobState::Succeeded | JobState::SucceededWithIssues) {
            conclude(&mut status, name, made.as_ref(), &job)?;
        } else if let (JobState::Failed(_), Some(made)) = (&status.state, &made)
            && name.note(TOKEN).is_some()
        {
            let message = "what was restored before the failure lies below aws-backup-failed-restore_…";
            status.issues.push(Issue::new("failed-restore", &made.arn, message));
        }
        let created = job.creation_date().and_then(timestamp);
        let after = look_after(cx.clock().now(), created, POLL_AFTER);
        status.poll_after = Some(after).filter(|_| !status.state.is_terminal());
        Ok(status)
    }
}

/// What is to be said of a job that says it is done.
fn conclude(
    status: &mut JobStatus,
    name: &JobName,
    made: Option<&Made>,
    job: &DescribeRestoreJobOutput,
) -> Result<()> {
    let Some(made) = made else {
        let resource = job.created_resource_arn().unwrap_or("the new resource");
        let message = format!(
            "{resource} is not there although its restore is done; look for a housekeeper that deletes what lacks its tag"
        );
        status.state = JobState::Failed(Error::new(ErrorKind::NotFound, message).record());
        return Ok(());
    };
    if let Some(plan) = name.note(PLAN) {
        let plan = Plan::decoded(plan)?;
        status.warnings.extend(plan.warnings(&made.arn));
    }
    status.warnings.extend(made.told.clone());
    // At first sight all of them are missing, and nobody took them off.
    let first_sight = Marks::noted(name).tags().keys().all(|key| made.put_back.contains_key(key));
    if !made.put_back.is_empty() && !first_sight {
        status.warnings.push(lost(&made.arn, &made.put_back));
    }
    Ok(())
}

/// Finds what the job makes, and tags it.
async fn made(clients: &Clients, name: &JobName, created: Option<&str>) -> Result<Option<Made>> {
    if let Some(token) = name.note(TOKEN) {
        return file_system(clients, name, token).await;
    }
    let Some(created) = created else { return Ok(None) };
    let arn: Arn = created.parse()?;
    let volume = match clients.ec2().volume(arn.resource_id()).await {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let marks = Marks::noted(name);
    let put_back = marks.missing(&volume.tags);
    clients.ec2().tag(&volume.id, &put_back).await?;
    clients.ec2().untag(&volume.id, &marks.inherited(&volume.tags)).await?;
    Ok(Some(Made { arn: created.to_owned(), put_back, told: None }))
}

/// A file system is found by its creation token long before its job names it.
async fn file_system(clients: &Clients, name: &JobName, token: &str) -> Result<Option<Made>> {
    let Some(system) = clients.efs().made_with(token).await? else { return Ok(None) };
    if matches!(system.state, LifeCycleState::Deleting | LifeCycleState::Deleted) {
        return Ok(None);
    }
    let (marks, stage) = (Marks::noted(name), Stage::of(&system));
    let put_back = marks.missing(&system.tags);
    let mut told = room::told(&system.id, &system.tags);
    let plan = name.note(PLAN).map(Plan::tags_of).filter(|_| stage != Stage::Done).unwrap_or_default();
    if stage == Stage::Done {
        clients.efs().tag(&system.id, &put_back).await?;
    } else {
        let strange = marks.inherited(&system.tags).into_iter().filter(|(key, value)| {
            !plan.contains_key(key)
                && !finish::says_itself_of(&system.id, key, value)
                && !room::says_itself_of(&system.id, key, value)
        });
        let strange = strange.map(|(key, _)| key).collect();
        let needed = marks.tags().iter().chain(&plan).map(|(key, value)| (key.clone(), value.clone()));
        let surplus = room::surplus(&system.tags, &needed.collect());
        if surplus.is_empty() {
            // A housekeeper may come by, so what keeps it off is written before anything else is done.
            clients.efs().tag(&system.id, &put_back).await?;
            clients.efs().untag(&system.id, strange).await?;
        } else {
            let said = room::left_out(&system.id, surplus.len());
            told = room::told(&system.id, &said);
            clients.efs().untag(&system.id, [strange, surplus].concat()).await?;
            clients.efs().tag(&system.id, &put_back.clone().into_iter().chain(said).collect()).await?;
        }
        let missing: Tags =
            plan.into_iter().filter(|(key, value)| system.tags.get(key) != Some(value)).collect();
        clients.efs().tag(&system.id, &missing).await?;
        // Last, since it says that the plan is whole and this file system's own.
        if stage != Stage::Planned && name.note(PLAN).is_some() {
            clients.efs().tag(&system.id, &Stage::Planned.tag(&system.id)).await?;
        }
    }
    let arn = system.arn.ok_or_else(|| {
        Error::new(ErrorKind::Unexpected, format!("EFS does not say the full name of {}", system.id))
    })?;
    Ok(Some(Made { arn, put_back, told }))
}

fn status_of(job: &DescribeRestoreJobOutput) -> JobStatus {
    let word = job.status().map_or("", |status| status.as_str());
    let message = job.status_message().filter(|message| !message.trim().is_empty());
    let mut status = JobStatus::new(state_of(word, message));
    if status.state == JobState::SucceededWithIssues {
        status.issues.push(Issue::new("message", job.restore_job_id().unwrap_or(""), message.unwrap_or("")));
    }
    let total = job.backup_size_in_bytes().and_then(|bytes| u64::try_from(bytes).ok());
    let done = if word == "COMPLETED" { total.unwrap_or(0) } else { part(total, job.percent_done()) };
    status.progress = Progress::new(done, 0).of(total, None);
    status
}

/// Source: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRestoreJob.html>.
fn state_of(word: &str, message: Option<&str>) -> JobState {
    let failed = |kind, what: &str| {
        let said = message.map(|message| format!(": {message}")).unwrap_or_default();
        JobState::Failed(
            Error::new(kind, format!("the restore job {what}{said}")).with("code", word).record(),
        )
    };
    match word {
        "CREATED" | "PENDING" => JobState::Queued,
        "RUNNING" => JobState::Running,
        "COMPLETED" if message.is_some() => JobState::SucceededWithIssues,
        "COMPLETED" => JobState::Succeeded,
        "PARTIAL" => {
            failed(ErrorKind::NeedsAttention, "restored a part only, which is not usable as a whole")
        }
        "FAILED" => failed(ErrorKind::Unexpected, "failed"),
        // There is no call that stops one, so it was AWS itself.
        "ABORTED" => failed(ErrorKind::Unavailable, "was aborted by AWS"),
        other => JobState::Unknown(other.to_owned()),
    }
}

/// `12.34%` of `total`.
fn part(total: Option<u64>, percent: Option<&str>) -> u64 {
    let hundredths = percent.and_then(|text| {
        let (whole, rest) =
            text.trim().trim_end_matches('%').split_once('.').unwrap_or((text.trim_end_matches('%'), "0"));
        let rest: String = rest.chars().chain("00".chars()).take(2).collect();
        Some(whole.trim().parse::<u128>().ok()?.min(100) * 100 + rest.parse::<u128>().ok()?)
    });
    let done = u128::from(total.unwrap_or(0)) * hundredths.unwrap_or(0) / 10_000;
    u64::try_from(done).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_state_and_unknown_ones_are_kept() {
        assert_eq!(state_of("PENDING", None), JobState::Queued);
        assert_eq!(state_of("COMPLETED", None), JobState::Succeeded);
        assert_eq!(state_of("COMPLETED", Some("skipped 3 files")), JobState::SucceededWithIssues);
        assert_eq!(state_of("HIBERNATING", None), JobState::Unknown("HIBERNATING".to_owned()));
        for word in ["PARTIAL", "FAILED", "ABORTED"] {
            let JobState::Failed(error) = state_of(word, Some("no room")) else { panic!("{word}") };
            assert!(error.message.contains("no room"), "{error}");
            assert_eq!(error.context("code"), Some(word));
        }
    }

    #[test]
    fn progress_is_the_percentage_of_the_size() {
        assert_eq!(part(Some(36_000_000_000), Some("12.34%")), 4_442_400_000);
        assert_eq!(part(Some(1000), Some("50")), 500);
        assert_eq!(part(Some(1000), Some("99.9")), 999);
        assert_eq!(part(Some(1000), Some("soon")), 0);
        assert_eq!(part(None, Some("50%")), 0);
    }
}
