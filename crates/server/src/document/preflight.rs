//! What stands against a backup, as a document.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use stillpoint_core::{Component, Finding, Plan, Severity, WorkspaceId};
use utoipa::ToSchema;

use super::component::excluded_reason;
use super::held::LeftHold;

/// What stands against a backup of a workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct PreflightDocument {
    /// The workspace.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// How many components it has, the excluded ones too.
    pub components: u64,
    /// Whether a backup would be refused.
    pub blocked: bool,
    /// What was found, the worst first.
    pub findings: Vec<FindingItem>,
}

/// One finding, with the component that it is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct FindingItem {
    /// The component; `None` where it is about several, or the whole.
    pub component: Option<String>,
    /// The check's stable name, with which it can be waived.
    pub check: String,
    /// How bad it is: `info`, `warning` or `blocker`.
    #[schema(value_type = String)]
    pub severity: Severity,
    /// What was found and what to do.
    pub message: String,
    /// Whether it is waived.
    pub waived: bool,
}

impl FindingItem {
    /// `finding`, about `component`.
    pub fn new(component: Option<&Component>, finding: &Finding, waivers: &[String]) -> Self {
        Self {
            component: component.map(|component| component.id.to_string()),
            check: finding.check.clone(),
            severity: finding.severity,
            message: finding.message.clone(),
            waived: waivers.contains(&finding.check),
        }
    }

    /// That the workspace was left held still.
    pub fn held(held: &LeftHold, waivers: &[String]) -> Self {
        Self::new(None, &Finding::new("workspace-held", Severity::Warning, held.sentence()), waivers)
    }
}

impl PreflightDocument {
    /// What the providers found, what is left out, and what is in the way; then `besides`. A finding that several
    /// components share is told once.
    pub fn new(plan: &Plan, waivers: &[String], besides: Vec<FindingItem>) -> Self {
        let mut findings = of_plan(plan, waivers);
        findings.extend(besides);
        findings.sort_by_key(|finding| Reverse(finding.severity));
        let blocked = findings.iter().any(|finding| finding.severity == Severity::Blocker && !finding.waived);
        let components = plan.components.len() as u64;
        Self { workspace: plan.definition.id.clone(), components, blocked, findings }
    }
}

fn of_plan(plan: &Plan, waivers: &[String]) -> Vec<FindingItem> {
    let of_workspace = plan.findings.iter().map(|finding| FindingItem::new(None, finding, waivers));
    let mut items: Vec<FindingItem> = of_workspace.collect();
    for planned in &plan.components {
        let component = &planned.component;
        for finding in &planned.findings {
            let known = items
                .iter_mut()
                .find(|item| (&item.check, &item.message) == (&finding.check, &finding.message));
            match known {
                Some(item) => item.component = None,
                None => items.push(FindingItem::new(Some(component), finding, waivers)),
            }
        }
        if let Some(reason) = excluded_reason(component) {
            let finding = Finding::new("excluded", Severity::Info, reason);
            items.push(FindingItem::new(Some(component), &finding, waivers));
        }
    }
    for conflict in plan.outlook.iter().flat_map(|outlook| &outlook.conflicts) {
        let message =
            format!("{} {} is under way since {}", conflict.kind, conflict.operation, conflict.since);
        let finding = Finding::new("workspace-busy", Severity::Warning, message);
        items.push(FindingItem::new(None, &finding, waivers));
    }
    items
}
