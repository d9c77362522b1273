//! Serving: the routes, and the loop that answers until it is told to stop.

use std::future::Future;

use axum::Router;
use axum::routing::get;
use stillpoint_core::{Error, ErrorKind, Result};
use tokio::net::TcpListener;

use crate::plane::ControlPlane;
use crate::{page, rest};

/// Everything that is served.
fn router(plane: ControlPlane) -> Router {
    let (api, description) = rest::router();
    let description = axum::Json(description);
    let described = Router::new().route("/openapi.json", get(move || async move { description.clone() }));
    let alive = Router::new().route("/healthz", get(|| async { "ok\n" }));
    page::router().merge(api).merge(described).merge(alive).with_state(plane)
}

/// Answers on `listener` until `stopped`, then lets the requests under way end.
///
/// # Errors
/// `Unavailable` where the listener fails.
pub async fn serve(
    plane: ControlPlane,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let served = axum::serve(listener, router(plane)).with_graceful_shutdown(stopped).await;
    served.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the server cannot listen any more").with_source(error)
    })
}
