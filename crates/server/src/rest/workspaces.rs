//! `/workspaces`.

use axum::Json;
use axum::extract::{Path, Query, State};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use stillpoint_core::WorkspaceId;
use utoipa::IntoParams;

use crate::access::Authenticated;
use crate::act::{BackupOrder, operation_id};
use crate::document::{OperationItem, PlanDocument, WorkspaceDetail, WorkspacePage};
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};

/// Which workspaces to list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct WorkspaceFilter {
    /// At most so many, 1 to 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<WorkspaceId>,
}

/// List workspaces with their summary
#[utoipa::path(get, path = "/workspaces", tag = "workspaces", params(WorkspaceFilter), responses(
    (status = 200, body = WorkspacePage),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<WorkspaceFilter>,
) -> Result<Json<WorkspacePage>, Problem> {
    Ok(Json(plane.workspaces(&caller, filter.after.as_ref(), filter.limit).await?))
}

/// Show one workspace
#[utoipa::path(get, path = "/workspaces/{workspace}", tag = "workspaces", params(("workspace" = String, Path)), responses(
    (status = 200, body = WorkspaceDetail),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<WorkspaceId>,
) -> Result<Json<WorkspaceDetail>, Problem> {
    Ok(Json(plane.workspace(&caller, &workspace).await?))
}

/// Back a workspace up now
#[utoipa::path(post, path = "/workspaces/{workspace}/backups", tag = "workspaces", request_body = BackupOrder,
    params(
        ("workspace" = String, Path),
        ("Idempotency-Key" = Option<String>, Header, description = "The operation's id; the same one twice is one operation"),
    ),
    responses(
        (status = 202, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn back_up(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<WorkspaceId>,
    headers: HeaderMap,
    Json(order): Json<BackupOrder>,
) -> Result<(StatusCode, Json<OperationItem>), Problem> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let id = operation_id(&plane, key)?;
    let status = plane.back_up(&caller, id, &workspace, &order).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationItem::of_status(&status))))
}

/// Find out what a backup would do, without doing it
#[utoipa::path(post, path = "/workspaces/{workspace}/backups/plan", tag = "workspaces", request_body = BackupOrder,
    params(("workspace" = String, Path)), responses(
        (status = 200, body = PlanDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn plan(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Path(workspace): Path<WorkspaceId>,
    Json(order): Json<BackupOrder>,
) -> Result<Json<PlanDocument>, Problem> {
    Ok(Json(PlanDocument::new(&plane.plan_backup(&caller, &workspace, &order).await?)))
}
