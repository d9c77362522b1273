//! What a scheduler tells its host.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MissedRuns;
use crate::clock::Timestamp;
use crate::error::ErrorRecord;
use crate::id::{OperationId, ScheduleId, WorkspaceId};

/// One thing that happened with a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScheduleEvent {
    /// The schedule.
    pub schedule: ScheduleId,
    /// Its workspace.
    pub workspace: WorkspaceId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: ScheduleEventKind,
}

/// What happened with a schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
#[non_exhaustive]
pub enum ScheduleEventKind {
    /// A run was begun.
    Submitted {
        /// Its nominal time.
        nominal: Timestamp,
        /// Its operation.
        operation: OperationId,
    },
    /// A run waits, because the workspace is busy.
    Waiting {
        /// Its nominal time.
        nominal: Timestamp,
        /// With what it is busy.
        reason: ErrorRecord,
    },
    /// A run was left out, because the workspace was busy.
    Skipped {
        /// Its nominal time.
        nominal: Timestamp,
        /// With what it was busy.
        reason: ErrorRecord,
    },
    /// A run could not be begun; it is tried again.
    Failed {
        /// Its nominal time.
        nominal: Timestamp,
        /// Why.
        error: ErrorRecord,
    },
    /// Somebody should look.
    Alarm {
        /// At what.
        alarm: Alarm,
    },
    /// The newest completed backup is young enough again.
    Fresh,
}

/// What somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "alarm")]
#[non_exhaustive]
pub enum Alarm {
    /// Runs were missed: nobody was there to begin them.
    MissedRuns {
        /// Which.
        missed: MissedRuns,
    },
    /// A clock that was ahead had noted when the next run counts from. It counts from now on.
    CountedAhead {
        /// What was noted.
        from: Timestamp,
    },
    /// The newest completed backup is too old.
    Stale {
        /// When it was begun; `None` where there is none.
        last_good: Option<Timestamp>,
        /// How old it may be.
        limit: Duration,
    },
}
