//! Invented jobs: how long each takes, and how far it is at any time.

use std::time::Duration;

use stillpoint_core::{
    CaptureWindow, JobRequest, JobState, JobStatus, Progress, RestoredResource, Result, SnapshotId,
    SnapshotRef, Timestamp,
};

use super::history::Dice;
use super::places::PLACES;

/// One job that was begun.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) request: JobRequest,
    begun: Timestamp,
    takes: Duration,
    pub(super) cancelled: bool,
}

impl Job {
    /// A job begun at `begun` that takes about `pace`.
    pub(super) fn new(request: JobRequest, begun: Timestamp, pace: Duration) -> Self {
        let share = Dice::of(&request.key().token()).roll(70, 130);
        let takes = pace * u32::try_from(share).unwrap_or(100) / 100;
        Self { request, begun, takes, cancelled: false }
    }

    /// Where it stands at `now`.
    pub(super) fn status(&self, now: Timestamp) -> Result<JobStatus> {
        if self.cancelled {
            return Ok(JobStatus::new(JobState::Cancelled));
        }
        let (bytes, files) = self.amount();
        let passed = now.since(self.begun);
        let over = passed >= self.takes;
        let share = |whole: u64| -> u64 {
            if over {
                return whole;
            }
            let part = u128::from(whole) * passed.as_millis() / self.takes.as_millis().max(1);
            u64::try_from(part).unwrap_or(whole)
        };
        let mut status = JobStatus::new(if over { JobState::Succeeded } else { JobState::Running });
        status.progress = Progress::new(share(bytes), share(files)).of(Some(bytes), Some(files));
        match &self.request {
            JobRequest::Restore(job) if over => {
                let place =
                    job.destination.get("resource").and_then(|value| value.as_str()).unwrap_or_default();
                status.restored = Some(RestoredResource::new(
                    job.snapshot.provider.clone(),
                    job.component.id.clone(),
                    place,
                ));
                status.counts =
                    counts(&[("files_restored", files), ("bytes_fetched", bytes), ("bytes_written", bytes)]);
            }
            JobRequest::Backup(job) => {
                // A fifth of the time holds services still; the rest is the copy that follows.
                let held = self.takes / 5;
                if passed >= held {
                    status.captured = Some(CaptureWindow::new(self.begun, self.begun.after(held)));
                }
                if over {
                    status.snapshot =
                        Some(SnapshotRef::new(job.component.provider.clone(), snapshot(&self.request)?));
                    let added = if job.base.is_some() { bytes / 140 } else { bytes / 100 * 61 };
                    status.counts = counts(&[
                        ("bytes_scanned", bytes),
                        ("bytes_stored", added),
                        ("files_unmodified", files),
                    ]);
                }
            }
            _ => {}
        }
        Ok(status)
    }

    /// Bytes and files that it deals with.
    fn amount(&self) -> (u64, u64) {
        let (JobRequest::Backup(stillpoint_core::BackupJob { component, .. })
        | JobRequest::Restore(stillpoint_core::RestoreJob { component, .. })) = &self.request
        else {
            return (0, 0);
        };
        let mut parts = PLACES.iter().flat_map(|place| place.parts);
        let part = parts.find(|part| part.id == component.id.as_str() && part.resource == component.resource);
        part.map_or((64 << 20, 900), |part| (part.bytes, part.files))
    }
}

/// The snapshot that a backup job makes.
pub(super) fn snapshot(request: &JobRequest) -> Result<SnapshotId> {
    SnapshotId::new(format!("demo-{}", request.key().token()))
}

fn counts(pairs: &[(&str, u64)]) -> std::collections::BTreeMap<String, u64> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

#[cfg(test)]
mod tests {
    use stillpoint_core::{BackupId, BackupJob, JobKey, OperationId};

    use super::*;

    #[test]
    fn a_job_goes_on_with_time_and_holds_still_for_a_fifth_of_it() {
        let place = &PLACES[0];
        let operation: OperationId = "op".parse().unwrap();
        let component = place.components().unwrap().remove(0);
        let key = JobKey::new(operation.clone(), component.id.clone(), 1);
        let begun: Timestamp = "2026-11-26T03:00:00Z".parse().unwrap();
        let job = BackupJob::new(key, place.id.parse().unwrap(), BackupId::of(&operation), component, begun);
        let job = Job::new(JobRequest::Backup(job), begun, Duration::from_secs(100));
        let early = job.status(begun.after(Duration::from_secs(10))).unwrap();
        assert!(early.state == JobState::Running && early.captured.is_none() && early.snapshot.is_none());
        let later = job.status(begun.after(Duration::from_secs(60))).unwrap();
        assert!(later.progress.bytes_done > early.progress.bytes_done && later.captured.is_some());
        let end = job.status(begun.after(Duration::from_secs(200))).unwrap();
        assert!(end.state == JobState::Succeeded && end.snapshot.is_some());
        assert_eq!(Some(end.progress.bytes_done), end.progress.bytes_total);
    }
}
