//! The page of a restore: the plan first, then the restore itself.

use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Posted, Router};
use stillpoint_core::{BackupRecord, Error, ErrorKind, Landing, OperationId, Result, WorkspaceId};

use super::desk::{Desk, Fields, Page, begun};
use super::view::part;
use super::view::restore::{self, Form};
use super::view::shell::Section;
use crate::access::Role;
use crate::act::{RestoreOrder, operation_id};
use crate::plane::ControlPlane;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/backups/{id}/restore", get(plan).post(begin))
}

async fn plan(desk: Desk, Path(id): Path<String>, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let page = plan_page(&desk, &id, &Fields(fields)).await;
    desk.show(page).await
}

async fn plan_page(desk: &Desk, id: &str, fields: &Fields) -> Result<Page> {
    desk.caller().require(Role::Operator)?;
    let backup = desk.plane.backup(desk.caller(), id).await?;
    let form = form(fields);
    let planned = match &form.target {
        target if target.is_empty() => None,
        _ => Some(match order(&form) {
            Ok(order) => desk.plane.plan_restore(desk.caller(), id, &order).await,
            Err(error) => Err(error),
        }),
    };
    let planned = match planned {
        // What can be put right in the form is said beside it; everything else is a page of its own.
        Some(Err(error)) if !correctable(&error) => return Err(error),
        planned => planned.map(|planned| planned.map_err(|error| error.to_string())),
    };
    let operation = OperationId::generate(desk.plane.entropy());
    let view = restore::View {
        backup: &backup,
        form: &form,
        items: restores_items(desk, &backup),
        plan: planned.as_ref().map(|planned| match planned {
            Ok(plan) => Ok((plan, operation.as_str())),
            Err(wrong) => Err(wrong.as_str()),
        }),
    };
    let main = restore::render(&desk.shell().await?, &view);
    let title = format!("Restore {}", part::backup_name(backup.name.as_deref(), &backup.id));
    Ok(Page { section: Section::Backups, title, main })
}

fn correctable(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidInput | ErrorKind::AlreadyExists | ErrorKind::Unsupported | ErrorKind::Busy
    )
}

/// Whether every component of a backup can be restored in part.
fn restores_items(desk: &Desk, backup: &BackupRecord) -> bool {
    let mut kept = backup.components.iter().filter_map(|record| record.snapshot.as_ref());
    kept.all(|snapshot| {
        let provider = desk.plane.providers().iter().find(|known| *known.id() == snapshot.provider);
        provider.is_some_and(|provider| provider.capabilities().restores_items)
    })
}

fn form(fields: &Fields) -> Form {
    let text = |name: &str| fields.get(name).to_owned();
    Form {
        target: text("target"),
        environment: text("environment"),
        version: text("version"),
        include: text("include"),
        landing: text("landing"),
        waive: fields.all("waive"),
        keep_on_failure: !fields.get("keep").is_empty(),
    }
}

fn order(form: &Form) -> Result<RestoreOrder> {
    let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let landing = match form.landing.as_str() {
        "" => None,
        "empty" => Some(Landing::Empty),
        "side" => Some(Landing::Side),
        "merge" => Some(Landing::Merge),
        "replace" => Some(Landing::Replace),
        word => {
            let message = format!("{word:?} is no way for files to land; say empty, side, merge or replace");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    };
    Ok(RestoreOrder {
        target: WorkspaceId::new(form.target.as_str())?,
        environment: set(&form.environment),
        components: Vec::new(),
        include: form
            .include
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
        landing,
        software_version: set(&form.version),
        timeout_seconds: None,
        waivers: form.waive.clone(),
        allow_partial: None,
        keep_on_failure: form.keep_on_failure,
    })
}

async fn begin(
    desk: Desk,
    Path(id): Path<String>,
    Posted(fields): Posted<Vec<(String, String)>>,
) -> Response {
    let done = begin_it(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn begin_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    let operation = operation_id(&desk.plane, fields.text("operation"))?;
    let status = desk.plane.restore(desk.caller(), operation, id, &order(&form(fields))?).await?;
    Ok(begun(status.operation.id.as_str()))
}
