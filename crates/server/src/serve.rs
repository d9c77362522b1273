//! Serving: answers until it is told to stop.

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::{Cancellation, Result};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::listen::{Bound, Connections};
use crate::plane::ControlPlane;
use crate::routes::router;

/// How long requests under way may take to end after the server was told to stop.
const DRAIN_MAX: Duration = Duration::from_secs(10);
/// Connections at a time; more wait until one ends.
const CONNECTIONS_MAX: usize = 4096;
/// How long the listener rests after a failure to accept, as where no file descriptor is left.
const REST: Duration = Duration::from_millis(100);

/// Answers on `bound` until `stop` is raised, then lets the requests under way end, for ten seconds at the most. Streams
/// of events end at once; their readers come back to another server with where they were.
///
/// At most 4096 connections are open at a time. One that has sent no whole request within twenty seconds is closed, and
/// so is one that then is silent for as long.
///
/// # Errors
/// None so far; whoever calls waits for the end of serving.
pub async fn serve(plane: ControlPlane, bound: Bound, stop: Cancellation) -> Result<()> {
    let plane = plane.with_secure_cookies(bound.is_secure()).with_stop(stop.clone());
    let connections = Connections::new(bound.tls, router(plane), stop.clone());
    let tracker = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    accept(&bound.listener, &connections, &tracker, &places, &stop).await;
    drop(bound.listener);
    tracker.close();
    if tokio::time::timeout(DRAIN_MAX, tracker.wait()).await.is_err() {
        tracing::warn!(connections = tracker.len(), "some requests did not end in time");
    }
    Ok(())
}

/// Accepts connections until `stop` is raised.
async fn accept(
    listener: &TcpListener,
    connections: &Arc<Connections>,
    tracker: &TaskTracker,
    places: &Arc<Semaphore>,
    stop: &Cancellation,
) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = async {
                let place = Arc::clone(places).acquire_owned().await;
                (place, listener.accept().await)
            } => accepted,
        };
        match accepted {
            (Ok(place), Ok((stream, peer))) => {
                let connections = Arc::clone(connections);
                tracker.spawn(async move {
                    connections.answer(stream, peer).await;
                    drop(place);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(REST).await;
            }
            // Nobody closes the places.
            (Err(_closed), _) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_connection_too_many_waits_until_another_one_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Cancellation::new();
        let router = Router::new().route("/", get(|| async { "here" }));
        let connections = Connections::new(None, router, stop.clone());
        let accepting = {
            let stop = stop.clone();
            tokio::spawn(async move {
                let places = Arc::new(Semaphore::new(1));
                accept(&listener, &connections, &TaskTracker::new(), &places, &stop).await;
            })
        };
        let first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut heard = [0; 15];
        let early = tokio::time::timeout(Duration::from_millis(100), second.read(&mut heard)).await;
        assert!(early.is_err(), "no place is free");
        drop(first);
        second.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"HTTP/1.1 200 OK");
        stop.cancel();
        accepting.await.unwrap();
    }
}
