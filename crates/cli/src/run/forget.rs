//! `stillpoint forget`.

use serde_json::{Value, json};
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, Catalog, Clock, DeleteRequest, Request, Result, Retention,
    RetentionPolicy, SystemClock, WorkspaceId, retain,
};

use super::drive::drive;
use crate::args::ForgetArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::session::{Files, Needs, Session, meant};

/// Backups that one run of the command weighs at most.
const BACKUPS_MAX: usize = 1_000_000;

/// What became of those that were to go.
#[derive(Default)]
struct Deletions {
    deleted: Vec<BackupId>,
    failed: Vec<(BackupId, Failure)>,
    stopped: Option<Exit>,
}

pub(super) async fn run(session: &Session, args: &ForgetArgs) -> Outcome {
    let policy = policy(args);
    if policy.is_empty() {
        return Err(Failure::usage("say what to keep, for example --keep-daily 7; nothing was deleted"));
    }
    let catalog = session.catalog().await?;
    let workspace = meant(args.workspace.as_deref(), session.settings.only_workspace())?;
    let workspace = workspace.map(WorkspaceId::new).transpose()?;
    let backups = all(&session.output, catalog.as_ref(), workspace).await?;
    let retention = retain(&backups, &policy, SystemClock::default().now());
    if !session.output.is_json() {
        text(&session.output, &backups, &retention, args.dry_run)?;
    }
    let mut deletions = Deletions::default();
    if !args.dry_run && !retention.remove.is_empty() {
        deletions = delete(session, &backups, &retention.remove).await?;
    }
    if session.output.is_json() {
        session.output.document(&document(&retention, &deletions, args.dry_run))?;
    } else if !args.dry_run {
        let (gone, failed) = (deletions.deleted.len(), deletions.failed.len());
        session
            .output
            .line(format_args!("{gone} backups are deleted and read back as gone, {failed} failed"))?;
        if gone > 0 {
            session.output.line("`stillpoint prune` frees their space")?;
        }
    }
    Ok(match (deletions.stopped, deletions.failed.first()) {
        (Some(exit), _) => exit,
        (None, Some((_, failure))) => failure.exit(),
        (None, None) => Exit::Done,
    })
}

fn policy(args: &ForgetArgs) -> RetentionPolicy {
    let mut policy = RetentionPolicy::default();
    policy.last = args.keep_last;
    policy.hourly = args.keep_hourly;
    policy.daily = args.keep_daily;
    policy.weekly = args.keep_weekly;
    policy.monthly = args.keep_monthly;
    policy.yearly = args.keep_yearly;
    policy.within = args.keep_within;
    policy.names.clone_from(&args.keep_name);
    policy.good = args.keep_good;
    policy
}

async fn all(
    output: &Output,
    catalog: &dyn Catalog,
    workspace: Option<WorkspaceId>,
) -> Result<Vec<BackupRecord>> {
    let mut query = BackupQuery::all();
    query.workspace = workspace;
    let mut backups = Vec::new();
    while backups.len() < BACKUPS_MAX {
        let page = catalog.backups(&query).await?;
        // What cannot be read stays, and takes nobody's place in the policy.
        output.note_damaged("backup", &page.damaged);
        backups.extend(page.items.into_iter().map(|stored| stored.backup));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(backups),
        }
    }
    let message =
        format!("the catalog holds more than {BACKUPS_MAX} backups; give one --workspace at a time");
    Err(stillpoint_core::Error::new(stillpoint_core::ErrorKind::Unsupported, message))
}

/// Deletes one after the other, oldest first, each as an operation of its own. One that fails stops no other.
async fn delete(
    session: &Session,
    backups: &[BackupRecord],
    remove: &[BackupId],
) -> std::result::Result<Deletions, Failure> {
    let leaving = backups.iter().filter(|backup| remove.contains(&backup.id));
    let needs = leaving.map(Needs::of_backup).fold(Needs::default(), Needs::and);
    let catalog = session.catalog().await?;
    let orchestrator = session.orchestrator(&catalog, &needs, Files::Stored, None).await?;
    let mut deletions = Deletions::default();
    for id in remove.iter().rev() {
        let Some(backup) = backups.iter().find(|backup| backup.id == *id) else { continue };
        let mut request = DeleteRequest::new(session.new_operation(), id.clone(), backup.workspace.clone());
        request.creator = Some(session.creator());
        let driven = match drive(&session.output, &orchestrator, Request::Delete(request)).await {
            Ok(driven) => driven,
            Err(failure) => {
                deletions.failed.push((id.clone(), failure));
                continue;
            }
        };
        let exit = driven.exit();
        match driven.with_result() {
            Ok(_) if exit == Exit::Done => deletions.deleted.push(id.clone()),
            Ok(_) => deletions.stopped = Some(exit),
            Err(failure) => deletions.failed.push((id.clone(), failure)),
        }
        if matches!(exit, Exit::Interrupted | Exit::Cancelled) {
            deletions.stopped = Some(exit);
            break;
        }
    }
    for (id, failure) in &deletions.failed {
        session.output.note(format_args!("backup {id} is not deleted: {failure}"));
    }
    Ok(deletions)
}

fn document(retention: &Retention, deletions: &Deletions, dry_run: bool) -> Value {
    let keep = retention.keep.iter().map(|kept| json!({ "id": kept.id, "reasons": kept.reasons }));
    let failed =
        deletions.failed.iter().map(|(id, failure)| json!({ "id": id, "message": failure.to_string() }));
    json!({
        "dry_run": dry_run,
        "keep": keep.collect::<Vec<_>>(),
        "remove": retention.remove,
        "deleted": deletions.deleted,
        "failed": failed.collect::<Vec<_>>(),
    })
}

fn text(output: &Output, backups: &[BackupRecord], retention: &Retention, dry_run: bool) -> Result<()> {
    let described = |id: &BackupId| {
        let backup = backups.iter().find(|backup| backup.id == *id);
        backup.map(|backup| format!("{id}  {}  {}", backup.created_at, backup.workspace)).unwrap_or_default()
    };
    for kept in &retention.keep {
        output.line(format_args!("keep    {}  ({})", described(&kept.id), kept.reasons.join("; ")))?;
    }
    let verb = if dry_run { "would remove" } else { "remove" };
    for id in &retention.remove {
        output.line(format_args!("{verb}  {}", described(id)))?;
    }
    Ok(())
}
