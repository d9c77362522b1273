//! What a retention policy does, for people and as a document: the same here and from a server.

use serde_json::json;
use stillpoint_core::{BackupId, Result};
use stillpoint_server::document::{ForgottenDocument, KeptItem, RetentionDocument};

use super::Output;
use crate::exit::{Exit, Failure, Outcome};
use crate::run::resume::worst;

/// Says what stays and why, and what goes. `described` tells a backup by more than its id.
pub(crate) fn preview(
    output: &Output,
    previewed: &RetentionDocument,
    described: impl Fn(&BackupId) -> String,
    dry_run: bool,
) -> Result<()> {
    for kept in &previewed.keep {
        output.line(format_args!("keep    {}  ({})", described(&kept.id), kept.reasons.join("; ")))?;
    }
    if previewed.keep.is_empty() && previewed.remove.is_empty() {
        output.line("there is no backup to judge")?;
    }
    let verb = if dry_run { "would remove" } else { "remove" };
    previewed.remove.iter().try_for_each(|id| output.line(format_args!("{verb}  {}", described(id))))
}

/// Tells what came of it, and how the run ends: as the worst of its failures. `stopped` is what kept it from the rest.
pub(crate) fn outcome(
    output: &Output,
    previewed: &RetentionDocument,
    done: &ForgottenDocument,
    stopped: Option<&Failure>,
    dry_run: bool,
) -> Outcome {
    for failed in &done.failed {
        output.note(format_args!("backup {} is not deleted: {}", failed.id, failed.error));
    }
    if let Some(stopped) = stopped {
        output.note(format_args!("error: {stopped}"));
    }
    if output.is_json() {
        output.document(&document(previewed, done, stopped, dry_run))?;
    } else if !dry_run {
        text(output, done)?;
    }
    let failed = done.failed.iter().map(|failed| Exit::of_error(&failed.error));
    Ok(stopped.map_or_else(|| worst(failed), Failure::exit))
}

fn document(
    previewed: &RetentionDocument,
    done: &ForgottenDocument,
    stopped: Option<&Failure>,
    dry_run: bool,
) -> serde_json::Value {
    let failed = done.failed.iter().map(|failed| json!({ "id": failed.id, "message": failed.error.message }));
    let mut document = json!({
        "dry_run": dry_run,
        "keep": previewed.keep,
        "remove": previewed.remove,
        "deleted": done.deleted,
        "kept": done.kept,
        "failed": failed.collect::<Vec<_>>(),
    });
    if let Some(stopped) = stopped {
        document["error"] = json!(stopped.document().error);
    }
    document
}

fn text(output: &Output, done: &ForgottenDocument) -> Result<()> {
    for KeptItem { id, reasons, .. } in &done.kept {
        output.line(format_args!("kept    {id} after all  ({})", reasons.join("; ")))?;
    }
    let (gone, failed) = (done.deleted.len(), done.failed.len());
    output.line(format_args!("{gone} backups are deleted and read back as gone, {failed} failed"))?;
    if gone > 0 {
        output.line("`stillpoint prune` frees their space")?;
    }
    Ok(())
}
