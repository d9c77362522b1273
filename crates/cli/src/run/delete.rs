//! `stillpoint delete`.

use serde_json::json;
use stillpoint_core::{
    BackupId, Catalog, DeleteRequest, ErrorKind, OperationQuery, OperationRecord, OperationState, Request,
    Result,
};

use super::drive::drive;
use crate::args::DeleteArgs;
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::{Files, Needs, Session};

pub(super) async fn run(session: &Session, args: &DeleteArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = match session.resolve(catalog.as_ref(), &args.backup).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return match deleted_before(catalog.as_ref(), &args.backup).await? {
                Some(done) => tell(&session.output, &done, "was deleted and read back as gone"),
                None => Err(error.into()),
            };
        }
        resolved => resolved?,
    };
    let mut request =
        DeleteRequest::new(session.new_operation(), backup.id.clone(), backup.workspace.clone());
    request.creator = Some(session.creator());
    let orchestrator =
        session.orchestrator(&catalog, &Needs::of_backup(&backup), Files::Stored, None).await?;
    let driven = drive(&session.output, &orchestrator, Request::Delete(request)).await?.with_result()?;
    tell(&session.output, &driven.status.operation, "is deleted and read back as gone")?;
    Ok(driven.exit())
}

fn tell(output: &Output, operation: &OperationRecord, what: &str) -> Outcome {
    let (workspace, backup) = (&operation.workspace, &operation.backup);
    if output.is_json() {
        output.document(&json!({
            "operation_id": operation.id,
            "backup_id": backup,
            "workspace": workspace,
            "state": operation.state,
            "started_at": operation.started_at,
            "finished_at": operation.finished_at,
            "warnings": operation.warnings,
            "issues": operation.issues,
        }))?;
    } else {
        let backup = backup.as_ref().map(BackupId::as_str).unwrap_or_default();
        output.line(format_args!("backup {backup} of {workspace} {what}"))?;
    }
    Ok(Exit::Done)
}

/// The deletion that has removed the backup named by `id` or by the beginning of it, where there was exactly one such
/// backup: the same command twice is one deletion, also where another process has brought it to its end.
async fn deleted_before(catalog: &dyn Catalog, id: &str) -> Result<Option<OperationRecord>> {
    let mut query = OperationQuery::all();
    query.state = Some(OperationState::Completed);
    let mut found: Option<OperationRecord> = None;
    loop {
        let page = catalog.operations(&query).await?;
        for operation in page.items.into_iter().map(|stored| stored.operation) {
            let Request::Delete(request) = &operation.request else { continue };
            if !request.backup.as_str().starts_with(id) {
                continue;
            }
            if found.as_ref().is_some_and(|other| other.backup != operation.backup) {
                return Ok(None);
            }
            found.get_or_insert(operation);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}
