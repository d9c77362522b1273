//! The part between the socket and `s3s`: counting, latency, faults, and repairs of what `s3s-fs` gets wrong.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, IF_MATCH, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::{ListObjectsInput, ListObjectsV2Input};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3Request, S3Result, s3_error};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::fault::{Fault, FaultRule};
use super::request::{Requests, length, operation};
use super::{Options, Store};

const STOP_LIMIT: Duration = Duration::from_secs(5);
const CONDITIONS: [HeaderName; 2] = [IF_MATCH, IF_NONE_MATCH];

pub(super) struct Front {
    service: S3Service,
    state: Mutex<State>,
    // s3s-fs looks and then writes, so conditional writes to it are let through one at a time.
    conditional: Option<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    requests: Requests,
    rules: Vec<FaultRule>,
    latency: Duration,
}

impl fmt::Debug for Front {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Front").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Front {
    pub(super) fn new(store: &Store, options: &Options) -> io::Result<Self> {
        let mut builder = match store {
            Store::Memory(memory) => S3ServiceBuilder::new(memory.clone()),
            Store::Files(root) => S3ServiceBuilder::new(
                s3s_fs::FileSystem::new(root).map_err(|error| io::Error::other(format!("{error:?}")))?,
            ),
        };
        builder.set_auth(SimpleAuth::from_single(options.access_key.clone(), options.secret_key.clone()));
        builder.set_access(Repairs);
        let conditional = match store {
            Store::Files(_) => Some(tokio::sync::Mutex::new(())),
            Store::Memory(_) => None,
        };
        let state = State { latency: options.latency, ..State::default() };
        Ok(Self { service: builder.build(), state: Mutex::new(state), conditional })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn requests(&self) -> Requests {
        self.state().requests.clone()
    }

    pub(super) fn reset_requests(&self) {
        self.state().requests = Requests::default();
    }

    pub(super) fn add_rule(&self, rule: FaultRule) {
        self.state().rules.push(rule);
    }

    pub(super) fn clear_rules(&self) {
        self.state().rules.clear();
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    fn count(&self, request: &Request<Incoming>) -> (Option<Fault>, Duration) {
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let method = request.method().as_str();
        let listing = method == "GET" && (target.contains("list-type=") || target.contains("prefix="));
        let kind = if listing { "LIST" } else { method };
        let mut state = self.state();
        *state.requests.by_kind.entry(kind.to_owned()).or_default() += 1;
        *state.requests.by_operation.entry(operation(request)).or_default() += 1;
        state.requests.bytes_in += length(request.headers());
        let fault = state.rules.iter_mut().find_map(|rule| rule.meets(method, target));
        state.requests.faults += u64::from(fault.is_some());
        (fault, state.latency)
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        let (fault, latency) = self.count(&request);
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        match fault {
            None => self.serve(request).await,
            Some(Fault::Delay(wait)) => {
                tokio::time::sleep(wait).await;
                self.serve(request).await
            }
            Some(Fault::SlowDown) => refuse(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            Some(Fault::InternalError) => refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Some(Fault::AccessDenied) => refuse(StatusCode::FORBIDDEN, "AccessDenied"),
            Some(Fault::Full) => refuse(StatusCode::INSUFFICIENT_STORAGE, "InsufficientStorage"),
            Some(Fault::Page) => refuse(StatusCode::OK, "Page"),
            Some(Fault::Drop) => Err(HttpError::new("connection dropped before the request".into())),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::HangAnswer) => {
                self.serve(request).await?;
                std::future::pending().await
            }
            Some(Fault::DropAnswer) => {
                self.serve(request).await?;
                Err(HttpError::new("connection dropped before the answer".into()))
            }
        }
    }

    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        let conditional = CONDITIONS.iter().any(|name| request.headers().contains_key(name));
        let _one_at_a_time = match &self.conditional {
            Some(turn) if conditional && request.method() != Method::GET => Some(turn.lock().await),
            _ => None,
        };
        let head = request.method() == Method::HEAD;
        let response = self.service.call(request.map(Body::from)).await?;
        if !head {
            let declared = length(response.headers());
            let sent = response.body().size_hint().exact().unwrap_or(declared);
            self.state().requests.bytes_out += sent;
        }
        Ok(response)
    }
}

fn refuse(status: StatusCode, code: &str) -> Result<Response<Body>, HttpError> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>injected</Message></Error>"
    );
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/xml")
        .body(Body::from(text))
        .map_err(|error| HttpError::new(error.into()))
}

/// Denies unsigned requests, and drops the empty `delimiter` that s3s-fs would take for one.
struct Repairs;

#[async_trait::async_trait]
impl S3Access for Repairs {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        match cx.credentials() {
            Some(_) => Ok(()),
            None => Err(s3_error!(AccessDenied, "Signature is required")),
        }
    }

    async fn list_objects(&self, request: &mut S3Request<ListObjectsInput>) -> S3Result<()> {
        request.input.delimiter.take_if(|delimiter| delimiter.is_empty());
        Ok(())
    }

    async fn list_objects_v2(&self, request: &mut S3Request<ListObjectsV2Input>) -> S3Result<()> {
        request.input.delimiter.take_if(|delimiter| delimiter.is_empty());
        Ok(())
    }
}

/// Serves connections until told to stop, then lets the requests in progress end.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    front: Arc<Front>,
    mut stop: oneshot::Receiver<()>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => break,
        };
        match accepted {
            Ok((stream, _)) => connection(stream, &front, &graceful),
            // Out of descriptors, or a client that hung up at once: neither ends the server.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    // Connections that hold on longer than this are cut with the runtime.
    drop(tokio::time::timeout(STOP_LIMIT, graceful.shutdown()).await);
    Ok(())
}

fn connection(stream: TcpStream, front: &Arc<Front>, graceful: &GracefulShutdown) {
    // Without it a small answer on a kept connection waits 40 ms for the client's acknowledgement.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let front = Arc::clone(front);
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { front.answer(request).await }
    });
    let connection =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        // Dropped connections are part of the game here.
        drop(watched.await);
    });
}
