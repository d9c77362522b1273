//! A backup job as AWS tells it, the same whether it was described or listed.

use aws_sdk_backup::operation::describe_backup_job::DescribeBackupJobOutput;
use aws_sdk_backup::primitives::DateTime;
use aws_sdk_backup::types::BackupJob as ListedJob;
use stillpoint_core::{Result, Timestamp};

use super::super::arn::Arn;
use super::super::clients::Clients;
use super::super::names::PointName;
use super::super::pages::pages;
use super::super::refusal::unread;
use super::super::time::timestamp;

/// Entries on one page of a list.
const PAGE_ITEMS: i32 = 1000;

/// What AWS says of a backup job.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) resource: String,
    pub(super) vault: String,
    pub(super) vault_arn: Option<Arn>,
    pub(super) role: String,
    /// AWS's own word; one that nobody knows yet stays as it is.
    pub(super) state: String,
    pub(super) category: Option<String>,
    pub(super) message: Option<String>,
    /// The backup plan that made it; `None` for a job on demand.
    pub(super) plan: Option<String>,
    pub(super) point: Option<String>,
    pub(super) created: Option<Timestamp>,
    /// When it began to copy.
    pub(super) initiated: Option<Timestamp>,
    pub(super) completed: Option<Timestamp>,
    pub(super) expected: Option<Timestamp>,
    /// A volume's provisioned size; of a file system the bytes that this job moved.
    pub(super) size_bytes: Option<u64>,
    pub(super) transferred_bytes: Option<u64>,
    /// A number in a text, with or without a percent sign.
    pub(super) percent: Option<String>,
}

macro_rules! from_answer {
    ($answer:ty) => {
        impl From<$answer> for Job {
            fn from(answer: $answer) -> Self {
                let at = |time: Option<DateTime>| time.as_ref().and_then(timestamp);
                let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
                let creator = answer.created_by.as_ref();
                Self {
                    id: answer.backup_job_id.unwrap_or_default(),
                    resource: answer.resource_arn.unwrap_or_default(),
                    vault: answer.backup_vault_name.unwrap_or_default(),
                    vault_arn: answer.backup_vault_arn.and_then(|arn| arn.parse().ok()),
                    role: answer.iam_role_arn.unwrap_or_default(),
                    state: answer.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
                    category: answer.message_category,
                    message: answer.status_message.filter(|message| !message.is_empty()),
                    plan: creator
                        .and_then(|by| by.backup_plan_name().or(by.backup_plan_id()))
                        .map(str::to_owned),
                    point: answer.recovery_point_arn,
                    created: at(answer.creation_date),
                    initiated: at(answer.initiation_date),
                    completed: at(answer.completion_date),
                    expected: at(answer.expected_completion_date),
                    size_bytes: count(answer.backup_size_in_bytes),
                    transferred_bytes: count(answer.bytes_transferred),
                    percent: answer.percent_done,
                }
            }
        }
    };
}

from_answer!(DescribeBackupJobOutput);
from_answer!(ListedJob);

impl Job {
    /// The job `id`.
    ///
    /// # Errors
    /// `NotFound` where AWS knows no such job.
    pub(super) async fn describe(clients: &Clients, id: &str) -> Result<Self> {
        let answer = clients.backup.describe_backup_job().backup_job_id(id).send().await;
        Ok(answer.map_err(unread("DescribeBackupJob"))?.into())
    }

    /// The jobs on `resource` that were created after `since`, whoever made them, each once.
    ///
    /// # Errors
    /// Whatever a page meets.
    pub(super) async fn list(clients: &Clients, resource: &Arn, since: Timestamp) -> Result<Vec<Self>> {
        let after = DateTime::from_millis(since.as_millis());
        let listed = pages("ListBackupJobs", async |token| {
            let call = clients.backup.list_backup_jobs().max_results(PAGE_ITEMS).set_next_token(token);
            let call = call.by_resource_arn(resource.to_string()).by_created_after(after);
            let answer = call.send().await.map_err(unread("ListBackupJobs"))?;
            Ok((answer.backup_jobs.unwrap_or_default(), answer.next_token))
        });
        let mut jobs: Vec<Self> = listed.await?.into_iter().map(Self::from).collect();
        jobs.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        jobs.dedup_by(|a, b| a.id == b.id);
        Ok(jobs)
    }

    /// Whether it may still run.
    pub(super) fn is_active(&self) -> bool {
        // A word that nobody knows yet is no end.
        !matches!(self.state.as_str(), "COMPLETED" | "PARTIAL" | "FAILED" | "EXPIRED" | "ABORTED")
    }

    /// Whether it captures a volume, all of it at one instant.
    pub(super) fn is_of_volume(&self) -> bool {
        self.resource.contains(":volume/")
    }

    /// The recovery point, once it has a name.
    pub(super) fn point(&self) -> Option<PointName> {
        Some(PointName::new(&self.vault, self.point.as_ref()?.parse().ok()?))
    }

    /// Whose it is, in words.
    pub(super) fn whose(&self) -> String {
        match &self.plan {
            Some(plan) => format!("of the backup plan {plan}"),
            None => format!("into vault {} by {}", self.vault, self.role),
        }
    }
}
