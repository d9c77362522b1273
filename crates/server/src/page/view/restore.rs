//! Restoring a backup: where to, the plan, and the button.

use maud::{Markup, html};
use stillpoint_core::{BackupRecord, BackupState, Finding, RestorePlan};

use super::shell::Shell;
use super::text::{self, Bytes};
use super::{part, plan};

/// What the form holds, as typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) target: String,
    pub(crate) environment: String,
    pub(crate) version: String,
    /// One path a line.
    pub(crate) include: String,
    pub(crate) landing: String,
    pub(crate) waive: Vec<String>,
    pub(crate) keep_on_failure: bool,
}

/// The form, and the plan once it says enough.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) backup: &'a BackupRecord,
    pub(crate) form: &'a Form,
    /// Whether single files can be restored.
    pub(crate) items: bool,
    /// The plan with the id under which it will be submitted, once; or why there is none.
    pub(crate) plan: Option<Result<(&'a RestorePlan, &'a str), &'a str>>,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    let backup = view.backup;
    let own = part::backup_path(&backup.id);
    let name = part::backup_name(backup.name.as_deref(), &backup.id);
    html! {
        (part::crumbs(&[("Backups", "/".into()), (name, own.clone())]))
        div.head {
            div {
                h1 { "Restore " (part::foreign(name)) }
                p.lede {
                    "of " (part::workspace_link(backup.workspace.as_str())) ", created " (text::moment(backup.created_at))
                    ", into a new workspace. The old one is never written to."
                }
            }
        }
        div.two {
            form.sheet method="get" action={ (own) "/restore" } {
                (fields(view))
                button.wide class=[view.plan.is_none().then_some("primary")] type="submit" { (if view.plan.is_some() { "Update the plan" } else { "Show the plan" }) }
                p.note { "Nothing is restored before you have seen the plan." }
            }
            section.plan aria-live="polite" {
                h2 { "Plan" }
                @match &view.plan {
                    None => p.quiet { "Name the new workspace, then look at what would be done." },
                    Some(Err(wrong)) => p.error role="alert" { (part::foreign(wrong)) },
                    Some(Ok((plan, operation))) => (planned(shell, view, plan, operation)),
                }
            }
        }
    }
}

fn fields(view: &View<'_>) -> Markup {
    let form = view.form;
    let landings = [
        ("empty", "only into nothing"),
        ("side", "into a folder of its own"),
        ("merge", "add what is missing"),
        ("replace", "replace what is there"),
    ];
    html! {
        label.field { span { "New workspace" } input type="text" name="target" required maxlength="1000" autocomplete="off" spellcheck="false" value=(form.target) autofocus[view.plan.is_none()]; }
        label.field { span { "Environment" } input type="text" name="environment" maxlength="200" value=(form.environment) placeholder=(view.backup.definition.environment.as_deref().unwrap_or("as it was")); }
        label.field { span { "Software version" } input type="text" name="version" maxlength="200" value=(form.version) placeholder="the newest"; }
        @if view.items {
            label.field { span { "Only these paths, one a line" } textarea name="include" rows="3" maxlength="20000" placeholder="everything" spellcheck="false" { (form.include) } }
            label.field {
                span { "Files that meet others" }
                select name="landing" { @for (value, shown) in landings { option value=(value) selected[form.landing == value] { (shown) } } }
            }
        }
        label.check { input type="checkbox" name="keep" value="yes" checked[form.keep_on_failure]; span { "Keep what a failed restore made" } }
        @if let Some(Ok((plan, _))) = &view.plan {
            (plan::waivers(&plan.findings.iter().collect::<Vec<_>>(), &form.waive))
        }
    }
}

fn planned(shell: &Shell, view: &View<'_>, restore: &RestorePlan, operation: &str) -> Markup {
    let findings: Vec<&Finding> = restore.findings.iter().collect();
    let blocked = restore.findings.iter().any(|finding| {
        finding.severity == stillpoint_core::Severity::Blocker && !view.form.waive.contains(&finding.check)
    });
    let definition = &view.backup.definition;
    html! {
        (plan::findings(&findings))
        @if view.backup.state != BackupState::Completed {
            ul.findings { li { (part::pill(part::Mood::Warn, "warning")) " " strong { "not whole" } ": this backup is " (view.backup.state.as_str()) ". What it lacks, the new workspace will lack." } }
        }
        dl.facts {
            (part::fact("New workspace", &part::foreign(&view.form.target)))
            (part::fact("Holds", &Bytes(view.backup.size_bytes).to_string()))
            (part::fact("Software version", &format!("{} then, {} now", definition.software_version.as_deref().unwrap_or("unknown"), if view.form.version.is_empty() { "the newest" } else { &view.form.version })))
            (part::fact("Roles", &format!("{}, none applied", text::count(definition.roles.len(), "grant is reported", "grants are reported"))))
        }
        (plan::outlook(&restore.outlook))
        form method="post" action={ (part::backup_path(&view.backup.id)) "/restore" } data-once {
            (part::csrf(shell))
            input type="hidden" name="operation" value=(operation);
            (carried(view.form))
            button.primary.wide type="submit" disabled[blocked] { "Start restore" }
            @if blocked { p.note { "A blocker stands against it. Put it right, or waive it by name and update the plan." } }
        }
    }
}

/// What was planned, for the form that begins it.
fn carried(form: &Form) -> Markup {
    let pairs = [
        ("target", &form.target),
        ("environment", &form.environment),
        ("version", &form.version),
        ("include", &form.include),
        ("landing", &form.landing),
    ];
    html! {
        @for (name, value) in pairs { input type="hidden" name=(name) value=(value); }
        @for check in &form.waive { input type="hidden" name="waive" value=(check); }
        @if form.keep_on_failure { input type="hidden" name="keep" value="yes"; }
    }
}
