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
use futures::Stream;
use futures::stream;
use stillpoint_core::{OperationId, Result};

use super::desk::{Desk, Fields};
use super::operations::under_way;
use super::view::operations::{Row, card};
use super::view::{operation, shell::Shell};
use crate::access::Role;
use crate::document::OperationItem;
use crate::plane::ControlPlane;

/// How long a look lasts until the next one.
const PACE: Duration = Duration::from_secs(1);
/// A stream ends after so many looks, and the browser asks for another: whoever was signed out meanwhile gets none.
const LOOKS_MAX: u32 = 300;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new().route("/live", get(follow))
}

async fn follow(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let only = Fields(fields).text("operation").map(OperationId::new).transpose();
    let shell = desk.shell().await;
    match (only, shell) {
        (Ok(only), Ok(shell)) => Sse::new(events(Watch::new(desk, shell, only)))
            .keep_alive(KeepAlive::default())
            .into_response(),
        (Err(error), _) | (_, Err(error)) => desk.refuse(&error),
    }
}

/// What was said last of each part, so that only what has changed is said again.
struct Watch {
    desk: Desk,
    shell: Shell,
    only: Option<OperationId>,
    said: BTreeMap<String, String>,
    running: Vec<OperationId>,
    looks: u32,
    over: bool,
}

impl Watch {
    fn new(desk: Desk, shell: Shell, only: Option<OperationId>) -> Self {
        Self { desk, shell, only, said: BTreeMap::new(), running: Vec::new(), looks: 0, over: false }
    }

    /// What has changed since the last look.
    async fn look(&mut self) -> Result<Vec<Event>> {
        let mut found = match &self.only {
            Some(id) => vec![self.item(id).await?],
            None => under_way(&self.desk, None).await?,
        };
        let ended: Vec<_> = self.running.iter().filter(|id| found.iter().all(|item| item.id != **id)).cloned().collect();
        for id in &ended {
            found.push(self.item(id).await?);
        }
        let mut events = Vec::new();
        for item in &found {
            self.tell(item, &mut events);
        }
        if found.iter().any(|item| item.state.is_terminal()) {
            events.push(Event::default().event("end").data("ended"));
            self.over = self.only.is_some();
        }
        self.running = found.into_iter().filter(|item| !item.state.is_terminal()).map(|item| item.id).collect();
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
        if self.only.is_some() {
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

fn events(watch: Watch) -> impl Stream<Item = Result<Event, Infallible>> {
    use futures::StreamExt as _;
    let looks = stream::unfold(watch, |mut watch| async move {
        if watch.over || watch.looks >= LOOKS_MAX {
            return None;
        }
        if watch.looks > 0 {
            watch.desk.plane.clock().sleep(PACE).await;
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
