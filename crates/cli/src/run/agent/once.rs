//! A restore that is made once and never again, however often it is asked for.
//!
//! The operation's id follows from what is asked for and from the volume that it is asked for on. Submitting an
//! operation twice is one operation, so a tag that stays, a restart, or a crash in the middle never restores a second
//! time. On a new volume the same request restores again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use stillpoint_core::decide::Machine;
use stillpoint_core::{
    BackupRecord, Catalog, CatalogExt, Error, ErrorKind, Issue, Landing, OpContext, OperationId,
    OperationRecord, OperationState, Provider, Request, Result, SystemEntropy, Timestamp, WorkspaceId,
};
use stillpoint_provider_s3sync::UNCHANGED_SINCE;
use stillpoint_repository::Id;
use stillpoint_server::document::RestoreDocument;

use super::document::RestoreItem;
use super::expiry::{Validity, validity};
use super::keep::{NAMED_MAX, keep_what_stands};
use crate::args::{AgentArgs, LandingPolicy, Layout, RestoreArgs};
use crate::exit::Failure;
use crate::run::drive::{Driven, drive};
use crate::run::restore;
use crate::run::resume::begun_here;
use crate::session::{Files, Needs, Session};

/// Where restores land, below the directory.
const LANDING_FOLDER: &str = "restored-files";
/// The kind of issue of what stands and stays.
const CONFLICT: &str = "conflict";
/// Kinds of issues by which no entry is lost: of what stays, of metadata, and of how many are not listed.
const NOTHING_LOST: [&str; 3] = [CONFLICT, "metadata", "more"];
/// The word in the context of a failure that says that there is no such point, in a store that was looked through.
const NO_SUCH_POINT: &str = "restore_point";
/// Failed tries of one restore that are kept apart by their ids.
const TRIES_MAX: u32 = 1000;

/// A point in time of a workspace that is to be restored.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    time: Timestamp,
    until: Option<Timestamp>,
    workspace: String,
}

impl Wanted {
    /// The point `time` of `workspace`, if the restore is begun before `until`.
    pub(super) fn new(time: Timestamp, until: Option<Timestamp>, workspace: &str) -> Self {
        Self { time, until, workspace: workspace.to_owned() }
    }

    /// When the request ends.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whose point it is.
    pub(super) fn workspace(&self) -> &str {
        &self.workspace
    }

    /// The point in time.
    pub(super) fn time(&self) -> Timestamp {
        self.time
    }

    /// The user and the space, where the workspace is one's.
    pub(super) fn space(&self) -> Option<(String, String)> {
        self.workspace.split_once('/').map(|(user, space)| (user.to_owned(), space.to_owned()))
    }

    /// The point as people write it.
    pub(super) fn point(&self) -> String {
        let whole = self.time.as_millis() % 1000 == 0;
        if whole { self.time.to_directory_name() } else { self.time.to_string() }
    }
}

/// Restores what is wanted into `home`, or finds that an earlier run did or that the request ended before `now`.
///
/// # Errors
/// `NotFound` where there is no such backup; whatever the restore meets. Nothing is noted as restored then.
pub(super) async fn settle(
    session: &Session,
    wanted: &Wanted,
    home: &Path,
    args: &AgentArgs,
    now: Timestamp,
) -> Result<RestoreItem, Failure> {
    let catalog = session.catalog().await?;
    let instance = instance(session)?;
    let attempt = attempt(catalog.as_ref(), wanted, &instance).await?;
    let request = match attempt.stored {
        Some(ended) if ended.state.is_terminal() => return Ok(item(wanted, &ended, args.landing, false)),
        // It goes on as it was asked for.
        Some(interrupted) => {
            begun_here(session, &interrupted)?;
            interrupted.request
        }
        None => {
            let validity = validity(&session.settings.data_dir, wanted, &instance, now)?;
            if let Some(item) = over(wanted, validity) {
                return Ok(item);
            }
            let backup = find(session, catalog.as_ref(), wanted).await?;
            let mut request =
                restore::request(session, &words(wanted, home, args, attempt.written, &backup), &backup)?;
            if request.landing == Landing::Replace {
                // What changes from here on may not be in the backup of what stands.
                let since = now_in(home);
                request.settings.insert(UNCHANGED_SINCE.to_owned(), since.into());
                Box::pin(keep_what_stands(session, &wanted.point(), home)).await?;
            }
            request.id = attempt.id;
            Request::Restore(request)
        }
    };
    let orchestrator = session.orchestrator(&catalog, &Needs::files(), Files::Stored, None).await?;
    let driven = drive(&session.output, &orchestrator, request).await;
    let ended = driven.and_then(Driven::with_result)?.status.operation;
    if !ended.state.is_terminal() {
        let message = "the restore is past its deadline and not over; it is followed again";
        let error = Error::new(ErrorKind::DeadlineExceeded, message).record();
        return Err(Failure::of_operation(error, ended.id));
    }
    Ok(item(wanted, &ended, args.landing, true))
}

/// The moment, by the clock of the directory's file system, whose times tell what is changed from here on.
fn now_in(home: &Path) -> i64 {
    match stillpoint_localfs::time_in(home) {
        Ok(time) => time.seconds.saturating_mul(1000).saturating_add(i64::from(time.nanoseconds / 1_000_000)),
        Err(error) => {
            tracing::warn!(%error, "the clock of the directory's file system cannot be read; this host's is taken");
            OpContext::background().clock().now().as_millis()
        }
    }
}

/// What is asked of the restore.
fn words(
    wanted: &Wanted,
    home: &Path,
    args: &AgentArgs,
    written: bool,
    backup: &BackupRecord,
) -> RestoreArgs {
    let target = match args.landing {
        None => home.join(LANDING_FOLDER).join(wanted.point().replace(':', "-")),
        Some(_) => home.to_path_buf(),
    };
    RestoreArgs {
        backup: backup.id.to_string(),
        into: Some(target),
        // What an earlier try wrote may be whole, or may have been worked on: a further one adds what is missing.
        landing: if written { Some(LandingPolicy::careful(args.landing)) } else { args.landing },
        ..RestoreArgs::default()
    }
}

/// What is told of a request that ended before its restore was begun.
fn over(wanted: &Wanted, validity: Validity) -> Option<RestoreItem> {
    let until = wanted.until().filter(|_| validity != Validity::Open)?;
    Some(RestoreItem {
        timestamp: wanted.point(),
        state: OperationState::Cancelled,
        made_now: false,
        expired: true,
        expired_now: validity == Validity::Over,
        kept: 0,
        lost: 0,
        operation_id: None,
        message: Some(format!("the request ended at {until}")),
    })
}

/// How a restore ended. One that was to replace brought a part at the most where it only added what was missing, or left
/// alone what somebody had changed after what stood was kept; any of them, where it could not bring an entry. What the backup
/// itself lacked is no fault of the restore's.
fn item(
    wanted: &Wanted,
    ended: &OperationRecord,
    landing: Option<LandingPolicy>,
    made_now: bool,
) -> RestoreItem {
    let merged = matches!(&ended.request, Request::Restore(request) if request.landing == Landing::Merge);
    let replaces = landing == Some(LandingPolicy::Replace);
    let document = RestoreDocument::new(ended);
    let (met, lost) = (met(ended), lost(ended));
    let in_the_way = || met.iter().filter(|issue| issue.kind == CONFLICT).count() as u64;
    let (kept, left) = match &document {
        Some(document) if replaces && merged => {
            (document.files.skipped, "that differ stay as they are, what was missing is added")
        }
        Some(_) if replaces => (
            in_the_way(),
            "that were changed since what stood was kept, or cannot be replaced, stay as they are",
        ),
        _ => (0, ""),
    };
    let stays = document.filter(|_| kept > 0).map(|document| {
        format!(
            "{kept} entries {left}; `stillpoint restore {} --into {} --landing replace` replaces them, and keeps nothing of \
             them",
            document.backup_id, document.target
        )
    });
    let lacking = ended.issues.len().saturating_sub(met.len());
    let lacked = (kept == 0 && lost.is_empty() && lacking > 0)
        .then(|| format!("the backup itself lacked {lacking} entries"));
    let message: Vec<_> = stays.into_iter().chain(missing(&lost)).chain(lacked).collect();
    RestoreItem {
        timestamp: wanted.point(),
        state: if kept > 0 { OperationState::Partial } else { ended.state },
        made_now,
        expired: false,
        expired_now: false,
        kept,
        lost: lost.len() as u64,
        operation_id: Some(ended.id.clone()),
        message: (!message.is_empty()).then(|| message.join("; ")),
    }
}

/// What the restore met by itself, without what its backup lacked already.
fn met(ended: &OperationRecord) -> Vec<&Issue> {
    let Machine::Restore(machine) = &ended.machine else { return Vec::new() };
    let jobs = machine.members.iter().filter_map(|member| member.run.status.as_ref());
    jobs.flat_map(|status| &status.issues).collect()
}

/// Those of them because of which an entry, or its content, is not there.
fn lost(ended: &OperationRecord) -> Vec<&Issue> {
    met(ended).into_iter().filter(|issue| !NOTHING_LOST.contains(&issue.kind.as_str())).collect()
}

/// What is said of entries that are not there.
fn missing(lost: &[&Issue]) -> Option<String> {
    let named: Vec<_> =
        lost.iter().take(NAMED_MAX).map(|issue| format!("{} ({})", issue.item, issue.message)).collect();
    let more = if lost.len() > NAMED_MAX { ", …" } else { "" };
    (!lost.is_empty())
        .then(|| format!("{} entries could not be restored: {}{more}", lost.len(), named.join(", ")))
}

/// The try at a restore that is at hand.
struct Attempt {
    /// The id under which it is made.
    id: OperationId,
    /// One before it may have written something.
    written: bool,
    /// It was begun already, and may have ended.
    stored: Option<OperationRecord>,
}

/// The first try that neither failed nor was cancelled.
async fn attempt(catalog: &dyn Catalog, wanted: &Wanted, instance: &str) -> Result<Attempt> {
    let mut written = false;
    for earlier in 0..TRIES_MAX {
        let text = format!("restore once\0{}\0{}\0{instance}\0{earlier}", wanted.workspace, wanted.time);
        let id = OperationId::new(&Id::of(text.as_bytes()).to_hex()[..32])?;
        let stored = catalog.operation(&id).await?.map(|stored| stored.operation);
        match stored {
            Some(earlier) if matches!(earlier.state, OperationState::Failed | OperationState::Cancelled) => {
                written |= may_have_written(&earlier);
            }
            stored => return Ok(Attempt { id, written, stored }),
        }
    }
    let message = format!("the restore of {} failed {TRIES_MAX} times and is given up", wanted.point());
    Err(Error::new(ErrorKind::NeedsAttention, message))
}

/// Whether a job of the operation was begun: before that, a restore touches nothing.
fn may_have_written(operation: &OperationRecord) -> bool {
    match &operation.machine {
        Machine::Restore(machine) => machine.members.iter().any(|member| member.run.since.is_some()),
        _ => true,
    }
}

/// The backup, also where the catalog is new and only the store knows it.
async fn find(session: &Session, catalog: &dyn Catalog, wanted: &Wanted) -> Result<BackupRecord> {
    let text = format!("{}@{}", wanted.workspace, wanted.point());
    let error = match catalog.resolve(&text).await {
        Err(error) if error.kind() == ErrorKind::NotFound => error,
        resolved => return session.nearest(catalog, &text, resolved?).await,
    };
    match session.settings.layout {
        Layout::Mirror => session.catalogue_timestamps(catalog).await?,
        Layout::Repository => {
            let records = session.provider().await?.records(&OpContext::background()).await?;
            stillpoint_core::rebuild(catalog, &records.readable, None).await?;
        }
    }
    match catalog.resolve(&text).await {
        Err(again) if again.kind() == ErrorKind::NotFound => {
            let message = format!("the store has no backup of {} at {}", wanted.workspace, wanted.point());
            if session.settings.layout == Layout::Mirror {
                session.must_hold(&WorkspaceId::new(&wanted.workspace)?).await?;
            }
            let absent = Error::new(ErrorKind::NotFound, message).with(NO_SUCH_POINT, "absent");
            Err(absent.with_source(error))
        }
        resolved => session.nearest(catalog, &text, resolved?).await,
    }
}

/// Whether the store was looked through and has no such point, so that nothing is missing without its restore.
pub(super) fn asks_for_nothing(failure: &Failure) -> bool {
    failure.error().context(NO_SUCH_POINT).is_some() && failure.operation().is_none()
}

/// A random name of the volume on which the data directory lies, made the first time.
pub(super) fn instance(session: &Session) -> Result<String> {
    session.settings.data_dir.make()?;
    let path = session.settings.data_dir.instance();
    let refused = |error: io::Error| {
        Error::new(ErrorKind::PermissionDenied, format!("{} cannot be used", path.display()))
            .with_source(error)
    };
    match fs::read_to_string(&path) {
        Ok(text) if text.len() == 32 => return Ok(text),
        Ok(_cut_short) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(refused(error)),
    }
    let name = OperationId::generate(&SystemEntropy::default()).to_string();
    write_durably(&path, name.as_bytes()).map_err(refused)?;
    Ok(name)
}

/// Writes a file that is there as a whole or not at all.
pub(super) fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    // Else it may have its old content, or none, after a power failure.
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
