//! `stillpoint forget`.

use std::collections::BTreeSet;

use futures::FutureExt;
use stillpoint_core::{
    BackupId, BackupQuery, BackupRecord, Catalog, Clock, Error, ErrorKind, Forgotten, Orchestrator, Result,
    Retention, RetentionPolicy, SystemClock, SystemEntropy, Timestamp, WorkspaceId, retain,
};
use stillpoint_server::document::{ForgottenDocument, RetentionDocument};

use super::drive::leave;
use crate::args::ForgetArgs;
use crate::exit::{Failure, Outcome};
use crate::output::{Output, progress, retention};
use crate::session::{Files, Needs, Session, meant};
use crate::signals::Interrupts;

/// Backups that one run of the command weighs at most.
const BACKUPS_MAX: usize = 1_000_000;
/// Other hosts that are named at most.
const HOSTS_NAMED_MAX: usize = 5;

pub(super) async fn run(session: &Session, args: &ForgetArgs) -> Outcome {
    let policy = policy(args)?;
    let catalog = session.catalog().await?;
    let workspace = meant(args.workspace.as_deref(), session.settings.only_workspace())?;
    let workspace = workspace.map(WorkspaceId::new).transpose()?;
    let mut backups = all(&session.output, catalog.as_ref(), workspace.clone()).await?;
    if let Some(id) = workspace.filter(|_| backups.is_empty()) {
        known(catalog.as_ref(), &id).await?;
    }
    if !args.all_hosts {
        leave_others(session, &mut backups);
    }
    let previewed = retain(&backups, &policy, SystemClock::default().now());
    let told = |id: &BackupId| {
        let backup = backups.iter().find(|backup| backup.id == *id);
        backup.map(|backup| described(id, backup.created_at, &backup.workspace)).unwrap_or_default()
    };
    let document = RetentionDocument::new(previewed.clone());
    if !session.output.is_json() {
        retention::preview(&session.output, &document, told, args.dry_run)?;
    }
    let (mut done, mut stopped) = (Forgotten::default(), None);
    if !args.dry_run && !previewed.remove.is_empty() {
        stopped = delete(session, &policy, &backups, &previewed.remove, &mut done).await?;
    }
    if !args.dry_run {
        session.trim(&catalog).await;
    }
    let done = ForgottenDocument::new(done);
    retention::outcome(&session.output, &document, &done, stopped.as_ref(), args.dry_run)
}

/// Refuses a name that is nobody's: a retention that judges nothing because of a slip of the pen keeps everything for ever.
async fn known(catalog: &dyn Catalog, id: &WorkspaceId) -> Result<()> {
    if catalog.workspace(id).await?.is_some() {
        return Ok(());
    }
    let message = format!("no workspace {id} is catalogued; `stillpoint list` shows whose backups there are");
    Err(Error::new(ErrorKind::NotFound, message))
}

/// Leaves out what is of other hosts, and says so: the machine may have had another name when it made them.
fn leave_others(session: &Session, backups: &mut Vec<BackupRecord>) {
    let others: Vec<_> = backups.iter().filter_map(|backup| session.elsewhere(backup)).collect();
    let hosts: BTreeSet<_> = others.iter().copied().collect();
    if hosts.is_empty() {
        return;
    }
    let named: Vec<_> = hosts.iter().take(HOSTS_NAMED_MAX).copied().collect();
    let more = if hosts.len() > named.len() { ", …" } else { "" };
    session.output.note(format_args!(
        "{} backups of other hosts ({}{more}) are left alone; --all-hosts judges them, too, each host's by themselves. If this \
         machine, {}, was called so before, --host or STILLPOINT_HOST names it",
        others.len(),
        named.join(", "),
        session.settings.host
    ));
    backups.retain(|backup| session.elsewhere(backup).is_none());
}

/// A backup as a preview tells it.
pub(crate) fn described(id: &BackupId, created_at: Timestamp, workspace: &WorkspaceId) -> String {
    format!("{id}  {created_at}  {workspace}")
}

/// What the command line says is to be kept.
///
/// # Errors
/// A wrong command line where it says nothing.
pub(crate) fn policy(args: &ForgetArgs) -> std::result::Result<RetentionPolicy, Failure> {
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
    if policy.is_empty() {
        return Err(Failure::usage("say what to keep, for example --keep-daily 7; nothing was deleted"));
    }
    Ok(policy)
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
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Deletes one after the other, oldest first, each as an operation of its own and judged anew before it is: meanwhile another
/// one may have been damaged or deleted that was to stay. One that fails stops no other; an interrupt leaves the rest, and
/// answers so.
async fn delete(
    session: &Session,
    policy: &RetentionPolicy,
    backups: &[BackupRecord],
    remove: &[BackupId],
    done: &mut Forgotten,
) -> Result<Option<Failure>> {
    let leaving: Vec<_> = backups.iter().filter(|backup| remove.contains(&backup.id)).collect();
    let needs = leaving.iter().copied().map(Needs::of_backup).fold(Needs::default(), Needs::and);
    let (catalog, clock) = (session.catalog().await?, SystemClock::default());
    let orchestrator = session.orchestrator(&catalog, &needs, Files::Stored, None).await?;
    let mut shown = Box::pin(progress::follow(&session.output, "delete", orchestrator.events()).fuse());
    let mut interrupts = Interrupts::listen();
    let mut interrupted = false;
    for id in remove.iter().rev() {
        let Some(backup) = leaving.iter().find(|backup| backup.id == *id) else { continue };
        if interrupted {
            return Ok(Some(Failure::interrupted()));
        }
        let mut this = Retention::default();
        this.remove.push(id.clone());
        let (own, now, entropy) = (Some(&backup.workspace), clock.now(), SystemEntropy::default());
        let forgetting =
            stillpoint_core::forget(&orchestrator, catalog.as_ref(), own, policy, &this, now, &entropy);
        let mut forgetting = Box::pin(forgetting);
        let forgotten = loop {
            tokio::select! {
                biased;
                forgotten = &mut forgetting => break forgotten,
                () = interrupts.next() => {
                    if std::mem::replace(&mut interrupted, true) {
                        leave(&session.output, &orchestrator, &mut interrupts, false).await
                    }
                    session.output.note("stopping after this deletion; interrupt again to stop at once");
                }
                () = &mut shown => {}
            }
        };
        match forgotten {
            Ok(forgotten) => {
                done.deleted.extend(forgotten.deleted);
                done.kept.extend(forgotten.kept);
                done.failed.extend(forgotten.failed);
            }
            Err(error) => done.failed.push((id.clone(), error.record())),
        }
    }
    Ok(None)
}
