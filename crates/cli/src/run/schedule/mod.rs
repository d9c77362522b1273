//! `stillpoint schedule`.

mod runs;
mod set;

use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use stillpoint_core::{
    Blackout, Cadence, Catalog, Clock, Error, ErrorKind, Result, ScheduleId, ScheduleQuery, ScheduleRecord,
    StoredSchedule, SystemClock, Timestamp, next_run,
};
use stillpoint_server::text::Span;

use crate::args::{ScheduleArgs, ScheduleCommand};
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::Session;

/// How often a change is made again because somebody else changed the schedule at the same time.
const CHANGES_MAX: usize = 8;

pub(super) async fn run(session: &Session, args: &ScheduleArgs) -> Outcome {
    match &args.command {
        ScheduleCommand::Set(args) => set::run(session, args).await,
        ScheduleCommand::List => list(session).await,
        ScheduleCommand::Pause(named) => {
            change(session, &named.name, "is paused", ScheduleRecord::pause).await
        }
        ScheduleCommand::Unpause(named) => {
            let now = SystemClock::default().now();
            change(session, &named.name, "goes on", |record| record.unpause(now)).await
        }
        ScheduleCommand::Remove(named) => remove(session, &named.name).await,
        ScheduleCommand::Run(args) => runs::run(session, args).await,
    }
}

/// One schedule as a document.
#[derive(Debug, Serialize)]
pub(crate) struct ScheduleItem {
    id: ScheduleId,
    workspace: String,
    cadence: Option<Cadence>,
    zone: String,
    blackouts: Vec<Blackout>,
    paused: bool,
    next_run: Option<Timestamp>,
    waiting_since: Option<Timestamp>,
    last_run: Option<Timestamp>,
    last_operation_id: Option<String>,
    missed_runs: u64,
    stale_since: Option<Timestamp>,
}

impl ScheduleItem {
    fn new(record: &ScheduleRecord, now: Timestamp) -> Self {
        let next = next_run(&record.schedule, record.workspace(), record.anchor, now);
        Self {
            id: record.id.clone(),
            workspace: record.workspace().to_string(),
            cadence: Some(record.schedule.cadence.clone()),
            zone: record.schedule.zone.clone(),
            blackouts: record.schedule.blackouts.clone(),
            paused: record.schedule.paused,
            next_run: next.ok().and_then(|next| next.due).map(|due| due.at),
            waiting_since: record.waiting,
            last_run: record.last.as_ref().map(|run| run.submitted_at),
            last_operation_id: record.last.as_ref().map(|run| run.operation.to_string()),
            missed_runs: record.missed_runs,
            stale_since: record.stale_since,
        }
    }

    /// A schedule as a server answers it, which tells the nominal time of the last run and nobody's wait.
    pub(crate) fn of(item: &stillpoint_server::document::ScheduleItem) -> Self {
        let every = item.every_seconds.and_then(|every| Cadence::every(Duration::from_secs(every)).ok());
        let cron = item.cron.as_deref().and_then(|expression| Cadence::cron(expression).ok());
        Self {
            id: item.id.clone(),
            workspace: item.workspace.to_string(),
            cadence: every.or(cron),
            zone: item.zone.clone(),
            blackouts: item.blackouts.clone(),
            paused: item.paused,
            next_run: item.next_run,
            waiting_since: None,
            last_run: item.last_run,
            last_operation_id: item.last_operation.clone(),
            missed_runs: item.missed_runs,
            stale_since: item.stale_since,
        }
    }

    fn line(&self) -> String {
        let cadence = match &self.cadence {
            Some(Cadence::Interval { every }) => format!("every {}", Span(*every)),
            Some(Cadence::Cron { expression }) => format!("{expression} ({})", self.zone),
            other => format!("{other:?}"),
        };
        let next = match (self.paused, self.next_run) {
            (true, _) => "paused".to_owned(),
            (_, Some(at)) => format!("next {at}"),
            (_, None) => "no run is due any more".to_owned(),
        };
        let mut line = format!("{}  {}  {cadence}  {next}", self.id, self.workspace);
        if self.missed_runs > 0 {
            line.push_str(&format!("  {} missed", self.missed_runs));
        }
        if let Some(since) = self.stale_since {
            line.push_str(&format!("  no good backup since {since}"));
        }
        line
    }
}

async fn list(session: &Session) -> Outcome {
    let schedules = all(session, session.catalog().await?.as_ref()).await?;
    let now = SystemClock::default().now();
    let items: Vec<_> = schedules.iter().map(|stored| ScheduleItem::new(&stored.record, now)).collect();
    list_all(&session.output, &items)
}

/// Shows all schedules.
pub(crate) fn list_all(output: &Output, items: &[ScheduleItem]) -> Outcome {
    if output.is_json() {
        output.document(&json!({ "schedules": items }))?;
        return Ok(Exit::Done);
    }
    items.iter().try_for_each(|item| output.line(item.line()))?;
    if items.is_empty() {
        output.line("there is no schedule yet; `stillpoint schedule set NAME …` makes one")?;
    }
    Ok(Exit::Done)
}

/// All schedules that can be read; the others are named.
async fn all(session: &Session, catalog: &dyn Catalog) -> Result<Vec<StoredSchedule>> {
    let (mut found, mut query) = (Vec::new(), ScheduleQuery::all());
    loop {
        let page = catalog.schedules(&query).await?;
        session.output.note_damaged("schedule", &page.damaged);
        found.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// The schedule of this name.
///
/// # Errors
/// `NotFound` where there is none.
async fn named(catalog: &dyn Catalog, name: &str) -> Result<StoredSchedule> {
    let missing = || {
        let message = format!("there is no schedule {name:?}; `stillpoint schedule list` names all");
        Error::new(ErrorKind::NotFound, message)
    };
    catalog.schedule(&ScheduleId::new(name)?).await?.ok_or_else(missing)
}

/// Changes a schedule, once more where somebody else did at the same time.
async fn change(
    session: &Session,
    name: &str,
    done: &str,
    change: impl Fn(&mut ScheduleRecord) + Send + Sync,
) -> Outcome {
    let catalog = session.catalog().await?;
    let mut tries = 0;
    let record = loop {
        let mut stored = named(catalog.as_ref(), name).await?;
        change(&mut stored.record);
        tries += 1;
        match catalog.put_schedule(&stored.record, Some(stored.revision)).await {
            Err(error) if error.kind() == ErrorKind::Conflict && tries < CHANGES_MAX => {}
            written => {
                written?;
                break stored.record;
            }
        }
    };
    tell_record(session, &record, done)
}

fn tell_record(session: &Session, record: &ScheduleRecord, done: &str) -> Outcome {
    tell(&session.output, &ScheduleItem::new(record, SystemClock::default().now()), done)
}

/// Says what was done to a schedule.
pub(crate) fn tell(output: &Output, item: &ScheduleItem, done: &str) -> Outcome {
    if output.is_json() {
        output.document(&json!({ "schedule": item }))?;
    } else {
        output.line(format_args!("schedule {} {done}", item.id))?;
        output.line(format_args!("  {}", item.line()))?;
    }
    Ok(Exit::Done)
}

/// Says that a schedule is removed.
pub(crate) fn removed(output: &Output, name: &str) -> Outcome {
    match output.is_json() {
        true => output.document(&json!({ "removed": name }))?,
        false => output.line(format_args!("schedule {name} is removed; its backups stay"))?,
    }
    Ok(Exit::Done)
}

async fn remove(session: &Session, name: &str) -> Outcome {
    let catalog = session.catalog().await?;
    let stored = named(catalog.as_ref(), name).await?;
    catalog.remove_schedule(&stored.record.id).await?;
    removed(&session.output, name)
}
