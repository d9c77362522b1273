//! What is under way, and what ended lately.

use maud::{Markup, html};
use stillpoint_core::{Timestamp, WorkspaceId};

use super::part;
use super::shell::Shell;
use super::text::{self, Bytes, Span};
use crate::document::{LeftHold, OperationItem};

/// The place that says what is under way, which the script keeps up to date.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) running: &'a [Row<'a>],
    /// What ended operations left held still.
    pub(crate) held: &'a [LeftHold],
    pub(crate) ended: &'a [OperationItem],
    /// The cursor of the next page of those that ended.
    pub(crate) next: Option<&'a str>,
    /// Whether this is not the first page.
    pub(crate) later: bool,
    pub(crate) now: Timestamp,
}

/// One operation under way, and whether the reader may stop it.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) operation: &'a OperationItem,
    pub(crate) cancel: bool,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    html! {
        div.head { div { h1 { "Operations" } p.lede { "Backups, restores, verifications, copies and deletions." } } }
        (part::left_held(view.held))
        section {
            h2 id="running" { "Under way" }
            @if view.running.is_empty() { p.quiet { "Nothing is under way." } } @else { (live(shell, view.running, None, view.now)) }
        }
        section {
            h2 id="ended" { "Ended" }
            @if view.ended.is_empty() { p.quiet { "Nothing has ended yet." } } @else { (ended(view)) }
        }
    }
}

/// Operations under way, of all workspaces or of one, as cards that follow what happens. Nothing where none is.
pub(crate) fn live(shell: &Shell, rows: &[Row<'_>], only: Option<&WorkspaceId>, now: Timestamp) -> Markup {
    let place = only.map_or_else(
        || "/live".to_owned(),
        |workspace| format!("/live?workspace={}", part::encode(workspace.as_str())),
    );
    html! {
        @if !rows.is_empty() {
            div.running data-live=(place) {
                @for row in rows { (card(shell, row, now)) }
            }
            p.live-state role="status" data-live-state { "As of " (text::second(now)) "; reload to see how far they are." }
        }
    }
}

/// One operation under way. It is sent again whole whenever something of it changed.
pub(crate) fn card(shell: &Shell, row: &Row<'_>, now: Timestamp) -> Markup {
    let operation = row.operation;
    let own = part::path(&["operations", operation.id.as_str()]);
    html! {
        article.card id={ "operation-" (operation.id) } aria-label={ (operation.kind) " of " (operation.workspace) } {
            div.card-head {
                a.card-name href=(own) { (operation.kind) " of " (part::foreign(operation.workspace.as_str())) }
                (part::operation_state(operation.state))
            }
            (how_far(operation, now))
            div.card-foot {
                span { (step(operation)) }
                @if operation.holder.is_none() { (part::pill(part::Mood::Warn, "interrupted")) }
                @if row.cancel && !operation.cancel_requested && !operation.state.is_terminal() {
                    form method="post" action={ (own) "/cancel" } {
                        (part::csrf(shell))
                        button.small type="submit" { "Cancel" span.unseen { " " (operation.kind) " of " (operation.workspace) } }
                    }
                } @else if operation.cancel_requested { span.quiet { "asked to stop" } }
            }
        }
    }
}

/// What is done of all, at which rate, and until when.
pub(crate) fn how_far(operation: &OperationItem, now: Timestamp) -> Markup {
    let progress = &operation.progress;
    let (done, total) = (progress.bytes_done, progress.bytes_total);
    html! {
        (part::progress("Progress", done, total))
        p.figures {
            @if let Some(total) = total.filter(|total| *total > 0) { strong { (part::percent(done, total)) } " · " (Bytes(done)) " of " (Bytes(total)) }
            @else if done > 0 { (Bytes(done)) " so far" } @else { "nothing moved yet" }
            @if progress.files_done > 0 { " · " (progress.files_done) " files" }
            " · running for " (Span(now.since(operation.started_at)))
            @match progress.expected_end.filter(|end| *end > now) {
                Some(end) => { " · about " (Span(end.since(now))) " left" },
                None => {},
            }
        }
    }
}

fn step(operation: &OperationItem) -> String {
    operation.step.replace(['-', '_'], " ")
}

fn ended(view: &View<'_>) -> Markup {
    html! {
        div.scroll role="region" aria-labelledby="ended" tabindex="0" {
            table.grid.cards {
                thead { tr {
                    th scope="col" { "Operation" } th scope="col" { "Workspace" } th scope="col" { "Status" }
                    th scope="col" { "Begun" } th.number scope="col" { "Took" } th scope="col" { "By" } th scope="col" { "Outcome" }
                } }
                tbody { @for operation in view.ended { (ended_row(operation, view.now)) } }
            }
        }
        @let next = view.next.map(|next| format!("/operations?after={}", part::encode(next)));
        (part::pager(view.later.then_some("/operations"), next.as_deref(), view.ended.len(), ("operation", "operations")))
    }
}

fn ended_row(operation: &OperationItem, now: Timestamp) -> Markup {
    let took = operation.finished_at.map(|end| Span(end.since(operation.started_at)).to_string());
    html! {
        tr {
            th.lead scope="row" { a href=(part::path(&["operations", operation.id.as_str()])) { (operation.kind) } code.sub { (part::short(operation.id.as_str())) } }
            td data-label="Workspace" { (part::workspace_link(operation.workspace.as_str())) }
            td data-label="Status" { (part::operation_state(operation.state)) }
            td data-label="Begun" { (text::when(operation.started_at, now)) }
            td.number data-label="Took" { (super::backups::optional(took.as_deref())) }
            td data-label="By" { (super::backups::optional(operation.creator.as_deref())) }
            td data-label="Outcome" { (outcome(operation)) }
        }
    }
}

fn outcome(operation: &OperationItem) -> Markup {
    html! {
        @if let Some(error) = &operation.error { (part::foreign(&error.message)) }
        @else if let Some(backup) = &operation.backup_id {
            a href=(part::path(&["backups", backup.as_str()])) { code { (part::short(backup.as_str())) } }
            @if !operation.issues.is_empty() { ", " (text::count(operation.issues.len(), "issue", "issues")) }
        }
        @else { (super::backups::optional(None)) }
    }
}
