//! One job of the simulated cloud and the times at which it moves on.

use std::time::Duration;

use stillpoint_core::{ErrorRecord, JobId, JobKey, JobRequest, SnapshotId, Timestamp};

use super::config::SimConfig;
use super::fault::{Fate, FateEnd};

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: JobId,
    /// What was asked for; `None` for somebody else's job.
    pub(super) request: Option<JobRequest>,
    /// The resource a backup reads; for a restore the new resource it will make.
    pub(super) resource: String,
    pub(super) created_at: Timestamp,
    pub(super) fate: Fate,
    pub(super) phase: Phase,
    /// Bytes to move; known once it runs.
    pub(super) bytes: u64,
    /// The snapshot a backup makes.
    pub(super) snapshot: Option<SnapshotId>,
    /// Why the base that was asked for was not built on.
    pub(super) base_lost: Option<String>,
    /// A second run that the cloud made by itself of one request.
    pub(super) twin: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Phase {
    Queued,
    Running { from: Timestamp, until: Timestamp },
    Cancelling { from: Option<Timestamp>, until: Timestamp },
    Ended { from: Option<Timestamp>, at: Timestamp, end: End },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Succeeded,
    Issues(String),
    Failed(ErrorRecord),
    Cancelled,
    Expired,
}

impl Job {
    pub(super) fn key(&self) -> Option<&JobKey> {
        self.request.as_ref().map(JobRequest::key)
    }

    pub(super) fn is_restore(&self) -> bool {
        matches!(self.request, Some(JobRequest::Restore(_)))
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    pub(super) fn occupies_its_resource(&self) -> bool {
        !self.is_restore()
            && matches!(self.phase, Phase::Running { .. } | Phase::Cancelling { from: Some(_), .. })
    }

    pub(super) fn started_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Queued => None,
            Phase::Running { from, .. } => Some(*from),
            Phase::Cancelling { from, .. } | Phase::Ended { from, .. } => *from,
        }
    }

    /// When it wants to run, if its resource is free.
    pub(super) fn may_run_at(&self, config: &SimConfig) -> Timestamp {
        self.created_at.after(config.queue_delay + self.fate.delay)
    }

    pub(super) fn expires_at(&self, config: &SimConfig) -> Timestamp {
        self.created_at.after(config.start_window)
    }

    /// How long it runs.
    pub(super) fn duration(&self, config: &SimConfig) -> Duration {
        let moving = Duration::from_secs(self.bytes / config.bytes_per_second.max(1));
        let whole = (config.overhead + moving) * self.fate.slowness.max(1);
        match self.fate.end {
            // A failing job fails half-way.
            FateEnd::Fails(_) => whole / 2,
            _ => whole,
        }
    }

    pub(super) fn end_of_run(&self) -> End {
        match &self.fate.end {
            FateEnd::Succeeds => End::Succeeded,
            FateEnd::HasIssues(message) => End::Issues(message.clone()),
            FateEnd::Fails(error) => End::Failed(error.clone()),
        }
    }

    /// Bytes moved up to `now`.
    pub(super) fn moved(&self, now: Timestamp, config: &SimConfig) -> u64 {
        let whole = self.duration(config).as_millis().max(1);
        match &self.phase {
            Phase::Queued => 0,
            Phase::Running { from, .. } | Phase::Cancelling { from: Some(from), .. } => {
                let done = u128::from(self.bytes) * now.since(*from).as_millis().min(whole) / whole;
                u64::try_from(done).unwrap_or(self.bytes)
            }
            Phase::Ended { end: End::Succeeded | End::Issues(_), .. } => self.bytes,
            Phase::Cancelling { .. } | Phase::Ended { .. } => 0,
        }
    }
}
