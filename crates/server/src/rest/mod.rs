//! The API under `/api/v1`.

mod access;
mod backups;
mod events;
mod input;
mod operations;
mod query;
mod retention;
mod schedules;
mod workspaces;

use std::sync::Arc;

use axum::middleware;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{OpenApi as Description, SecurityRequirement};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::plane::ControlPlane;

/// Where the API lives.
pub(crate) const BASE: &str = "/api/v1";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Stillpoint",
        description = "Backups of whole workspaces: the catalog, and what can be done with it. A query parameter that a \
                       call does not take is answered 400 with the names of those that it takes; a list that is asked \
                       for a workspace that nobody knows is answered 404, and not as empty.",
        license(name = "MIT OR Apache-2.0"),
    ),
    modifiers(&Tokens),
)]
struct Described;

/// Every call takes a token.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, description: &mut Description) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        description.components.get_or_insert_default().add_security_scheme("token", scheme);
        description.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// The API and its description.
pub(crate) fn router() -> (axum::Router<ControlPlane>, Description) {
    let api = OpenApiRouter::new()
        .routes(routes!(backups::list))
        .routes(routes!(backups::show, backups::delete))
        .routes(routes!(backups::files))
        .routes(routes!(backups::roles))
        .routes(routes!(backups::restore))
        .routes(routes!(backups::plan_restore))
        .routes(routes!(backups::plan_delete))
        .routes(routes!(backups::verify))
        .routes(routes!(backups::copy))
        .routes(routes!(backups::hold, backups::let_go))
        .routes(routes!(workspaces::list))
        .routes(routes!(workspaces::show))
        .routes(routes!(workspaces::back_up))
        .routes(routes!(workspaces::plan))
        .routes(routes!(workspaces::preflight))
        .routes(routes!(operations::list))
        .routes(routes!(operations::show))
        .routes(routes!(operations::result))
        .routes(routes!(operations::cancel))
        .routes(routes!(events::follow))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show, schedules::put, schedules::remove))
        .routes(routes!(schedules::pause))
        .routes(routes!(schedules::resume))
        .routes(routes!(retention::preview))
        .routes(routes!(retention::apply))
        .routes(routes!(access::me))
        .routes(routes!(access::tokens, access::make_token))
        .routes(routes!(access::revoke_token))
        .routes(routes!(access::audit));
    let (api, description) =
        OpenApiRouter::with_openapi(Described::openapi()).nest(BASE, api).split_for_parts();
    let taken = Arc::new(query::Taken::of(&description));
    (api.route_layer(middleware::from_fn_with_state(taken, query::refuse_unknown)), description)
}
