//! Setting schedules.

use std::time::Duration;

use serde::Deserialize;
use stillpoint_core::{
    BackupQuery, Blackout, Cadence, Error, ErrorKind, Overlap, Request, Result, Revision, Schedule,
    ScheduleId, ScheduleRecord, StoredSchedule, WhenMissed, WorkspaceId,
};
use utoipa::ToSchema;

use super::backup::BackupOrder;
use super::bounds;
use crate::access::{Caller, Role};
use crate::plane::ControlPlane;

/// A schedule as it is to be.
#[derive(Clone, Debug, PartialEq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleOrder {
    /// The workspace that is backed up.
    #[schema(value_type = String, min_length = 1, max_length = 4096)]
    pub(crate) workspace: WorkspaceId,
    /// Seconds from one run to the next, 60 at the least. Either this or `cron`.
    #[serde(default, deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 60, maximum = 3162240000_u64)]
    pub(crate) every_seconds: Option<u64>,
    /// A cron expression of five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[serde(default)]
    pub(crate) cron: Option<String>,
    /// The IANA name of the zone whose wall clock counts; without it UTC.
    #[serde(default)]
    pub(crate) zone: Option<String>,
    /// Runs begin later by a share of this, always the same one for one workspace.
    #[serde(default, deserialize_with = "bounds::seconds")]
    #[schema(maximum = 3162240000_u64)]
    pub(crate) jitter_seconds: u64,
    /// A run that begins later than this has been missed.
    #[serde(default, deserialize_with = "bounds::any_seconds")]
    #[schema(maximum = 3162240000_u64)]
    pub(crate) grace_seconds: Option<u64>,
    /// What to do about missed runs: `run_once` or `skip`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) when_missed: Option<WhenMissed>,
    /// What to do when the workspace is still busy: `skip`, `queue` or `replace`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) overlap: Option<Overlap>,
    /// Windows in which no run begins; without it as they were.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub(crate) blackouts: Option<Vec<Blackout>>,
    /// Alarm when the newest completed backup is older than this.
    #[serde(default, deserialize_with = "bounds::some_seconds")]
    #[schema(minimum = 1, maximum = 3162240000_u64)]
    pub(crate) alarm_after_seconds: Option<u64>,
    /// Whether no run begins; without it as it was.
    #[serde(default)]
    pub(crate) paused: Option<bool>,
    /// What each run asks for.
    #[serde(default, deserialize_with = "bounds::object")]
    pub(crate) backup: BackupOrder,
}

impl ScheduleOrder {
    /// The schedule that is asked for.
    ///
    /// # Errors
    /// `InvalidInput` for one that cannot be followed.
    pub(crate) fn schedule(&self) -> Result<Schedule> {
        let cadence = match (self.every_seconds, self.cron.as_deref()) {
            (Some(every), None) => Cadence::every(Duration::from_secs(every))?,
            (None, Some(expression)) => Cadence::cron(expression)?,
            _ => {
                let message = "a schedule has either `every_seconds` or `cron`";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        };
        let mut schedule = Schedule::new(cadence);
        if let Some(zone) = &self.zone {
            schedule = schedule.in_zone(zone)?;
        }
        schedule.jitter = Duration::from_secs(self.jitter_seconds);
        schedule.grace = self.grace_seconds.map_or(schedule.grace, Duration::from_secs);
        schedule.when_missed = self.when_missed.unwrap_or_default();
        schedule.overlap = self.overlap.unwrap_or_default();
        schedule.blackouts = self.blackouts.clone().unwrap_or_default();
        schedule.alarm_after = self.alarm_after_seconds.map(Duration::from_secs);
        schedule.check()?;
        Ok(schedule)
    }
}

impl ControlPlane {
    /// Makes a schedule, or changes the one of the same id to what is asked for. Where `expected` names a revision, only
    /// that one is changed.
    ///
    /// # Errors
    /// `PermissionDenied` below an administrator; `NotFound` where no workspace is catalogued that the caller may see;
    /// `Conflict` where somebody else changed it meanwhile; `InvalidInput` for a schedule that cannot be followed.
    pub(crate) async fn put_schedule(
        &self,
        caller: &Caller,
        id: &ScheduleId,
        order: &ScheduleOrder,
        expected: Option<Revision>,
    ) -> Result<StoredSchedule> {
        let done = async {
            caller.require(Role::Administrator)?;
            self.known_workspace(caller, &order.workspace).await?;
            let mut schedule = order.schedule()?;
            schedule.check_apart(self.interval_min())?;
            let mut request = order.backup.request(id.as_str().parse()?, order.workspace.clone(), caller);
            Request::Backup(request.clone()).check()?;
            let now = self.clock().now();
            let known = match self.catalog().schedule(id).await? {
                Some(known) if !self.sees_workspace(caller, known.record.workspace()).await? => {
                    return Err(Error::new(
                        ErrorKind::AlreadyExists,
                        "another schedule has this id; choose another",
                    ));
                }
                known => known,
            };
            let (mut record, revision) = match known {
                Some(known) => (known.record, Some(known.revision)),
                None => (ScheduleRecord::new(id.clone(), schedule.clone(), request.clone(), now), None),
            };
            if expected.is_some() && expected != revision {
                return Err(changed(id));
            }
            let paused = record.schedule.paused;
            schedule.paused = paused;
            if order.blackouts.is_none() {
                schedule.blackouts.clone_from(&record.schedule.blackouts);
            }
            // An order cannot say what is left out, and changes nothing about it.
            if request.workspace == record.request.workspace {
                request.settings.clone_from(&record.request.settings);
            }
            if revision.is_none() || request.workspace != record.request.workspace {
                let known = self.catalog().workspace(&request.workspace).await?;
                record.host = known.and_then(|known| known.definition.host);
            }
            record.change(schedule, request, now);
            if revision.is_none() && !self.has_backups(record.workspace()).await? {
                record.begin_at_once();
            }
            match order.paused {
                Some(true) => record.pause(),
                Some(false) if paused => record.unpause(now),
                _ => {}
            }
            self.store_schedule(record, revision).await
        };
        let done = done.await;
        self.noted(caller, "schedule-put", id.as_str(), None, done).await
    }

    /// Lets no run of a schedule begin, or lets them begin again.
    ///
    /// # Errors
    /// As [`ControlPlane::remove_schedule`].
    pub(crate) async fn pause_schedule(
        &self,
        caller: &Caller,
        id: &ScheduleId,
        paused: bool,
    ) -> Result<StoredSchedule> {
        let done = async {
            caller.require(Role::Administrator)?;
            let StoredSchedule { mut record, revision, .. } = self.schedule(caller, id).await?;
            match paused {
                true => record.pause(),
                false => record.unpause(self.clock().now()),
            }
            self.store_schedule(record, Some(revision)).await
        };
        let done = done.await;
        self.noted(caller, if paused { "schedule-pause" } else { "schedule-resume" }, id.as_str(), None, done)
            .await
    }

    /// Removes a schedule; what it began goes on.
    ///
    /// # Errors
    /// `PermissionDenied` below an administrator; `NotFound` where there is none that the caller may see.
    pub(crate) async fn remove_schedule(&self, caller: &Caller, id: &ScheduleId) -> Result<()> {
        let done = async {
            caller.require(Role::Administrator)?;
            self.schedule(caller, id).await?;
            self.catalog().remove_schedule(id).await
        };
        let done = done.await;
        self.noted(caller, "schedule-remove", id.as_str(), None, done).await
    }

    async fn has_backups(&self, workspace: &WorkspaceId) -> Result<bool> {
        let mut query = BackupQuery::of_workspace(workspace.clone());
        query.limit = 1;
        Ok(!self.catalog().backups(&query).await?.items.is_empty())
    }

    async fn store_schedule(
        &self,
        record: ScheduleRecord,
        revision: Option<Revision>,
    ) -> Result<StoredSchedule> {
        match self.catalog().put_schedule(&record, revision).await {
            Ok(revision) => Ok(StoredSchedule::new(record, revision)),
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::AlreadyExists) => {
                Err(changed(&record.id))
            }
            Err(error) => Err(error),
        }
    }
}

fn changed(id: &ScheduleId) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("schedule {id} was changed meanwhile; read it again, then decide"),
    )
}
