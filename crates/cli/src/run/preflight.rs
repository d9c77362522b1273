//! `stillpoint preflight`.

use stillpoint_core::{Finding, OpContext, Orchestrator, Plan, Result, Severity};
use stillpoint_server::document::{FindingItem, PreflightDocument, excluded_reason};

use super::backup::prepare;
use crate::args::{BackupArgs, PreflightArgs};
use crate::exit::{Exit, Outcome};
use crate::output::word;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &PreflightArgs) -> Outcome {
    let wanted = BackupArgs {
        workspace: Some(args.workspace.clone()),
        skip_check: args.skip_check.clone(),
        dry_run: true,
        ..BackupArgs::default()
    };
    let (orchestrator, request) = prepare(session, &wanted).await?;
    let plan = orchestrator.plan(&request).await?;
    let document = PreflightDocument::new(&plan, &args.skip_check, of_hooks(session, args).await?);
    if session.output.is_json() {
        session.output.document(&document)?;
    } else {
        lines(&plan, &document).iter().try_for_each(|line| session.output.line(line))?;
    }
    Ok(if document.blocked { Exit::Failed } else { Exit::Done })
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

fn lines(plan: &Plan, document: &PreflightDocument) -> Vec<String> {
    let findings = &document.findings;
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
    lines.push(if document.blocked {
        "a backup would be refused".to_owned()
    } else {
        "nothing stands against a backup".to_owned()
    });
    lines
}
