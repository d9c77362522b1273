//! The page at `/`: the catalog for people, rendered here, readable without scripts, with nothing fetched from elsewhere.
//!
//! Handlers read through the same read model and act through the same functions as the API, so there is one authority on who
//! may see and do what. [`view`] holds the templates, `assets` what browsers load besides.

mod assets;
mod backup;
mod catalog;
mod delete;
mod desk;
mod live;
mod operations;
mod restore;
mod retention;
mod schedule;
mod session;
#[cfg(test)]
mod tests;
mod view;
mod workspace;

use axum::Router;

use crate::plane::ControlPlane;

/// The page.
pub(crate) fn router() -> Router<ControlPlane> {
    Router::new()
        .merge(session::router())
        .merge(catalog::router())
        .merge(backup::router())
        .merge(restore::router())
        .merge(delete::router())
        .merge(workspace::router())
        .merge(schedule::router())
        .merge(retention::router())
        .merge(operations::router())
        .merge(live::router())
        .merge(assets::router())
}
