//! One connection: its handshake, its requests, and how long it may be silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use stillpoint_core::Cancellation;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tower::{Service, service_fn};

/// How long the first request may take to arrive, its handshake included, and the head of each one after it.
const HEAD_MAX: Duration = Duration::from_secs(20);
/// How often a silent peer is asked whether it is still there, where the protocol can.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Requests at a time of one connection.
const REQUESTS_MAX: u32 = 128;

/// How connections are answered.
pub(crate) struct Connections {
    tls: Option<TlsAcceptor>,
    router: Router,
    http: auto::Builder<TokioExecutor>,
    stop: Cancellation,
}

impl Connections {
    /// Connections that `router` answers until `stop` is raised.
    pub(crate) fn new(tls: Option<TlsAcceptor>, router: Router, stop: Cancellation) -> Arc<Self> {
        let mut http = auto::Builder::new(TokioExecutor::new());
        http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_MAX);
        http.http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(HEAD_MAX)
            .max_concurrent_streams(REQUESTS_MAX);
        Arc::new(Self { tls, router, http, stop })
    }

    /// Answers what comes over `stream` until it ends, is silent for too long, or the server stops.
    pub(crate) async fn answer(&self, stream: TcpStream, peer: SocketAddr) {
        let begun = Arc::new(AtomicBool::new(false));
        let silent = async {
            tokio::select! {
                () = tokio::time::sleep(HEAD_MAX) => {}
                () = self.stop.cancelled() => {}
            }
            if begun.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        let answered = async {
            match &self.tls {
                None => self.talk(stream, &begun).await,
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => self.talk(stream, &begun).await,
                    Err(error) => tracing::debug!(%peer, %error, "a handshake failed"),
                },
            }
        };
        tokio::select! {
            () = answered => {}
            () = silent => tracing::debug!(%peer, "no request came in time, or before the server stopped"),
        }
    }

    async fn talk(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        begun: &Arc<AtomicBool>,
    ) {
        let (router, begun) = (self.router.clone(), Arc::clone(begun));
        let service = service_fn(move |request: Request<Incoming>| {
            begun.store(true, Ordering::Relaxed);
            router.clone().call(request.map(Body::new))
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection ended early");
        }
    }
}
