//! A recovery point as AWS Backup tells it, the same whether it was described or listed.

use aws_sdk_backup::operation::describe_recovery_point::DescribeRecoveryPointOutput;
use aws_sdk_backup::types::RecoveryPointByBackupVault;
use stillpoint_core::{Result, Tags, Timestamp};

use super::super::arn::Arn;
use super::super::clients::Clients;
use super::super::names::PointName;
use super::super::refusal::unread;
use super::super::tags;
use super::super::time::timestamp;

/// What AWS Backup says of a recovery point.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in super::super) struct PointState {
    pub(in super::super) arn: String,
    /// AWS's own word.
    pub(in super::super) status: String,
    pub(in super::super) message: Option<String>,
    pub(in super::super) vault_arn: Option<Arn>,
    pub(in super::super) resource: String,
    /// What AWS calls the service that is backed up: `EBS`, `EFS`, `RDS`.
    pub(in super::super) kind: Option<String>,
    /// The backup plan that made it; `None` for one on demand.
    pub(in super::super) plan: Option<String>,
    /// The role that made it.
    pub(in super::super) role: Option<String>,
    pub(in super::super) created: Option<Timestamp>,
    pub(in super::super) size_bytes: Option<u64>,
    /// When AWS deletes it by itself; `None` for never.
    pub(in super::super) delete_at: Option<Timestamp>,
}

/// Whether a restore can use a recovery point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Usable {
    Now,
    /// It is still made.
    NotYet,
    /// It is incomplete, or on its way out.
    Never,
    /// A word that nobody knows yet.
    Unknown,
}

macro_rules! from_answer {
    ($answer:ty) => {
        impl From<$answer> for PointState {
            fn from(answer: $answer) -> Self {
                let lifecycle = answer.calculated_lifecycle.as_ref();
                Self {
                    arn: answer.recovery_point_arn.unwrap_or_default(),
                    status: answer.status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
                    message: answer.status_message.filter(|message| !message.is_empty()),
                    vault_arn: answer.backup_vault_arn.and_then(|arn| arn.parse().ok()),
                    resource: answer.resource_arn.unwrap_or_default(),
                    kind: answer.resource_type,
                    plan: answer.created_by.and_then(|by| by.backup_plan_id.or(by.backup_plan_arn)),
                    role: answer.iam_role_arn,
                    created: answer.creation_date.as_ref().and_then(timestamp),
                    size_bytes: answer.backup_size_in_bytes.and_then(|size| u64::try_from(size).ok()),
                    delete_at: lifecycle.and_then(|days| days.delete_at()).and_then(timestamp),
                }
            }
        }
    };
}

from_answer!(DescribeRecoveryPointOutput);
from_answer!(RecoveryPointByBackupVault);

impl PointState {
    /// The recovery point `name`, read now.
    ///
    /// # Errors
    /// `NotFound` where it does not exist.
    pub(in super::super) async fn describe(clients: &Clients, name: &PointName) -> Result<Self> {
        let call = clients.backup.describe_recovery_point().backup_vault_name(&name.vault);
        let answer = call.recovery_point_arn(name.arn.to_string()).send().await;
        Ok(answer.map_err(unread("DescribeRecoveryPoint"))?.into())
    }

    /// Whether a point with these tags is one that we made.
    pub(in super::super) fn is_ours(&self, tags: &Tags) -> bool {
        let vault = self.vault_arn.as_ref().filter(|_| self.plan.is_none());
        vault.is_some_and(|vault| tags::is_point_of_ours(tags, vault, &self.resource))
    }

    pub(in super::super) fn usable(&self) -> Usable {
        match self.status.as_str() {
            "COMPLETED" | "AVAILABLE" => Usable::Now,
            "CREATING" => Usable::NotYet,
            "PARTIAL" | "EXPIRED" | "DELETING" | "STOPPED" => Usable::Never,
            _ => Usable::Unknown,
        }
    }

    /// Its status, and what AWS says about it.
    pub(in super::super) fn in_words(&self) -> String {
        match &self.message {
            Some(message) => format!("{} ({message})", self.status),
            None => self.status.clone(),
        }
    }
}
