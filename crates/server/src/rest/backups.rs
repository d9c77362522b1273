//! `/backups`.

use axum::Json;
use axum::extract::{Path, Query, State};

use crate::access::Authenticated;
use crate::document::{BackupDetail, BackupPage};
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};
use crate::view::BackupFilter;

/// List backups
#[utoipa::path(get, path = "/backups", tag = "backups", params(BackupFilter), responses(
    (status = 200, body = BackupPage),
    (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Query(filter): Query<BackupFilter>,
) -> Result<Json<BackupPage>, Problem> {
    Ok(Json(plane.backups(&caller, &filter).await?))
}

/// Show one backup in full
#[utoipa::path(get, path = "/backups/{backup}", tag = "backups",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …")),
    responses(
        (status = 200, body = BackupDetail),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Path(backup): Path<String>,
) -> Result<Json<BackupDetail>, Problem> {
    Ok(Json(BackupDetail::new(&plane.backup(&caller, &backup).await?)))
}
