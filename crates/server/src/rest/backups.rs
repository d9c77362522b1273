//! `/backups`.

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::input::{Asked, Body, Key, Named};
use crate::access::Authenticated;
use crate::act::{CopyOrder, RestoreOrder, VerifyOrder};
use crate::document::{
    BackupDetail, BackupPage, DeletePlanDocument, FilePage, OperationItem, RestorePlanDocument, RolesDocument,
};
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};
use crate::view::{BackupFilter, FileFilter, RolesFilter};

/// List backups
#[utoipa::path(get, path = "/backups", tag = "backups", operation_id = "list_backups",
    params(BackupFilter),
    responses(
        (status = 200, body = BackupPage),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn list(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Asked(filter): Asked<BackupFilter>,
) -> Result<Json<BackupPage>, Problem> {
    let page = plane.backups(&caller, &filter).await?;
    let nothing = page.backups.is_empty() && page.damaged.is_empty() && page.next.is_none();
    plane.refuse_unknown(&caller, filter.workspace.as_ref(), nothing).await?;
    Ok(Json(page))
}

/// Show one backup in full
#[utoipa::path(get, path = "/backups/{backup}", tag = "backups", operation_id = "show_backup",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …")),
    responses(
        (status = 200, body = BackupDetail),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn show(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
) -> Result<Json<BackupDetail>, Problem> {
    Ok(Json(BackupDetail::new(&plane.backup(&caller, &backup).await?)))
}

/// Show the roles that a backup recorded beside those of a workspace; nothing is granted
#[utoipa::path(get, path = "/backups/{backup}/roles", tag = "backups", operation_id = "compare_roles",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …"), RolesFilter),
    responses(
        (status = 200, body = RolesDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn roles(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
    Asked(filter): Asked<RolesFilter>,
) -> Result<Json<RolesDocument>, Problem> {
    Ok(Json(plane.roles(&caller, &backup, &filter).await?))
}

/// Delete a backup, and read back that it is gone
#[utoipa::path(delete, path = "/backups/{backup}", tag = "backups", operation_id = "delete_backup",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …"), ("Idempotency-Key" = Option<String>, Header, description = "The operation's id: the same one twice is one operation", max_length = 200)),
    responses(
        (status = 202, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn delete(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
    Key(id): Key,
) -> Result<(StatusCode, Json<OperationItem>), Problem> {
    let status = plane.delete(&caller, id, &backup).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationItem::of_status(&status))))
}

/// Find out what a deletion would do, without doing it
#[utoipa::path(post, path = "/backups/{backup}/delete-plan", tag = "backups", operation_id = "plan_deletion",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …")),
    responses(
        (status = 200, body = DeletePlanDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn plan_delete(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
) -> Result<Json<DeletePlanDocument>, Problem> {
    Ok(Json(DeletePlanDocument::new(plane.plan_delete(&caller, &backup).await?)))
}

/// List the files in a folder of a backup
#[utoipa::path(get, path = "/backups/{backup}/files", tag = "backups", operation_id = "list_files",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …"), FileFilter),
    responses(
        (status = 200, body = FilePage),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn files(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
    Asked(filter): Asked<FileFilter>,
) -> Result<Json<FilePage>, Problem> {
    Ok(Json(plane.files(&caller, &backup, &filter).await?))
}

/// Restore a backup into a new workspace
#[utoipa::path(post, path = "/backups/{backup}/restore", tag = "backups", operation_id = "restore_backup", request_body = RestoreOrder,
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …"), ("Idempotency-Key" = Option<String>, Header, description = "The operation's id: the same one twice is one operation", max_length = 200)),
    responses(
        (status = 202, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn restore(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
    Key(id): Key,
    Body(order): Body<RestoreOrder>,
) -> Result<(StatusCode, Json<OperationItem>), Problem> {
    let status = plane.restore(&caller, id, &backup, &order).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationItem::of_status(&status))))
}

/// Find out what a restore would do, without doing it
#[utoipa::path(post, path = "/backups/{backup}/restore-plan", tag = "backups", operation_id = "plan_restore", request_body = RestoreOrder,
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …")),
    responses(
        (status = 200, body = RestorePlanDocument),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn plan_restore(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
    Body(order): Body<RestoreOrder>,
) -> Result<Json<RestorePlanDocument>, Problem> {
    Ok(Json(RestorePlanDocument::new(plane.plan_restore(&caller, &backup, &order).await?)))
}

/// Verify the snapshots of a backup
#[utoipa::path(post, path = "/backups/{backup}/verify", tag = "backups", operation_id = "verify_backup", request_body = VerifyOrder,
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …"), ("Idempotency-Key" = Option<String>, Header, description = "The operation's id: the same one twice is one operation", max_length = 200)),
    responses(
        (status = 202, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn verify(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
    Key(id): Key,
    Body(order): Body<VerifyOrder>,
) -> Result<(StatusCode, Json<OperationItem>), Problem> {
    let status = plane.verify(&caller, id, &backup, &order).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationItem::of_status(&status))))
}

/// Copy a backup to another place, as a backup of its own
#[utoipa::path(post, path = "/backups/{backup}/copy", tag = "backups", operation_id = "copy_backup", request_body = CopyOrder,
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …"), ("Idempotency-Key" = Option<String>, Header, description = "The operation's id: the same one twice is one operation", max_length = 200)),
    responses(
        (status = 202, body = OperationItem),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn copy(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
    Key(id): Key,
    Body(order): Body<CopyOrder>,
) -> Result<(StatusCode, Json<OperationItem>), Problem> {
    let status = plane.copy(&caller, id, &backup, &order).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationItem::of_status(&status))))
}

/// Hold a backup, so that nothing deletes it
#[utoipa::path(put, path = "/backups/{backup}/hold", tag = "backups", operation_id = "hold_backup",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …")),
    responses(
        (status = 200, body = BackupDetail),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn hold(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
) -> Result<Json<BackupDetail>, Problem> {
    Ok(Json(BackupDetail::new(&plane.hold(&caller, &backup, true).await?)))
}

/// Let a held backup go
#[utoipa::path(delete, path = "/backups/{backup}/hold", tag = "backups", operation_id = "let_backup_go",
    params(("backup" = String, Path, description = "An id, a unique prefix of one, `latest`, `WORKSPACE@latest`, …")),
    responses(
        (status = 200, body = BackupDetail),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn let_go(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(backup): Named<String>,
) -> Result<Json<BackupDetail>, Problem> {
    Ok(Json(BackupDetail::new(&plane.hold(&caller, &backup, false).await?)))
}
