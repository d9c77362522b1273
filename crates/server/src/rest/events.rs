//! Live progress: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use stillpoint_core::{Error, ErrorKind, OperationId, Result, StoredOperation};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::input::Named;
use crate::access::{Authenticated, Caller};
use crate::document::OperationItem;
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};

/// How often the catalog is looked at; whoever drives the operation stores its progress once a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a reader waits before it comes back.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);
/// Looks at the catalog that may fail in a row before the stream ends; its reader comes back.
const FAILURES_MAX: u32 = 20;
/// The header in which a reader that comes back says what it saw last.
const LAST_EVENT: &str = "last-event-id";

/// Follow an operation's progress as server-sent events
///
/// Each event holds the whole operation, so nothing is lost where a reader misses some. `progress` events come while it
/// is under way, `ended` is the last one. A reader that comes back with `Last-Event-ID` gets what changed since, from any
/// server of the catalog; where it has seen the end already, the answer is 204 and there is nothing to come back for.
#[utoipa::path(get, path = "/operations/{operation}/events", tag = "operations", operation_id = "follow_operation",
    params(("operation" = String, Path), ("Last-Event-ID" = Option<String>, Header)),
    responses(
        (status = 200, body = SentEvent, content_type = "text/event-stream"),
        (status = 204),
        (status = "default", body = ProblemDocument, content_type = "application/problem+json"),
))]
pub(super) async fn follow(
    State(plane): State<ControlPlane>,
    Authenticated(caller): Authenticated,
    Named(operation): Named<OperationId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stored = plane.operation(&caller, &operation).await?;
    let place = Arc::clone(plane.streams()).try_acquire_owned().map_err(|full| {
        let message = "too many streams are open; come back later";
        Error::new(ErrorKind::RateLimited, message).retry_after(Duration::from_secs(5)).with_source(full)
    })?;
    let seen = headers.get(LAST_EVENT).and_then(|id| id.to_str().ok()).map(str::to_owned);
    if stored.operation.state.is_terminal() && seen.as_deref() == Some(version(&stored)?.as_str()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = events(Follower { plane, caller, operation, seen, ended: false, _place: place });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is sent")]
pub(super) struct SentEvent {
    /// `progress`, or `ended` for the last one.
    event: String,
    /// Names what was seen; sent back as `Last-Event-ID`.
    id: String,
    /// The whole operation, as JSON.
    data: String,
}

/// One reader.
struct Follower {
    plane: ControlPlane,
    caller: Caller,
    operation: OperationId,
    /// The version that was sent last.
    seen: Option<String>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

fn events(follower: Follower) -> impl Stream<Item = std::result::Result<Event, Infallible>> {
    stream::unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })
}

impl Follower {
    /// The next event; `None` where the stream is over.
    async fn next(&mut self) -> Option<Event> {
        let mut failures = 0;
        while !self.ended {
            match self.look().await {
                Ok(Some(event)) => return Some(event),
                Ok(None) => failures = 0,
                Err(error) => {
                    failures += 1;
                    tracing::warn!(operation = %self.operation, %error, "an operation that is followed cannot be read");
                    if failures == FAILURES_MAX || error.kind() == ErrorKind::NotFound {
                        return None;
                    }
                }
            }
            let stop = self.plane.stop().clone();
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return None,
            }
        }
        None
    }

    async fn look(&mut self) -> Result<Option<Event>> {
        let stored = self.plane.operation(&self.caller, &self.operation).await?;
        let version = version(&stored)?;
        self.ended = stored.operation.state.is_terminal();
        if self.seen.as_ref() == Some(&version) {
            return Ok(None);
        }
        let name = if self.ended { "ended" } else { "progress" };
        let data = json(&OperationItem::stored(&stored))?;
        self.seen = Some(version.clone());
        Ok(Some(Event::default().event(name).id(version).retry(COME_BACK_AFTER).data(data)))
    }
}

/// Names what was seen of an operation; on every server the same.
fn version(stored: &StoredOperation) -> Result<String> {
    let digest = Sha256::digest(json(&OperationItem::stored(stored))?.as_bytes());
    Ok(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

fn json(item: &OperationItem) -> Result<String> {
    serde_json::to_string(item).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "an operation cannot be written as JSON").with_source(error)
    })
}
