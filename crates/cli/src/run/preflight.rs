//! `stillpoint preflight`.

use std::sync::Arc;

use stillpoint_core::{Catalog, Finding, OpContext, Orchestrator, Result, Severity};
use stillpoint_server::document::{FindingItem, PreflightDocument};

use super::backup::prepare;
use crate::args::{BackupArgs, PreflightArgs};
use crate::exit::{Exit, Outcome};
use crate::managed::Clouds;
use crate::output::{Output, word};
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
    let catalog = session.catalog().await?;
    tell(
        &session.output,
        &PreflightDocument::new(&plan, &args.skip_check, of_hooks(session, &catalog, args).await?),
    )
}

/// Shows what stands against a backup.
pub(crate) fn tell(output: &Output, document: &PreflightDocument) -> Outcome {
    match output.is_json() {
        true => output.document(document)?,
        false => lines(document).iter().try_for_each(|line| output.line(line))?,
    }
    Ok(if document.blocked { Exit::Failed } else { Exit::Done })
}

/// What stands still already, and what never will.
async fn of_hooks(
    session: &Session,
    catalog: &Arc<dyn Catalog>,
    args: &PreflightArgs,
) -> Result<Vec<FindingItem>> {
    let Some(config) = session.settings.config.managed(&args.workspace) else { return Ok(Vec::new()) };
    let mut findings = Vec::new();
    if config.hooks.quiesce.is_none() {
        let message = "no quiesce hook is configured, so nothing is stopped during a backup; it claims no more than \
                       what each capture gives by itself";
        findings.push(Finding::new("quiesce-hook", Severity::Info, message));
    }
    let left = session.left_holds(&catalog).await;
    if let Some(left) = left.iter().find(|left| left.workspace == config.id) {
        let items = findings.iter().map(|finding| FindingItem::new(None, finding, &args.skip_check));
        return Ok(items.chain([FindingItem::held(left, &args.skip_check)]).collect());
    }
    let hold = session.managed_workspace(config, &Clouds::default())?.hold(&OpContext::background()).await?;
    if let Some(hold) = hold {
        let message = format!(
            "the workspace is held still since {} for {} s at the most; `stillpoint operations` says what lets it go",
            hold.since,
            hold.budget.as_secs()
        );
        findings.push(Finding::new("workspace-held", Severity::Warning, message));
    }
    Ok(findings.iter().map(|finding| FindingItem::new(None, finding, &args.skip_check)).collect())
}

fn lines(document: &PreflightDocument) -> Vec<String> {
    let findings = &document.findings;
    let left_out = findings.iter().filter(|finding| finding.check == "excluded").count() as u64;
    let mut lines = vec![format!(
        "preflight of {}: {} components, {} of them to be captured",
        document.workspace,
        document.components,
        document.components.saturating_sub(left_out)
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
