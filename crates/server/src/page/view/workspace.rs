//! One workspace: how well it is protected, its backups over time, what it consists of, and when it is backed up.

use maud::{Markup, html};
use stillpoint_core::{Cadence, ScheduleRecord, Timestamp};

use super::text::{self, Bytes, Span};
use super::{backups, part, timeline, workspaces};
use crate::document::{BackupItem, WorkspaceDetail};

/// How many backups are listed on the page itself.
const LISTED: usize = 8;

/// What the reader may do with a workspace.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rights {
    pub(crate) back_up: bool,
    pub(crate) schedule: bool,
    pub(crate) retention: bool,
}

/// A workspace with what else is known of it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) workspace: &'a WorkspaceDetail,
    pub(crate) rights: Rights,
    /// Its newest backups.
    pub(crate) backups: &'a [BackupItem],
    pub(crate) schedules: &'a [ScheduleRecord],
    /// Its operations under way.
    pub(crate) running: &'a Markup,
    pub(crate) now: Timestamp,
}

/// The page's content.
pub(crate) fn render(view: &View<'_>) -> Markup {
    let item = &view.workspace.item;
    html! {
        (part::crumbs(&[("Workspaces", "/workspaces".into())]))
        div.head {
            div {
                h1 { (part::foreign(item.id.as_str())) }
                p.lede {
                    @match &item.environment { Some(environment) => { "in " (part::foreign(environment)) }, None => "in no environment" }
                    @if let Some(version) = &item.software_version { ", version " (part::foreign(version)) }
                    @if let Some(seen) = item.seen_at { ", last seen " (text::distance(seen, view.now)) }
                }
                @if let Some(origin) = &item.restored_from {
                    p.lede {
                        "restored from " (part::workspace_link(origin.workspace.as_str())) ", "
                        a href=(part::backup_path(&origin.backup)) { "backup " (part::foreign(origin.backup.as_str())) } ", "
                        (text::distance(origin.restored_at, view.now))
                    }
                }
            }
            (actions(view))
        }
        (figures(view))
        (view.running)
        @if view.backups.is_empty() {
            (part::empty("No backup yet", &html! {
                p { "The first backup takes longest; later ones store only what has changed." }
                @if view.rights.back_up { p { a.button.primary href={ (own(view)) "/backup" } { "Back up now…" } } }
            }))
        } @else {
            (timeline::render(view.backups, view.now))
            (newest(view))
        }
        (components(view))
        (schedules(view))
    }
}

fn own(view: &View<'_>) -> String {
    part::path(&["workspaces", view.workspace.item.id.as_str()])
}

fn actions(view: &View<'_>) -> Markup {
    let Rights { back_up, schedule, retention } = view.rights;
    let own = own(view);
    html! {
        @if back_up || schedule || retention {
            div.actions role="group" aria-label="Actions" {
                @if back_up { a.button.primary href={ (own) "/backup" } { "Back up now…" } }
                @if schedule { a.button href={ (own) "/schedule" } { "Schedule…" } }
                @if retention { a.button href={ (own) "/retention" } { "Retention…" } }
            }
        }
    }
}

fn figures(view: &View<'_>) -> Markup {
    let item = &view.workspace.item;
    let newest = item.last_good.as_ref();
    let figure = |name: &str, value: &str, more: &Markup, mood: Option<part::Mood>| {
        html! {
            div class={ "figure " (mood.map_or("", part::Mood::class)) } {
                dt { (name) } dd { span.figure-value { (value) } span.sub { (more) } }
            }
        }
    };
    html! {
        dl.figures-row {
            (figure("Age of last good backup", &workspaces::age(item), &html! { @match newest { Some(good) => a href=(part::backup_path(&good.id)) { (text::minute(good.created_at)) }, None => "nothing can be restored whole" } }, Some(workspaces::freshness(item))))
            (figure("Can be restored", &workspaces::available(item), &html! { @if item.available == 1 { "backup" } @else { "backups" } }, None))
            (figure("It holds", &newest.map_or("–".into(), |good| Bytes(good.size_bytes).to_string()), &html! { "in the last good one" }, None))
            (figure("Next run", &item.next_run.map_or("–".into(), |next| text::distance(next, view.now)), &html! { @match item.next_run { Some(next) => (text::minute(next)), None => "not scheduled" } }, None))
        }
    }
}

fn newest(view: &View<'_>) -> Markup {
    let all = format!("/?workspace={}", part::encode(view.workspace.item.id.as_str()));
    html! {
        section {
            h2 id="newest" { "Newest backups" }
            div.scroll role="region" aria-labelledby="newest" tabindex="0" {
                table.grid.cards {
                    thead { tr {
                        th scope="col" { "Name" } th scope="col" { "Status" } th scope="col" { "Created" } th scope="col" { "By" }
                        th.number scope="col" { "Size" } th.number scope="col" { "Added" } th scope="col" { "Consistency" } th scope="col" { "Kept" }
                    } }
                    tbody { @for backup in view.backups.iter().take(LISTED) { (newest_row(backup, view.now)) } }
                }
            }
            p { a href=(all) { "All its backups" } }
        }
    }
}

fn newest_row(backup: &BackupItem, now: Timestamp) -> Markup {
    html! {
        tr {
            th.lead scope="row" { a href=(part::backup_path(&backup.id)) { (part::foreign(part::backup_name(backup.name.as_deref(), &backup.id))) } }
            td data-label="Status" { (part::backup_state(backup.state)) }
            td data-label="Created" { (text::when(backup.created_at, now)) }
            td data-label="By" { (backups::optional(backup.creator.as_deref())) }
            td.number data-label="Size" { (Bytes(backup.size_bytes)) }
            td.number data-label="Added" { (Bytes(backup.added_bytes)) }
            td data-label="Consistency" { (part::consistency(backup.consistency).0) }
            td data-label="Kept" { (backups::kept(backup.held, backup.expires_at, now)) }
        }
    }
}

fn components(view: &View<'_>) -> Markup {
    html! {
        section {
            h2 id="components" { "Components" }
            @if view.workspace.components.is_empty() { p.quiet { "Not looked at yet." } } @else {
                div.scroll role="region" aria-labelledby="components" tabindex="0" {
                    table.grid.cards {
                        thead { tr { th scope="col" { "Component" } th scope="col" { "Protection" } th scope="col" { "Kind" } th scope="col" { "Provider" } th scope="col" { "Resource" } } }
                        tbody {
                            @for component in &view.workspace.components {
                                tr {
                                    th.lead scope="row" { (part::foreign(&component.id)) }
                                    td data-label="Protection" {
                                        @match &component.excluded_reason {
                                            Some(reason) => { (part::pill(part::Mood::Idle, "excluded")) span.sub { (part::foreign(reason)) } },
                                            None => (part::pill(part::Mood::Good, "protected")),
                                        }
                                    }
                                    td data-label="Kind" { (component.kind) }
                                    td data-label="Provider" { (component.provider) }
                                    td data-label="Resource" { code.long { (part::foreign(&component.resource)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn schedules(view: &View<'_>) -> Markup {
    html! {
        section {
            h2 id="schedule" { "Schedule" }
            @if view.schedules.is_empty() { p.quiet { "It is backed up only when somebody asks for it." } }
            @for record in view.schedules {
                p {
                    (cadence(record))
                    @if record.schedule.paused { " " (part::pill(part::Mood::Warn, "paused")) }
                    @if record.missed_runs > 0 { ". " (record.missed_runs) " runs were missed so far" }
                    @if let Some(limit) = record.schedule.alarm_after { ". An alarm is raised when no good backup is newer than " (Span(limit)) }
                    "."
                }
            }
        }
    }
}

/// When a schedule's runs come, as a sentence without its end.
pub(crate) fn cadence(record: &ScheduleRecord) -> Markup {
    html! {
        @match &record.schedule.cadence {
            Cadence::Interval { every } => { "Every " (Span(*every)) },
            Cadence::Cron { expression } => { "At " code { (expression) } " in " (record.schedule.zone) },
            _ => "In a way this version does not know",
        }
    }
}
