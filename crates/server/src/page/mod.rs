//! The page at `/`: the catalog for people, rendered here, readable without scripts, with nothing fetched from elsewhere.
//!
//! Handlers read through the same read model and act through the same functions as the API, so there is one authority on who
//! may see and do what. [`view`] holds the templates, `assets` what browsers load besides.

mod assets;
mod backup;
mod catalog;
mod desk;
mod live;
mod operations;
mod session;
mod view;
mod workspace;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};

use crate::plane::ControlPlane;

/// Nothing but what this server itself sends: no script or style inside a page, no frame, no form to elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page.
pub(crate) fn router() -> Router<ControlPlane> {
    Router::new()
        .merge(session::router())
        .merge(catalog::router())
        .merge(backup::router())
        .merge(workspace::router())
        .merge(operations::router())
        .merge(live::router())
        .merge(assets::router())
        .layer(from_fn(guard))
}

/// Adds what keeps browsers from being turned against whoever is signed in.
async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
