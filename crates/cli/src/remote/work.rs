//! Commands that change something.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use stillpoint_core::{
    ComponentState, Error, ErrorKind, Finding, OperationId, OperationState, Severity, SystemEntropy,
};
use stillpoint_server::document::{BackupDetail, OperationItem, PlanDocument, RestorePlanDocument};

use super::client::Client;
use super::follow::{Aim, Followed, follow};
use super::manage::all_under_way;
use crate::args::{
    BackupArgs, CancelArgs, CopyArgs, DeadlinePolicy, DeleteArgs, LandingPolicy, RestoreArgs, ResumeArgs,
    VerifyArgs, VerifyDepth, WatchArgs,
};
use crate::exit::{Exit, Failure, Outcome};
use crate::output::backup::BackupText;
use crate::output::restore::RestoreText;
use crate::output::{Output, operation, word};
use crate::run::backup::show_plan;
use crate::run::cancel::not_stopped;
use crate::run::resume::worst;
use crate::run::{backup, copy};

/// Refuses flags that a server cannot follow, rather than leave out what they ask for.
fn refuse_local(flags: &[(&str, bool)]) -> Result<(), Failure> {
    match flags.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::usage(format!(
            "a server does not take {flag}; what is left out is set where the server knows the workspace"
        ))),
    }
}

pub(super) async fn backup(client: &Client, output: &Output, args: &BackupArgs) -> Outcome {
    let (None, Some(workspace)) = (&args.directory, &args.workspace) else {
        return Err(Failure::usage(
            "a server backs up workspaces that it knows; give --workspace ID and no directory",
        ));
    };
    let body = order(args)?;
    if args.dry_run {
        let path = ["workspaces", workspace, "backup-plan"];
        let plan: PlanDocument = client.send(Method::POST, &path, None, Some(&body)).await?;
        return show_plan(output, &plan, &args.skip_check);
    }
    let followed =
        submit(client, output, Method::POST, &["workspaces", workspace, "backups"], Some(&body)).await?;
    let document = followed.result.backup.ok_or_else(|| another("backup"))?;
    match output.is_json() {
        true => output.document(&document)?,
        false => output.line(BackupText(&document))?,
    }
    Ok(followed.exit)
}

/// What a backup is asked for with.
///
/// # Errors
/// Flags that a server cannot follow.
pub(super) fn order(args: &BackupArgs) -> Result<Value, Failure> {
    refuse_local(&args.rule_flags())?;
    Ok(json!({
        "name": args.name,
        "timeout_seconds": seconds(args.timeout),
        "stall_timeout_seconds": seconds(args.stall_timeout),
        "hold_at_most_seconds": seconds(args.hold_at_most),
        "on_deadline": args.on_deadline.map(|policy| match policy {
            DeadlinePolicy::Detach => "detach",
            DeadlinePolicy::Cancel => "cancel",
            DeadlinePolicy::Extend => "extend",
        }),
        "retain_seconds": seconds(args.retain),
        "waivers": args.skip_check,
        "when_busy": "resume",
    }))
}

pub(super) async fn restore(client: &Client, output: &Output, args: &RestoreArgs) -> Outcome {
    let Some(target) = &args.target_workspace else {
        return Err(Failure::usage(
            "a server restores into new workspaces of its own; give --as NEW_WORKSPACE",
        ));
    };
    refuse_local(&[("--privileged", args.privileged)])?;
    let body = json!({
        "target": target,
        "environment": args.environment,
        "components": args.component,
        "include": args.include,
        "landing": args.landing.map(|landing| match landing {
            LandingPolicy::Side => "side",
            LandingPolicy::Merge => "merge",
            LandingPolicy::Replace => "replace",
        }),
        "software_version": args.software_version,
        "timeout_seconds": seconds(args.timeout),
        "waivers": args.skip_check,
    });
    if args.dry_run {
        let path = ["backups", &args.backup, "restore-plan"];
        let plan: RestorePlanDocument = client.send(Method::POST, &path, None, Some(&body)).await?;
        if output.is_json() {
            output.document(&plan)?;
        } else {
            output.line(format_args!("plan of a restore of {} as {target}", plan.backup.item.id))?;
            for finding in &plan.findings {
                output.line(format_args!("  {}", backup::finding(finding)))?;
            }
        }
        let blocks = |finding: &Finding| {
            finding.severity == Severity::Blocker && !args.skip_check.contains(&finding.check)
        };
        let blocked = plan.findings.iter().any(blocks);
        return Ok(if blocked { Exit::Failed } else { Exit::Done });
    }
    let followed =
        submit(client, output, Method::POST, &["backups", &args.backup, "restore"], Some(&body)).await?;
    let document = followed.result.restore.ok_or_else(|| another("restore"))?;
    match output.is_json() {
        true => output.document(&document)?,
        false => output.line(RestoreText(&document))?,
    }
    Ok(followed.exit)
}

pub(super) async fn copy(client: &Client, output: &Output, args: &CopyArgs) -> Outcome {
    let original: BackupDetail = client.get(&["backups", &args.backup], &[]).await?;
    let id = original.item.id;
    let body = json!({
        "provider": args.provider,
        "destination": copy::destination(args)?,
        "retain_seconds": seconds(args.retain),
        "timeout_seconds": seconds(args.timeout),
        "waivers": args.skip_check,
    });
    let path = ["backups", id.as_str(), "copy"];
    let followed = submit(client, output, Method::POST, &path, Some(&body)).await?;
    let operation = &followed.result.operation;
    let made: Option<BackupDetail> = match &operation.backup_id {
        Some(made) => Some(client.get(&["backups", made.as_str()], &[]).await?),
        None => None,
    };
    copy::tell(output, &id, operation, &made.map(|made| made.components).unwrap_or_default())?;
    Ok(followed.exit)
}

pub(super) async fn delete(client: &Client, output: &Output, args: &DeleteArgs) -> Outcome {
    let backup: BackupDetail = client.get(&["backups", &args.backup], &[]).await?;
    let id = backup.item.id.as_str();
    let followed = submit(client, output, Method::DELETE, &["backups", id], None).await?;
    let operation = &followed.result.operation;
    if output.is_json() {
        output.document(&json!({
            "operation_id": operation.id,
            "backup_id": id,
            "workspace": backup.item.workspace,
            "state": operation.state,
            "started_at": operation.started_at,
            "finished_at": operation.finished_at,
            "warnings": operation.warnings,
            "issues": operation.issues,
        }))?;
    } else {
        let workspace = &backup.item.workspace;
        output.line(format_args!("backup {id} of {workspace} is deleted and read back as gone"))?;
    }
    Ok(followed.exit)
}

pub(super) async fn verify(client: &Client, output: &Output, args: &VerifyArgs) -> Outcome {
    let depth = match args.depth {
        VerifyDepth::Listed => "listed",
        VerifyDepth::Sized => "sized",
        VerifyDepth::Decrypted => "decrypted",
    };
    let body = json!({ "depth": depth });
    let asked: BackupDetail = client.get(&["backups", &args.backup], &[]).await?;
    let id = asked.item.id.as_str();
    let followed = submit(client, output, Method::POST, &["backups", id, "verify"], Some(&body)).await?;
    let backup: BackupDetail = client.get(&["backups", id], &[]).await?;
    let kept: Vec<_> = backup.components.iter().filter(|component| component.snapshot_id.is_some()).collect();
    let reached = kept.iter().filter_map(|component| component.verified).min();
    let damaged = kept.iter().any(|component| component.state == ComponentState::Damaged);
    let told = &followed.result.operation.issues;
    let problems = if damaged && told.is_empty() { &backup.issues } else { told };
    if output.is_json() {
        output.document(&json!({
            "backup_id": id, "depth": reached, "snapshots": kept.len(), "problems": problems,
        }))?;
    } else {
        for problem in problems {
            output.line(format_args!("{}: {}: {}", problem.kind, problem.item, problem.message))?;
        }
        let verdict = if damaged { "is damaged" } else { "is good" };
        let depth = reached.map_or_else(|| "not at all".to_owned(), |depth| word(&depth));
        output.line(format_args!("backup {id} {verdict}: {} snapshots verified ({depth})", kept.len()))?;
    }
    Ok(if damaged { Exit::Failed } else { followed.exit })
}

/// Asks it to stop and waits until it has, as on this machine.
pub(super) async fn cancel(client: &Client, output: &Output, args: &CancelArgs) -> Outcome {
    let path = ["operations", &args.operation, "cancel"];
    let asked: OperationItem = client.send(Method::POST, &path, None, None).await?;
    let followed = follow(output, client, &asked, Aim::End).await?;
    let (id, state) = (&followed.result.operation.id, followed.result.operation.state);
    if state != OperationState::Cancelled {
        return Err(not_stopped(id, state));
    }
    tell(output, &followed)?;
    Ok(Exit::Done)
}

/// Servers take over what nobody drives, so an operation is over for whoever looks on when it has ended or is past its deadline.
pub(super) async fn watch(client: &Client, output: &Output, args: &WatchArgs) -> Outcome {
    let begun: OperationItem = client.get(&["operations", &args.operation], &[]).await?;
    let followed = follow(output, client, &begun, Aim::Look).await?;
    tell(output, &followed)?;
    Ok(followed.exit)
}

/// Servers take interrupted operations over by themselves; here they are followed to their end.
pub(super) async fn resume(client: &Client, output: &Output, args: &ResumeArgs) -> Outcome {
    if args.held.is_some() {
        let message =
            "--held is for the machine that holds the workspace still; run it there without --server";
        return Err(Error::new(ErrorKind::InvalidInput, message).into());
    }
    let begun = match &args.operation {
        Some(id) => vec![client.get(&["operations", id], &[]).await?],
        None => all_under_way(client).await?,
    };
    let (mut ended, mut exits, mut failed) = (Vec::new(), Vec::new(), None);
    for begun in &begun {
        match follow(output, client, begun, Aim::End).await {
            Ok(followed) => {
                ended.push(followed.result.operation);
                exits.push(if followed.exit == Exit::Cancelled { Exit::Done } else { followed.exit });
            }
            // Whoever interrupts means all of them.
            Err(failure) if failure.exit() == Exit::Interrupted => return Err(failure),
            Err(failure) => {
                output.note(format_args!("error: {failure}"));
                exits.push(failure.exit());
                failed.get_or_insert(failure);
            }
        }
    }
    if output.is_json() {
        let mut document = json!({ "operations": ended });
        if let Some(failure) = failed {
            document["error"] = json!(failure.document().error);
        }
        output.document(&document)?;
    } else if ended.is_empty() {
        output.line("no operation is under way")?;
    } else {
        ended.iter().try_for_each(|item| output.line(operation::line(item)))?;
    }
    Ok(worst(exits.into_iter()))
}

fn tell(output: &Output, followed: &Followed) -> stillpoint_core::Result<()> {
    let item = &followed.result.operation;
    match output.is_json() {
        true => output.document(&json!({ "operations": [item] })),
        false => output.line(operation::line(item)),
    }
}

/// Submits under a fresh key and follows to the end. A request whose answer was lost is sent again under the same key.
async fn submit(
    client: &Client,
    output: &Output,
    method: Method,
    path: &[&str],
    body: Option<&Value>,
) -> Result<Followed, Failure> {
    let key = OperationId::generate(&SystemEntropy::default());
    let send = || client.send::<OperationItem>(method.clone(), path, Some(key.as_str()), body);
    let begun = match send().await {
        Err(error) if error.effect() == stillpoint_core::Effect::MaybeApplied => send().await?,
        answered => answered?,
    };
    follow(output, client, &begun, Aim::Result).await
}

pub(super) fn seconds(span: Option<Duration>) -> Option<u64> {
    span.map(|span| span.as_secs().max(1))
}

fn another(what: &str) -> Error {
    Error::new(ErrorKind::Unexpected, format!("the operation that answered is no {what}"))
}
