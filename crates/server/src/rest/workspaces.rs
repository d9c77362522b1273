//! `/workspaces`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use stillpoint_core::WorkspaceId;

use super::input::{Asked, Body, Key, Named};
use crate::access::Authenticated;
use crate::act::BackupOrder;
use crate::document::{
    FindingItem, OperationItem, PlanDocument, PreflightDocument, WorkspaceDetail, WorkspacePage,
};
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};
use crate::view::WorkspaceFilter;

/// List workspaces with their summary
#[utoipa::path(get, path = "/workspaces", tag = "workspaces", operation_id = "list_workspaces",
    params(WorkspaceFilter),
    responses(
        (status = 200, body = WorkspacePage),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Asked(filter): Asked<WorkspaceFilter>,
) -> Result<Json<WorkspacePage>, Problem> {
    Ok(Json(plane.workspaces(&caller, &filter).await?))
}

/// Show one workspace
#[utoipa::path(get, path = "/workspaces/{workspace}", tag = "workspaces", operation_id = "show_workspace",
    params(("workspace" = String, Path, description = "Its id, percent-encoded where it has slashes")),
    responses(
        (status = 200, body = WorkspaceDetail),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(workspace): Named<WorkspaceId>,
) -> Result<Json<WorkspaceDetail>, Problem> {
    Ok(Json(plane.workspace(&caller, &workspace).await?))
}

/// Back a workspace up now
#[utoipa::path(post, path = "/workspaces/{workspace}/backups", tag = "workspaces", operation_id = "back_up_workspace", request_body = BackupOrder,
    params(("workspace" = String, Path, description = "Its id, percent-encoded where it has slashes"), ("Idempotency-Key" = Option<String>, Header, description = "The operation's id: the same one twice is one operation", max_length = 200)),
    responses(
        (status = 202, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn back_up(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(workspace): Named<WorkspaceId>,
    Key(id): Key,
    Body(order): Body<BackupOrder>,
) -> Result<(StatusCode, Json<OperationItem>), Problem> {
    let status = plane.back_up(&caller, id, &workspace, &order).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationItem::of_status(&status))))
}

/// Find out what a backup would do, without doing it
#[utoipa::path(post, path = "/workspaces/{workspace}/backup-plan", tag = "workspaces", operation_id = "plan_backup", request_body = BackupOrder,
    params(("workspace" = String, Path, description = "Its id, percent-encoded where it has slashes")),
    responses(
        (status = 200, body = PlanDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn plan(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(workspace): Named<WorkspaceId>,
    Body(order): Body<BackupOrder>,
) -> Result<Json<PlanDocument>, Problem> {
    Ok(Json(PlanDocument::new(&plane.plan_backup(&caller, &workspace, &order).await?)))
}

/// Look for whatever would make a backup fail
#[utoipa::path(post, path = "/workspaces/{workspace}/preflight", tag = "workspaces", operation_id = "preflight_workspace", request_body = BackupOrder,
    params(("workspace" = String, Path, description = "Its id, percent-encoded where it has slashes")),
    responses(
        (status = 200, body = PreflightDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn preflight(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(workspace): Named<WorkspaceId>,
    Body(order): Body<BackupOrder>,
) -> Result<Json<PreflightDocument>, Problem> {
    let plan = plane.plan_backup(&caller, &workspace, &order).await?;
    let held = plane.left_held(&caller, Some(&workspace)).await?;
    let held = held.iter().map(|held| FindingItem::held(held, &order.waivers)).collect();
    Ok(Json(PreflightDocument::new(&plan, &order.waivers, held)))
}
