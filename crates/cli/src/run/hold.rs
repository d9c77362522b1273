//! `stillpoint hold`.

use stillpoint_core::{OpContext, hold};
use stillpoint_server::document::BackupDetail;

use crate::args::HoldArgs;
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::{Files, Needs, Session};

pub(super) async fn run(session: &Session, args: &HoldArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    let providers = session.providers(&Needs::of_backup(&backup), Files::Stored).await?;
    let providers: Vec<_> = providers.into_values().collect();
    let cx = OpContext::background();
    let held = hold(&cx, catalog.as_ref(), &providers, &backup.id, !args.release).await?;
    tell(&session.output, &BackupDetail::new(&held))
}

/// Says whether a backup is held.
pub(crate) fn tell(output: &Output, backup: &BackupDetail) -> Outcome {
    if output.is_json() {
        output.document(backup)?;
        return Ok(Exit::Done);
    }
    let item = &backup.item;
    let kept = match (item.held, item.expires_at) {
        (true, _) => "is held: nothing deletes it".to_owned(),
        (false, Some(end)) => format!("is held no longer, and kept until {end}"),
        (false, None) => "is held no longer".to_owned(),
    };
    output.line(format_args!("backup {} of {} {kept}", item.id, item.workspace))?;
    Ok(Exit::Done)
}
