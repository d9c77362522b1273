//! `/retention`.

use axum::Json;
use axum::extract::State;

use super::input::Body;
use crate::access::Authenticated;
use crate::act::RetentionOrder;
use crate::document::{ForgottenDocument, RetentionDocument};
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};

/// Find out what a policy would let go, without doing it
#[utoipa::path(post, path = "/retention/preview", tag = "retention", operation_id = "preview_retention", request_body = RetentionOrder,
    responses(
        (status = 200, body = RetentionDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn preview(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Body(order): Body<RetentionOrder>,
) -> Result<Json<RetentionDocument>, Problem> {
    Ok(Json(RetentionDocument::new(plane.preview_retention(&caller, &order).await?)))
}

/// Delete what the preview said goes, and read each back
#[utoipa::path(post, path = "/retention/apply", tag = "retention", operation_id = "apply_retention", request_body = RetentionOrder,
    responses(
        (status = 200, body = ForgottenDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn apply(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Body(order): Body<RetentionOrder>,
) -> Result<Json<ForgottenDocument>, Problem> {
    Ok(Json(ForgottenDocument::new(plane.apply_retention(&caller, &order).await?)))
}
