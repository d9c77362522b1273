//! The page on which a policy is tried on a workspace's backups, and applied.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use axum::{Form as Posted, Router};
use stillpoint_core::{BackupId, Error, ErrorKind, PAGE_LIMIT_MAX, Result, Retention, WorkspaceId};

use super::desk::{Desk, Fields, Page};
use super::view::part;
use super::view::retention::{self, Form};
use super::view::shell::Section;
use crate::access::Role;
use crate::act::{RetentionOrder, Rules};
use crate::document::BackupItem;
use crate::plane::ControlPlane;
use crate::view::BackupFilter;

const DAY: u64 = 86_400;
/// Backups that are offered to be deleted together: the oldest of those that go.
const OFFERED_MAX: usize = 500;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/workspaces/{id}/retention", get(show).post(apply))
}

async fn show(desk: Desk, Path(id): Path<String>, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let page = page(&desk, &id, &Fields(fields)).await;
    desk.show(page).await
}

async fn page(desk: &Desk, id: &str, fields: &Fields) -> Result<Page> {
    desk.caller().require(Role::Administrator)?;
    let id = WorkspaceId::new(id)?;
    desk.plane.known_workspace(desk.caller(), &id).await?;
    let form = form(fields);
    let filter =
        BackupFilter { workspace: Some(id.clone()), limit: Some(PAGE_LIMIT_MAX), ..BackupFilter::default() };
    let mut backups = desk.plane.backups(desk.caller(), &filter).await?.backups;
    let tried = match fields.text("preview") {
        None => None,
        Some(_) => Some(match order(&id, fields) {
            Ok(order) => Ok(desk.plane.preview_retention(desk.caller(), &order).await?),
            Err(error) => Err(error.to_string()),
        }),
    };
    let going = tried.as_ref().and_then(|tried| tried.as_ref().ok()).map_or(&[][..], |tried| &tried.remove);
    let offered = &going[going.len().saturating_sub(OFFERED_MAX)..];
    let shown: BTreeSet<_> = backups.iter().map(|backup| backup.id.clone()).collect();
    // What is offered to be deleted is shown, however old it is.
    for id in offered.iter().filter(|id| !shown.contains(id)) {
        backups.push(BackupItem::new(&desk.plane.backup(desk.caller(), id.as_str()).await?));
    }
    let keep = tried.as_ref().and_then(|tried| tried.as_ref().ok()).map(reasons).unwrap_or_default();
    let view = retention::View {
        workspace: &id,
        form: &form,
        preview: tried.as_ref().map(|tried| match tried {
            Ok(retention) => {
                let going = retention.remove.len();
                Ok(retention::Preview { backups: &backups, keep: &keep, going, remove: offered })
            }
            Err(wrong) => Err(wrong.as_str()),
        }),
        now: desk.plane.clock().now(),
    };
    let main = retention::render(&desk.shell().await?, &view);
    Ok(Page { section: Section::Workspaces, title: format!("Retention of {id}"), main })
}

fn reasons(retention: &Retention) -> BTreeMap<BackupId, Vec<String>> {
    retention.keep.iter().map(|kept| (kept.id.clone(), kept.reasons.clone())).collect()
}

fn form(fields: &Fields) -> Form {
    let text = |name: &str| fields.get(name).to_owned();
    Form {
        last: text("last"),
        hourly: text("hourly"),
        daily: text("daily"),
        weekly: text("weekly"),
        monthly: text("monthly"),
        yearly: text("yearly"),
        within_days: text("within_days"),
        good: text("good"),
        expired: !fields.get("expired").is_empty(),
    }
}

fn order(id: &WorkspaceId, fields: &Fields) -> Result<RetentionOrder> {
    let small = |name: &str| -> Result<Option<u32>> {
        let number = fields.number(name)?.map(u32::try_from).transpose();
        number.map_err(|error| {
            Error::new(ErrorKind::InvalidInput, format!("{name} is too large")).with_source(error)
        })
    };
    let rule = |name: &str| Ok::<_, Error>(small(name)?.unwrap_or(0));
    let policy = Rules {
        keep_last: rule("last")?,
        keep_hourly: rule("hourly")?,
        keep_daily: rule("daily")?,
        keep_weekly: rule("weekly")?,
        keep_monthly: rule("monthly")?,
        keep_yearly: rule("yearly")?,
        keep_within_seconds: fields.number("within_days")?.map(|days| days.saturating_mul(DAY)),
        keep_names: Vec::new(),
        keep_good: small("good")?,
        expired: !fields.get("expired").is_empty(),
    };
    let remove = fields.all("remove").into_iter().map(BackupId::new).collect::<Result<_>>()?;
    Ok(RetentionOrder { workspace: Some(id.clone()), policy, remove })
}

async fn apply(
    desk: Desk,
    Path(id): Path<String>,
    Posted(fields): Posted<Vec<(String, String)>>,
) -> Response {
    let done = apply_it(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn apply_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    let order = order(&WorkspaceId::new(id)?, fields)?;
    if fields.get("confirm") != order.remove.len().to_string() {
        let message = "the number that was typed is not that of the backups to delete; nothing was deleted";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let done = desk.plane.apply_retention(desk.caller(), &order).await?;
    match done.failed.first() {
        None => {
            let said = if done.kept.is_empty() { "forgotten" } else { "forgotten-some" };
            Ok(part::path(&["workspaces", id]) + "?said=" + said)
        }
        Some((backup, error)) => {
            let message = format!(
                "{} deleted; {} could not be, {backup} first: {}",
                done.deleted.len(),
                done.failed.len(),
                error.message
            );
            Err(Error::new(error.kind, message))
        }
    }
}
