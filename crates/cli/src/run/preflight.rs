//! `stillpoint preflight`.

use std::cmp::Reverse;

use serde::Serialize;
use serde_json::json;
use stillpoint_core::{Component, Finding, OpContext, Orchestrator, Plan, Result, Severity};

use super::backup::prepare;
use crate::args::{BackupArgs, PreflightArgs};
use crate::exit::{Exit, Outcome};
use crate::output::document::excluded_reason;
use crate::output::word;
use crate::session::Session;

/// One finding, with the component that it is about.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct FindingItem {
    component: Option<String>,
    check: String,
    severity: Severity,
    message: String,
    waived: bool,
}

pub(super) async fn run(session: &Session, args: &PreflightArgs) -> Outcome {
    let wanted = BackupArgs {
        workspace: Some(args.workspace.clone()),
        skip_check: args.skip_check.clone(),
        dry_run: true,
        ..BackupArgs::default()
    };
    let (orchestrator, request) = prepare(session, &wanted).await?;
    let plan = orchestrator.plan(&request).await?;
    let mut findings = findings(&plan, &args.skip_check);
    findings.extend(of_hooks(session, args).await?);
    findings.sort_by_key(|finding| Reverse(finding.severity));
    let blocked = findings.iter().any(|finding| finding.severity == Severity::Blocker && !finding.waived);
    if session.output.is_json() {
        session.output.document(&json!({
            "workspace": plan.definition.id,
            "components": plan.components.len(),
            "blocked": blocked,
            "findings": findings,
        }))?;
    } else {
        lines(&plan, &findings, blocked).iter().try_for_each(|line| session.output.line(line))?;
    }
    Ok(if blocked { Exit::Failed } else { Exit::Done })
}

/// What the providers found, what is left out, and what is in the way. A finding that several components share is told
/// once.
fn findings(plan: &Plan, waivers: &[String]) -> Vec<FindingItem> {
    let mut items: Vec<FindingItem> = Vec::new();
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
        items.push(FindingItem::new(
            None,
            &Finding::new("workspace-busy", Severity::Warning, message),
            waivers,
        ));
    }
    items
}

/// What stands still already, and what never will.
async fn of_hooks(session: &Session, args: &PreflightArgs) -> Result<Vec<FindingItem>> {
    let Some(config) = session.settings.config.managed(&args.workspace) else { return Ok(Vec::new()) };
    let mut findings = Vec::new();
    if config.hooks.quiesce.is_none() {
        let message = "no quiesce hook is configured, so nothing is stopped during a backup; it claims no more than \
                       what each capture gives by itself";
        findings.push(Finding::new("quiesce-hook", Severity::Info, message));
    }
    let hold = session.managed_workspace(config, None)?.hold(&OpContext::background()).await?;
    if let Some(hold) = hold {
        let message = format!(
            "the workspace is held still since {} for {} s at the most; `stillpoint resume` lets it go",
            hold.since,
            hold.budget.as_secs()
        );
        findings.push(Finding::new("workspace-held", Severity::Warning, message));
    }
    Ok(findings.iter().map(|finding| FindingItem::new(None, finding, &args.skip_check)).collect())
}

impl FindingItem {
    fn new(component: Option<&Component>, finding: &Finding, waivers: &[String]) -> Self {
        Self {
            component: component.map(|component| component.id.to_string()),
            check: finding.check.clone(),
            severity: finding.severity,
            message: finding.message.clone(),
            waived: waivers.contains(&finding.check),
        }
    }
}

fn lines(plan: &Plan, findings: &[FindingItem], blocked: bool) -> Vec<String> {
    let protected =
        plan.components.iter().filter(|planned| excluded_reason(&planned.component).is_none()).count();
    let mut lines = vec![format!(
        "preflight of {}: {} components, {protected} of them to be captured",
        plan.definition.id,
        plan.components.len()
    )];
    let width = |of: fn(&FindingItem) -> usize| findings.iter().map(of).max().unwrap_or(0);
    let checks = width(|finding| finding.check.len());
    let components = width(|finding| finding.component.as_deref().unwrap_or("-").len());
    for finding in findings {
        let severity = if finding.waived { "waived".to_owned() } else { word(&finding.severity) };
        let component = finding.component.as_deref().unwrap_or("-");
        lines.push(format!(
            "  {severity:<8}{:<checks$}  {component:<components$}  {}",
            finding.check, finding.message
        ));
    }
    lines.push(if blocked {
        "a backup would be refused".to_owned()
    } else {
        "nothing stands against a backup".to_owned()
    });
    lines
}
