//! `stillpoint delete`.

use serde_json::json;
use stillpoint_core::{DeleteRequest, Request};

use super::drive::drive;
use crate::args::DeleteArgs;
use crate::exit::Outcome;
use crate::session::{Files, Needs, Session};

pub(super) async fn run(session: &Session, args: &DeleteArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    let mut request =
        DeleteRequest::new(session.new_operation(), backup.id.clone(), backup.workspace.clone());
    request.creator = Some(session.creator());
    let orchestrator =
        session.orchestrator(&catalog, &Needs::of_backup(&backup), Files::Stored, None).await?;
    let driven = drive(&session.output, &orchestrator, Request::Delete(request)).await?.with_result()?;
    let operation = &driven.status.operation;
    if session.output.is_json() {
        session.output.document(&json!({
            "operation_id": operation.id,
            "backup_id": backup.id,
            "workspace": backup.workspace,
            "state": operation.state,
            "started_at": operation.started_at,
            "finished_at": operation.finished_at,
            "warnings": operation.warnings,
            "issues": operation.issues,
        }))?;
    } else {
        session.output.line(format_args!(
            "backup {} of {} is deleted and read back as gone",
            backup.id, backup.workspace
        ))?;
    }
    Ok(driven.exit())
}
