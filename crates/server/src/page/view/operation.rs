//! One operation: how far each component is, what came of it, and what it did outside.

use maud::{Markup, html};
use stillpoint_core::{LedgerEntry, LedgerKind, Timestamp};

use super::operations::{Row, card};
use super::shell::Shell;
use super::text::{self, Bytes, Span};
use super::{backups, part};
use crate::document::ComponentProgressItem;

/// How many lines of the ledger are shown, the newest.
const LEDGER_SHOWN_MAX: usize = 200;

/// An operation with its ledger.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) row: Row<'a>,
    pub(crate) ledger: &'a [LedgerEntry],
    pub(crate) now: Timestamp,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    let operation = view.row.operation;
    html! {
        (part::crumbs(&[("Operations", "/operations".into())]))
        div.head {
            div {
                h1 { (operation.kind) " of " (part::foreign(operation.workspace.as_str())) }
                p.lede {
                    "Begun " (text::distance(operation.started_at, view.now))
                    @if let Some(creator) = &operation.creator { " by " (part::foreign(creator)) }
                    @if let Some(backup) = &operation.backup_id { ", " a href=(part::path(&["backups", backup.as_str()])) { "its backup" } }
                }
            }
        }
        @if operation.state.is_terminal() { (end(view)) } @else {
            div.running data-live={ "/live?operation=" (part::encode(operation.id.as_str())) } data-live-end="reload" {
                (card(shell, &view.row, view.now))
                (components(view))
            }
            p.live-state role="status" data-live-state { "As of " (text::second(view.now)) "; reload to see how far it is." }
        }
        (facts(view))
        (warnings(view))
        (ledger(view))
    }
}

fn end(view: &View<'_>) -> Markup {
    let operation = view.row.operation;
    html! {
        div.outcome {
            p { (part::operation_state(operation.state)) }
            @if let Some(error) = &operation.error { p { strong { (part::foreign(&error.message)) } } }
            @if !operation.issues.is_empty() {
                ul.plain {
                    @for issue in operation.issues.iter().take(50) {
                        li { (part::pill(part::Mood::Warn, &issue.kind)) " " code.long { (part::foreign(&issue.item)) } ": " (part::foreign(&issue.message)) }
                    }
                }
            }
        }
    }
}

/// How far each component is; replaced as a whole when something changed.
pub(crate) fn components(view: &View<'_>) -> Markup {
    let operation = view.row.operation;
    let components = &operation.components;
    html! {
        div id={ "components-" (operation.id) } {
            @if !components.is_empty() {
                div.scroll role="region" aria-label="Components" tabindex="0" {
                    table.grid.cards {
                        thead { tr {
                            th scope="col" { "Component" } th scope="col" { "Step" } th scope="col" { "Progress" }
                            th.number scope="col" { "Done" } th.number scope="col" { "Rate" } th.number scope="col" { "Left" }
                        } }
                        tbody { @for component in components { (component_row(component, view.now)) } }
                    }
                }
            }
        }
    }
}

fn component_row(component: &ComponentProgressItem, now: Timestamp) -> Markup {
    let left = component.expected_end.filter(|end| *end > now).map(|end| Span(end.since(now)).to_string());
    let rate = component.bytes_per_second.map(|rate| format!("{}/s", Bytes(rate)));
    html! {
        tr {
            th.lead scope="row" { (part::foreign(&component.id)) }
            td data-label="Step" { (component.step) }
            td data-label="Progress" { (part::progress(&component.id, component.bytes_done, component.bytes_total)) }
            td.number data-label="Done" { (Bytes(component.bytes_done)) @if let Some(total) = component.bytes_total { " of " (Bytes(total)) } }
            td.number data-label="Rate" { (backups::optional(rate.as_deref())) }
            td.number data-label="Left" { (backups::optional(left.as_deref())) }
        }
    }
}

fn facts(view: &View<'_>) -> Markup {
    let operation = view.row.operation;
    html! {
        dl.facts {
            (part::fact("Workspace", &part::workspace_link(operation.workspace.as_str())))
            (part::fact("Step", &operation.step))
            (part::fact("Begun", &text::moment(operation.started_at)))
            @match operation.finished_at {
                Some(end) => {
                    (part::fact("Ended", &text::moment(end)))
                    (part::fact("Took", &Span(end.since(operation.started_at)).to_string()))
                },
                None => (part::fact("Deadline", &text::moment(operation.deadline))),
            }
            (part::fact("Worked on by", &backups::optional(operation.holder.as_deref())))
            (part::fact("Id", &html! { code.long { (operation.id) } }))
        }
    }
}

fn warnings(view: &View<'_>) -> Markup {
    let operation = view.row.operation;
    html! {
        @if !operation.warnings.is_empty() {
            section {
                h2 id="warnings" { "Warnings" }
                ul.plain { @for warning in operation.warnings.iter().take(50) { li { (part::foreign(warning)) } } }
            }
        }
    }
}

fn ledger(view: &View<'_>) -> Markup {
    let hidden = view.ledger.len().saturating_sub(LEDGER_SHOWN_MAX);
    html! {
        @if !view.ledger.is_empty() {
            section {
                h2 id="ledger" { "Ledger" }
                details {
                    summary { (text::count(view.ledger.len(), "line", "lines")) ": what was about to happen outside, and what came of it" }
                    div.scroll role="region" aria-labelledby="ledger" tabindex="0" {
                        table.grid {
                            thead { tr {
                                th scope="col" { "At" } th scope="col" { "" } th scope="col" { "Call" } th scope="col" { "For" }
                                th.number scope="col" { "Attempt" } th scope="col" { "Outcome" }
                            } }
                            tbody { @for entry in &view.ledger[hidden..] { (line(entry)) } }
                        }
                    }
                }
            }
        }
    }
}

fn line(entry: &LedgerEntry) -> Markup {
    html! {
        tr {
            td { (text::second(entry.at)) }
            td { (if matches!(entry.kind, LedgerKind::Intent) { "intent" } else { "outcome" }) }
            td { (entry.action) }
            td { (part::foreign(&entry.subject)) }
            td.number { (entry.attempt) }
            td { (backups::optional(entry.outcome.as_deref())) }
        }
    }
}
