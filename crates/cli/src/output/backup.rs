//! The result of a backup as text.

use std::fmt::{self, Write};

use stillpoint_core::Issue;
use stillpoint_server::document::{BackupDocument, BackupItem, ComponentItem};
use stillpoint_server::text::{Bytes, Span, copy_place};

use super::word;

/// Issues and warnings that text shows in full; the rest is counted.
const SHOWN_MAX: usize = 20;

/// What is said of an operation that has not ended.
pub(super) const NOT_OVER: &str = "  next    it is not over; `stillpoint resume` goes on with it";

/// The result of a backup, for people.
#[derive(Debug)]
pub(crate) struct BackupText<'a>(pub(crate) &'a BackupDocument);

impl fmt::Display for BackupText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = self.0;
        match &it.backup_id {
            Some(id) => writeln!(f, "backup {id} of {} {}", it.workspace, it.state.as_str())?,
            None => writeln!(f, "operation {} on {} {}", it.operation_id, it.workspace, it.state.as_str())?,
        }
        // A workspace of volumes has no files to be counted, and more than one component to be named.
        let several = it.components.len() > 1;
        let included = |component: &&ComponentItem| component.excluded_reason.is_none();
        for component in it.components.iter().filter(|component| several && included(component)) {
            writeln!(f, "  {}", line(component))?;
        }
        let files = it.files;
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
        let bytes = it.bytes;
        // What is added to the storage has the same name in lists; clouds do not tell what it was before compression.
        write!(
            f,
            "  bytes   {} scanned, {} read, {} added",
            Bytes(bytes.scanned),
            Bytes(bytes.read),
            Bytes(bytes.stored)
        )?;
        match bytes.added {
            0 => writeln!(f)?,
            added => writeln!(f, " ({} before compression)", Bytes(added))?,
        }
        for component in &it.components {
            if let Some(reason) = &component.excluded_reason {
                writeln!(f, "  without {}: {reason}", component.id)?;
            }
        }
        match it.finished_at {
            Some(end) => write!(f, "  took    {}", Span(end.since(it.started_at)))?,
            None => f.write_str(NOT_OVER)?,
        }
        remarks(f, &it.warnings, &it.issues)
    }
}

/// Of what a copy is one and where it lies, in words.
pub(crate) fn copied(backup: &BackupItem) -> Option<String> {
    let (original, place) = (backup.copy_of.as_ref()?, copy_place(&backup.copied_to));
    Some(if place.is_empty() {
        format!("copy of {original}")
    } else {
        format!("copy of {original}, {place}")
    })
}

/// One component as one line for people.
pub(crate) fn line(component: &ComponentItem) -> String {
    let snapshot = component.snapshot_id.as_ref().map(|id| format!("  {id}")).unwrap_or_default();
    format!("{:<7} {}  {}{snapshot}", component.id, component.kind, word(&component.state))
}

/// What an issue is about: an item, or everything together.
pub(crate) fn about(issue: &Issue) -> &str {
    if issue.item.is_empty() { "all of it" } else { &issue.item }
}

/// Adds warnings and issues, a bounded number of each.
pub(super) fn remarks(f: &mut fmt::Formatter<'_>, warnings: &[String], issues: &[Issue]) -> fmt::Result {
    let mut text = String::new();
    for warning in warnings.iter().take(SHOWN_MAX) {
        write!(text, "\n  warning {warning}")?;
    }
    for issue in issues.iter().take(SHOWN_MAX) {
        write!(text, "\n  {:<7} {}: {}", issue.kind, about(issue), issue.message)?;
    }
    let more = warnings.len().saturating_sub(SHOWN_MAX) + issues.len().saturating_sub(SHOWN_MAX);
    if more > 0 {
        write!(text, "\n  … and {more} more; --json lists them all")?;
    }
    f.write_str(&text)
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{
        BackupRequest, OperationRecord, OperationState, OperationStatus, Request, Timestamp,
    };

    use super::*;

    #[test]
    fn a_backup_that_is_not_over_says_what_goes_on_with_it() {
        let request = BackupRequest::new("op-1".parse().unwrap(), "ml-prod".parse().unwrap());
        let mut record = OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(0));
        record.state = OperationState::Detached;
        let mut told = |finished_at| {
            record.finished_at = finished_at;
            BackupText(&BackupDocument::new(&OperationStatus::new(record.clone(), None, None))).to_string()
        };
        assert!(told(None).contains("`stillpoint resume` goes on with it"));
        assert!(!told(Some(Timestamp::from_millis(2_000))).contains("resume"));
    }
}
