//! The pages of workspaces: all, one, and a backup of one by hand.

use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use axum::{Form, Router};
use stillpoint_core::{ErrorKind, OperationId, Result, ScheduleQuery, ScheduleRecord, WorkspaceId};

use super::desk::{Desk, Fields, Page, begun};
use super::operations;
use super::view::backup_now;
use super::view::shell::Section;
use super::view::workspace::{self, Rights};
use super::view::{timeline, workspaces};
use crate::access::Role;
use crate::act::{BackupOrder, operation_id};
use crate::plane::ControlPlane;
use crate::view::{BackupFilter, WorkspaceFilter};

/// Workspaces on a page.
const ROWS: usize = 50;
const DAY: u64 = 86_400;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new()
        .route("/workspaces", get(list))
        .route("/workspaces/{id}", get(show))
        .route("/workspaces/{id}/backup", get(plan).post(back_up))
}

async fn list(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let page = list_page(&desk, Fields(fields).text("after")).await;
    desk.show(page).await
}

async fn list_page(desk: &Desk, after: Option<&str>) -> Result<Page> {
    let filter = WorkspaceFilter { after: after.map(WorkspaceId::new).transpose()?, limit: Some(ROWS) };
    let found = desk.plane.workspaces(desk.caller(), &filter).await?;
    let main = workspaces::render(&workspaces::View {
        workspaces: &found.workspaces,
        next: found.next.as_deref(),
        damaged: &found.damaged,
        held: &desk.plane.left_held(desk.caller(), None).await?,
        later: after.is_some(),
        now: desk.plane.clock().now(),
    });
    Ok(Page { section: Section::Workspaces, title: "Workspaces".into(), main })
}

async fn show(desk: Desk, Path(id): Path<String>) -> Response {
    let page = show_page(&desk, &id).await;
    desk.show(page).await
}

async fn show_page(desk: &Desk, id: &str) -> Result<Page> {
    let id = WorkspaceId::new(id)?;
    let found = desk.plane.workspace(desk.caller(), &id).await?;
    let filter = BackupFilter {
        workspace: Some(id.clone()),
        limit: Some(timeline::POINTS_MAX),
        ..BackupFilter::default()
    };
    let backups = desk.plane.backups(desk.caller(), &filter).await?.backups;
    let view = workspace::View {
        workspace: &found,
        rights: Rights {
            back_up: desk.may(Role::Operator),
            schedule: desk.may(Role::Administrator),
            retention: desk.may(Role::Administrator),
        },
        backups: &backups,
        schedules: &schedules(desk, &id).await?,
        running: &operations::running(desk, Some(&id)).await?,
        now: desk.plane.clock().now(),
    };
    Ok(Page { section: Section::Workspaces, title: id.to_string(), main: workspace::render(&view) })
}

/// When a workspace is backed up by itself; nothing where the catalog keeps no schedules.
pub(super) async fn schedules(desk: &Desk, id: &WorkspaceId) -> Result<Vec<ScheduleRecord>> {
    let mut query = ScheduleQuery::all();
    query.workspace = Some(id.clone());
    match desk.plane.catalog().schedules(&query).await {
        Ok(page) => Ok(page.items.into_iter().map(|stored| stored.record).collect()),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

async fn plan(desk: Desk, Path(id): Path<String>, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let page = plan_page(&desk, &id, &Fields(fields)).await;
    desk.show(page).await
}

async fn plan_page(desk: &Desk, id: &str, fields: &Fields) -> Result<Page> {
    let id = WorkspaceId::new(id)?;
    let form = backup_now::Form {
        name: fields.get("name").to_owned(),
        days: fields.get("days").to_owned(),
        waive: fields.all("waive"),
    };
    let plan = desk.plane.plan_backup(desk.caller(), &id, &order(fields)?).await?;
    let operation = OperationId::generate(desk.plane.entropy());
    let view = backup_now::View { workspace: &id, form: &form, operation: operation.as_str(), plan: &plan };
    let main = backup_now::render(&desk.shell().await?, &view);
    Ok(Page { section: Section::Workspaces, title: format!("Back up {id}"), main })
}

fn order(fields: &Fields) -> Result<BackupOrder> {
    Ok(BackupOrder {
        name: fields.text("name").map(str::to_owned),
        retain_seconds: fields.number("days")?.map(|days| days.saturating_mul(DAY)),
        waivers: fields.all("waive"),
        ..BackupOrder::default()
    })
}

async fn back_up(desk: Desk, Path(id): Path<String>, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let done = begin(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn begin(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    let operation = operation_id(&desk.plane, fields.text("operation"))?;
    let status =
        desk.plane.back_up(desk.caller(), operation, &WorkspaceId::new(id)?, &order(fields)?).await?;
    Ok(begun(status.operation.id.as_str()))
}
