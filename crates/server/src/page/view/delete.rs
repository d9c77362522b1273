//! Deleting a backup: what it means, and a confirmation that cannot be given by accident.

use maud::{Markup, html};
use stillpoint_core::{DeletePlan, Finding};

use super::shell::Shell;
use super::text::{self, Bytes};
use super::{part, plan};

/// What must be typed to delete a backup: its name, else the beginning of its id.
pub(crate) fn phrase(plan: &DeletePlan) -> &str {
    part::backup_name(plan.backup.name.as_deref(), &plan.backup.id)
}

/// The plan with the form below it.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) plan: &'a DeletePlan,
    /// The id under which it will be submitted, once.
    pub(crate) operation: &'a str,
    /// Why the last try was refused.
    pub(crate) refused: Option<&'a str>,
    /// Whether this is the workspace's newest good backup.
    pub(crate) newest_good: bool,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    let backup = &view.plan.backup;
    let own = part::backup_path(&backup.id);
    let findings: Vec<&Finding> = view.plan.findings.iter().collect();
    let blocked = plan::is_blocked(&view.plan.findings);
    html! {
        (part::crumbs(&[("Backups", "/".into()), (phrase(view.plan), own.clone())]))
        div.head {
            div {
                h1 { "Delete " (part::foreign(phrase(view.plan))) "?" }
                p.lede {
                    (part::backup_state(backup.state)) " of " (part::workspace_link(backup.workspace.as_str())) (part::on_host(backup.host()))
                    ", created " (text::moment(backup.created_at)) ", holds " (Bytes(backup.size_bytes))
                }
            }
        }
        div.two {
            section.plan {
                h2 id="plan" { "Plan" }
                (plan::findings(&findings))
                @if view.newest_good {
                    ul.findings { li { (part::pill(part::Mood::Warn, "warning")) " " strong { "last good" } ": this is the newest backup of the workspace that is whole. Without it the next older one is the best there is." } }
                }
                (plan::outlook(&view.plan.outlook))
            }
            form.sheet.danger-zone method="post" action={ (own) "/delete" } data-once {
                (part::csrf(shell))
                input type="hidden" name="operation" value=(view.operation);
                p { "Deleting cannot be undone. Backups that build on this one stay whole." }
                label.field {
                    span { "To confirm, type " code { (part::foreign(phrase(view.plan))) } }
                    input type="text" name="confirm" required autocomplete="off" spellcheck="false" autocapitalize="off" maxlength="300"
                        data-confirm=(phrase(view.plan)) aria-invalid=[view.refused.map(|_| "true")] aria-describedby=[view.refused.map(|_| "refused")];
                }
                @if let Some(refused) = view.refused { p.error id="refused" role="alert" { (refused) } }
                button.danger.wide type="submit" disabled[blocked] { "Delete this backup" }
                @if blocked { p.note { "A blocker stands against it; see the plan." } }
                p { a href=(own) { "Keep it" } }
            }
        }
    }
}
