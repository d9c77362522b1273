//! Live progress: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use stillpoint_core::{Error, ErrorKind, OperationId, Result, StoredOperation};
use utoipa::ToSchema;

use super::input::Named;
use crate::access::{Authenticated, Caller};
use crate::document::OperationItem;
use crate::plane::ControlPlane;
use crate::problem::{Problem, ProblemDocument};
use crate::streams::Place;

/// How often the catalog is looked at; whoever drives the operation stores its progress once a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long a reader waits before it comes back.
const COME_BACK_AFTER: Duration = Duration::from_secs(1);
/// Looks at the catalog that may fail in a row before the stream ends; its reader comes back.
const FAILURES_MAX: u32 = 20;
/// A stream ends after so many looks, which is five minutes, and its reader comes back: whose token was revoked or ended
/// meanwhile is refused then.
const LOOKS_MAX: u32 = 600;
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
    let place = plane.streams().take(&caller.token)?;
    let seen = headers.get(LAST_EVENT).and_then(|id| id.to_str().ok()).map(str::to_owned);
    if stored.operation.state.is_terminal() && seen.as_deref() == Some(version(&stored)?.as_str()) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = events(Follower { plane, caller, operation, seen, ended: false, looks: 0, _place: place });
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
    looks: u32,
    _place: Place,
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
        while !self.ended && self.looks < LOOKS_MAX {
            self.looks += 1;
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
            let clock = self.plane.shared_clock();
            tokio::select! {
                () = clock.sleep(LOOK_EVERY) => {}
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

/// Names what was seen of an operation; on every server the same, so without who holds it, which each host tells by
/// itself.
fn version(stored: &StoredOperation) -> Result<String> {
    let mut item = OperationItem::stored(stored);
    item.holder = None;
    let digest = Sha256::digest(json(&item)?.as_bytes());
    Ok(digest[..8].iter().map(|byte| format!("{byte:02x}")).collect())
}

fn json(item: &OperationItem) -> Result<String> {
    serde_json::to_string(item).map_err(|error| {
        Error::new(ErrorKind::Unexpected, "an operation cannot be written as JSON").with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use std::sync::Arc;
    use stillpoint_core::memory::MemoryCatalog;
    use stillpoint_core::{
        BackupRequest, Catalog, Holder, LocalOrchestrator, OperationRecord, Request, Timestamp, VirtualClock,
    };

    use super::*;
    use crate::access::{MemoryAccess, Role};

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_after_five_minutes_so_that_its_reader_proves_itself_again() {
        let catalog = Arc::new(MemoryCatalog::new());
        let clock = Arc::new(VirtualClock::starting_at(Timestamp::from_millis(1_000_000)));
        let orchestrator = Arc::new(LocalOrchestrator::builder(catalog.clone()).build());
        let plane = ControlPlane::new(catalog.clone(), orchestrator, Arc::new(MemoryAccess::default()))
            .with_clock(clock);
        let operation: OperationId = "op-1".parse().unwrap();
        let request = BackupRequest::new(operation.clone(), "ada".parse().unwrap());
        let record = OperationRecord::submitted(Request::Backup(request), plane.clock().now());
        let holder = Holder::new("test", "test");
        catalog.create_operation(&record, &holder, Duration::from_secs(3600)).await.unwrap();
        let caller = Caller::new("t-1", "ada", Role::Viewer, None);
        let place = plane.streams().take("t-1").unwrap();
        let begun = plane.clock().now();
        let follower = Follower {
            plane: plane.clone(),
            caller,
            operation,
            seen: None,
            ended: false,
            looks: 0,
            _place: place,
        };
        assert_eq!(events(follower).count().await, 1, "one event, as nothing changed");
        let lasted = plane.clock().now().since(begun);
        assert!(lasted > Duration::from_secs(290) && lasted <= Duration::from_secs(300), "{lasted:?}");
    }

    #[test]
    fn what_was_seen_has_the_same_name_on_a_host_that_knows_its_holder_dead() {
        let request = BackupRequest::new("op-1".parse().unwrap(), "ada".parse().unwrap());
        let record = OperationRecord::submitted(Request::Backup(request), Timestamp::from_millis(0));
        let stored = |holder: Option<Holder>, live: bool| {
            let lease = stillpoint_core::LeaseInfo::new(holder, 1, Timestamp::from_millis(9), live);
            StoredOperation::new(record.clone(), lease, false)
        };
        let (known, unknown) = (stored(Some(Holder::new("here", "h")), true), stored(None, false));
        assert_eq!(version(&known).unwrap(), version(&unknown).unwrap());
    }
}
