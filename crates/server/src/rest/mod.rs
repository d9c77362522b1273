//! The API under `/api/v1`.

mod backups;
mod operations;
mod workspaces;

use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::plane::ControlPlane;

/// Where the API lives.
pub(crate) const BASE: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(info(
    title = "Stillpoint",
    description = "Backups of whole workspaces: the catalog, and what can be done with it."
))]
struct Described;

/// The API and its description.
pub(crate) fn router() -> (axum::Router<ControlPlane>, utoipa::openapi::OpenApi) {
    let api = OpenApiRouter::new()
        .routes(routes!(backups::list))
        .routes(routes!(backups::show))
        .routes(routes!(workspaces::list))
        .routes(routes!(workspaces::show))
        .routes(routes!(workspaces::back_up))
        .routes(routes!(workspaces::plan))
        .routes(routes!(operations::list))
        .routes(routes!(operations::show))
        .routes(routes!(operations::cancel));
    OpenApiRouter::with_openapi(Described::openapi()).nest(BASE, api).split_for_parts()
}
