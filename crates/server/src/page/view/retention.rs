//! Which backups of a workspace a policy would keep and let go, and letting them go.

use std::collections::BTreeMap;

use maud::{Markup, html};
use stillpoint_core::{BackupId, Timestamp, WorkspaceId};

use super::part;
use super::shell::Shell;
use super::text::{self, Bytes};
use crate::document::BackupItem;

/// The policy as typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) last: String,
    pub(crate) hourly: String,
    pub(crate) daily: String,
    pub(crate) weekly: String,
    pub(crate) monthly: String,
    pub(crate) yearly: String,
    pub(crate) within_days: String,
    pub(crate) good: String,
    pub(crate) expired: bool,
}

/// What a policy does with the backups there are.
#[derive(Debug)]
pub(crate) struct Preview<'a> {
    pub(crate) backups: &'a [BackupItem],
    /// Why each that stays does.
    pub(crate) keep: &'a BTreeMap<BackupId, Vec<String>>,
    /// How many go.
    pub(crate) going: usize,
    /// Those of them that are offered to be deleted now: the oldest.
    pub(crate) remove: &'a [BackupId],
}

/// The form with its preview.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) form: &'a Form,
    /// What would follow, or what is wrong with the form; nothing before it was looked at.
    pub(crate) preview: Option<Result<Preview<'a>, &'a str>>,
    pub(crate) now: Timestamp,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    let own = part::path(&["workspaces", view.workspace.as_str()]);
    html! {
        (part::crumbs(&[("Workspaces", "/workspaces".into()), (view.workspace.as_str(), own.clone())]))
        div.head { div { h1 { "Retention of " (part::foreign(view.workspace.as_str())) } p.lede { "A backup stays if any rule keeps it. Held ones always stay. Nothing is deleted before you have seen which." } } }
        form.sheet.rules method="get" action={ (own) "/retention" } {
            (fields(view.form))
            input type="hidden" name="preview" value="yes";
            div.ends { button.primary type="submit" { "Preview" } }
        }
        @match &view.preview {
            None => {},
            Some(Err(wrong)) => p.error role="alert" { (wrong) },
            Some(Ok(preview)) => (outcome(shell, view, preview)),
        }
    }
}

/// The rules with their labels.
fn rules(form: &Form) -> [(&'static str, &'static str, &str); 8] {
    [
        ("last", "Newest", &form.last),
        ("hourly", "Hourly", &form.hourly),
        ("daily", "Daily", &form.daily),
        ("weekly", "Weekly", &form.weekly),
        ("monthly", "Monthly", &form.monthly),
        ("yearly", "Yearly", &form.yearly),
        ("within_days", "All of the last days", &form.within_days),
        ("good", "Whole ones, always", &form.good),
    ]
}

fn fields(form: &Form) -> Markup {
    html! {
        fieldset {
            legend { "Keep" }
            div.numbers {
                @for (name, label, value) in rules(form) {
                    label.field { span { (label) } input type="number" name=(name) min="0" max="100000" value=(value) placeholder=(if name == "good" { "1" } else { "0" }); }
                }
            }
            label.check { input type="checkbox" name="expired" value="yes" checked[form.expired]; span { "Let go what has outlived its own time" } }
        }
    }
}

fn outcome(shell: &Shell, view: &View<'_>, preview: &Preview<'_>) -> Markup {
    let action = part::path(&["workspaces", view.workspace.as_str(), "retention"]);
    let offered = preview.remove.len();
    let freed: u64 = preview
        .backups
        .iter()
        .filter(|backup| preview.remove.contains(&backup.id))
        .map(|backup| backup.added_bytes)
        .sum();
    let word = offered.to_string();
    html! {
        section {
            h2 id="preview" { "What it would do" }
            p {
                "Keeps " strong { (preview.keep.len()) } ", lets go " strong { (preview.going) } "."
                @if offered < preview.going { " The oldest " (offered) " of them can be deleted now; look again afterwards." }
                @if offered > 0 { " They added " (Bytes(freed)) " to storage." }
            }
            div.scroll role="region" aria-labelledby="preview" tabindex="0" {
                table.grid.cards {
                    thead { tr { th scope="col" { "Backup" } th scope="col" { "Would" } th scope="col" { "Why" } th scope="col" { "Status" } th scope="col" { "Created" } th.number scope="col" { "Added" } } }
                    tbody { @for backup in preview.backups { (row(backup, preview, view.now)) } }
                }
            }
            @if offered > 0 {
                form.sheet.danger-zone method="post" action=(action) data-once {
                    (part::csrf(shell))
                    @for (name, _, value) in rules(view.form) { input type="hidden" name=(name) value=(value); }
                    @if view.form.expired { input type="hidden" name="expired" value="yes"; }
                    @for id in preview.remove { input type="hidden" name="remove" value=(id); }
                    label.field {
                        span { "To delete " (text::count(offered, "backup", "backups")) ", type the number " code { (word) } }
                        input type="text" name="confirm" inputmode="numeric" required autocomplete="off" data-confirm=(word);
                    }
                    button.danger.wide type="submit" { "Delete " (text::count(offered, "backup", "backups")) }
                }
            }
        }
    }
}

fn row(backup: &BackupItem, preview: &Preview<'_>, now: Timestamp) -> Markup {
    let reasons = preview.keep.get(&backup.id);
    html! {
        tr {
            th.lead scope="row" { a href=(part::backup_path(&backup.id)) { (part::foreign(part::backup_name(backup.name.as_deref(), &backup.id))) } }
            td data-label="Would" {
                @if preview.remove.contains(&backup.id) { (part::pill(part::Mood::Bad, "go")) } @else { (part::pill(part::Mood::Good, "stay")) }
            }
            td data-label="Why" { @match reasons { Some(reasons) => (reasons.join("; ")), None => "no rule keeps it" } }
            td data-label="Status" { (part::backup_state(backup.state)) }
            td data-label="Created" { (text::when(backup.created_at, now)) }
            td.number data-label="Added" { (Bytes(backup.added_bytes)) }
        }
    }
}
