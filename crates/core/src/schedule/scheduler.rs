//! The driver of schedules: looks at those that are due, begins their runs, and stores what came of it.
//!
//! A run is submitted under an id that follows from its schedule and nominal time, and only then is the schedule's
//! record written, if nobody else wrote it meanwhile. So a crash between the two, or several schedulers on one catalog,
//! make no second operation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use tokio::sync::broadcast;

use super::{
    Alarm, Due, Next, Overlap, ScheduleEvent, ScheduleEventKind, ScheduleQuery, ScheduleRecord, ScheduledRun,
    StoredSchedule, WhenMissed, next_run,
};
use crate::catalog::{Catalog, CatalogExt, DamagedRow};
use crate::clock::{Clock, SKEW_MAX, Timestamp};
use crate::context::Cancellation;
use crate::error::{ErrorKind, ErrorRecord, Result};
use crate::id::{OperationId, ScheduleId};
use crate::operation::{OperationRecord, OperationStatus, Request, WhenBusy};
use crate::orchestrator::Orchestrator;

/// Schedules that others write are seen within this time.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// How often a run that waits for its workspace is tried.
const WAIT_EVERY: Duration = Duration::from_secs(60);
/// How often a run that could not be submitted is tried.
const FAILED_EVERY: Duration = Duration::from_secs(300);
/// How often a backup that is too old is looked at again.
const STALE_EVERY: Duration = Duration::from_secs(3600);
/// How often all schedules are looked at, also those whose time has not come.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);
/// Events that a slow reader may fall behind by.
const EVENTS_KEPT: usize = 1024;

/// Begins the backups that schedules ask for, on an orchestrator.
///
/// Any number of schedulers may work on one catalog. A schedule that names a host ([`ScheduleRecord::host`]) is that host's
/// alone, its alarms too.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use stillpoint_core::*;
/// use stillpoint_core::memory::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # let provider = Arc::new(MemoryProvider::new("memory".parse()?));
/// # provider.write("/home/ada", "notes.txt", b"first");
/// # let home = Component::new("home".parse()?, "directory", "memory".parse()?, "/home/ada");
/// # let workspace = MemoryWorkspace::new(Definition::new("ada".parse()?), vec![home]);
/// # let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
/// let catalog = Arc::new(MemoryCatalog::new());
/// let orchestrator = LocalOrchestrator::builder(catalog.clone())
///     .provider(provider)
///     .workspace(Arc::new(workspace))
///     .build();
/// let scheduler = Scheduler::new(Arc::new(orchestrator), catalog.clone(), clock.clone());
///
/// // The placeholder's id is replaced in each run.
/// let request = BackupRequest::new("each-run".parse()?, "ada".parse()?);
/// let schedule = Schedule::new(Cadence::every(Duration::from_secs(12 * 3600))?);
/// // It holds since half a day and a minute ago, so a run is due now.
/// let since = Timestamp::from_millis(clock.now().as_millis() - 43_260_000);
/// catalog.put_schedule(&ScheduleRecord::new("ada".parse()?, schedule, request, since), None).await?;
///
/// assert_eq!(scheduler.tick().await?.submitted.len(), 1);
/// assert!(scheduler.tick().await?.submitted.is_empty(), "a run is begun once");
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Scheduler {
    orchestrator: Arc<dyn Orchestrator>,
    catalog: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
    events: broadcast::Sender<ScheduleEvent>,
    /// When all schedules were last looked at, in elapsed time.
    swept: Mutex<Option<Duration>>,
}

/// What one look at the schedules came to.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Tick {
    /// The operations that were submitted.
    pub submitted: Vec<OperationId>,
    /// Schedules that could not be looked at; they are at the next tick.
    pub failed: Vec<(ScheduleId, ErrorRecord)>,
    /// Schedules that somebody else dealt with at the same time.
    pub taken: usize,
    /// Schedules that cannot be read. They begin no runs until a person mends or replaces them, and keep no other one from
    /// its own.
    pub damaged: Vec<DamagedRow>,
}

impl Scheduler {
    /// A scheduler that submits to `orchestrator` what the schedules in `catalog` ask for, by the time of `clock`.
    pub fn new(
        orchestrator: Arc<dyn Orchestrator>,
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            orchestrator,
            catalog,
            clock,
            events: broadcast::Sender::new(EVENTS_KEPT),
            swept: Mutex::default(),
        }
    }

    /// What happens from now on. A reader that is too slow loses the oldest events; the records in the catalog always
    /// hold the whole state.
    pub fn events(&self) -> BoxStream<'static, ScheduleEvent> {
        stream::unfold(self.events.subscribe(), |mut receiver| async move {
            loop {
                match receiver.recv().await {
                    Ok(event) => return Some((event, receiver)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }

    /// Ticks until `stop` is raised. What a tick meets is logged, and the next one tries again.
    pub async fn run(&self, stop: &Cancellation) {
        while !stop.is_cancelled() {
            let pause = match self.tick().await {
                Ok(tick) if tick.failed.is_empty() => self.pause().await,
                Ok(_) => LOOK_EVERY,
                Err(error) => {
                    tracing::warn!(%error, "the schedules could not be read");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// How long nothing is due, as far as is known.
    async fn pause(&self) -> Duration {
        let now = self.clock.now();
        let soon = self.catalog.schedules(&ScheduleQuery::look_by(now.after(LOOK_EVERY))).await;
        let own =
            |stored: &StoredSchedule| stored.record.look_at.filter(|_| !self.is_elsewhere(&stored.record));
        let next = soon.ok().and_then(|soon| soon.items.iter().filter_map(own).min());
        next.map_or(LOOK_EVERY, |next| next.since(now)).max(Duration::from_millis(100))
    }

    /// Looks once at every schedule that is to be looked at.
    ///
    /// # Errors
    /// Whatever listing the schedules can meet; what one of them meets is in the answer.
    pub async fn tick(&self) -> Result<Tick> {
        let now = self.clock.now();
        let mut tick = Tick::default();
        let sweeps = self.is_to_sweep();
        // When a schedule is to be looked at again was noted by a clock, which may have been ahead.
        let mut query = if sweeps { ScheduleQuery::all() } else { ScheduleQuery::look_by(now) };
        loop {
            let page = self.catalog.schedules(&query).await?;
            for row in page.damaged {
                tracing::error!(schedule = %row.id, error = %row.error, "a schedule cannot be read; it begins no runs");
                tick.damaged.push(row);
            }
            for stored in page.items {
                if self.is_elsewhere(&stored.record) || sweeps && !is_to_look_at(&stored.record, now) {
                    continue;
                }
                let id = stored.record.id.clone();
                if let Err(error) = self.look(stored, now, &mut tick).await {
                    tracing::warn!(schedule = %id, %error, "a schedule could not be looked at");
                    tick.failed.push((id, error.record()));
                }
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        if sweeps {
            *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.clock.elapsed());
        }
        Ok(tick)
    }

    /// Whether its runs are another host's to begin.
    fn is_elsewhere(&self, record: &ScheduleRecord) -> bool {
        let here = self.orchestrator.host();
        record.host.as_deref().is_some_and(|host| here.is_some_and(|here| here != host))
    }

    fn is_to_sweep(&self) -> bool {
        let swept = *self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        swept.is_none_or(|swept| self.clock.elapsed().saturating_sub(swept) >= SWEEP_EVERY)
    }

    async fn look(&self, stored: StoredSchedule, now: Timestamp, tick: &mut Tick) -> Result<()> {
        let mut record = stored.record;
        let mut told = Vec::new();
        let workspace = record.workspace().clone();
        if counts_ahead(&record, now) {
            let from = std::mem::replace(&mut record.anchor, now);
            told.push(ScheduleEventKind::Alarm { alarm: Alarm::CountedAhead { from } });
        }
        forget_what_is_ahead(&mut record, now);
        let next = next(&record, now)?;
        note_missed(&mut record, &next, &mut told);
        let mut again = None;
        if let Some(due) = next.due.filter(|due| due.at <= now) {
            again = self.begin(&mut record, due, now, &mut told, tick).await;
        }
        let stale = self.watch_age(&mut record, now, &mut told).await?;
        let due = self::next(&record, now)?.due.map(|due| due.at);
        record.look_at = again.or(due).into_iter().chain(stale).min();
        match self.catalog.put_schedule(&record, Some(stored.revision)).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Conflict => {
                tick.taken += 1;
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        for kind in told {
            let event =
                ScheduleEvent { schedule: record.id.clone(), workspace: workspace.clone(), at: now, kind };
            log(&event);
            // Nobody listening is not a failure.
            let _unheard = self.events.send(event).is_err();
        }
        Ok(())
    }

    /// Submits a run. Answers when to try again, where it is not begun.
    async fn begin(
        &self,
        record: &mut ScheduleRecord,
        due: Due,
        now: Timestamp,
        told: &mut Vec<ScheduleEventKind>,
        tick: &mut Tick,
    ) -> Option<Timestamp> {
        let nominal = due.nominal;
        let mut submitted = self.submit(record, nominal).await;
        // A clock that was ahead made this run long before its time, so it is made once more, under a name of its own.
        if submitted.as_ref().is_ok_and(|status| was_made_ahead(&status.operation, now)) {
            submitted = self.submit(record, nominal.after(Duration::from_millis(1))).await;
        }
        let error = match submitted {
            Ok(status) => {
                let operation = status.operation.id;
                (record.anchor, record.waiting) = (due.anchor, None);
                record.last = Some(ScheduledRun::new(nominal, now, operation.clone()));
                told.push(ScheduleEventKind::Submitted { nominal, operation: operation.clone() });
                tick.submitted.push(operation);
                return None;
            }
            Err(error) => error,
        };
        let reason = error.record();
        if error.kind() != ErrorKind::Busy {
            told.push(ScheduleEventKind::Failed { nominal, error: reason });
            return Some(now.after(FAILED_EVERY));
        }
        if record.schedule.overlap == Overlap::Skip {
            (record.anchor, record.waiting) = (due.anchor, None);
            told.push(ScheduleEventKind::Skipped { nominal, reason });
            return None;
        }
        if record.schedule.overlap == Overlap::Replace {
            self.replace(error.context("operation")).await;
        }
        if record.waiting != Some(nominal) {
            record.waiting = Some(nominal);
            told.push(ScheduleEventKind::Waiting { nominal, reason });
        }
        Some(now.after(WAIT_EVERY))
    }

    async fn submit(&self, record: &ScheduleRecord, nominal: Timestamp) -> Result<OperationStatus> {
        let mut request = record.request.clone();
        request.id = record.operation(nominal);
        // What happens beside another operation is for the schedule's own policy to say.
        request.when_busy = WhenBusy::Refuse;
        self.orchestrator.submit(Request::Backup(request)).await
    }

    /// Asks the backup that has the workspace to stop.
    async fn replace(&self, operation: Option<&str>) {
        let Some(id) = operation.and_then(|id| OperationId::new(id).ok()) else { return };
        let asked = match self.orchestrator.status(&id).await {
            Ok(status) if matches!(status.operation.request, Request::Backup(_)) => {
                self.orchestrator.cancel(&id).await
            }
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = asked {
            tracing::warn!(operation = %id, %error, "the backup that is in the way could not be asked to stop");
        }
    }

    /// Raises or ends the alarm of age. Answers when to look at the age again.
    async fn watch_age(
        &self,
        record: &mut ScheduleRecord,
        now: Timestamp,
        told: &mut Vec<ScheduleEventKind>,
    ) -> Result<Option<Timestamp>> {
        let Some(limit) = record.schedule.alarm_after else {
            record.stale_since = None;
            return Ok(None);
        };
        // One from a time that has not come yet was begun by a wrong clock, and says nothing of how old the newest is.
        let by = now.after(SKEW_MAX);
        let good = self.catalog.latest_good_before(record.workspace(), by).await?;
        let last_good = good.map(|backup| backup.created_at);
        let until = last_good.unwrap_or(record.created_at).after(limit);
        if now < until {
            if record.stale_since.take().is_some() {
                told.push(ScheduleEventKind::Fresh);
            }
            return Ok(Some(until));
        }
        if record.stale_since.is_none() {
            record.stale_since = Some(now);
            told.push(ScheduleEventKind::Alarm { alarm: Alarm::Stale { last_good, limit } });
        }
        Ok(Some(now.after(STALE_EVERY)))
    }
}

/// Whoever runs a service reads its log and listens to no events.
fn log(event: &ScheduleEvent) {
    let ScheduleEvent { schedule, workspace, kind, .. } = event;
    match kind {
        ScheduleEventKind::Skipped { .. }
        | ScheduleEventKind::Failed { .. }
        | ScheduleEventKind::Alarm { .. } => {
            tracing::warn!(%schedule, %workspace, ?kind, "a schedule did not go as it should");
        }
        kind => tracing::info!(%schedule, %workspace, ?kind, "schedule"),
    }
}

/// Whether an operation has ended that began at a time which has not come yet.
fn was_made_ahead(operation: &OperationRecord, now: Timestamp) -> bool {
    operation.state.is_terminal() && operation.started_at > now.after(SKEW_MAX)
}

/// Whether the next run counts from a time that has not come yet.
fn counts_ahead(record: &ScheduleRecord, now: Timestamp) -> bool {
    record.anchor > now.after(SKEW_MAX)
}

/// Whether a sweep finds something to do: also where a clock that was ahead noted a later time for it.
fn is_to_look_at(record: &ScheduleRecord, now: Timestamp) -> bool {
    let is_due = || next(record, now).is_ok_and(|next| next.due.is_some_and(|due| due.at <= now));
    record.look_at.is_some_and(|at| at <= now) || counts_ahead(record, now) || is_due()
}

/// Forgets what a clock noted that was ahead: missed runs up to a time that has not come yet would keep those from being
/// told that are missed until then, and so would a run that waits since then.
fn forget_what_is_ahead(record: &mut ScheduleRecord, now: Timestamp) {
    let by = now.after(SKEW_MAX);
    record.missed_until = record.missed_until.filter(|until| *until <= by);
    record.waiting = record.waiting.filter(|nominal| *nominal <= by);
    record.stale_since = record.stale_since.map(|since| since.min(now));
}

/// What is due next. A run that waits for its workspace is caught up with however long that takes: somebody was there to
/// begin it, so it is not one that was missed.
fn next(record: &ScheduleRecord, now: Timestamp) -> Result<Next> {
    let mut schedule = record.schedule.clone();
    if record.waiting.is_some() {
        schedule.when_missed = WhenMissed::RunOnce;
    }
    next_run(&schedule, record.workspace(), record.anchor, now)
}

/// Notes runs that were missed, each once.
fn note_missed(record: &mut ScheduleRecord, next: &Next, told: &mut Vec<ScheduleEventKind>) {
    let Some(missed) = next.missed else { return };
    // A run that waits for its workspace was not missed: somebody was there.
    let waits = record.waiting.is_some_and(|waiting| missed.first <= waiting);
    if waits || record.missed_until.is_some_and(|until| missed.last <= until) {
        return;
    }
    record.missed_until = Some(missed.last);
    record.missed_runs = record.missed_runs.saturating_add(missed.runs.into());
    told.push(ScheduleEventKind::Alarm { alarm: Alarm::MissedRuns { missed } });
}
