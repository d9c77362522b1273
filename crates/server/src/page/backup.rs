//! The pages of one backup: what it is, and its files.

use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use axum::Router;
use stillpoint_core::{BackupRecord, Error, ErrorKind, OpContext, Result};

use super::desk::{Desk, Fields, Page};
use super::view::backup::{self, Rights};
use super::view::files;
use super::view::part;
use super::view::shell::Section;
use crate::access::Role;
use crate::document::OperationItem;
use crate::plane::ControlPlane;
use crate::view::{LOOK_AT, OperationFilter};

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/backups/{id}", get(show)).route("/backups/{id}/files/{component}", get(browse))
}

/// What whoever asks may do with a backup: the same roles as those that the acts themselves require.
fn rights(desk: &Desk) -> Rights {
    Rights {
        restore: desk.may(Role::Operator),
        verify: desk.may(Role::Operator),
        hold: desk.may(Role::Administrator),
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
        rights: rights(desk),
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
    found.retain(|operation| operation.backup_id.as_ref() == Some(&backup.id) && operation.id != backup.operation);
    Ok(found)
}

/// The components with a snapshot that can list its files.
fn browsable(desk: &Desk, backup: &BackupRecord) -> Vec<String> {
    let lists = |provider: &stillpoint_core::ProviderId| {
        let found = desk.plane.providers().iter().find(|known| known.id() == provider);
        found.is_some_and(|provider| provider.capabilities().lists_entries)
    };
    let records = backup.components.iter();
    let with = records.filter(|record| record.snapshot.as_ref().is_some_and(|snapshot| lists(&snapshot.provider)));
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
    let entries = entries(desk, &found, component, folder, after).await?;
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

async fn entries(
    desk: &Desk,
    backup: &BackupRecord,
    component: &str,
    folder: &str,
    after: Option<&str>,
) -> Result<stillpoint_core::EntryPage> {
    let record = backup.components.iter().find(|record| record.component.id.as_str() == component);
    let snapshot = record.and_then(|record| record.snapshot.as_ref()).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("the backup holds no snapshot of a component {component:?}"))
    })?;
    let provider = desk.plane.providers().iter().find(|known| *known.id() == snapshot.provider).ok_or_else(|| {
        let message = format!("this server is not connected to {}, which keeps the files", snapshot.provider);
        Error::new(ErrorKind::Unsupported, message)
    })?;
    let cx = OpContext::background();
    provider.open(&cx, snapshot).await?.entries(&cx, folder, after).await
}
