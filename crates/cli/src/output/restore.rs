//! The result of a restore.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use stillpoint_core::decide::{Machine, RestoreMachine};
use stillpoint_core::{
    BackupId, Issue, OperationId, OperationRecord, OperationState, Request, RoleGrant, Timestamp, WorkspaceId,
};

use super::backup::remarks;
use super::bytes::{Bytes, Span};

/// The result of a restore, as JSON has it.
#[derive(Debug, Serialize)]
pub(crate) struct RestoreDocument<'a> {
    operation_id: &'a OperationId,
    backup_id: &'a BackupId,
    target: &'a WorkspaceId,
    resources: Vec<&'a str>,
    state: OperationState,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    files: FileCounts,
    bytes: ByteCounts,
    software_version_at_backup: Option<&'a str>,
    software_version: Option<&'a str>,
    roles_not_applied: &'a [RoleGrant],
    warnings: &'a [String],
    issues: &'a [Issue],
}

#[derive(Clone, Copy, Debug, Serialize)]
struct FileCounts {
    restored: u64,
    unchanged: u64,
    skipped: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct ByteCounts {
    fetched: u64,
    written: u64,
}

impl<'a> RestoreDocument<'a> {
    /// The document of a restore; `None` for an operation of another kind.
    pub(crate) fn new(operation: &'a OperationRecord) -> Option<Self> {
        let (Request::Restore(request), Machine::Restore(machine)) = (&operation.request, &operation.machine)
        else {
            return None;
        };
        let counts = counts(machine);
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        let definition = machine.backup.as_ref().map(|backup| &backup.definition);
        let made = machine.made.as_ref();
        Some(Self {
            operation_id: &operation.id,
            backup_id: &request.backup,
            target: made.map_or(&request.target, |made| &made.workspace),
            resources: resources(machine),
            state: operation.state,
            started_at: operation.started_at,
            finished_at: operation.finished_at,
            files: FileCounts {
                restored: count("files_restored"),
                unchanged: count("files_unchanged"),
                skipped: count("files_skipped"),
            },
            bytes: ByteCounts { fetched: count("bytes_fetched"), written: count("bytes_written") },
            software_version_at_backup: definition
                .and_then(|definition| definition.software_version.as_deref()),
            software_version: made.and_then(|made| made.software_version.as_deref()),
            roles_not_applied: definition.map(|definition| definition.roles.as_slice()).unwrap_or_default(),
            warnings: &operation.warnings,
            issues: &operation.issues,
        })
    }
}

/// Where the restored files are: the target, or a folder of its own inside it.
fn resources(machine: &RestoreMachine) -> Vec<&str> {
    let statuses = machine.members.iter().filter_map(|member| member.run.status.as_ref());
    statuses.filter_map(|status| Some(status.restored.as_ref()?.resource.as_str())).collect()
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

impl fmt::Display for RestoreDocument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "restore of {} into {} {}", self.backup_id, self.target, self.state.as_str())?;
        for place in self.resources.iter().filter(|place| **place != self.target.as_str()) {
            writeln!(f, "  at      {place}")?;
        }
        let files = self.files;
        writeln!(
            f,
            "  files   {} restored, {} unchanged, {} skipped",
            files.restored, files.unchanged, files.skipped
        )?;
        writeln!(
            f,
            "  bytes   {} fetched, {} written",
            Bytes(self.bytes.fetched),
            Bytes(self.bytes.written)
        )?;
        let took = self.finished_at.map(|end| Span(end.since(self.started_at)).to_string());
        write!(f, "  took    {}", took.as_deref().unwrap_or("so far unknown"))?;
        remarks(f, self.warnings, self.issues)
    }
}
