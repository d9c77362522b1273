//! The result of a restore, as a document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stillpoint_core::decide::{Machine, RestoreMachine};
use stillpoint_core::{
    BackupId, Issue, OperationId, OperationRecord, OperationState, Request, RoleGrant, Timestamp, WorkspaceId,
};
use utoipa::ToSchema;

/// The result of a restore.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct RestoreDocument {
    /// The operation.
    #[schema(value_type = String)]
    pub operation_id: OperationId,
    /// What was restored.
    #[schema(value_type = String)]
    pub backup_id: BackupId,
    /// The new workspace.
    #[schema(value_type = String)]
    pub target: WorkspaceId,
    /// Where the restored content is.
    pub resources: Vec<String>,
    /// How it ended.
    #[schema(value_type = String)]
    pub state: OperationState,
    /// When it was submitted.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// Files, as far as its providers count them.
    pub files: RestoreFileCounts,
    /// Bytes, as far as its providers count them.
    pub bytes: RestoreByteCounts,
    /// The software version that the workspace ran when it was backed up.
    pub software_version_at_backup: Option<String>,
    /// The software version that the new workspace runs.
    pub software_version: Option<String>,
    /// Who had which role in the old workspace; a restore grants none.
    #[schema(value_type = Vec<Object>)]
    pub roles_not_applied: Vec<RoleGrant>,
    /// The command that shows which of them are to be granted by hand.
    #[serde(default)]
    pub roles_reviewed_by: Option<String>,
    /// Worth saying, but nothing is missing because of it.
    pub warnings: Vec<String>,
    /// What did not go as planned.
    #[schema(value_type = Vec<Object>)]
    pub issues: Vec<Issue>,
}

/// Files in a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct RestoreFileCounts {
    /// Written.
    pub restored: u64,
    /// There already.
    pub unchanged: u64,
    /// Left out by an error.
    pub skipped: u64,
}

/// Bytes in a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct RestoreByteCounts {
    /// Fetched from the store.
    pub fetched: u64,
    /// Written to the target.
    pub written: u64,
}

impl RestoreDocument {
    /// The document of a restore; `None` for an operation of another kind.
    pub fn new(operation: &OperationRecord) -> Option<Self> {
        let (Request::Restore(request), Machine::Restore(machine)) = (&operation.request, &operation.machine)
        else {
            return None;
        };
        let counts = counts(machine);
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        let definition = machine.backup.as_ref().map(|backup| &backup.definition);
        let made = machine.made.as_ref();
        let target = made.map_or(&request.target, |made| &made.workspace);
        let roles = definition.map(|definition| definition.roles.clone()).unwrap_or_default();
        Some(Self {
            operation_id: operation.id.clone(),
            backup_id: request.backup.clone(),
            target: target.clone(),
            resources: resources(machine),
            state: operation.state,
            started_at: operation.started_at,
            finished_at: operation.finished_at,
            files: RestoreFileCounts {
                restored: count("files_restored"),
                unchanged: count("files_unchanged"),
                skipped: count("files_skipped"),
            },
            bytes: RestoreByteCounts { fetched: count("bytes_fetched"), written: count("bytes_written") },
            software_version_at_backup: definition.and_then(|definition| definition.software_version.clone()),
            software_version: made.and_then(|made| made.software_version.clone()),
            roles_reviewed_by: (!roles.is_empty()).then(|| review(&request.backup, target)),
            roles_not_applied: roles,
            warnings: operation.warnings.clone(),
            issues: operation.issues.clone(),
        })
    }
}

fn review(backup: &BackupId, target: &WorkspaceId) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-@:".contains(char);
    let target = match target.as_str() {
        word if word.chars().all(plain) => word.to_owned(),
        words => format!("'{}'", words.replace('\'', r"'\''")),
    };
    format!("stillpoint show {backup} --roles --against {target}")
}

/// Where the restored files are: the target, or a folder of its own inside it.
fn resources(machine: &RestoreMachine) -> Vec<String> {
    let statuses = machine.members.iter().filter_map(|member| member.run.status.as_ref());
    statuses.filter_map(|status| Some(status.restored.as_ref()?.resource.clone())).collect()
}

/// The counts of all restore jobs, summed.
fn counts(machine: &RestoreMachine) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for status in machine.members.iter().filter_map(|member| member.run.status.as_ref()) {
        for (name, value) in &status.counts {
            *counts.entry(name.as_str()).or_default() += value;
        }
    }
    counts
}
