//! `stillpoint show`.

use stillpoint_core::Origin;
use stillpoint_server::document::BackupDetail;
use stillpoint_server::text::{Bytes, Span};

use super::roles;
use crate::args::ShowArgs;
use crate::exit::{Exit, Outcome};
use crate::output::backup::{about, copied};
use crate::output::{Output, word};
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &ShowArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    if args.roles {
        return roles::run(session, catalog.as_ref(), &backup, args.against.as_deref()).await;
    }
    tell(&session.output, &BackupDetail::new(&backup))
}

/// Shows one backup in full.
pub(crate) fn tell(output: &Output, backup: &BackupDetail) -> Outcome {
    match output.is_json() {
        true => output.document(backup)?,
        false => text(output, backup)?,
    }
    Ok(Exit::Done)
}

fn text(output: &Output, detail: &BackupDetail) -> stillpoint_core::Result<()> {
    let backup = &detail.item;
    output.line(format_args!("backup       {}", backup.id))?;
    if let Some(name) = &backup.name {
        output.line(format_args!("name         {name}"))?;
    }
    output.line(format_args!("workspace    {}", backup.workspace))?;
    if let Some(copied) = copied(backup) {
        output.line(format_args!("             {copied}"))?;
    }
    if let Some(origin) = &backup.restored_from {
        let Origin { workspace, backup, restored_at, operation, .. } = origin;
        output.line(format_args!(
            "             restored from {workspace}, backup {backup}, at {restored_at} by operation {operation}"
        ))?;
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "unknown".into());
        output.line(format_args!(
            "             of software version {}, made with {}",
            version(&origin.software_version_at_backup),
            version(&origin.software_version)
        ))?;
    }
    output.line(format_args!("state        {}, {}", backup.state.as_str(), word(&backup.consistency)))?;
    output.line(format_args!(
        "created      {} by {}",
        backup.created_at,
        backup.creator.as_deref().unwrap_or("unknown")
    ))?;
    output.line(format_args!("took         {}", Span(detail.finished_at.since(backup.created_at))))?;
    output.line(format_args!(
        "size         {}, {} added",
        Bytes(backup.size_bytes),
        Bytes(backup.added_bytes)
    ))?;
    if let Some(parent) = &backup.parent_id {
        output.line(format_args!("builds on    {parent}"))?;
    }
    if let Some(expires) = backup.expires_at {
        output.line(format_args!("kept until   {expires}"))?;
    }
    for component in &detail.components {
        let snapshot =
            component.snapshot_id.as_ref().map(|id| format!("  snapshot {id}")).unwrap_or_default();
        let store = component.store.as_ref().map(|url| format!(" in {url}")).unwrap_or_default();
        let reason =
            component.excluded_reason.as_ref().map(|reason| format!("  ({reason})")).unwrap_or_default();
        output.line(format_args!(
            "component    {}  {}  {}  {}{snapshot}{store}{reason}",
            component.id,
            component.kind,
            component.resource,
            word(&component.state)
        ))?;
        if let Some(lost) = &component.base_lost {
            output.line(format_args!("base lost    {}: {lost}", component.id))?;
        }
    }
    for issue in &detail.issues {
        output.line(format_args!("issue        {}: {}: {}", issue.kind, about(issue), issue.message))?;
    }
    Ok(())
}
