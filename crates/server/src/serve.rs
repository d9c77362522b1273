//! Serving: answers until it is told to stop.

use std::time::Duration;

use stillpoint_core::{Cancellation, Error, ErrorKind, Result};

use crate::listen::{Bound, TlsListener};
use crate::plane::ControlPlane;
use crate::routes::router;

/// How long requests under way may take to end after the server was told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Answers on `bound` until `stop` is raised, then lets the requests under way end, for ten seconds at the most. Streams
/// of events end at once; their readers come back to another server with where they were.
///
/// # Errors
/// `Unavailable` where the listener fails.
pub async fn serve(plane: ControlPlane, bound: Bound, stop: Cancellation) -> Result<()> {
    let plane = plane.with_secure_cookies(bound.is_secure()).with_stop(stop.clone());
    let (address, router) = (bound.address(), router(plane));
    let stopped = {
        let stop = stop.clone();
        async move { stop.cancelled().await }
    };
    match bound.tls {
        None => answer(axum::serve(bound.listener, router).with_graceful_shutdown(stopped), &stop).await,
        Some(tls) => {
            let listener = TlsListener::new(bound.listener, tls, address);
            answer(axum::serve(listener, router).with_graceful_shutdown(stopped), &stop).await
        }
    }
}

async fn answer(
    serving: impl IntoFuture<Output = std::io::Result<()>, IntoFuture: Send>,
    stop: &Cancellation,
) -> Result<()> {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    let served = tokio::select! {
        served = serving.into_future() => served,
        () = too_late => Ok(()),
    };
    served.map_err(|error| {
        Error::new(ErrorKind::Unavailable, "the server cannot listen any more").with_source(error)
    })
}
