//! A restore that is made once and never again, however often it is asked for.
//!
//! The operation's id follows from what is asked for and from the volume that it is asked for on. Submitting an
//! operation twice is one operation, so a tag that stays, a restart, or a crash in the middle never restores a second
//! time. On a new volume the same request restores again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use stillpoint_core::{
    BackupRecord, Catalog, CatalogExt, Error, ErrorKind, OpContext, OperationId, OperationState, Provider,
    Request, Result, SystemEntropy, Timestamp,
};
use stillpoint_repository::Id;

use super::document::RestoreItem;
use super::expiry::{Validity, validity};
use crate::args::{AgentArgs, BackupArgs, LandingPolicy, Layout, RestoreArgs};
use crate::exit::Failure;
use crate::run::drive::{Driven, drive};
use crate::run::{backup, restore};
use crate::session::{Files, Needs, Session};

/// Where restores land, below the directory.
const LANDING_FOLDER: &str = "restored-files";
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
    let (id, earlier, ended) = attempt(catalog.as_ref(), wanted, &instance).await?;
    if let Some(state) = ended {
        return Ok(item(wanted, state, false, id));
    }
    let begins = catalog.operation(&id).await?.is_none();
    if begins && let Some(item) = over(wanted, validity(&session.settings.data_dir, wanted, &instance, now)?)
    {
        return Ok(item);
    }
    let backup = find(session, catalog.as_ref(), wanted).await?;
    let target = match args.landing {
        None => home.join(LANDING_FOLDER).join(wanted.point().replace(':', "-")),
        Some(_) => home.to_path_buf(),
    };
    let words = RestoreArgs {
        backup: backup.id.to_string(),
        into: Some(target),
        // What an earlier try restored may be whole, or may have been worked on: a further one adds what is missing.
        landing: if earlier > 0 { Some(LandingPolicy::careful(args.landing)) } else { args.landing },
        ..RestoreArgs::default()
    };
    if begins && words.landing == Some(LandingPolicy::Replace) {
        keep_what_stands(session, wanted, home, args).await?;
    }
    let mut request = restore::request(session, &words, &backup)?;
    request.id = id.clone();
    let orchestrator = session.orchestrator(&catalog, &Needs::files(), Files::Stored, None).await?;
    let driven = drive(&session.output, &orchestrator, Request::Restore(request)).await;
    let driven = driven.and_then(Driven::with_result)?;
    Ok(item(wanted, driven.status.operation.state, true, id))
}

/// Backs the directory up before a restore replaces what differs in it. The backup is a partial one, so that nobody takes
/// it for the state that was asked for. A run that is killed before its restore began has replaced nothing; the next one
/// keeps what stands by then beside it, because people may have worked meanwhile.
async fn keep_what_stands(
    session: &Session,
    wanted: &Wanted,
    home: &Path,
    args: &AgentArgs,
) -> Result<(), Failure> {
    let is_empty = fs::read_dir(home).is_ok_and(|mut entries| entries.next().is_none());
    if is_empty {
        return Ok(());
    }
    let point = wanted.point();
    let kept = BackupArgs {
        directory: Some(home.to_path_buf()),
        name: Some(format!("before the restore of {point}")),
        preset: args.preset.clone(),
        exclude: args.exclude.clone(),
        exclude_file: args.exclude_file.clone(),
        may_be_empty: true,
        lacks: Some(format!("this is what stood before {point} was restored over it")),
        ..BackupArgs::default()
    };
    let driven = backup::back_up(session, &kept).await?;
    match driven.status.operation.backup {
        Some(kept) => {
            session.output.note(format_args!("what stands there is kept as backup {kept}"));
            Ok(())
        }
        None => {
            Err(Error::new(ErrorKind::NeedsAttention, "what stands in the directory could not be kept")
                .into())
        }
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
        operation_id: None,
        message: Some(format!("the request ended at {until}")),
    })
}

fn item(wanted: &Wanted, state: OperationState, made_now: bool, id: OperationId) -> RestoreItem {
    RestoreItem {
        timestamp: wanted.point(),
        state,
        made_now,
        expired: false,
        expired_now: false,
        operation_id: Some(id),
        message: None,
    }
}

/// The id under which the restore is made, the failed tries before it, and how it ended where it did already.
async fn attempt(
    catalog: &dyn Catalog,
    wanted: &Wanted,
    instance: &str,
) -> Result<(OperationId, u32, Option<OperationState>)> {
    for earlier in 0..TRIES_MAX {
        let text = format!("restore once\0{}\0{}\0{instance}\0{earlier}", wanted.workspace, wanted.time);
        let id = OperationId::new(&Id::of(text.as_bytes()).to_hex()[..32])?;
        let state = catalog.operation(&id).await?.map(|stored| stored.operation.state);
        match state {
            Some(OperationState::Failed | OperationState::Cancelled) => {}
            Some(state) if state.is_terminal() => return Ok((id, earlier, Some(state))),
            _ => return Ok((id, earlier, None)),
        }
    }
    let message = format!("the restore of {} failed {TRIES_MAX} times and is given up", wanted.point());
    Err(Error::new(ErrorKind::NeedsAttention, message))
}

/// The backup, also where the catalog is new and only the store knows it.
async fn find(session: &Session, catalog: &dyn Catalog, wanted: &Wanted) -> Result<BackupRecord> {
    let text = format!("{}@{}", wanted.workspace, wanted.point());
    let error = match catalog.resolve(&text).await {
        Err(error) if error.kind() == ErrorKind::NotFound => error,
        resolved => return resolved,
    };
    match session.settings.layout {
        Layout::Mirror => session.catalogue_timestamps(catalog).await?,
        Layout::Repository => {
            let records = session.provider().await?.records(&OpContext::background()).await?;
            stillpoint_core::rebuild(catalog, &records, None).await?;
        }
    }
    match catalog.resolve(&text).await {
        Err(again) if again.kind() == ErrorKind::NotFound => {
            let message = format!("the store has no backup of {} at {}", wanted.workspace, wanted.point());
            Err(Error::new(ErrorKind::NotFound, message).with_source(error))
        }
        resolved => resolved,
    }
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
    fs::rename(&fresh, path)
}
