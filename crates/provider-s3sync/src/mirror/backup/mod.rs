//! A backup job: one new timestamp, once for each operation.
//!
//! Order of writing: the claim; the files and, part by part, the manifest; the completion record; then what is left of
//! earlier runs goes. A job that is killed leaves a claim without a completion, which is never offered for restore:
//! the same operation goes on there, and the next one takes over what it can by copying inside the store, then
//! removes it.

mod begin;
mod earlier;
mod finish;
mod found;
mod leftovers;
mod moved;
mod totals;
mod transfer;
mod upload;
mod walk;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use stillpoint_core::{BackupJob, Clock, Error, ErrorKind, JobStatus, ProviderId, Result};
use stillpoint_localfs::{FileKind, Selection, Source};
use tokio::task::JoinHandle;

use self::begin::Begun;
use self::earlier::Earlier;
use self::found::Found;
use self::totals::Totals;
use self::transfer::{Transfer, Transferred};
use super::listing::content_key;
use super::manifest::ManifestWriter;
use super::record::Part;
use super::{MirrorSource, Space};
use crate::error::{blocking, from_join};
use crate::jobs::Reporter;
use crate::workspace::{CaptureRules, compile_around, inside, mounted, root_of};

/// Entries between the walk and the transfers.
const FOUND_AHEAD: usize = 1024;
/// Transfers begun and not yet noted in the manifest. The oldest may be a large file that takes long.
const TRANSFERS_AHEAD: usize = 1024;
/// How long what was transferred may stay unnoted in the store.
const NOTED_EVERY: std::time::Duration = std::time::Duration::from_secs(30);

/// Runs a backup job to its end.
pub(super) async fn run(
    source: Arc<MirrorSource>,
    provider: ProviderId,
    job: BackupJob,
    clock: Arc<dyn Clock>,
    reporter: Arc<Reporter>,
) -> JobStatus {
    let captured = Box::pin(capture(&source, &provider, &job, clock.as_ref(), &reporter));
    match captured.await {
        Ok(status) => status,
        Err(error) => reporter.ended_with(&error),
    }
}

async fn capture(
    source: &Arc<MirrorSource>,
    provider: &ProviderId,
    job: &BackupJob,
    clock: &dyn Clock,
    reporter: &Arc<Reporter>,
) -> Result<JobStatus> {
    let space = Space::of_workspace(&job.workspace);
    let opened = reporter.unless_cancelled(open(source, job)).await?;
    let begun = reporter.unless_cancelled(begin::run(source, &space, job, clock)).await?;
    let mut begun = match begun {
        // The operation may have completed its timestamp and died before it could say so.
        Begun::Complete(place, completion) => {
            let status = completion.status(source.reference(provider, &place)?);
            reporter.meter.resume_at(status.progress);
            return Ok(status);
        }
        Begun::Open(begun) => begun,
    };
    let totals = Arc::new(Totals::default());
    let rules = CaptureRules::from_settings(&job.component.settings)?;
    if let Some(what) = rules.lacks {
        totals.lacks(what);
    }
    let (selection, directory) = (Arc::clone(&opened.selection), Arc::clone(&opened.source));
    let written = Box::pin(mirror(source, &mut begun, opened, &totals, clock, reporter));
    let parts = reporter.unless_cancelled(written).await?;
    if !blocking(move || Ok(directory.is_in_place())).await? {
        totals.displaced();
    }
    if !rules.may_be_empty && begun.bases.iter().any(|base| base.not_empty) {
        totals.must_hold_files();
    }
    let end = finish::End { parts, selection: &selection, totals: &totals, to: clock.now() };
    let completion = Box::pin(finish::run(source, &begun, end)).await?;
    reporter.meter.complete();
    Ok(completion.status(source.reference(provider, &begun.place)?))
}

/// The directory and what of it is captured.
struct Opened {
    source: Arc<Source>,
    selection: Arc<Selection>,
}

async fn open(source: &MirrorSource, job: &BackupJob) -> Result<Opened> {
    let rules = CaptureRules::from_settings(&job.component.settings)?;
    mounted::prove(&job.component)?;
    let root = PathBuf::from(root_of(&job.component));
    let store = source.local_directory().and_then(|store| inside(&root, &store));
    blocking(move || {
        let patterns = compile_around(&rules, store.as_deref())?;
        let source = Source::open(&root).map_err(fatal)?;
        let mut selection = Selection::new(&patterns).map_err(fatal)?;
        if rules.one_file_system {
            selection = selection.one_file_system(&source);
        }
        Ok(Opened { source: Arc::new(source), selection: Arc::new(selection) })
    })
    .await
}

/// Brings every entry into the store and writes the manifest.
async fn mirror(
    source: &Arc<MirrorSource>,
    begun: &mut begin::Open,
    opened: Opened,
    totals: &Arc<Totals>,
    clock: &dyn Clock,
    reporter: &Arc<Reporter>,
) -> Result<Vec<Part>> {
    let mut manifest = ManifestWriter::new(source.store(), &begun.place, begun.run, &begun.claim.job);
    let mut earlier = Earlier::new(source.store(), begun);
    let transfer =
        Arc::new(Transfer::new(source.store(), &begun.place, &opened.source, totals, &reporter.meter));
    let (sender, mut found) = tokio::sync::mpsc::channel(FOUND_AHEAD);
    let (walked, selection) = (Arc::clone(&opened.source), Arc::clone(&opened.selection));
    let (counted, stop) = (Arc::clone(totals), reporter.cancellation.clone());
    let walk =
        Task(tokio::task::spawn_blocking(move || walk::run(&walked, &selection, &counted, &stop, &sender)));
    let mut waiting: VecDeque<Task<Result<Transferred>>> = VecDeque::new();
    let mut noted_at = clock.now();
    while let Some(next) = found.recv().await {
        let job = lay_out(next, &mut earlier, begun, source, totals).await?;
        let transfer = Arc::clone(&transfer);
        waiting.push_back(Task(tokio::spawn(async move { transfer.run(job).await })));
        while let Some(done) = oldest_due(&mut waiting) {
            note(done, &mut manifest, begun).await?;
        }
        if clock.now().since(noted_at) >= NOTED_EVERY {
            // A process that was frozen for long finds out here that another took its place.
            finish::still_ours(source, begun).await?;
            manifest.flush().await?;
            noted_at = clock.now();
        }
    }
    for done in waiting {
        note(done, &mut manifest, begun).await?;
    }
    walk.end().await??;
    manifest.finish().await
}

/// The oldest transfer, if it has ended or there are so many that it must be waited for.
fn oldest_due(waiting: &mut VecDeque<Task<Result<Transferred>>>) -> Option<Task<Result<Transferred>>> {
    let ended = waiting.front().is_some_and(|oldest| oldest.0.is_finished());
    if ended || waiting.len() >= TRANSFERS_AHEAD { waiting.pop_front() } else { None }
}

/// What is to be done for an entry: the key it gets, and where its content may be found in the store already.
async fn lay_out(
    found: Found,
    earlier: &mut Earlier,
    begun: &mut begin::Open,
    source: &MirrorSource,
    totals: &Totals,
) -> Result<transfer::Job> {
    let Found { mut entry, parent } = found;
    let known = earlier.find(&entry).await?;
    if entry.kind != FileKind::File {
        totals.other(&entry);
        return Ok(transfer::Job { entry, parent, key: None, known: None, in_place: None });
    }
    let plain = begun.place.plain_key(&entry.path).filter(|key| source.store().accepts_key(key));
    entry.apart = plain.is_none();
    let key = plain.unwrap_or_else(|| begun.place.side_key(&entry.path));
    // What a run of this operation that was cut short had stored under this very name.
    let in_place = begun.leftovers.get(&key).copied();
    leftovers::make_way(source, &mut begun.leftovers, &key).await?;
    Ok(transfer::Job { entry, parent, key: Some(key), known, in_place })
}

/// Notes an entry, whose object thereby is none that was left over.
async fn note(
    done: Task<Result<Transferred>>,
    manifest: &mut ManifestWriter,
    begun: &mut begin::Open,
) -> Result<()> {
    let Some(entry) = done.end().await?? else { return Ok(()) };
    if entry.kind == FileKind::File
        && let Some(key) = content_key(&begun.place, &entry)
    {
        begun.leftovers.remove(&key);
    }
    manifest.push(&entry).await
}

/// A task that stops when nobody waits for it any more.
struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    async fn end(mut self) -> Result<T> {
        (&mut self.0).await.map_err(from_join)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A failure of the source itself, which ends the backup.
fn fatal(error: stillpoint_localfs::Error) -> Error {
    let kind = match &error {
        _ if error.is_not_found() => ErrorKind::NotFound,
        _ if error.is_permission_denied() => ErrorKind::PermissionDenied,
        stillpoint_localfs::Error::NotADirectory { .. }
        | stillpoint_localfs::Error::InvalidPattern { .. } => ErrorKind::InvalidInput,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, error.to_string()).with_retry(stillpoint_core::Retry::Never).with_source(error)
}
