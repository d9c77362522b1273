//! Editing when a workspace is backed up, with the runs that would follow.

use maud::{Markup, html};
use stillpoint_core::{Timestamp, WorkspaceId};

use super::shell::Shell;
use super::{part, text};

/// What the form holds, as typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    /// `interval` or `cron`.
    pub(crate) cadence: String,
    pub(crate) hours: String,
    pub(crate) cron: String,
    pub(crate) zone: String,
    pub(crate) jitter_minutes: String,
    pub(crate) grace_minutes: String,
    pub(crate) when_missed: String,
    pub(crate) overlap: String,
    pub(crate) alarm_hours: String,
    pub(crate) keep_days: String,
    pub(crate) paused: bool,
}

/// The form, and what would follow from it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) form: &'a Form,
    /// Whether there is one already.
    pub(crate) exists: bool,
    /// The id of a new one, where there is none yet.
    pub(crate) schedule: String,
    /// The schedule's revision, so that nobody overwrites what another has changed.
    pub(crate) revision: String,
    /// The next runs, or what is wrong with the form; nothing before it was looked at.
    pub(crate) preview: Option<Result<&'a [Timestamp], &'a str>>,
    pub(crate) now: Timestamp,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    let own = part::path(&["workspaces", view.workspace.as_str()]);
    let action = format!("{own}/schedule");
    html! {
        (part::crumbs(&[("Workspaces", "/workspaces".into()), (view.workspace.as_str(), own.clone())]))
        div.head { div { h1 { "Schedule of " (part::foreign(view.workspace.as_str())) } p.lede { "When it is backed up by itself. Nothing changes until you save." } } }
        div.two.broad {
            form.sheet method="get" action=(action) {
                (fields(view.form))
                div.ends { button type="submit" class=[view.preview.is_none().then_some("primary")] { "Preview runs" } }
            }
            section.plan aria-live="polite" {
                h2 { "Next runs" }
                (preview(view))
                @if let Some(Ok(_)) = view.preview { (save(shell, view, &action)) }
                @if view.exists {
                    form.inline method="post" action={ (action) "/remove" } {
                        (part::csrf(shell))
                        input type="hidden" name="schedule" value=(view.schedule);
                        input type="hidden" name="revision" value=(view.revision);
                        button.danger.small type="submit" { "Remove schedule" }
                        p.note { "Backups that are there stay." }
                    }
                }
            }
        }
    }
}

/// What was previewed, as the form that saves it.
fn save(shell: &Shell, view: &View<'_>, action: &str) -> Markup {
    let form = view.form;
    let pairs = [
        ("cadence", &form.cadence),
        ("hours", &form.hours),
        ("cron", &form.cron),
        ("zone", &form.zone),
        ("jitter_minutes", &form.jitter_minutes),
        ("grace_minutes", &form.grace_minutes),
        ("when_missed", &form.when_missed),
        ("overlap", &form.overlap),
        ("alarm_hours", &form.alarm_hours),
        ("keep_days", &form.keep_days),
        ("revision", &view.revision),
        ("schedule", &view.schedule),
    ];
    html! {
        form method="post" action=(action) data-once {
            (part::csrf(shell))
            @for (name, value) in pairs { input type="hidden" name=(name) value=(value); }
            @if form.paused { input type="hidden" name="paused" value="yes"; }
            button.primary.wide type="submit" { "Save schedule" }
            p.note { "What is saved is what the runs above follow from." }
        }
    }
}

fn preview(view: &View<'_>) -> Markup {
    html! {
        @match view.preview {
            None => p.quiet { "Preview the runs before you save." },
            Some(Err(wrong)) => p.error role="alert" { (wrong) },
            Some(Ok([])) => p { (part::pill(part::Mood::Warn, "no run")) " No run would begin." },
            Some(Ok(runs)) => ol.runs { @for run in runs { li { (text::when(*run, view.now)) } } },
        }
    }
}

fn fields(form: &Form) -> Markup {
    let number = |name: &str, label: &str, value: &str, note: &str| {
        html! {
            label.field { span { (label) } input type="number" min="0" max="100000" name=(name) value=(value) placeholder=(note); }
        }
    };
    html! {
        fieldset {
            legend { "Cadence" }
            div.choice {
                label.check { input type="radio" name="cadence" value="interval" checked[form.cadence != "cron"]; span { "Every so many hours" } }
                (number("hours", "Hours", &form.hours, "12"))
            }
            div.choice {
                label.check { input type="radio" name="cadence" value="cron" checked[form.cadence == "cron"]; span { "At set times" } }
                label.field { span { "Cron expression" } input type="text" name="cron" value=(form.cron) placeholder="30 2 * * *" maxlength="200" spellcheck="false"; }
                label.field { span { "Time zone" } input type="text" name="zone" value=(form.zone) placeholder="UTC" maxlength="100" spellcheck="false"; }
            }
        }
        fieldset {
            legend { "When it cannot be so" }
            (select("when_missed", "A run was missed", &form.when_missed, &[("run_once", "catch up once"), ("skip", "wait for the next")]))
            (select("overlap", "The one before still runs", &form.overlap, &[("skip", "skip"), ("queue", "wait in line"), ("replace", "stop that one")]))
            (number("grace_minutes", "Minutes until a run counts as missed", &form.grace_minutes, "10"))
            (number("jitter_minutes", "Spread over so many minutes", &form.jitter_minutes, "0"))
            (number("alarm_hours", "Alarm when no good backup is newer than, hours", &form.alarm_hours, "no alarm"))
        }
        fieldset {
            legend { "Its backups" }
            (number("keep_days", "Keep for days", &form.keep_days, "for ever"))
            label.check { input type="checkbox" name="paused" value="yes" checked[form.paused]; span { "Paused: no run begins" } }
        }
    }
}

fn select(name: &str, label: &str, chosen: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        label.field {
            span { (label) }
            select name=(name) { @for (value, shown) in options { option value=(value) selected[chosen == *value] { (shown) } } }
        }
    }
}
