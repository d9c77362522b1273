//! The workspaces, and how well each is protected.

use std::time::Duration;

use maud::{Markup, html};
use stillpoint_core::{DamagedRow, OperationState, Timestamp};

use super::text::{self, Bytes, Span};
use super::{backups, part};
use crate::document::{LeftHold, WorkspaceItem};

/// One page of workspaces.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) workspaces: &'a [WorkspaceItem],
    pub(crate) next: Option<&'a str>,
    pub(crate) damaged: &'a [DamagedRow],
    /// What ended operations left held still.
    pub(crate) held: &'a [LeftHold],
    pub(crate) later: bool,
    pub(crate) now: Timestamp,
}

/// The page's content.
pub(crate) fn render(view: &View<'_>) -> Markup {
    html! {
        div.head { div { h1 { "Workspaces" } p.lede { "Everything that has backups or is registered here, also what no longer exists." } } }
        (part::left_held(view.held))
        @if !view.damaged.is_empty() { (part::damaged(view.damaged)) }
        @if view.workspaces.is_empty() {
            (part::empty("No workspace yet", &html! {
                p { "Workspaces appear here once the server knows them from its configuration, or once one was backed up." }
                p { "For a directory: " code { "stillpoint backup DIR" } }
            }))
        } @else {
            div.scroll role="region" aria-label="Workspaces" tabindex="0" {
                table.grid.cards {
                    thead { tr {
                        th scope="col" { "Workspace" } th scope="col" { "Environment" } th scope="col" { "Version" } th scope="col" { "Last good backup" }
                        th.number scope="col" { "It holds" } th.number scope="col" { "Available" } th scope="col" { "Next run" } th scope="col" { "Last seen" }
                    } }
                    tbody { @for workspace in view.workspaces { (row(workspace, view.now)) } }
                }
            }
            @let next = view.next.map(|next| format!("/workspaces?after={}", part::encode(next)));
            (part::pager(view.later.then_some("/workspaces"), next.as_deref(), view.workspaces.len(), ("workspace", "workspaces")))
        }
    }
}

fn row(workspace: &WorkspaceItem, now: Timestamp) -> Markup {
    html! {
        tr {
            th.lead scope="row" {
                (part::workspace_link(workspace.id.as_str()))
                @if let Some(origin) = &workspace.restored_from { span.sub { "restored from " (part::foreign(origin.workspace.as_str())) } }
            }
            td data-label="Environment" { (backups::optional(workspace.environment.as_deref())) }
            td data-label="Version" { (backups::optional(workspace.software_version.as_deref())) }
            td data-label="Last good backup" { (last_good(workspace, now)) }
            td.number data-label="It holds" { (backups::optional(workspace.last_good.as_ref().map(|good| Bytes(good.size_bytes).to_string()).as_deref())) }
            td.number data-label="Available" { (available(workspace)) }
            td data-label="Next run" { @match workspace.next_run { Some(next) => (text::when(next, now)), None => span.quiet { "not scheduled" } } }
            td data-label="Last seen" { @match workspace.seen_at { Some(seen) => (text::distance(seen, now)), None => (backups::optional(None)) } }
        }
    }
}

/// How many of its backups can be restored.
pub(crate) fn available(workspace: &WorkspaceItem) -> String {
    workspace.available.to_string()
}

/// How old a last good backup may be before it is worth a look, where no schedule says otherwise.
const FRESH: Duration = Duration::from_secs(36 * 3600);

/// How a workspace's newest good backup is to be taken.
pub(crate) fn freshness(workspace: &WorkspaceItem) -> part::Mood {
    match workspace.last_good_age_seconds {
        None => part::Mood::Bad,
        Some(age) if Duration::from_secs(age) > FRESH => part::Mood::Warn,
        Some(_) => part::Mood::Good,
    }
}

/// The newest backup that is whole, and how old it is.
pub(crate) fn last_good(workspace: &WorkspaceItem, now: Timestamp) -> Markup {
    html! {
        @match &workspace.last_good {
            Some(good) => {
                a href=(part::backup_path(&good.id)) { (part::pill(freshness(workspace), &text::distance(good.created_at, now))) }
                span.sub { (text::minute(good.created_at)) }
            },
            None => (part::pill(part::Mood::Bad, "none")),
        }
        @if let (Some(state @ (OperationState::Failed | OperationState::Partial)), Some(operation)) = (workspace.last_backup_state, &workspace.last_backup_operation) {
            span.sub { "the last one " a href=(part::path(&["operations", operation])) { @if state == OperationState::Failed { "failed" } @else { "is partial" } } }
        }
    }
}

/// The age of the last good backup as a figure.
pub(crate) fn age(workspace: &WorkspaceItem) -> String {
    let seconds = workspace
        .last_good_age_seconds
        .map(|seconds| if seconds < 3600 { seconds / 60 * 60 } else { seconds / 3600 * 3600 });
    match seconds {
        Some(0) => "just now".to_owned(),
        Some(seconds) => Span(Duration::from_secs(seconds)).to_string(),
        None => "none yet".to_owned(),
    }
}
