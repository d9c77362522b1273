//! One backup in full.

use maud::{Markup, html};
use stillpoint_core::{BackupRecord, ComponentRecord, Issue, Timestamp};

use super::shell::Shell;
use super::text::{self, Bytes, Span, copy_place};
use super::{backups, part, windows};
use crate::document::{OperationItem, excluded_reason};

/// How many issues are listed.
const ISSUES_SHOWN_MAX: usize = 100;

/// What the reader may do with a backup.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rights {
    pub(crate) restore: bool,
    pub(crate) verify: bool,
    pub(crate) hold: bool,
    pub(crate) delete: bool,
}

/// A backup with what else is known of it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) backup: &'a BackupRecord,
    pub(crate) rights: Rights,
    /// Operations on this backup, newest first.
    pub(crate) history: &'a [OperationItem],
    /// The components whose snapshots list their files.
    pub(crate) browsable: &'a [String],
    pub(crate) now: Timestamp,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    let backup = view.backup;
    html! {
        (part::crumbs(&[("Backups", "/".into()), (backup.workspace.as_str(), part::path(&["workspaces", backup.workspace.as_str()]))]))
        div.head {
            div {
                h1 { (part::foreign(part::backup_name(backup.name.as_deref(), &backup.id))) " " (part::backup_state(backup.state)) }
                p.lede {
                    "of " (part::workspace_link(backup.workspace.as_str())) (part::on_host(backup.host())) ", " (text::distance(backup.created_at, view.now))
                    @if let Some(creator) = &backup.creator { ", by " (part::foreign(creator)) }
                }
            }
            (actions(shell, view))
        }
        (facts(view))
        (components(view))
        (windows::render(backup))
        (issues(backup))
        (history(view))
        (definition(backup))
    }
}

fn actions(shell: &Shell, view: &View<'_>) -> Markup {
    let Rights { restore, verify, hold, delete } = view.rights;
    let own = part::backup_path(&view.backup.id);
    html! {
        @if restore || verify || hold || delete {
            div.actions role="group" aria-label="Actions" {
                @if restore { a.button.primary href={ (own) "/restore" } { "Restore…" } }
                @if verify {
                    form method="post" action={ (own) "/verify" } {
                        (part::csrf(shell))
                        button type="submit" { "Verify" }
                    }
                }
                @if hold {
                    form method="post" action={ (own) "/hold" } {
                        (part::csrf(shell))
                        input type="hidden" name="held" value=(if view.backup.held { "no" } else { "yes" });
                        button type="submit" { (if view.backup.held { "Release hold" } else { "Hold" }) }
                    }
                }
                @if delete { a.button.danger href={ (own) "/delete" } { "Delete…" } }
            }
        }
    }
}

fn facts(view: &View<'_>) -> Markup {
    let backup = view.backup;
    let (consistency, meaning) = part::consistency(backup.consistency);
    let other = |id: &str| html! { a href=(part::path(&["backups", id])) { code { (part::short(id)) } } };
    html! {
        dl.facts {
            (part::fact("Size", &Bytes(backup.size_bytes).to_string()))
            (part::fact("Added to storage", &Bytes(backup.added_bytes).to_string()))
            (part::fact("Downtime", &text::downtime(backup.downtime)))
            (part::fact("Consistency", &html! { (consistency) span.sub { (meaning) } }))
            (part::fact("Created", &text::moment(backup.created_at)))
            (part::fact("Took", &Span(backup.finished_at.since(backup.created_at)).to_string()))
            (part::fact("Kept", &backups::kept(backup.held, backup.expires_at, view.now)))
            (part::fact("Software version", &backups::optional(backup.definition.software_version.as_deref())))
            (part::fact("Builds on", &html! { @match &backup.parent { Some(parent) => (other(parent.as_str())), None => "nothing: it is the first" } }))
            @if let Some(copied) = &backup.copy_of {
                (part::fact("Copy of", &html! { (other(copied.as_str())) span.sub { (part::foreign(&copy_place(&backup.copied_to))) } }))
            }
            (part::fact("Made by", &html! { a href=(part::path(&["operations", backup.operation.as_str()])) { "its operation" } }))
            (part::fact("Id", &html! { code.long { (backup.id) } }))
            @if !backup.waivers.is_empty() { (part::fact("Waived checks", &backup.waivers.join(", "))) }
        }
    }
}

fn components(view: &View<'_>) -> Markup {
    let (left_out, held): (Vec<_>, Vec<_>) =
        view.backup.components.iter().partition(|record| excluded_reason(&record.component).is_some());
    html! {
        section {
            h2 id="components" { "Components" }
            @if held.is_empty() { p { "This backup holds no component." } } @else {
                div.scroll role="region" aria-labelledby="components" tabindex="0" {
                    table.grid.cards {
                        thead { tr {
                            th scope="col" { "Component" }
                            th scope="col" { "Status" }
                            th scope="col" { "Kind" }
                            th scope="col" { "Resource" }
                            th scope="col" { "Captured" }
                            th scope="col" { "Verified" }
                            th.number scope="col" { "Took" }
                            th scope="col" { "Files" }
                        } }
                        tbody { @for record in &held { (component(view, record)) } }
                    }
                }
            }
            @if !left_out.is_empty() {
                h3 { "Left out" }
                ul.plain {
                    @for record in &left_out {
                        li {
                            (part::pill(part::Mood::Idle, "excluded")) " "
                            strong { (part::foreign(record.component.id.as_str())) }
                            " (" (record.component.kind) ", " code.long { (record.component.resource) } "): "
                            (part::foreign(excluded_reason(&record.component).unwrap_or_default()))
                        }
                    }
                }
            }
        }
    }
}

fn component(view: &View<'_>, record: &ComponentRecord) -> Markup {
    let id = record.component.id.as_str();
    html! {
        tr {
            th.lead scope="row" { (part::foreign(id)) }
            td data-label="Status" { (part::component_state(record.state)) }
            td.tight data-label="Kind" { (record.component.kind) span.sub { "of " (record.component.provider) } }
            td data-label="Resource" { code.long { (part::foreign(&record.component.resource)) } }
            td data-label="Captured" {
                @match record.captured {
                    Some(window) => { (text::second(window.from)) span.sub { "for " (Span(window.to.since(window.from))) } },
                    None => (backups::optional(None)),
                }
            }
            td data-label="Verified" {
                (backups::optional(record.verified.map(part::depth)))
                @if let Some(at) = record.verified_at { span.sub { "again " (text::distance(at, view.now)) } }
            }
            td.number data-label="Took" { (backups::optional(record.took.map(|took| Span(took).to_string()).as_deref())) }
            td data-label="Files" {
                @if view.browsable.iter().any(|component| component == id) {
                    a href=(part::path(&["backups", view.backup.id.as_str(), "files", id])) { "Browse" span.unseen { " the files of " (id) } }
                } @else { span.unknown { "not listed" } }
            }
        }
    }
}

fn issues(backup: &BackupRecord) -> Markup {
    let all: Vec<(&str, &Issue)> = backup
        .components
        .iter()
        .flat_map(|record| record.issues.iter().map(|issue| (record.component.id.as_str(), issue)))
        .collect();
    html! {
        @if !all.is_empty() {
            section {
                h2 id="issues" { "Issues " span.badge { (all.len()) } }
                div.scroll role="region" aria-labelledby="issues" tabindex="0" {
                    table.grid.cards {
                        thead { tr {
                            th scope="col" { "Issue" } th scope="col" { "Component" } th scope="col" { "Item" } th scope="col" { "What happened" }
                        } }
                        tbody {
                            @for (component, issue) in all.iter().take(ISSUES_SHOWN_MAX) {
                                tr {
                                    th.lead scope="row" { (issue.kind) }
                                    td data-label="Component" { (part::foreign(component)) }
                                    td data-label="Item" { code.long { (part::foreign(&issue.item)) } }
                                    td data-label="What happened" { (part::foreign(&issue.message)) }
                                }
                            }
                        }
                    }
                }
                @if all.len() > ISSUES_SHOWN_MAX { p { "And " (all.len() - ISSUES_SHOWN_MAX) " more; the API lists them all." } }
            }
        }
    }
}

fn history(view: &View<'_>) -> Markup {
    html! {
        section {
            h2 id="history" { "History" }
            @if view.history.is_empty() { p.quiet { "It was never restored, verified again or copied." } } @else {
                div.scroll role="region" aria-labelledby="history" tabindex="0" {
                    table.grid.cards {
                        thead { tr {
                            th scope="col" { "What" } th scope="col" { "Status" } th scope="col" { "Begun" }
                            th.number scope="col" { "Took" } th scope="col" { "By" } th scope="col" { "Into" }
                        } }
                        tbody { @for operation in view.history { (event(operation, view.now)) } }
                    }
                }
            }
        }
    }
}

fn event(operation: &OperationItem, now: Timestamp) -> Markup {
    let took = operation.finished_at.map(|end| Span(end.since(operation.started_at)).to_string());
    let into = (operation.kind == "restore").then_some(operation.workspace.as_str());
    html! {
        tr {
            th.lead scope="row" { a href=(part::path(&["operations", operation.id.as_str()])) { (operation.kind) } }
            td data-label="Status" { (part::operation_state(operation.state)) }
            td data-label="Begun" { (text::when(operation.started_at, now)) }
            td.number data-label="Took" { (backups::optional(took.as_deref())) }
            td data-label="By" { (backups::optional(operation.creator.as_deref())) }
            td data-label="Into" { @match into { Some(into) => (part::workspace_link(into)), None => (backups::optional(None)) } }
        }
    }
}

fn definition(backup: &BackupRecord) -> Markup {
    let definition = &backup.definition;
    html! {
        section {
            h2 id="definition" { "The workspace as it was" }
            dl.facts {
                (part::fact("Environment", &backups::optional(definition.environment.as_deref())))
                (part::fact("Account", &backups::optional(definition.account.as_deref())))
                (part::fact("Region", &backups::optional(definition.region.as_deref())))
                (part::fact("Written by", &format!("Stillpoint {}", backup.written_by)))
            }
            @if !definition.roles.is_empty() {
                details {
                    summary { (text::count(definition.roles.len(), "role grant", "role grants")) ", reported and never applied by a restore" }
                    ul.plain { @for grant in &definition.roles { li { (part::foreign(&grant.principal)) ": " (grant.role) } } }
                }
            }
        }
    }
}
