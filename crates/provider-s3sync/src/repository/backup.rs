//! A backup job: one snapshot of a directory, once for each operation.

use std::path::PathBuf;
use std::sync::Arc;

use stillpoint_core::{
    BackupJob, CaptureWindow, Clock, Issue, JobState, JobStatus, Progress, ProviderId, Result, SnapshotRef,
};
use stillpoint_repository::{
    BackupOptions, BackupSource, BackupSummary, Id, IssueKind, Parent, Repository, StoredSnapshot,
};

use super::convert::{from_stored, to_stored};
use super::journal::{Journal, reference, store_of};
use super::made::Made;
use super::{RepositorySource, tags};
use crate::error::{blocking, from_repository};
use crate::jobs::{Issues, Noted, Reporter};
use crate::path_text;
use crate::workspace::{CaptureRules, compile_around, inside, left_out, mounted, root_of};

/// Runs a backup job to its end.
pub(crate) async fn run(
    source: Arc<RepositorySource>,
    provider: ProviderId,
    job: BackupJob,
    clock: Arc<dyn Clock>,
    reporter: Arc<Reporter>,
) -> JobStatus {
    match capture(&source, &provider, &job, clock.as_ref(), &reporter).await {
        Ok(status) => status,
        Err(error) => reporter.ended_with(&error),
    }
}

/// The status of a job that another process ran, if its snapshot is there.
pub(crate) async fn found_job(
    source: &RepositorySource,
    provider: &ProviderId,
    token: &str,
) -> Result<Option<JobStatus>> {
    let Some(repository) = source.open_if_there().await? else { return Ok(None) };
    let journal = Journal::read(&repository).await?;
    match journal.of_job(token) {
        // Starting the job again makes anew what is not whole.
        Some(stored) if is_whole(&repository, stored).await? => {
            recorded(&journal, provider, stored).map(Some)
        }
        Some(_) | None => Ok(None),
    }
}

async fn capture(
    source: &RepositorySource,
    provider: &ProviderId,
    job: &BackupJob,
    clock: &dyn Clock,
    reporter: &Reporter,
) -> Result<JobStatus> {
    let rules = CaptureRules::from_settings(&job.component.settings)?;
    let repository = reporter.unless_cancelled(source.open_or_create()).await?;
    let journal = reporter.unless_cancelled(Journal::read(&repository)).await?;
    // The operation may have stored its snapshot and died before it could say so.
    if let Some(stored) = journal.of_capture(job) {
        if reporter.unless_cancelled(is_whole(&repository, stored)).await? {
            let mut status = recorded(&journal, provider, stored)?;
            status.base_lost = base_lost(job, stored.snapshot.parent);
            reporter.meter.resume_at(status.progress);
            return Ok(status);
        }
        tracing::warn!(snapshot = %stored.id, "the snapshot of an interrupted attempt is not whole; it is made anew");
        repository.delete_snapshot(&stored.id).await.map_err(from_repository)?;
    }
    mounted::prove(&job.component)?;
    let root = PathBuf::from(root_of(&job.component));
    let inside = source.local_directory().and_then(|store| inside(&root, &store));
    let mut options = BackupOptions::default();
    let lacks = rules.lacks.clone();
    (options.one_file_system, options.may_be_empty) = (rules.one_file_system, rules.may_be_empty);
    options.rules = blocking(move || compile_around(&rules, inside.as_deref())).await?;
    options.tags = tags::of_job(job);
    if lacks.is_some() {
        options.tags.push(tags::INCOMPLETE.to_owned());
    }
    options.tag_if_incomplete = Some(tags::INCOMPLETE.to_owned());
    options.time = Some(to_stored(job.created_at));
    options.parent = journal.parent(job).map_or(Parent::None, |stored| Parent::Snapshot(stored.id));
    let from = clock.now();
    let meter = Arc::clone(&reporter.meter);
    let directory = BackupSource::new(root);
    let summary = Box::pin(repository.backup(&directory, options, meter, &reporter.cancellation));
    let summary = summary.await.map_err(from_repository)?;
    reporter.meter.complete();
    let until = clock.now();
    let (parent, packs_seen) = (summary.parent, summary.packs_seen);
    source.made().insert(summary.snapshot, Made { parent, packs_seen, at: to_stored(until) });
    let snapshot = reference(&store_of(&repository), provider, &summary.snapshot)?;
    let mut status = done(snapshot, summary, lacks);
    status.base_lost = base_lost(job, parent);
    status.captured = Some(CaptureWindow::new(from, until));
    Ok(status)
}

/// What to say of a capture built on `parent` that was to be built on another snapshot.
fn base_lost(job: &BackupJob, parent: Option<Id>) -> Option<String> {
    let base = &job.base.as_ref()?.id;
    match parent.map(|parent| parent.to_hex()) {
        Some(parent) if parent == base.as_str() => None,
        Some(parent) => Some(format!("snapshot {base} is not there; it was built on {parent} instead")),
        None => Some(format!("snapshot {base} is not there; everything was read")),
    }
}

/// Whether everything a snapshot of an interrupted attempt needs is stored and stays.
///
/// An attempt looks for prunes only after it has stored its snapshot, and may have died in between.
pub(crate) async fn is_whole(repository: &Repository, stored: &StoredSnapshot) -> Result<bool> {
    repository.confirm_snapshot(&stored.snapshot).await.map_err(from_repository)
}

fn done(snapshot: SnapshotRef, summary: BackupSummary, lacks: Option<String>) -> JobStatus {
    let mut issues = Issues::default();
    if let Some(lacks) = lacks {
        issues.push(Issue::new("unrestored", "", lacks));
    }
    for issue in summary.issues.items() {
        let kind = match issue.kind {
            IssueKind::Torn => "torn",
            IssueKind::Emptied => "emptied",
            IssueKind::Displaced => "displaced",
            _ => "skipped",
        };
        issues.push(Issue::new(kind, path_text::to_text(&issue.path), issue.message.clone()));
    }
    issues.add_unlisted(summary.issues.omitted());
    let complete = issues.is_empty();
    let mut status =
        JobStatus::new(if complete { JobState::Succeeded } else { JobState::SucceededWithIssues });
    status.issues = issues.into_list();
    let mut noted = Noted::default();
    for warning in summary.warnings.items() {
        noted.add(warning.message.clone(), path_text::to_text(&warning.path));
    }
    status.warnings = summary.rules.iter().filter_map(left_out).chain(noted.into_warnings()).collect();
    status.snapshot = Some(snapshot);
    let directories = summary.directories_new + summary.directories_changed + summary.directories_unmodified;
    let counts = [
        ("files_new", summary.files_new),
        ("files_changed", summary.files_changed),
        ("files_unmodified", summary.files_unmodified),
        ("files_skipped", summary.skipped),
        ("files_torn", summary.files_torn),
        ("dirs", directories),
        ("bytes_scanned", summary.bytes_scanned),
        ("bytes_read", summary.bytes_read),
        ("bytes_added", summary.written.plaintext_bytes),
        ("bytes_stored", summary.written.pack_bytes),
    ];
    status.counts = counts.map(|(name, count)| (name.to_owned(), count)).into();
    status
}

/// What a stored snapshot says of the job that made it.
fn recorded(journal: &Journal, provider: &ProviderId, stored: &StoredSnapshot) -> Result<JobStatus> {
    let mut status = JobStatus::new(JobState::Succeeded);
    status.snapshot = Some(journal.reference(provider, stored)?);
    if stored.snapshot.tags.iter().any(|tag| tag == tags::INCOMPLETE) {
        status.state = JobState::SucceededWithIssues;
        let message = "entries were skipped or torn, or all were gone; the process that listed them is gone";
        status.issues.push(Issue::new("skipped", "", message));
    }
    let Some(summary) = &stored.snapshot.summary else { return Ok(status) };
    let window = (from_stored(summary.backup_start), from_stored(summary.backup_end));
    status.captured = Some(CaptureWindow::new(window.0, window.1));
    let (files, bytes) = (summary.total_files_processed, summary.total_bytes_processed);
    status.progress = Progress::new(bytes, files).of(Some(bytes), Some(files));
    let counts = [
        ("files_new", summary.files_new),
        ("files_changed", summary.files_changed),
        ("files_unmodified", summary.files_unmodified),
        ("dirs", summary.dirs_new + summary.dirs_changed + summary.dirs_unmodified),
        ("bytes_scanned", bytes),
        ("bytes_added", summary.data_added),
        ("bytes_stored", summary.data_added_packed),
    ];
    status.counts = counts.map(|(name, count)| (name.to_owned(), count)).into();
    Ok(status)
}
