//! The pages of one backup: what it is, and its files.

use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form, Router};
use stillpoint_core::{BackupRecord, OperationId, Result};

use super::desk::{Desk, Fields, Page, begun};
use super::view::backup::{self, Rights};
use super::view::files;
use super::view::part;
use super::view::shell::Section;
use crate::access::Role;
use crate::act::VerifyOrder;
use crate::document::OperationItem;
use crate::plane::ControlPlane;
use crate::view::{FileFilter, LOOK_AT, OperationFilter};

pub(super) fn router() -> Router<ControlPlane> {
    Router::new()
        .route("/backups/{id}", get(show))
        .route("/backups/{id}/files/{component}", get(browse))
        .route("/backups/{id}/verify", post(verify))
        .route("/backups/{id}/hold", post(hold))
}

/// Which controls whoever asks is shown. The acts themselves refuse who lacks the role, whatever was shown.
fn rights(desk: &Desk, held: bool) -> Rights {
    Rights {
        restore: desk.may(Role::Operator),
        verify: desk.may(Role::Operator),
        hold: desk.may(if held { Role::Administrator } else { Role::Operator }),
        delete: desk.may(Role::Administrator),
    }
}

async fn show(desk: Desk, Path(id): Path<String>) -> Response {
    let page = show_page(&desk, &id).await;
    desk.show(page).await
}

async fn show_page(desk: &Desk, id: &str) -> Result<Page> {
    let found = desk.plane.backup(desk.caller(), id).await?;
    let history = history(desk, &found).await?;
    let view = backup::View {
        backup: &found,
        rights: rights(desk, found.held),
        history: &history,
        browsable: &browsable(desk, &found),
        now: desk.plane.clock().now(),
    };
    let main = backup::render(&desk.shell().await?, &view);
    let title = format!("{} of {}", part::backup_name(found.name.as_deref(), &found.id), found.workspace);
    Ok(Page { section: Section::Backups, title, main })
}

/// The newest operations on a backup, but for the one that made it, as far as one look goes.
async fn history(desk: &Desk, backup: &BackupRecord) -> Result<Vec<OperationItem>> {
    let filter = OperationFilter { all: true, limit: Some(LOOK_AT), ..OperationFilter::default() };
    let mut found = desk.plane.operations(desk.caller(), &filter).await?.operations;
    found.retain(|operation| {
        operation.backup_id.as_ref() == Some(&backup.id) && operation.id != backup.operation
    });
    Ok(found)
}

/// The components with a snapshot that can list its files.
fn browsable(desk: &Desk, backup: &BackupRecord) -> Vec<String> {
    let lists = |provider: &stillpoint_core::ProviderId| {
        let found = desk.plane.providers().iter().find(|known| known.id() == provider);
        found.is_some_and(|provider| provider.capabilities().lists_entries)
    };
    let records = backup.components.iter();
    let with =
        records.filter(|record| record.snapshot.as_ref().is_some_and(|snapshot| lists(&snapshot.provider)));
    with.map(|record| record.component.id.to_string()).collect()
}

async fn browse(
    desk: Desk,
    Path((id, component)): Path<(String, String)>,
    Query(fields): Query<Vec<(String, String)>>,
) -> Response {
    let page = browse_page(&desk, &id, &component, &Fields(fields)).await;
    desk.show(page).await
}

async fn browse_page(desk: &Desk, id: &str, component: &str, fields: &Fields) -> Result<Page> {
    let found = desk.plane.backup(desk.caller(), id).await?;
    let folder = fields.get("path").trim_matches('/');
    let after = fields.text("after");
    let filter = FileFilter {
        component: Some(component.to_owned()),
        path: Some(folder.to_owned()),
        after: after.map(str::to_owned),
    };
    let entries = desk.plane.files(desk.caller(), id, &filter).await?;
    let main = files::render(&files::View {
        backup: &found,
        component,
        folder,
        entries: &entries.entries,
        next: entries.next.as_deref(),
        later: after.is_some(),
    });
    Ok(Page { section: Section::Backups, title: format!("Files of {component}"), main })
}

async fn verify(desk: Desk, Path(id): Path<String>, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let done = verify_it(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn verify_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    let operation = OperationId::generate(desk.plane.entropy());
    let status = desk.plane.verify(desk.caller(), operation, id, &VerifyOrder::default()).await?;
    Ok(begun(status.operation.id.as_str()))
}

async fn hold(desk: Desk, Path(id): Path<String>, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let done = hold_it(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn hold_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    let held = fields.get("held") == "yes";
    desk.plane.hold(desk.caller(), id, held).await?;
    Ok(part::path(&["backups", id]) + if held { "?said=held" } else { "?said=released" })
}
