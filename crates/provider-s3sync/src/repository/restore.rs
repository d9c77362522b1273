//! A restore job: one snapshot into one directory.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use stillpoint_core::{
    Error, ErrorKind, Issue, JobState, JobStatus, Landing, ProviderId, RestoreJob, RestoredResource, Result,
};
use stillpoint_localfs::{ExtractOptions, Landing as LocalLanding, Warning, WarningKind};
use stillpoint_repository::{Id, IssueKind, Repository, RestoreOptions, RestoreSummary, Snapshot};

use super::RepositorySource;
use super::convert::{from_stored, snapshot_id};
use crate::error::{blocking, from_repository};
use crate::jobs::{Issues, Noted, Reporter};
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
            if error.kind() == ErrorKind::AlreadyExists {
                // What stands there is not this restore's to discard.
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
    let load = async { repository.load_snapshot(&id).await.map_err(from_repository) };
    let snapshot = reporter.unless_cancelled(load).await?;
    let include: Vec<PathBuf> = job.include.iter().map(|text| path_text::from_text(text)).collect();
    reporter.unless_cancelled(find_all(&repository, &id, &include)).await?;
    let (place, found) = settle(job, target, &snapshot).await?;
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
    options.extract = extract_options(job)?;
    if found == Some(Occupancy::Finished) {
        // The operation had filled the directory and died before it could say so.
        options.extract.landing = LocalLanding::Continue;
    }
    let keeps = matches!(options.extract.landing, LocalLanding::Merge | LocalLanding::Continue);
    options.include = include;
    let meter = Arc::clone(&reporter.meter);
    let run = Box::pin(repository.restore(&id, &place.path, options, meter, &reporter.cancellation));
    let summary = run.await.map_err(from_repository)?;
    reporter.meter.complete();
    let mut status = done(&summary, keeps);
    status.restored = Some(resource(&place));
    Ok(status)
}

/// Fails unless each of the paths is in the snapshot: nothing restored must not look like a success.
async fn find_all(repository: &Repository, snapshot: &Id, include: &[PathBuf]) -> Result<()> {
    for path in include {
        let path = path.strip_prefix("/").unwrap_or(path);
        repository.visit_entries(snapshot, path, false, |_| false).await.map_err(from_repository)?;
    }
    Ok(())
}

/// Chooses the place and claims it where the restore is to have it for itself.
async fn settle(
    job: &RestoreJob,
    target: PathBuf,
    snapshot: &Snapshot,
) -> Result<(Place, Option<Occupancy>)> {
    let restore = target::restore_id(&job.snapshot.id, &job.include);
    let operation = job.key.operation().clone();
    let (landing, time) = (job.landing, from_stored(snapshot.time));
    blocking(move || {
        let path = match landing {
            Landing::Side => target::side_place(&target, time, &restore, &operation)?,
            _ => target,
        };
        let place = Place { path, restore };
        let found = match landing {
            Landing::Empty | Landing::Side => Some(target::claim(&place, &operation)?),
            _ => None,
        };
        Ok((place, found))
    })
    .await
}

fn extract_options(job: &RestoreJob) -> Result<ExtractOptions> {
    let mut options = ExtractOptions::landing(match job.landing {
        Landing::Empty | Landing::Side => LocalLanding::EmptyTarget,
        Landing::Merge => LocalLanding::Merge,
        Landing::Replace => LocalLanding::Replace,
        other => {
            let message = format!("files cannot be restored with the landing {other:?}");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    });
    let is_set = |name: &str| job.destination.get(name).and_then(Value::as_bool).unwrap_or(false);
    options.privileged = is_set("privileged");
    options.special_files = is_set("special_files");
    Ok(options)
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

/// Whether something is missing from the result because of it. What was withheld on purpose is not, nor is an owner
/// that only the administrator could set.
fn lacks(warning: &Warning, root: bool) -> bool {
    match warning.kind {
        WarningKind::OwnerNotSet => root,
        WarningKind::ModeNotSet | WarningKind::TimesNotSet | WarningKind::AttributeNotSet(_) => true,
        _ => false,
    }
}

/// What a warning says, without the path.
fn remark(warning: &Warning) -> String {
    let text = warning.to_string();
    let path = format!("{:?}: ", warning.path);
    text.strip_prefix(&path).map_or_else(|| text.clone(), str::to_owned)
}
