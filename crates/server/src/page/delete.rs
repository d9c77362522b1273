//! The page of a deletion, which takes the backup's name typed by hand.

use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use axum::{Form, Router};
use stillpoint_core::{CatalogExt, OperationId, Result};

use super::desk::{Desk, Fields, Page, begun};
use super::view::delete::{self, phrase};
use super::view::shell::Section;
use crate::act::operation_id;
use crate::plane::ControlPlane;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/backups/{id}/delete", get(plan).post(begin))
}

async fn plan(desk: Desk, Path(id): Path<String>) -> Response {
    let page = page(&desk, &id, None).await;
    desk.show(page).await
}

async fn page(desk: &Desk, id: &str, refused: Option<&str>) -> Result<Page> {
    let plan = desk.plane.plan_delete(desk.caller(), id).await?;
    let newest = desk.plane.catalog().latest_good(Some(&plan.backup.workspace)).await?;
    let operation = OperationId::generate(desk.plane.entropy());
    let view = delete::View {
        plan: &plan,
        operation: operation.as_str(),
        refused,
        newest_good: newest.is_some_and(|newest| newest.id == plan.backup.id),
    };
    let main = delete::render(&desk.shell().await?, &view);
    Ok(Page { section: Section::Backups, title: format!("Delete {}", phrase(&plan)), main })
}

async fn begin(desk: Desk, Path(id): Path<String>, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let fields = Fields(fields);
    match confirmed(&desk, &id, &fields).await {
        Ok(true) => {
            let done = begin_it(&desk, &id, &fields).await;
            desk.done(done)
        }
        Ok(false) => {
            let page = page(&desk, &id, Some("That is not its name. Nothing was deleted.")).await;
            desk.show(page).await
        }
        Err(error) => desk.refuse(&error),
    }
}

async fn confirmed(desk: &Desk, id: &str, fields: &Fields) -> Result<bool> {
    desk.prove(fields)?;
    let plan = desk.plane.plan_delete(desk.caller(), id).await?;
    Ok(fields.get("confirm") == phrase(&plan).trim())
}

async fn begin_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    let operation = operation_id(&desk.plane, fields.text("operation"))?;
    let status = desk.plane.delete(desk.caller(), operation, id).await?;
    Ok(begun(status.operation.id.as_str()))
}
