//! What is under way, as it goes on: each message carries a part of a page, made by the page's own templates.
//!
//! A reader that was cut off simply asks again: the first messages of every stream say the whole state.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::Query;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream::{self, Stream, StreamExt};
use stillpoint_core::{OperationId, Result, WorkspaceId};

use super::desk::{Desk, Fields};
use super::operations::under_way;
use super::view::operations::{Row, card};
use super::view::{operation, shell::Shell};
use crate::access::Role;
use crate::document::OperationItem;
use crate::plane::ControlPlane;
use crate::streams::Place;

/// How long a look lasts until the next one.
const PACE: Duration = Duration::from_secs(1);
/// A stream ends after so many looks, and the browser asks for another: whoever was signed out meanwhile gets none.
const LOOKS_MAX: u32 = 300;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/live", get(follow))
}

async fn follow(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let only = Only::of(&Fields(fields));
    match begin(&desk, only).await {
        Ok((shell, only, place)) => Sse::new(events(Watch::new(desk, shell, only, place)))
            .keep_alive(KeepAlive::default())
            .into_response(),
        Err(error) => desk.refuse(&error),
    }
}

/// What is followed.
enum Only {
    All,
    Workspace(WorkspaceId),
    Operation(OperationId),
}

impl Only {
    fn of(fields: &Fields) -> Result<Self> {
        match (fields.text("operation"), fields.text("workspace")) {
            (Some(operation), _) => Ok(Self::Operation(OperationId::new(operation)?)),
            (None, Some(workspace)) => Ok(Self::Workspace(WorkspaceId::new(workspace)?)),
            (None, None) => Ok(Self::All),
        }
    }

    fn is_one(&self) -> bool {
        matches!(self, Self::Operation(_))
    }
}

/// A place among those who follow, and what they follow.
async fn begin(desk: &Desk, only: Result<Only>) -> Result<(Shell, Only, Place)> {
    let place = desk.plane.streams().take(&desk.caller().token)?;
    Ok((desk.shell().await?, only?, place))
}

/// What was said last of each part, so that only what has changed is said again.
struct Watch {
    desk: Desk,
    shell: Shell,
    only: Only,
    said: BTreeMap<String, String>,
    running: Vec<OperationId>,
    looks: u32,
    over: bool,
    _place: Place,
}

impl Watch {
    fn new(desk: Desk, shell: Shell, only: Only, place: Place) -> Self {
        Self {
            desk,
            shell,
            only,
            said: BTreeMap::new(),
            running: Vec::new(),
            looks: 0,
            over: false,
            _place: place,
        }
    }

    /// What has changed since the last look.
    async fn look(&mut self) -> Result<Vec<Event>> {
        let mut found = match &self.only {
            Only::Operation(id) => vec![self.item(id).await?],
            Only::Workspace(id) => under_way(&self.desk, Some(id)).await?,
            Only::All => under_way(&self.desk, None).await?,
        };
        let ended: Vec<_> =
            self.running.iter().filter(|id| found.iter().all(|item| item.id != **id)).cloned().collect();
        for id in &ended {
            found.push(self.item(id).await?);
        }
        let mut events = Vec::new();
        for item in &found {
            self.tell(item, &mut events);
        }
        if found.iter().any(|item| item.state.is_terminal()) {
            events.push(Event::default().event("end").data("ended"));
            self.over = self.only.is_one();
        }
        self.running =
            found.into_iter().filter(|item| !item.state.is_terminal()).map(|item| item.id).collect();
        self.said.retain(|id, _| self.running.iter().any(|running| id.ends_with(running.as_str())));
        Ok(events)
    }

    async fn item(&self, id: &OperationId) -> Result<OperationItem> {
        Ok(OperationItem::stored(&self.desk.plane.operation(self.desk.caller(), id).await?))
    }

    fn tell(&mut self, item: &OperationItem, events: &mut Vec<Event>) {
        let now = self.desk.plane.clock().now();
        let row = || Row { operation: item, cancel: self.desk.may(Role::Operator) };
        let mut parts = vec![(format!("operation-{}", item.id), card(&self.shell, &row(), now))];
        if self.only.is_one() {
            let view = operation::View { row: row(), ledger: &[], now };
            parts.push((format!("components-{}", item.id), operation::components(&view)));
        }
        for (id, part) in parts {
            let part = part.into_string();
            if self.said.get(&id) != Some(&part) {
                events.push(Event::default().event("part").data(&part));
                self.said.insert(id, part);
            }
        }
    }
}

fn events(watch: Watch) -> impl Stream<Item = std::result::Result<Event, Infallible>> {
    let looks = stream::unfold(watch, |mut watch| async move {
        if watch.over || watch.looks >= LOOKS_MAX {
            return None;
        }
        if watch.looks > 0 {
            let (clock, stop) = (watch.desk.plane.shared_clock(), watch.desk.plane.stop().clone());
            tokio::select! {
                () = clock.sleep(PACE) => {}
                () = stop.cancelled() => return None,
            }
        }
        watch.looks += 1;
        match watch.look().await {
            Ok(events) => Some((events, watch)),
            Err(error) => {
                tracing::warn!(error = error.to_string_chain(), "what is under way cannot be followed");
                None
            }
        }
    });
    looks.flat_map(stream::iter).map(Ok)
}
