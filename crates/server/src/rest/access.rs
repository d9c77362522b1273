//! `/tokens`, `/audit` and `/me`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::input::{Asked, Body, Named};
use crate::access::{AuditLine, Authenticated, TokenRecord};
use crate::act::TokenOrder;
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};
use crate::view::{AuditFilter, page_limit};

/// Who calls.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// The token's id.
    token: String,
    /// The name that the token was given.
    name: String,
    /// `viewer`, `operator` or `administrator`.
    role: &'static str,
    /// The only environment that it may see; `None` for all.
    environment: Option<String>,
}

/// Every token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TokenList {
    tokens: Vec<TokenRecord>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeToken {
    /// The secret. It cannot be shown again.
    token: String,
    /// What is stored of it.
    record: TokenRecord,
}

/// Lines of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditList {
    lines: Vec<AuditLine>,
}

/// Show who calls
#[utoipa::path(get, path = "/me", tag = "access", operation_id = "show_caller",
    responses(
        (status = 200, body = Me),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn me(Authenticated(caller): Authenticated) -> Result<Json<Me>, Problem> {
    let role = caller.role.as_str();
    Ok(Json(Me { token: caller.token, name: caller.name, role, environment: caller.environment }))
}

/// List tokens, without their secrets
#[utoipa::path(get, path = "/tokens", tag = "access", operation_id = "list_tokens",
    responses(
        (status = 200, body = TokenList),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn tokens(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
) -> Result<Json<TokenList>, Problem> {
    Ok(Json(TokenList { tokens: plane.tokens(&caller).await? }))
}

/// Make a token; its secret is shown once
#[utoipa::path(post, path = "/tokens", tag = "access", operation_id = "make_token", request_body = TokenOrder,
    responses(
        (status = 201, body = MadeToken),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn make_token(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Body(order): Body<TokenOrder>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let (secret, record) = plane.make_token(&caller, &order).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { token: secret.expose().to_owned(), record })))
}

/// Revoke a token
#[utoipa::path(delete, path = "/tokens/{token}", tag = "access", operation_id = "revoke_token",
    params(("token" = String, Path, description = "Its id, as the list shows it")),
    responses(
        (status = 204),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn revoke_token(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(token): Named<String>,
) -> Result<StatusCode, Problem> {
    plane.revoke_token(&caller, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List who did what, newest first
#[utoipa::path(get, path = "/audit", tag = "access", operation_id = "list_audit_log",
    params(AuditFilter),
    responses(
        (status = 200, body = AuditList),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn audit(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Asked(filter): Asked<AuditFilter>,
) -> Result<Json<AuditList>, Problem> {
    let limit = page_limit(filter.limit)?;
    Ok(Json(AuditList { lines: plane.audit_lines(&caller, limit).await? }))
}
