//! `/schedules`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use stillpoint_core::{Revision, ScheduleId};

use super::input::{Asked, Body, Named};
use crate::access::Authenticated;
use crate::act::ScheduleOrder;
use crate::document::{ScheduleItem, SchedulePage};
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};
use crate::view::{RevisionGiven, ScheduleFilter};

/// List schedules
#[utoipa::path(get, path = "/schedules", tag = "schedules", operation_id = "list_schedules",
    params(ScheduleFilter),
    responses(
        (status = 200, body = SchedulePage),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Asked(filter): Asked<ScheduleFilter>,
) -> Result<Json<SchedulePage>, Problem> {
    let page = plane.schedules(&caller, &filter).await?;
    let nothing = page.schedules.is_empty() && page.damaged.is_empty() && page.next.is_none();
    plane.refuse_unknown(&caller, filter.workspace.as_ref(), nothing).await?;
    Ok(Json(page))
}

/// Show one schedule
#[utoipa::path(get, path = "/schedules/{schedule}", tag = "schedules", operation_id = "show_schedule",
    params(("schedule" = String, Path)),
    responses(
        (status = 200, body = ScheduleItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(schedule): Named<ScheduleId>,
) -> Result<Json<ScheduleItem>, Problem> {
    let stored = plane.schedule(&caller, &schedule).await?;
    Ok(Json(plane.schedule_item(&stored)))
}

/// Make or change a schedule
#[utoipa::path(put, path = "/schedules/{schedule}", tag = "schedules", operation_id = "put_schedule", request_body = ScheduleOrder,
    params(("schedule" = String, Path), RevisionGiven),
    responses(
        (status = 200, body = ScheduleItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn put(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(schedule): Named<ScheduleId>,
    Asked(given): Asked<RevisionGiven>,
    Body(order): Body<ScheduleOrder>,
) -> Result<Json<ScheduleItem>, Problem> {
    let expected = given.revision.map(Revision);
    let stored = plane.put_schedule(&caller, &schedule, &order, expected).await?;
    Ok(Json(plane.schedule_item(&stored)))
}

/// Remove a schedule; what it began goes on
#[utoipa::path(delete, path = "/schedules/{schedule}", tag = "schedules", operation_id = "remove_schedule",
    params(("schedule" = String, Path)),
    responses(
        (status = 204),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn remove(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(schedule): Named<ScheduleId>,
) -> Result<StatusCode, Problem> {
    plane.remove_schedule(&caller, &schedule).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let no run of a schedule begin
#[utoipa::path(post, path = "/schedules/{schedule}/pause", tag = "schedules", operation_id = "pause_schedule",
    params(("schedule" = String, Path)),
    responses(
        (status = 200, body = ScheduleItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn pause(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(schedule): Named<ScheduleId>,
) -> Result<Json<ScheduleItem>, Problem> {
    let stored = plane.pause_schedule(&caller, &schedule, true).await?;
    Ok(Json(plane.schedule_item(&stored)))
}

/// Let runs of a schedule begin again
#[utoipa::path(post, path = "/schedules/{schedule}/resume", tag = "schedules", operation_id = "resume_schedule",
    params(("schedule" = String, Path)),
    responses(
        (status = 200, body = ScheduleItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn resume(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(schedule): Named<ScheduleId>,
) -> Result<Json<ScheduleItem>, Problem> {
    let stored = plane.pause_schedule(&caller, &schedule, false).await?;
    Ok(Json(plane.schedule_item(&stored)))
}
