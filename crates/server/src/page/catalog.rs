//! The page of all backups.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use stillpoint_core::{BackupState, Error, ErrorKind, Result, ScheduleQuery};

use super::desk::{Desk, Fields, Page};
use super::operations;
use super::view::backups::{self, Filter, Totals};
use super::view::shell::Section;
use crate::document::BackupItem;
use crate::plane::ControlPlane;
use crate::view::{BackupFilter, LOOK_AT};

/// Backups on a page.
const ROWS: usize = 50;
/// Workspaces that the filters offer.
const OFFERED_MAX: usize = 200;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/", get(show))
}

async fn show(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let page = page(&desk, &Fields(fields)).await;
    desk.show(page).await
}

async fn page(desk: &Desk, fields: &Fields) -> Result<Page> {
    let text = |name: &str| fields.get(name).to_owned();
    let filter = Filter {
        search: text("q"),
        workspace: text("workspace"),
        environment: text("environment"),
        state: text("state"),
        sort: text("sort"),
        after: text("after"),
    };
    let found = desk.plane.backups(desk.caller(), &asked(&filter)?).await?;
    let (workspaces, environments) = offered(desk).await?;
    let totals = totals(desk).await?;
    let running = operations::running(desk, None).await?;
    let main = backups::render(&backups::View {
        filter: &filter,
        totals: &totals,
        workspaces: &workspaces,
        environments: &environments,
        backups: &found.backups,
        damaged: &found.damaged,
        next: found.next.as_deref(),
        running: &running,
        now: desk.plane.clock().now(),
    });
    Ok(Page { section: Section::Backups, title: "Backups".into(), main })
}

/// The filter as the read model understands it.
fn asked(filter: &Filter) -> Result<BackupFilter> {
    let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let states = [BackupState::Completed, BackupState::Partial, BackupState::Damaged, BackupState::Deleting];
    let state = match filter.state.as_str() {
        "" => None,
        word => Some(states.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, format!("{word:?} is no state of a backup"))
        })?),
    };
    Ok(BackupFilter {
        workspace: set(&filter.workspace).map(|id| id.parse()).transpose()?,
        environment: set(&filter.environment),
        state,
        search: set(&filter.search),
        sort: set(&filter.sort),
        limit: Some(ROWS),
        after: set(&filter.after),
        ..BackupFilter::default()
    })
}

/// The workspaces and environments that the filters offer.
async fn offered(desk: &Desk) -> Result<(Vec<String>, Vec<String>)> {
    let known = desk.plane.catalog().workspaces(None, OFFERED_MAX).await?;
    let seen: Vec<_> = known
        .items
        .iter()
        .map(|record| &record.definition)
        .filter(|definition| desk.caller().sees(definition.environment.as_deref()))
        .collect();
    let environments: BTreeSet<_> =
        seen.iter().filter_map(|definition| definition.environment.clone()).collect();
    let workspaces = seen.iter().map(|definition| definition.id.to_string()).collect();
    Ok((workspaces, environments.into_iter().collect()))
}

/// Figures over the newest backups; over all, where there are no more.
async fn totals(desk: &Desk) -> Result<Totals> {
    let filter = BackupFilter { limit: Some(LOOK_AT), ..BackupFilter::default() };
    let found = desk.plane.backups(desk.caller(), &filter).await?;
    let workspaces: BTreeSet<_> = found.backups.iter().map(|backup| &backup.workspace).collect();
    let troubled = |backup: &&BackupItem| matches!(backup.state, BackupState::Partial | BackupState::Damaged);
    Ok(Totals {
        backups: found.backups.len(),
        more: found.next.is_some(),
        workspaces: workspaces.len(),
        added_bytes: found.backups.iter().map(|backup| backup.added_bytes).fold(0, u64::saturating_add),
        troubled: found.backups.iter().filter(troubled).count(),
        stale: stale(desk).await?,
    })
}

/// The workspaces whose schedule has raised the alarm that no good backup is fresh enough.
async fn stale(desk: &Desk) -> Result<Vec<String>> {
    let schedules = match desk.plane.catalog().schedules(&ScheduleQuery::all()).await {
        Ok(page) => page.items,
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut stale = Vec::new();
    for stored in schedules.iter().filter(|stored| stored.record.stale_since.is_some()) {
        let workspace = &stored.record.request.workspace;
        if desk.plane.sees_workspace(desk.caller(), workspace).await? {
            stale.push(workspace.to_string());
        }
    }
    Ok(stale)
}
