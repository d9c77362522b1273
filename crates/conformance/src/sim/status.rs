//! How the cloud reports a job.

use stillpoint_core::{
    CaptureWindow, Issue, JobRequest, JobState, JobStatus, Progress, ProviderId, RestoredResource,
    SnapshotRef, Timestamp,
};

use super::job::{End, Job, Phase};
use super::resource::SimKind;
use super::state::State;

pub(super) fn status(state: &State, provider: &ProviderId, job: &Job, now: Timestamp) -> JobStatus {
    let mut status = JobStatus::new(match &job.phase {
        Phase::Queued => JobState::Queued,
        Phase::Running { .. } => job.fate.word.clone().map_or(JobState::Running, JobState::Unknown),
        Phase::Cancelling { .. } => JobState::Cancelling,
        Phase::Ended { end, .. } => match end {
            End::Succeeded => JobState::Succeeded,
            End::Issues(_) => JobState::SucceededWithIssues,
            End::Failed(error) => JobState::Failed(error.clone()),
            End::Cancelled => JobState::Cancelled,
            End::Expired => JobState::Expired,
        },
    });
    let total = job.started_at().map(|_| job.bytes);
    status.progress = Progress::new(job.moved(now, &state.config), 0).of(total, None);
    status.poll_after = Some(state.config.poll_after);
    if let Phase::Ended { end: End::Issues(message), .. } = &job.phase {
        status.issues.push(Issue::new("message", &job.resource, message));
    }
    match &job.request {
        Some(JobRequest::Restore(restore)) => {
            if matches!(job.phase, Phase::Ended { end: End::Succeeded | End::Issues(_), .. }) {
                let component = restore.component.id.clone();
                status.restored =
                    Some(RestoredResource::new(provider.clone(), component, job.resource.clone()));
            }
        }
        _ => add_capture(state, provider, job, &mut status),
    }
    status
}

fn add_capture(state: &State, provider: &ProviderId, job: &Job, status: &mut JobStatus) {
    let Some((id, point)) = job.snapshot.as_ref().and_then(|id| Some((id, state.points.get(id)?))) else {
        return;
    };
    status.snapshot = Some(SnapshotRef::new(provider.clone(), id.clone()));
    status.captured = match (point.image.kind, &job.phase) {
        (SimKind::Volume, _) => job.started_at().map(|from| CaptureWindow::new(from, from)),
        (SimKind::FileSystem, Phase::Ended { from: Some(from), at, .. }) => {
            Some(CaptureWindow::new(*from, *at))
        }
        _ => None,
    };
    status.base_lost.clone_from(&job.base_lost);
    let size = point.image.size_bytes;
    status.counts = [("bytes_scanned".to_owned(), size), ("bytes_stored".to_owned(), job.bytes)].into();
}
