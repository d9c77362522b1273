//! The catalog: every backup of every workspace, also of those that no longer exist.

use std::time::Duration;

use maud::{Markup, html};
use stillpoint_core::{BackupState, DamagedRow, Timestamp};

use super::part;
use super::text::{self, Bytes};
use crate::document::BackupItem;

/// What the list was narrowed to, as it stands in the address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) search: String,
    pub(crate) workspace: String,
    pub(crate) environment: String,
    pub(crate) state: String,
    pub(crate) sort: String,
    pub(crate) after: String,
}

impl Filter {
    fn is_set(&self) -> bool {
        [&self.search, &self.workspace, &self.environment, &self.state].iter().any(|part| !part.is_empty())
    }

    /// The address of the same list from another cursor on, or in another order.
    fn address(&self, sort: &str, after: &str) -> String {
        let pairs = [
            ("q", self.search.as_str()),
            ("workspace", &self.workspace),
            ("environment", &self.environment),
            ("state", &self.state),
            ("sort", sort),
            ("after", after),
        ];
        let set = pairs.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<_> = set.map(|(name, value)| format!("{name}={}", part::encode(value))).collect();
        if query.is_empty() { "/".to_owned() } else { format!("/?{}", query.join("&")) }
    }
}

/// Figures over all backups that the reader may see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    pub(crate) backups: usize,
    /// Whether there are more than were counted.
    pub(crate) more: bool,
    pub(crate) workspaces: usize,
    pub(crate) added_bytes: u64,
    /// Backups that are partial or damaged.
    pub(crate) troubled: usize,
    /// Workspaces whose last good backup is older than their schedule wants, or missing.
    pub(crate) stale: Vec<String>,
}

/// The list with everything around it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) filter: &'a Filter,
    pub(crate) totals: &'a Totals,
    pub(crate) workspaces: &'a [String],
    pub(crate) environments: &'a [String],
    pub(crate) backups: &'a [BackupItem],
    pub(crate) damaged: &'a [DamagedRow],
    pub(crate) next: Option<&'a str>,
    /// Operations under way, as rows of their own page.
    pub(crate) running: &'a Markup,
    pub(crate) now: Timestamp,
}

/// The page's content.
pub(crate) fn render(view: &View<'_>) -> Markup {
    html! {
        div.head {
            div { h1 { "Backups" } (summary(view.totals)) }
        }
        (attention(view.totals))
        (view.running)
        @if view.totals.backups == 0 && !view.filter.is_set() { (first_use()) } @else {
            (filters(view))
            @if !view.damaged.is_empty() { (part::damaged(view.damaged)) }
            @if view.backups.is_empty() { (nothing_found(view.filter)) } @else {
                (table(view))
                @let first = (!view.filter.after.is_empty()).then(|| view.filter.address(&view.filter.sort, ""));
                @let next = view.next.map(|next| view.filter.address(&view.filter.sort, next));
                (part::pager(first.as_deref(), next.as_deref(), view.backups.len(), ("backup", "backups")))
            }
        }
    }
}

fn summary(totals: &Totals) -> Markup {
    html! {
        p.lede {
            @if totals.more { "The newest " }
            (text::count(totals.backups, "backup", "backups")) " of "
            (text::count(totals.workspaces, "workspace", "workspaces")) ", "
            (Bytes(totals.added_bytes)) " in storage"
        }
    }
}

fn attention(totals: &Totals) -> Markup {
    html! {
        @if totals.troubled > 0 || !totals.stale.is_empty() {
            section.attention aria-label="Needs attention" {
                @if !totals.stale.is_empty() {
                    p {
                        (part::pill(part::Mood::Bad, "no fresh backup")) " "
                        @for (index, id) in totals.stale.iter().take(5).enumerate() {
                            @if index > 0 { ", " }
                            (part::workspace_link(id))
                        }
                        @if totals.stale.len() > 5 { " and " (totals.stale.len() - 5) " more" }
                    }
                }
                @if totals.troubled > 0 {
                    p {
                        (part::pill(part::Mood::Warn, "not whole")) " "
                        (text::count(totals.troubled, "backup is", "backups are")) " "
                        a href="/?state=partial" { "partial" } " or " a href="/?state=damaged" { "damaged" }
                    }
                }
            }
        }
    }
}

fn select(name: &str, label: &str, any: &str, chosen: &str, options: &[(String, String)]) -> Markup {
    html! {
        label.field {
            span { (label) }
            select name=(name) data-submit {
                option value="" selected[chosen.is_empty()] { (any) }
                @for (value, shown) in options {
                    option value=(value) selected[chosen == value] { (shown) }
                }
            }
        }
    }
}

/// The orders in which the list can stand: how each is written in the address, and said.
const ORDERS: [(&str, &str); 7] = [
    ("", "newest first"),
    ("created", "oldest first"),
    ("-size", "largest first"),
    ("-added", "most added first"),
    ("name", "by name"),
    ("workspace", "by workspace"),
    ("state", "by status"),
];

fn filters(view: &View<'_>) -> Markup {
    let same =
        |values: &[String]| -> Vec<_> { values.iter().map(|value| (value.clone(), value.clone())).collect() };
    let states = [BackupState::Completed, BackupState::Partial, BackupState::Damaged, BackupState::Deleting];
    let states: Vec<_> = states.map(|state| (state.as_str().to_owned(), state.as_str().to_owned())).into();
    let orders: Vec<_> =
        ORDERS[1..].iter().map(|(value, name)| (value.to_string(), name.to_string())).collect();
    let filter = view.filter;
    html! {
        form.filters method="get" action="/" role="search" aria-label="Filter backups" {
            label.field.grow {
                span { "Search" }
                input type="search" name="q" value=(filter.search) placeholder="Name, id, workspace or creator" maxlength="200";
            }
            (select("workspace", "Workspace", "All", &filter.workspace, &same(view.workspaces)))
            (select("environment", "Environment", "All", &filter.environment, &same(view.environments)))
            (select("state", "Status", "Any", &filter.state, &states))
            (select("sort", "Order", ORDERS[0].1, &filter.sort, &orders))
            div.filter-ends {
                button type="submit" { "Apply" }
                @if filter.is_set() { a.clear href="/" { "Clear" } }
            }
        }
    }
}

fn table(view: &View<'_>) -> Markup {
    let sortable = |name: &str, up: &str, down: &str, class: &str| {
        let sort = view.filter.sort.as_str();
        let (direction, other) = match sort {
            _ if sort == up => (Some("ascending"), down),
            _ if sort == down => (Some("descending"), up),
            _ => (None, if down.is_empty() { up } else { down }),
        };
        html! {
            th scope="col" class=(class) aria-sort=[direction] {
                a href=(view.filter.address(other, "")) { (name) }
            }
        }
    };
    html! {
        div.scroll role="region" aria-label="Backups" tabindex="0" {
            table.grid.cards {
                caption.unseen { "Backups. Column headings that are links change the order." }
                thead {
                    tr {
                        (sortable("Name", "name", "-name", ""))
                        (sortable("Workspace", "workspace", "-workspace", ""))
                        th scope="col" { "Environment" }
                        (sortable("Status", "state", "-state", ""))
                        (sortable("Created", "created", "", ""))
                        th scope="col" { "By" }
                        th scope="col" { "Version" }
                        (sortable("Size", "size", "-size", "number"))
                        (sortable("Added", "added", "-added", "number"))
                        th.number scope="col" { "Downtime" }
                        th scope="col" { "Consistency" }
                        th scope="col" { "Kept" }
                    }
                }
                tbody { @for backup in view.backups { (row(backup, view.now)) } }
            }
        }
    }
}

fn row(backup: &BackupItem, now: Timestamp) -> Markup {
    let (consistency, meaning) = part::consistency(backup.consistency);
    html! {
        tr {
            th.lead scope="row" {
                a href=(part::backup_path(&backup.id)) { (part::foreign(part::backup_name(backup.name.as_deref(), &backup.id))) }
                @if backup.name.is_some() { code.sub { (part::short(backup.id.as_str())) } }
            }
            td.wide-cell data-label="Workspace" { (part::workspace_link(backup.workspace.as_str())) (part::on_host(backup.host.as_deref())) }
            td data-label="Environment" { (optional(backup.environment.as_deref())) }
            td data-label="Status" { (part::backup_state(backup.state)) }
            td data-label="Created" { (text::when(backup.created_at, now)) }
            td data-label="By" { (optional(backup.creator.as_deref())) }
            td data-label="Version" { (optional(backup.software_version.as_deref())) }
            td.number data-label="Size" { (Bytes(backup.size_bytes)) }
            td.number data-label="Added" { (Bytes(backup.added_bytes)) }
            td.number data-label="Downtime" { (text::downtime(Duration::from_millis(backup.downtime_ms))) }
            td data-label="Consistency" { span title=(meaning) { (consistency) } }
            td data-label="Kept" { (kept(backup.held, backup.expires_at, now)) }
        }
    }
}

/// A value that may be unknown.
pub(crate) fn optional(value: Option<&str>) -> Markup {
    html! {
        @match value {
            Some(value) => (part::foreign(value)),
            None => span.unknown { "–" span.unseen { "not known" } },
        }
    }
}

/// How long a backup is kept.
pub(crate) fn kept(held: bool, until: Option<Timestamp>, now: Timestamp) -> Markup {
    html! {
        @if held { (part::pill(part::Mood::Busy, "held")) }
        @else if let Some(until) = until {
            @let day = text::minute(until);
            time.when datetime=(until) {
                span.when-far { @if until <= now { "expired" } @else { (text::distance(until, now)) } }
                " " span.when-exact { (day.get(..10).unwrap_or_default()) }
            }
        }
        @else { "for ever" }
    }
}

fn nothing_found(filter: &Filter) -> Markup {
    part::empty(
        "No backup fits",
        &html! {
            p { "Nothing in the catalog fits what you are looking for" @if !filter.search.is_empty() { ": " strong { (part::foreign(&filter.search)) } } "." }
            p { a.button href="/" { "Show all backups" } }
        },
    )
}

fn first_use() -> Markup {
    part::empty(
        "No backup yet",
        &html! {
            p { "The first one of a workspace is begun on the workspace's page; every later one stores what has changed since." }
            p { a.button.primary href="/workspaces" { "Choose a workspace" } }
            p { "Or from the command line: " code { "stillpoint backup DIR" } }
        },
    )
}
