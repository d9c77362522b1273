//! The pages of operations, and what the others show of those under way.

use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use maud::{Markup, html};
use stillpoint_core::{OperationId, Result, WorkspaceId};

use super::desk::{Desk, Fields, Page};
use super::view::operations::Row;
use super::view::shell::Section;
use super::view::{operation, operations, part};
use crate::access::Role;
use crate::document::OperationItem;
use crate::plane::ControlPlane;
use crate::view::OperationFilter;

/// Operations under way that a page shows.
pub(super) const RUNNING_MAX: usize = 50;
/// Ended operations on a page.
const ENDED: usize = 50;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new()
        .route("/operations", get(list))
        .route("/operations/{id}", get(show))
        .route("/operations/{id}/cancel", post(cancel))
}

/// The operations under way that whoever asks may see.
pub(super) async fn under_way(desk: &Desk, workspace: Option<&WorkspaceId>) -> Result<Vec<OperationItem>> {
    let filter = OperationFilter {
        workspace: workspace.cloned(),
        limit: Some(RUNNING_MAX),
        ..OperationFilter::default()
    };
    Ok(desk.plane.operations(desk.caller(), &filter).await?.operations)
}

/// Those as cards that follow what happens, below what was left held still.
pub(super) async fn running(desk: &Desk, workspace: Option<&WorkspaceId>) -> Result<Markup> {
    let found = under_way(desk, workspace).await?;
    let rows = rows(desk, &found);
    let held = desk.plane.left_held(desk.caller(), workspace).await?;
    let live = operations::live(&desk.shell().await?, &rows, workspace, desk.plane.clock().now());
    Ok(html! { (part::left_held(&held)) (live) })
}

fn rows<'a>(desk: &Desk, found: &'a [OperationItem]) -> Vec<Row<'a>> {
    found.iter().map(|operation| Row { operation, cancel: desk.may(Role::Operator) }).collect()
}

async fn list(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let page = list_page(&desk, Fields(fields).text("after")).await;
    desk.show(page).await
}

async fn list_page(desk: &Desk, after: Option<&str>) -> Result<Page> {
    let filter = OperationFilter {
        all: true,
        limit: Some(ENDED),
        after: after.map(str::to_owned),
        ..OperationFilter::default()
    };
    let found = desk.plane.operations(desk.caller(), &filter).await?;
    let ended: Vec<_> =
        found.operations.into_iter().filter(|operation| operation.state.is_terminal()).collect();
    let running = under_way(desk, None).await?;
    let view = operations::View {
        running: &rows(desk, &running),
        held: &desk.plane.left_held(desk.caller(), None).await?,
        ended: &ended,
        next: found.next.as_deref(),
        later: after.is_some(),
        now: desk.plane.clock().now(),
    };
    let main = operations::render(&desk.shell().await?, &view);
    Ok(Page { section: Section::Operations, title: "Operations".into(), main })
}

async fn show(desk: Desk, Path(id): Path<String>) -> Response {
    let page = show_page(&desk, &id).await;
    desk.show(page).await
}

async fn show_page(desk: &Desk, id: &str) -> Result<Page> {
    let id = OperationId::new(id)?;
    let stored = desk.plane.operation(desk.caller(), &id).await?;
    let item = OperationItem::stored(&stored);
    let ledger = desk.plane.catalog().ledger(&id).await?;
    let view = operation::View {
        row: Row { operation: &item, cancel: desk.may(Role::Operator) },
        ledger: &ledger,
        now: desk.plane.clock().now(),
    };
    let main = operation::render(&desk.shell().await?, &view);
    Ok(Page { section: Section::Operations, title: format!("{} of {}", item.kind, item.workspace), main })
}

async fn cancel(desk: Desk, Path(id): Path<String>, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let done = cancel_it(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn cancel_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    desk.plane.cancel(desk.caller(), &OperationId::new(id)?).await?;
    Ok(part::path(&["operations", id]) + "?said=stopping")
}
