//! Making and changing a schedule.

use stillpoint_core::{
    BackupQuery, Cadence, Catalog, Clock, ErrorKind, INTERVAL_MIN, Overlap, Result, Schedule, ScheduleId,
    ScheduleRecord, StoredSchedule, SystemClock, Timestamp, WhenMissed, WorkspaceId,
};

use super::super::backup::prepare;
use super::tell_record;
use crate::args::{MissedPolicy, OverlapPolicy, SetScheduleArgs};
use crate::exit::Outcome;
use crate::session::Session;

/// Stores the schedule. What it backs up is checked now as a backup would check it, so that a mistake does not wait for
/// the first night.
pub(super) async fn run(session: &Session, args: &SetScheduleArgs) -> Outcome {
    let (id, schedule) = (ScheduleId::new(&args.schedule)?, schedule(args)?);
    schedule.check_apart(session.settings.config.limits.interval_min.unwrap_or(INTERVAL_MIN))?;
    let (_, request) = Box::pin(prepare(session, &args.backup)).await?;
    let now = SystemClock::default().now();
    let catalog = session.catalog().await?;
    let mut record = ScheduleRecord::new(id, schedule, request, now);
    record.host = host(catalog.as_ref(), record.workspace()).await?;
    let mut known = BackupQuery::of_workspace(record.workspace().clone());
    known.limit = 1;
    if catalog.backups(&known).await?.items.is_empty() {
        record.begin_at_once();
    }
    if args.backup.dry_run {
        return tell_record(session, &record, "would be set");
    }
    let done = match catalog.put_schedule(&record, None).await {
        Ok(_) => "is set",
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            record = replace(catalog.as_ref(), record, args, now).await?;
            "is changed"
        }
        Err(error) => return Err(error.into()),
    };
    tell_record(session, &record, done)
}

/// Overwrites the schedule of the same id, whose runs so far stay its own, as does whether it is paused.
async fn replace(
    catalog: &dyn Catalog,
    mut new: ScheduleRecord,
    args: &SetScheduleArgs,
    now: Timestamp,
) -> Result<ScheduleRecord> {
    let StoredSchedule { mut record, revision, .. } = super::named(catalog, new.id.as_str()).await?;
    new.schedule.paused = record.schedule.paused;
    if args.blackouts().is_none() {
        new.schedule.blackouts.clone_from(&record.schedule.blackouts);
    }
    record.change(new.schedule, new.request, now);
    record.host = new.host;
    catalog.put_schedule(&record, Some(revision)).await?;
    Ok(record)
}

/// The host that the workspace, which was just remembered, is of.
async fn host(catalog: &dyn Catalog, workspace: &WorkspaceId) -> Result<Option<String>> {
    Ok(catalog.workspace(workspace).await?.and_then(|known| known.definition.host))
}

fn schedule(args: &SetScheduleArgs) -> Result<Schedule> {
    let cadence = match (&args.cron, args.every) {
        (Some(expression), _) => Cadence::cron(expression)?,
        (None, every) => Cadence::every(every.unwrap_or_default())?,
    };
    let mut schedule = Schedule::new(cadence).in_zone(&args.zone)?;
    (schedule.jitter, schedule.grace, schedule.alarm_after) = (args.jitter, args.grace, args.alarm_after);
    schedule.blackouts = args.blackouts().unwrap_or_default();
    schedule.when_missed = match args.when_missed {
        MissedPolicy::RunOnce => WhenMissed::RunOnce,
        MissedPolicy::Skip => WhenMissed::Skip,
    };
    schedule.overlap = match args.overlap {
        OverlapPolicy::Skip => Overlap::Skip,
        OverlapPolicy::Queue => Overlap::Queue,
        OverlapPolicy::Replace => Overlap::Replace,
    };
    Ok(schedule)
}
