//! Beginning the runs that are due.

use std::sync::Arc;

use futures::{FutureExt, StreamExt};
use serde_json::json;
use stillpoint_core::{
    Alarm, Cancellation, Catalog, Clock, Error, ErrorKind, LocalOrchestrator, OperationId, Orchestrator,
    Recovery, Result, ScheduleEvent, ScheduleEventKind, Scheduler, SystemClock,
};
use stillpoint_server::text::Span;

use super::super::configured::directories;
use super::super::drive::{leave, part};
use super::super::resume::{Ended, report};
use crate::args::RunSchedulesArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::session::{Files, Needs, Session};
use crate::settings::ConfiguredWorkspace;
use crate::signals::Interrupts;

/// Takes over what an earlier process left, then begins what is due: once, or until it is stopped. Whatever is under way
/// at an interrupt is left to `resume` and to the next one that runs schedules, with nothing held still.
pub(super) async fn run(session: &Session, args: &RunSchedulesArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let mut ended = Ended::default();
    if let Err(error) = session.let_go_of_what_is_left(&catalog).await {
        ended.fail(&session.output, error);
    }
    let orchestrator = Arc::new(orchestrator(session, &catalog).await?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let shared = Arc::clone(&orchestrator) as Arc<dyn Orchestrator>;
    let recovery = Recovery::new(Arc::clone(&shared), Arc::clone(&clock));
    let trimming = session.trimming(&catalog);
    let scheduler = Scheduler::new(shared, Arc::clone(&catalog), clock);
    if args.once {
        session.trim(&catalog).await;
        return once(session, &orchestrator, &scheduler, ended).await;
    }
    let mut interrupts = Interrupts::listen();
    let mut events = scheduler.events();
    let told = async {
        while let Some(event) = events.next().await {
            tell(&session.output, &event);
        }
    };
    orchestrator.recover().await?;
    let stop = Cancellation::default();
    tokio::select! {
        () = scheduler.run(&stop) => {}
        () = recovery.run(&stop) => {}
        () = trimming.run(&stop) => {}
        () = told => {}
        () = interrupts.next() => session.output.note("stopped; what is under way is left to `stillpoint resume`"),
    }
    // From here on an interrupt ends the process at once.
    drop(interrupts);
    part(&session.output, &orchestrator).await;
    if session.output.is_json() {
        session.output.document(&json!({ "state": "stopped" }))?;
    }
    Ok(Exit::Interrupted)
}

async fn once(
    session: &Session,
    orchestrator: &LocalOrchestrator,
    scheduler: &Scheduler,
    mut ended: Ended,
) -> Outcome {
    let mut interrupts = Interrupts::listen();
    let work = async {
        let taken = orchestrator.recover().await.unwrap_or_else(|error| {
            ended.fail(&session.output, error);
            Vec::new()
        });
        let begun = look(session, scheduler, &mut ended).await?;
        ended.follow(&session.output, orchestrator, taken.iter().chain(&begun)).await;
        Ok::<(), Error>(())
    };
    let done = tokio::select! {
        done = work => done,
        () = interrupts.next() => leave(&session.output, orchestrator, &mut interrupts, false).await,
    };
    // From here on an interrupt ends the process at once.
    drop(interrupts);
    part(&session.output, orchestrator).await;
    if let Err(error) = done {
        ended.fail(&session.output, error);
    }
    report(session, &ended, "nothing is due")
}

/// Looks at every schedule once, says what happened, and answers the operations that were begun.
async fn look(session: &Session, scheduler: &Scheduler, ended: &mut Ended) -> Result<Vec<OperationId>> {
    let mut events = scheduler.events();
    let tick = scheduler.tick().await;
    // Everything that this look came to was told before it ended; more comes only with the next one.
    while let Some(Some(event)) = events.next().now_or_never() {
        tell(&session.output, &event);
        if let ScheduleEventKind::Failed { error, .. } = event.kind {
            ended.failure.get_or_insert(Failure::from(Error::from(error)));
        }
    }
    let tick = tick?;
    for (schedule, error) in tick.failed {
        session.output.note(format_args!("schedule {schedule} could not be looked at: {error}"));
        ended.failure.get_or_insert(Failure::from(Error::from(error)).with_exit(Exit::Failed));
    }
    session.output.note_damaged("schedule", &tick.damaged);
    if !tick.damaged.is_empty() {
        let message = "a schedule cannot be read and begins no runs; set it anew, or remove it";
        ended.fail(&session.output, Error::new(ErrorKind::Corrupt, message));
    }
    Ok(tick.submitted)
}

/// The orchestrator for everything that is configured and scheduled, and for directories that are scheduled while this runs:
/// where none is yet, a store that cannot be used is told, and nothing else waits for it.
async fn orchestrator(session: &Session, catalog: &Arc<dyn Catalog>) -> Result<LocalOrchestrator> {
    let needs = needs(session, catalog.as_ref()).await?;
    let workspaces = directories(session, catalog.as_ref()).await?;
    let all = needs.clone().and(Needs::files());
    let made =
        session.orchestrator_of_what_answers(catalog, &all, Files::MadeWhenMissing, workspaces).await?;
    for error in made.lacking {
        if !made.has.cover(&needs) {
            return Err(error);
        }
        session.output.note(format_args!(
            "warning: no directory can be backed up until this is started again: {}",
            error.to_string_chain()
        ));
    }
    Ok(made.orchestrator)
}

/// What the workspaces of all schedules and of the configuration need together.
async fn needs(session: &Session, catalog: &dyn Catalog) -> Result<Needs> {
    let mut needs = Needs::default();
    for configured in session.settings.config.all() {
        needs = needs.and(match configured {
            ConfiguredWorkspace::Managed(managed) => Needs::of_managed(managed),
            ConfiguredWorkspace::Directory(_) => Needs::files(),
            ConfiguredWorkspace::Unread { .. } => Needs::default(),
        });
    }
    for stored in super::all(session, catalog).await? {
        let id = stored.record.workspace().as_str();
        if !matches!(session.settings.config.workspace(id), Some(ConfiguredWorkspace::Managed(_))) {
            needs = needs.and(Needs::files());
        }
    }
    Ok(needs)
}

fn tell(output: &Output, event: &ScheduleEvent) {
    let what = match &event.kind {
        ScheduleEventKind::Submitted { nominal, operation } => {
            format!("the run of {nominal} begins as operation {operation}")
        }
        ScheduleEventKind::Waiting { nominal, reason } => format!("the run of {nominal} waits: {reason}"),
        ScheduleEventKind::Skipped { nominal, reason } => {
            format!("the run of {nominal} is left out: {reason}")
        }
        ScheduleEventKind::Failed { nominal, error } => {
            format!("the run of {nominal} could not begin and is tried again: {error}")
        }
        ScheduleEventKind::Alarm { alarm: Alarm::CountedAhead { from } } => {
            format!("its next run counted from {from}, by a clock that was ahead; it counts from now on")
        }
        ScheduleEventKind::Alarm { alarm: Alarm::MissedRuns { missed } } => {
            format!("ALARM {} runs were missed, from {} to {}", missed.runs, missed.first, missed.last)
        }
        ScheduleEventKind::Alarm { alarm: Alarm::Stale { last_good, limit } } => {
            let last =
                last_good.map_or_else(|| "there is none".to_owned(), |at| format!("the last is of {at}"));
            format!("ALARM no good backup is younger than {}: {last}", Span(*limit))
        }
        ScheduleEventKind::Alarm { alarm } => format!("ALARM {alarm:?}"),
        ScheduleEventKind::Fresh => "there is a good backup again".to_owned(),
        other => format!("{other:?}"),
    };
    output.note(format_args!("schedule {} of {}: {what}", event.schedule, event.workspace));
}
