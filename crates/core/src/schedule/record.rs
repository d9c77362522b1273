//! What the catalog stores of schedules.

use serde::{Deserialize, Serialize};

use super::{Cadence, Schedule};
use crate::catalog::{PAGE_LIMIT_MAX, Revision};
use crate::clock::Timestamp;
use crate::id::{OperationId, ScheduleId, WorkspaceId};
use crate::operation::BackupRequest;

/// One schedule with what became of it so far. It holds all that a restarted scheduler needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleRecord {
    /// The schedule's id.
    pub id: ScheduleId,
    /// When runs are due.
    pub schedule: Schedule,
    /// What each run asks for; its id is replaced by one that follows from the schedule and the nominal time.
    pub request: BackupRequest,
    /// The one host that begins its runs, where its workspace is that host's
    /// ([`Builder::host`](crate::Builder::host)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Since when it holds.
    pub created_at: Timestamp,
    /// From here the next run is counted.
    pub anchor: Timestamp,
    /// When a scheduler has to look at it next; `None` for not before somebody changes it.
    pub look_at: Option<Timestamp>,
    /// The newest run.
    #[serde(default)]
    pub last: Option<ScheduledRun>,
    /// The nominal time of the run that waits for the workspace.
    #[serde(default)]
    pub waiting: Option<Timestamp>,
    /// Missed runs up to this nominal time were told of.
    #[serde(default)]
    pub missed_until: Option<Timestamp>,
    /// Runs that were missed in all.
    #[serde(default)]
    pub missed_runs: u64,
    /// Since when the alarm of age stands.
    #[serde(default)]
    pub stale_since: Option<Timestamp>,
}

impl ScheduleRecord {
    /// A schedule that holds from `now` on.
    pub fn new(id: ScheduleId, schedule: Schedule, request: BackupRequest, now: Timestamp) -> Self {
        Self {
            id,
            schedule,
            request,
            host: None,
            created_at: now,
            anchor: now,
            look_at: Some(now),
            last: None,
            waiting: None,
            missed_until: None,
            missed_runs: 0,
            stale_since: None,
        }
    }

    /// The workspace that it backs up.
    pub fn workspace(&self) -> &WorkspaceId {
        &self.request.workspace
    }

    /// The operation of the run of this nominal time, whoever begins it and however often.
    pub fn operation(&self, nominal: Timestamp) -> OperationId {
        OperationId::of_run(&self.id, nominal)
    }

    /// Has the first run begin at once, where runs follow each other by an interval: for a workspace of which there is no
    /// backup yet. A cron expression says itself when.
    pub fn begin_at_once(&mut self) {
        if let Cadence::Interval { every } = self.schedule.cadence {
            let millis = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
            self.anchor = Timestamp::from_millis(self.anchor.as_millis().saturating_sub(millis));
        }
    }

    /// Asks for something else from `now` on. Where the same workspace is backed up at the same times as before, the next
    /// run stays where it was: setting a schedule again and again, as configuration management does, postpones nothing.
    pub fn change(&mut self, schedule: Schedule, request: BackupRequest, now: Timestamp) {
        let times = |schedule: &Schedule| (schedule.cadence.clone(), schedule.zone.clone(), schedule.paused);
        if times(&self.schedule) != times(&schedule) || self.request.workspace != request.workspace {
            (self.anchor, self.waiting) = (now, None);
        }
        (self.schedule, self.request) = (schedule, request);
        self.look_at = Some(now);
    }

    /// Lets no run begin until [`ScheduleRecord::unpause`].
    pub fn pause(&mut self) {
        self.schedule.paused = true;
        self.waiting = None;
    }

    /// Goes on from `now`; what would have been due during the pause is not missed.
    pub fn unpause(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.schedule.paused) {
            self.anchor = now;
        }
        self.look_at = Some(now);
    }
}

/// A run that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduledRun {
    /// Its nominal time.
    pub nominal: Timestamp,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// Its operation.
    pub operation: OperationId,
}

impl ScheduledRun {
    /// The run of `nominal`, submitted as `operation`.
    pub fn new(nominal: Timestamp, submitted_at: Timestamp, operation: OperationId) -> Self {
        Self { nominal, submitted_at, operation }
    }
}

/// A schedule with its revision, as read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredSchedule {
    /// The schedule.
    pub record: ScheduleRecord,
    /// Counts its writes.
    pub revision: Revision,
}

impl StoredSchedule {
    /// A schedule as read.
    pub fn new(record: ScheduleRecord, revision: Revision) -> Self {
        Self { record, revision }
    }
}

/// Which schedules to list, by id. Every condition that is set must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleQuery {
    /// Of this workspace.
    pub workspace: Option<WorkspaceId>,
    /// Only those to look at by this time.
    pub look_by: Option<Timestamp>,
    /// At most so many, and never more than [`PAGE_LIMIT_MAX`].
    pub limit: usize,
    /// The cursor of the page before.
    pub after: Option<String>,
}

impl ScheduleQuery {
    /// All schedules.
    pub fn all() -> Self {
        Self { workspace: None, look_by: None, limit: PAGE_LIMIT_MAX, after: None }
    }

    /// Those to look at by `time`.
    pub fn look_by(time: Timestamp) -> Self {
        Self { look_by: Some(time), ..Self::all() }
    }
}
