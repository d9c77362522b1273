//! A restore job: one snapshot into one directory.

use std::path::PathBuf;
use std::sync::Arc;

use stillpoint_core::{
    ErrorKind, Issue, JobState, JobStatus, Landing, ProviderId, RestoreJob, RestoredResource, Result,
};
use stillpoint_localfs::{Landing as LocalLanding, Preview};
use stillpoint_repository::{
    Cancellation, Id, IssueKind, Repository, RestoreOptions, RestoreSummary, StoredSnapshot,
};

use super::RepositorySource;
use super::convert::{from_stored, snapshot_id};
use crate::error::from_repository;
use crate::jobs::{Issues, Noted, Reporter, lacks, remark};
use crate::path_text;
use crate::target::{self, Occupancy, Place};

/// Runs a restore job to its end.
pub(crate) async fn run(
    source: Arc<RepositorySource>,
    provider: ProviderId,
    job: RestoreJob,
    reporter: Arc<Reporter>,
) -> JobStatus {
    match fill(&source, &provider, &job, &reporter).await {
        Ok(status) => status,
        Err(error) => {
            let mut status = reporter.ended_with(&error);
            if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::Busy) {
                // What stands there is not this run's to discard.
                status.restored = None;
            }
            status
        }
    }
}

async fn fill(
    source: &RepositorySource,
    provider: &ProviderId,
    job: &RestoreJob,
    reporter: &Reporter,
) -> Result<JobStatus> {
    let target = target::path_in(&job.destination)?;
    let id = snapshot_id(&job.snapshot.id)?;
    let repository = reporter.unless_cancelled(source.open_fresh()).await?;
    // Whether it is still there shows when the repository is locked.
    let load = async { repository.follow_known_snapshot(&id).await.map_err(from_repository) };
    let StoredSnapshot { id, snapshot, .. } = reporter.unless_cancelled(load).await?;
    let include: Vec<PathBuf> = job.include.iter().map(|text| path_text::from_text(text)).collect();
    reporter.unless_cancelled(find_all(&repository, &id, &include)).await?;
    let (place, found) = target::settle(job, target, from_stored(snapshot.time)).await?;
    let resource = |place: &Place| {
        RestoredResource::new(provider.clone(), job.component.id.clone(), place.path.to_string_lossy())
    };
    let own = matches!(job.landing, Landing::Empty | Landing::Side);
    if own {
        reporter.restoring(resource(&place));
    }
    if let Some(summary) = snapshot.summary.as_ref().filter(|_| include.is_empty()) {
        reporter.meter.expect(summary.total_files_processed, summary.total_bytes_processed);
    }
    let mut options = RestoreOptions::new(place.restore.clone());
    options.extract = target::extract_options(job)?;
    if found == Some(Occupancy::Finished) {
        // The operation had filled the directory and died before it could say so.
        options.extract.landing = LocalLanding::Continue;
    }
    let landing = options.extract.landing;
    options.include = include;
    let meter = Arc::clone(&reporter.meter);
    let run = Box::pin(repository.restore(&id, &place.path, options, meter, &reporter.cancellation));
    let summary = run.await.map_err(from_repository)?;
    reporter.meter.complete();
    let keeps = match landing {
        LocalLanding::Merge => true,
        LocalLanding::Continue => !summary.resumed,
        _ => false,
    };
    let mut status = done(&summary, keeps);
    status.restored = Some(resource(&place));
    Ok(status)
}

/// Answers where a restore job would write and what it would make of what stands there.
pub(super) async fn preview(
    source: &RepositorySource,
    job: &RestoreJob,
    stop: &Cancellation,
) -> Result<(PathBuf, Preview)> {
    let target = target::path_in(&job.destination)?;
    let id = snapshot_id(&job.snapshot.id)?;
    let repository = source.open().await?;
    let StoredSnapshot { id, snapshot, .. } =
        repository.follow_snapshot(&id).await.map_err(from_repository)?;
    let include: Vec<PathBuf> = job.include.iter().map(|text| path_text::from_text(text)).collect();
    find_all(&repository, &id, &include).await?;
    let (place, extract) = target::foresee(job, target, from_stored(snapshot.time)).await?;
    let mut options = RestoreOptions::new(place.restore.clone());
    (options.extract, options.include) = (extract, include);
    let preview =
        repository.preview_restore(&id, &place.path, options, stop).await.map_err(from_repository)?;
    Ok((place.path, preview))
}

/// Fails unless each of the paths is in the snapshot: nothing restored must not look like a success.
async fn find_all(repository: &Repository, snapshot: &Id, include: &[PathBuf]) -> Result<()> {
    for path in include {
        let path = path.strip_prefix("/").unwrap_or(path);
        repository.visit_entries(snapshot, path, false, |_| false).await.map_err(from_repository)?;
    }
    Ok(())
}

fn done(summary: &RestoreSummary, keeps: bool) -> JobStatus {
    let (mut issues, mut noted) = (Issues::default(), Noted::default());
    for issue in summary.issues.items() {
        let kind = match issue.kind {
            IssueKind::Conflict if keeps => {
                noted.add(issue.message.clone(), path_text::to_text(&issue.path));
                continue;
            }
            IssueKind::Conflict => "conflict",
            IssueKind::Damaged => "damaged",
            _ => "skipped",
        };
        issues.push(Issue::new(kind, path_text::to_text(&issue.path), issue.message.clone()));
    }
    let root = rustix::process::geteuid().is_root();
    for warning in summary.warnings.items() {
        match lacks(warning, root) {
            true => issues.push(Issue::new("metadata", path_text::to_text(&warning.path), remark(warning))),
            false => noted.add(remark(warning), path_text::to_text(&warning.path)),
        }
    }
    issues.add_unlisted(summary.issues.omitted() + summary.warnings.omitted());
    let complete = issues.is_empty();
    let mut status =
        JobStatus::new(if complete { JobState::Succeeded } else { JobState::SucceededWithIssues });
    status.issues = issues.into_list();
    status.warnings = noted.into_warnings();
    let counts = [
        ("files_restored", summary.files_restored),
        ("files_unchanged", summary.files_unchanged),
        ("files_skipped", summary.skipped),
        ("dirs", summary.directories),
        ("hard_links", summary.hard_links),
        ("symlinks", summary.symlinks),
        ("bytes_fetched", summary.bytes_fetched),
        ("bytes_written", summary.bytes_written),
    ];
    status.counts = counts.map(|(name, count)| (name.to_owned(), count)).into();
    status
}
