//! `/operations`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use stillpoint_core::OperationId;

use super::input::{Asked, Named};
use crate::access::Authenticated;
use crate::document::{OperationItem, OperationPage, OperationResult};
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};
use crate::view::OperationFilter;

/// List operations
#[utoipa::path(get, path = "/operations", tag = "operations", operation_id = "list_operations",
    params(OperationFilter),
    responses(
        (status = 200, body = OperationPage),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Asked(filter): Asked<OperationFilter>,
) -> Result<Json<OperationPage>, Problem> {
    let mut page = plane.operations(&caller, &filter).await?;
    if filter.after.is_none() {
        page.held = plane.left_held(&caller, filter.workspace.as_ref()).await?;
    }
    let nothing = page.operations.is_empty() && page.damaged.is_empty() && page.next.is_none();
    plane.refuse_unknown(&caller, filter.workspace.as_ref(), nothing).await?;
    Ok(Json(page))
}

/// Show one operation
#[utoipa::path(get, path = "/operations/{operation}", tag = "operations", operation_id = "show_operation",
    params(("operation" = String, Path)),
    responses(
        (status = 200, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(operation): Named<OperationId>,
) -> Result<Json<OperationItem>, Problem> {
    Ok(Json(OperationItem::stored(&plane.operation(&caller, &operation).await?)))
}

/// Show what an operation came to
#[utoipa::path(get, path = "/operations/{operation}/result", tag = "operations", operation_id = "show_operation_result",
    params(("operation" = String, Path)),
    responses(
        (status = 200, body = OperationResult),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn result(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(operation): Named<OperationId>,
) -> Result<Json<OperationResult>, Problem> {
    Ok(Json(plane.operation_result(&caller, &operation).await?))
}

/// Ask an operation to stop
#[utoipa::path(post, path = "/operations/{operation}/cancel", tag = "operations", operation_id = "cancel_operation",
    params(("operation" = String, Path)),
    responses(
        (status = 202, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn cancel(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(operation): Named<OperationId>,
) -> Result<(StatusCode, Json<OperationItem>), Problem> {
    let status = plane.cancel(&caller, &operation).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationItem::of_status(&status))))
}
