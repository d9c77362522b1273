//! `stillpoint show`.

use stillpoint_core::BackupRecord;
use stillpoint_server::document::{BackupDetail, excluded_reason};

use crate::args::ShowArgs;
use crate::exit::{Exit, Outcome};
use crate::output::bytes::{Bytes, Span};
use crate::output::{Output, word};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &ShowArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    if session.output.is_json() {
        session.output.document(&BackupDetail::new(&backup))?;
    } else {
        text(&session.output, &backup)?;
    }
    Ok(Exit::Done)
}

fn text(output: &Output, backup: &BackupRecord) -> stillpoint_core::Result<()> {
    output.line(format_args!("backup       {}", backup.id))?;
    if let Some(name) = &backup.name {
        output.line(format_args!("name         {name}"))?;
    }
    output.line(format_args!("workspace    {}", backup.workspace))?;
    output.line(format_args!("state        {}, {}", backup.state.as_str(), word(&backup.consistency)))?;
    output.line(format_args!(
        "created      {} by {}",
        backup.created_at,
        backup.creator.as_deref().unwrap_or("unknown")
    ))?;
    output.line(format_args!("took         {}", Span(backup.finished_at.since(backup.created_at))))?;
    output.line(format_args!(
        "size         {}, {} added",
        Bytes(backup.size_bytes),
        Bytes(backup.added_bytes)
    ))?;
    if let Some(parent) = &backup.parent {
        output.line(format_args!("builds on    {parent}"))?;
    }
    if let Some(expires) = backup.expires_at {
        output.line(format_args!("kept until   {expires}"))?;
    }
    for record in &backup.components {
        let component = &record.component;
        let snapshot = record
            .snapshot
            .as_ref()
            .map(|snapshot| format!("  snapshot {}", snapshot.id))
            .unwrap_or_default();
        let reason = excluded_reason(component).map(|reason| format!("  ({reason})")).unwrap_or_default();
        output.line(format_args!(
            "component    {}  {}  {}  {}{snapshot}{reason}",
            component.id,
            component.kind,
            component.resource,
            word(&record.state)
        ))?;
    }
    for issue in backup.issues() {
        output.line(format_args!("issue        {}: {}: {}", issue.kind, issue.item, issue.message))?;
    }
    Ok(())
}
