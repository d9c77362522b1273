//! One backup by hand: the plan first, then the button.

use maud::{Markup, html};
use stillpoint_core::{Plan, WorkspaceId};

use super::shell::Shell;
use super::{backups, part, plan};
use crate::document::excluded_reason;

/// What the form holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form {
    pub(crate) name: String,
    /// Days to keep it; empty for ever.
    pub(crate) days: String,
    pub(crate) waive: Vec<String>,
}

/// The form with the plan as it is now.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) workspace: &'a WorkspaceId,
    pub(crate) form: &'a Form,
    /// The id under which it will be submitted, once, however often the form is sent.
    pub(crate) operation: &'a str,
    pub(crate) plan: &'a Plan,
}

/// The page's content.
pub(crate) fn render(shell: &Shell, view: &View<'_>) -> Markup {
    let own = part::path(&["workspaces", view.workspace.as_str()]);
    let findings: Vec<_> = view.plan.all_findings().collect();
    html! {
        (part::crumbs(&[("Workspaces", "/workspaces".into()), (view.workspace.as_str(), own.clone())]))
        div.head { div { h1 { "Back up " (part::foreign(view.workspace.as_str())) } p.lede { "This is what would be done. Nothing is, until you start it." } } }
        div.two {
            section.plan {
                h2 id="plan" { "Plan" }
                (plan::findings(&findings))
                (components(view.plan))
                @if let Some(outlook) = &view.plan.outlook { (plan::outlook(outlook)) }
            }
            form.sheet method="post" action={ (own) "/backup" } data-once {
                (part::csrf(shell))
                input type="hidden" name="operation" value=(view.operation);
                label.field { span { "Name" } input type="text" name="name" maxlength="200" value=(view.form.name) placeholder="Optional"; }
                label.field { span { "Keep for days" } input type="number" name="days" min="1" max="36500" value=(view.form.days) placeholder="for ever"; }
                (plan::waivers(&findings, &view.form.waive))
                button.primary.wide type="submit" { "Start backup" }
            }
        }
    }
}

fn components(plan: &Plan) -> Markup {
    html! {
        div.scroll role="region" aria-label="Planned components" tabindex="0" {
            table.grid.cards {
                thead { tr { th scope="col" { "Component" } th scope="col" { "Will be" } th scope="col" { "Kind" } th scope="col" { "Builds on" } } }
                tbody {
                    @for planned in &plan.components {
                        tr {
                            th.lead scope="row" { (part::foreign(planned.component.id.as_str())) }
                            td data-label="Will be" {
                                @match excluded_reason(&planned.component) {
                                    Some(reason) => { (part::pill(part::Mood::Idle, "left out")) span.sub { (part::foreign(reason)) } },
                                    None => (part::pill(part::Mood::Good, "captured")),
                                }
                            }
                            td data-label="Kind" { (planned.component.kind) span.sub { "of " (planned.component.provider) } }
                            td data-label="Builds on" {
                                @match &planned.base { Some(base) => code { (part::short(base.id.as_str())) }, None => (backups::optional(None)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
