//! Beginning the runs that are due.

use std::sync::Arc;

use futures::StreamExt;
use serde_json::json;
use stillpoint_core::{
    Alarm, Cancellation, Catalog, Clock, LocalOrchestrator, Orchestrator, Recovery, Result, ScheduleEvent,
    ScheduleEventKind, Scheduler, SystemClock,
};

use super::super::configured::directories;
use super::super::drive::{leave, part, to_its_end};
use super::super::resume::report;
use crate::args::RunSchedulesArgs;
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::{Files, Needs, Session};
use crate::settings::ConfiguredWorkspace;
use crate::signals::Interrupts;

/// Takes over what an earlier process left, then begins what is due: once, or until it is stopped. Whatever is under way
/// at an interrupt is left to `resume` and to the next one that runs schedules, with nothing held still.
pub(super) async fn run(session: &Session, args: &RunSchedulesArgs) -> Outcome {
    let catalog = session.catalog().await?;
    session.let_go_of_what_is_left(catalog.as_ref()).await?;
    let needs = needs(session, catalog.as_ref()).await?;
    let workspaces = directories(session, catalog.as_ref()).await?;
    let orchestrator = session.orchestrator(&catalog, &needs, Files::MadeWhenMissing, workspaces).await?;
    let orchestrator = Arc::new(orchestrator);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let shared = Arc::clone(&orchestrator) as Arc<dyn Orchestrator>;
    let recovery = Recovery::new(Arc::clone(&shared), Arc::clone(&clock));
    let scheduler = Scheduler::new(shared, catalog, clock);
    let mut interrupts = Interrupts::listen();
    let mut events = scheduler.events();
    let told = async {
        while let Some(event) = events.next().await {
            tell(&session.output, &event);
        }
    };
    if args.once {
        let work = once(session, &orchestrator, &scheduler);
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = told => Ok(Exit::Failed),
            () = interrupts.next() => leave(&session.output, &orchestrator, &mut interrupts).await,
        };
        part(&session.output, &orchestrator).await;
        return outcome;
    }
    orchestrator.recover().await?;
    let stop = Cancellation::default();
    tokio::select! {
        () = scheduler.run(&stop) => {}
        () = recovery.run(&stop) => {}
        () = told => {}
        () = interrupts.next() => session.output.note("stopped; what is under way is left to `stillpoint resume`"),
    }
    tokio::select! {
        () = part(&session.output, &orchestrator) => {}
        () = interrupts.next() => interrupts.end_at_once(&session.output),
    }
    if session.output.is_json() {
        session.output.document(&json!({ "state": "stopped" }))?;
    }
    Ok(Exit::Interrupted)
}

async fn once(session: &Session, orchestrator: &LocalOrchestrator, scheduler: &Scheduler) -> Outcome {
    let recovered = orchestrator.recover().await?;
    let tick = scheduler.tick().await?;
    let mut ended = Vec::new();
    for id in recovered.iter().chain(&tick.submitted) {
        ended.push(to_its_end(orchestrator, id).await?);
    }
    for (schedule, error) in &tick.failed {
        session.output.note(format_args!("schedule {schedule} could not be looked at: {error}"));
    }
    session.output.note_damaged("schedule", &tick.damaged);
    let exit = report(session, &ended, "nothing is due")?;
    Ok(if tick.failed.is_empty() { exit } else { Exit::Failed })
}

/// What the workspaces of all schedules need together, and whatever else is configured: a schedule may be set while this runs.
async fn needs(session: &Session, catalog: &dyn Catalog) -> Result<Needs> {
    let mut needs = Needs::default();
    for config in session.settings.config.all_managed() {
        needs = needs.and(Needs::of_managed(config));
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
        ScheduleEventKind::Alarm { alarm } => format!("ALARM {alarm:?}"),
        ScheduleEventKind::Fresh => "there is a good backup again".to_owned(),
        other => format!("{other:?}"),
    };
    output.note(format_args!("schedule {} of {}: {what}", event.schedule, event.workspace));
}
