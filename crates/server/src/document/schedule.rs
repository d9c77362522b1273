//! Schedules as documents.

use serde::{Deserialize, Serialize};
use stillpoint_core::{
    Blackout, Cadence, DamagedRow, Overlap, ScheduleId, StoredSchedule, Timestamp, WhenMissed, WorkspaceId,
};
use utoipa::ToSchema;

/// One schedule, with what became of it so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ScheduleItem {
    /// The schedule.
    #[schema(value_type = String)]
    pub id: ScheduleId,
    /// The workspace that is backed up.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// Seconds from one run to the next.
    pub every_seconds: Option<u64>,
    /// The cron expression.
    pub cron: Option<String>,
    /// The zone whose wall clock counts.
    pub zone: String,
    /// Runs begin later by a share of this.
    pub jitter_seconds: u64,
    /// A run that begins later than this has been missed.
    pub grace_seconds: u64,
    /// What to do about missed runs.
    #[schema(value_type = String)]
    pub when_missed: WhenMissed,
    /// What to do when the workspace is still busy.
    #[schema(value_type = String)]
    pub overlap: Overlap,
    /// Windows in which no run begins.
    #[schema(value_type = Vec<Object>)]
    pub blackouts: Vec<Blackout>,
    /// Alarm when the newest completed backup is older than this.
    pub alarm_after_seconds: Option<u64>,
    /// Whether no run begins at all.
    pub paused: bool,
    /// The name of each backup.
    pub name: Option<String>,
    /// How long each backup is kept; `None` for ever.
    pub retain_seconds: Option<u64>,
    /// When the next run begins.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_run: Option<Timestamp>,
    /// The nominal time of the last run.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_run: Option<Timestamp>,
    /// The operation of the last run.
    pub last_operation: Option<String>,
    /// Runs that were missed in all.
    pub missed_runs: u64,
    /// Since when the newest completed backup is too old.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stale_since: Option<Timestamp>,
    /// Counts its writes; a change may name the one that it is meant for.
    pub revision: u64,
}

impl ScheduleItem {
    /// `stored`, whose next run begins at `next_run`.
    pub fn new(stored: &StoredSchedule, next_run: Option<Timestamp>) -> Self {
        let (record, schedule) = (&stored.record, &stored.record.schedule);
        let (every, cron) = match &schedule.cadence {
            Cadence::Interval { every } => (Some(every.as_secs()), None),
            Cadence::Cron { expression } => (None, Some(expression.clone())),
            _ => (None, None),
        };
        Self {
            id: record.id.clone(),
            workspace: record.workspace().clone(),
            every_seconds: every,
            cron,
            zone: schedule.zone.clone(),
            jitter_seconds: schedule.jitter.as_secs(),
            grace_seconds: schedule.grace.as_secs(),
            when_missed: schedule.when_missed,
            overlap: schedule.overlap,
            blackouts: schedule.blackouts.clone(),
            alarm_after_seconds: schedule.alarm_after.map(|span| span.as_secs()),
            paused: schedule.paused,
            name: record.request.name.clone(),
            retain_seconds: record.request.retain.map(|span| span.as_secs()),
            next_run,
            last_run: record.last.as_ref().map(|run| run.nominal),
            last_operation: record.last.as_ref().map(|run| run.operation.to_string()),
            missed_runs: record.missed_runs,
            stale_since: record.stale_since,
            revision: stored.revision.0,
        }
    }
}

/// One page of schedules.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct SchedulePage {
    /// The schedules, by id.
    pub schedules: Vec<ScheduleItem>,
    /// Where the next page starts; `None` after the last one.
    pub next: Option<String>,
    /// What belongs on this page and cannot be read.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    pub damaged: Vec<DamagedRow>,
}
