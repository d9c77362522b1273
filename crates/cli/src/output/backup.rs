//! The result of a backup.

use std::fmt::{self, Write};

use serde::Serialize;
use stillpoint_core::{
    BackupId, BackupRecord, Consistency, Issue, OperationId, OperationState, OperationStatus, Request,
    Timestamp, WorkspaceId,
};

use super::bytes::{Bytes, Span};
use super::document::ComponentItem;

/// Issues and warnings that text shows in full; the rest is counted.
const SHOWN_MAX: usize = 20;

/// The result of a backup, as JSON has it.
#[derive(Debug, Serialize)]
pub(crate) struct BackupDocument<'a> {
    operation_id: &'a OperationId,
    backup_id: Option<&'a BackupId>,
    workspace: &'a WorkspaceId,
    name: Option<&'a str>,
    state: OperationState,
    consistency: Option<Consistency>,
    started_at: Timestamp,
    finished_at: Option<Timestamp>,
    components: Vec<ComponentItem<'a>>,
    files: FileCounts,
    bytes: ByteCounts,
    warnings: &'a [String],
    issues: &'a [Issue],
}

#[derive(Clone, Copy, Debug, Serialize)]
struct FileCounts {
    new: u64,
    changed: u64,
    unmodified: u64,
    skipped: u64,
    torn: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct ByteCounts {
    scanned: u64,
    read: u64,
    added: u64,
    stored: u64,
}

impl<'a> BackupDocument<'a> {
    pub(crate) fn new(status: &'a OperationStatus) -> Self {
        let operation = &status.operation;
        let backup = status.backup.as_ref();
        let count = |name: &str| backup.map_or(0, |backup| sum(backup, name));
        let name = match &operation.request {
            Request::Backup(request) => request.name.as_deref(),
            _ => None,
        };
        Self {
            operation_id: &operation.id,
            backup_id: operation.backup.as_ref(),
            workspace: &operation.workspace,
            name,
            state: operation.state,
            consistency: backup.map(|backup| backup.consistency),
            started_at: operation.started_at,
            finished_at: operation.finished_at,
            components: backup
                .map(|b| b.components.iter().map(ComponentItem::new).collect())
                .unwrap_or_default(),
            files: FileCounts {
                new: count("files_new"),
                changed: count("files_changed"),
                unmodified: count("files_unmodified"),
                skipped: count("files_skipped"),
                torn: count("files_torn"),
            },
            bytes: ByteCounts {
                scanned: count("bytes_scanned"),
                read: count("bytes_read"),
                added: count("bytes_added"),
                stored: count("bytes_stored"),
            },
            warnings: &operation.warnings,
            issues: &operation.issues,
        }
    }
}

fn sum(backup: &BackupRecord, count: &str) -> u64 {
    backup.components.iter().filter_map(|component| component.counts.get(count)).sum()
}

impl fmt::Display for BackupDocument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.backup_id {
            Some(id) => writeln!(f, "backup {id} of {} {}", self.workspace, self.state.as_str())?,
            None => {
                writeln!(f, "operation {} on {} {}", self.operation_id, self.workspace, self.state.as_str())?
            }
        }
        // A workspace of volumes has no files to be counted, and more than one component to be named.
        let several = self.components.len() > 1;
        for component in self.components.iter().filter(|component| several && component.reason().is_none()) {
            writeln!(f, "  {}", component.line())?;
        }
        let files = self.files;
        if !several || files.new + files.changed + files.unmodified > 0 {
            writeln!(
                f,
                "  files   {} new, {} changed, {} unmodified",
                files.new, files.changed, files.unmodified
            )?;
        }
        if files.skipped + files.torn > 0 {
            writeln!(f, "          {} skipped, {} torn", files.skipped, files.torn)?;
        }
        let bytes = self.bytes;
        writeln!(
            f,
            "  bytes   {} scanned, {} read, {} added, {} stored",
            Bytes(bytes.scanned),
            Bytes(bytes.read),
            Bytes(bytes.added),
            Bytes(bytes.stored)
        )?;
        for component in self.components.iter().filter_map(ComponentItem::excluded) {
            writeln!(f, "  without {component}")?;
        }
        let took = self.finished_at.map(|end| Span(end.since(self.started_at)).to_string());
        write!(f, "  took    {}", took.as_deref().unwrap_or("so far unknown"))?;
        remarks(f, self.warnings, self.issues)
    }
}

impl ComponentItem<'_> {
    fn excluded(&self) -> Option<String> {
        self.reason().map(|reason| format!("{}: {reason}", self.name()))
    }
}

/// Adds warnings and issues, a bounded number of each.
pub(super) fn remarks(f: &mut fmt::Formatter<'_>, warnings: &[String], issues: &[Issue]) -> fmt::Result {
    let mut text = String::new();
    for warning in warnings.iter().take(SHOWN_MAX) {
        write!(text, "\n  warning {warning}")?;
    }
    for issue in issues.iter().take(SHOWN_MAX) {
        write!(text, "\n  {:<7} {}: {}", issue.kind, issue.item, issue.message)?;
    }
    let more = warnings.len().saturating_sub(SHOWN_MAX) + issues.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        write!(text, "\n  … and {more} more; --json lists them all")?;
    }
    f.write_str(&text)
}
