//! The page on which a workspace's schedule is edited. It edits the first one; others are the API's business.

use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Form as Posted, Router};
use stillpoint_core::{
    Cadence, Error, ErrorKind, OperationId, Overlap, Result, Revision, ScheduleId, ScheduleQuery,
    StoredSchedule, Timestamp, WhenMissed, WorkspaceId, next_run,
};

use super::desk::{Desk, Fields, Page};
use super::view::part;
use super::view::schedule::{self, Form};
use super::view::shell::Section;
use crate::access::Role;
use crate::act::{BackupOrder, ScheduleOrder};
use crate::plane::ControlPlane;

/// Runs that the preview shows.
const RUNS: usize = 8;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub(super) fn router() -> Router<ControlPlane> {
    Router::new()
        .route("/workspaces/{id}/schedule", get(show).post(save))
        .route("/workspaces/{id}/schedule/remove", post(remove))
}

async fn show(desk: Desk, Path(id): Path<String>, Query(fields): Query<Vec<(String, String)>>) -> Response {
    let page = page(&desk, &id, &Fields(fields)).await;
    desk.show(page).await
}

async fn page(desk: &Desk, id: &str, fields: &Fields) -> Result<Page> {
    desk.caller().require(Role::Administrator)?;
    let id = WorkspaceId::new(id)?;
    desk.plane.known_workspace(desk.caller(), &id).await?;
    let stored = stored(desk, &id).await?;
    let typed = fields.text("cadence").is_some();
    let form = match &stored {
        Some(stored) if !typed => read(stored),
        _ => form(fields),
    };
    let runs = (typed || stored.is_some())
        .then(|| runs(desk, &id, &form, stored.as_ref()).map_err(|error| error.to_string()));
    let view = schedule::View {
        workspace: &id,
        form: &form,
        exists: stored.is_some(),
        schedule: match &stored {
            Some(stored) => stored.record.id.to_string(),
            None => OperationId::generate(desk.plane.entropy()).to_string(),
        },
        revision: stored.as_ref().map(|stored| stored.revision.0.to_string()).unwrap_or_default(),
        preview: runs.as_ref().map(|runs| runs.as_deref().map_err(String::as_str)),
        now: desk.plane.clock().now(),
    };
    let main = schedule::render(&desk.shell().await?, &view);
    Ok(Page { section: Section::Workspaces, title: format!("Schedule of {id}"), main })
}

async fn stored(desk: &Desk, id: &WorkspaceId) -> Result<Option<StoredSchedule>> {
    let mut query = ScheduleQuery::all();
    query.workspace = Some(id.clone());
    query.limit = 1;
    Ok(desk.plane.catalog().schedules(&query).await?.items.into_iter().next())
}

/// The next runs that would follow, from now on.
fn runs(
    desk: &Desk,
    id: &WorkspaceId,
    form: &Form,
    stored: Option<&StoredSchedule>,
) -> Result<Vec<Timestamp>> {
    let mut order = order(id, form)?;
    if let Some(stored) = stored {
        leave_untouched(&mut order, form, stored);
    }
    let mut schedule = order.schedule()?;
    schedule.paused = form.paused;
    let mut anchor = desk.plane.clock().now();
    let mut runs = Vec::new();
    while runs.len() < RUNS {
        let Some(due) = next_run(&schedule, id, anchor, anchor)?.due else { break };
        runs.push(due.at);
        anchor = due.anchor;
    }
    Ok(runs)
}

fn form(fields: &Fields) -> Form {
    let text = |name: &str| fields.get(name).to_owned();
    Form {
        cadence: text("cadence"),
        hours: text("hours"),
        cron: text("cron"),
        zone: text("zone"),
        jitter_minutes: text("jitter_minutes"),
        grace_minutes: text("grace_minutes"),
        when_missed: text("when_missed"),
        overlap: text("overlap"),
        alarm_hours: text("alarm_hours"),
        keep_days: text("keep_days"),
        paused: !fields.get("paused").is_empty(),
    }
}

/// A stored schedule as the form shows it.
fn read(stored: &StoredSchedule) -> Form {
    let (schedule, request) = (&stored.record.schedule, &stored.record.request);
    let part = |span: std::time::Duration, unit: u64| (span.as_secs() / unit).to_string();
    let (cadence, hours, cron) = match &schedule.cadence {
        Cadence::Cron { expression } => ("cron", String::new(), expression.clone()),
        Cadence::Interval { every } => ("interval", part(*every, HOUR), String::new()),
        _ => ("", String::new(), String::new()),
    };
    Form {
        cadence: cadence.into(),
        hours,
        cron,
        zone: schedule.zone.clone(),
        jitter_minutes: part(schedule.jitter, MINUTE),
        grace_minutes: part(schedule.grace, MINUTE),
        when_missed: if schedule.when_missed == WhenMissed::Skip { "skip" } else { "run_once" }.into(),
        overlap: match schedule.overlap {
            Overlap::Queue => "queue",
            Overlap::Replace => "replace",
            _ => "skip",
        }
        .into(),
        alarm_hours: schedule.alarm_after.map(|span| part(span, HOUR)).unwrap_or_default(),
        keep_days: request.retain.map(|span| part(span, DAY)).unwrap_or_default(),
        paused: schedule.paused,
    }
}

fn order(id: &WorkspaceId, form: &Form) -> Result<ScheduleOrder> {
    let number = |name: &str, text: &str| Fields(vec![(name.to_owned(), text.to_owned())]).number(name);
    let times = |name: &str, text: &str, unit: u64| {
        Ok::<_, Error>(number(name, text)?.map(|count| count.saturating_mul(unit)))
    };
    let cron = form.cadence == "cron";
    Ok(ScheduleOrder {
        workspace: id.clone(),
        every_seconds: if cron {
            None
        } else {
            Some(times("hours", &form.hours, HOUR)?.unwrap_or(12 * HOUR))
        },
        cron: cron.then(|| form.cron.clone()),
        zone: Some(form.zone.clone()).filter(|zone| !zone.is_empty()),
        jitter_seconds: times("jitter_minutes", &form.jitter_minutes, MINUTE)?.unwrap_or(0),
        grace_seconds: times("grace_minutes", &form.grace_minutes, MINUTE)?,
        when_missed: Some(if form.when_missed == "skip" { WhenMissed::Skip } else { WhenMissed::RunOnce }),
        overlap: Some(match form.overlap.as_str() {
            "queue" => Overlap::Queue,
            "replace" => Overlap::Replace,
            _ => Overlap::Skip,
        }),
        blackouts: None,
        paused: Some(form.paused),
        alarm_after_seconds: times("alarm_hours", &form.alarm_hours, HOUR)?,
        backup: BackupOrder {
            retain_seconds: times("keep_days", &form.keep_days, DAY)?,
            ..BackupOrder::default()
        },
    })
}

/// What the form does not show, and what it shows in coarser units and nobody altered, stays as it is.
fn leave_untouched(order: &mut ScheduleOrder, form: &Form, stored: &StoredSchedule) {
    let (schedule, request, shown) = (&stored.record.schedule, &stored.record.request, read(stored));
    let seconds = |span: Option<std::time::Duration>| span.map(|span| span.as_secs());
    if let Cadence::Interval { every } = &schedule.cadence
        && order.every_seconds.is_some()
        && form.hours == shown.hours
    {
        order.every_seconds = Some(every.as_secs());
    }
    if form.jitter_minutes == shown.jitter_minutes {
        order.jitter_seconds = schedule.jitter.as_secs();
    }
    if form.grace_minutes == shown.grace_minutes {
        order.grace_seconds = Some(schedule.grace.as_secs());
    }
    if form.alarm_hours == shown.alarm_hours {
        order.alarm_after_seconds = seconds(schedule.alarm_after);
    }
    if form.keep_days == shown.keep_days {
        order.backup.retain_seconds = seconds(request.retain);
    }
    order.backup.name.clone_from(&request.name);
    order.backup.timeout_seconds = seconds(request.timeout);
    order.backup.stall_timeout_seconds = seconds(request.stall_timeout);
    order.backup.hold_at_most_seconds = seconds(request.hold_at_most);
    order.backup.on_deadline = Some(request.on_deadline);
    order.backup.waivers.clone_from(&request.waivers);
    order.backup.when_busy = Some(request.when_busy);
}

async fn save(desk: Desk, Path(id): Path<String>, Posted(fields): Posted<Vec<(String, String)>>) -> Response {
    let done = save_it(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn save_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    desk.caller().require(Role::Administrator)?;
    let (workspace, form) = (WorkspaceId::new(id)?, form(fields));
    let mut order = order(&workspace, &form)?;
    // The id is the form's, so that the same form sent twice is one schedule, and none is changed that it did not show.
    let (schedule, known) = named(desk, &workspace, fields).await?;
    let expected = fields.number("revision")?.map(Revision);
    match (known, expected) {
        // Saved by the same form just now, which a browser sent twice.
        (Some(_), None) => return Ok(part::path(&["workspaces", id]) + "?said=scheduled"),
        (Some(known), Some(_)) => leave_untouched(&mut order, &form, &known),
        (None, Some(_)) => return Err(overtaken("the schedule was removed meanwhile")),
        (None, None) if stored(desk, &workspace).await?.is_some() => {
            return Err(overtaken("the workspace has a schedule by now"));
        }
        (None, None) => {}
    }
    desk.plane.put_schedule(desk.caller(), &schedule, &order, expected).await?;
    Ok(part::path(&["workspaces", id]) + "?said=scheduled")
}

/// The schedule that a form was about, where the workspace has it.
async fn named(
    desk: &Desk,
    workspace: &WorkspaceId,
    fields: &Fields,
) -> Result<(ScheduleId, Option<StoredSchedule>)> {
    let id = ScheduleId::new(fields.get("schedule"))?;
    let known = desk.plane.catalog().schedule(&id).await?;
    let known = known.filter(|known| known.record.workspace() == workspace);
    Ok((id, known))
}

fn overtaken(what: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("{what}; look at it again, then decide"))
}

async fn remove(
    desk: Desk,
    Path(id): Path<String>,
    Posted(fields): Posted<Vec<(String, String)>>,
) -> Response {
    let done = remove_it(&desk, &id, &Fields(fields)).await;
    desk.done(done)
}

async fn remove_it(desk: &Desk, id: &str, fields: &Fields) -> Result<String> {
    desk.prove(fields)?;
    desk.caller().require(Role::Administrator)?;
    let (schedule, known) = named(desk, &WorkspaceId::new(id)?, fields).await?;
    if let Some(known) = known {
        if fields.number("revision")? != Some(known.revision.0) {
            return Err(overtaken("the schedule was changed meanwhile"));
        }
        desk.plane.remove_schedule(desk.caller(), &schedule).await?;
    }
    Ok(part::path(&["workspaces", id]) + "?said=unscheduled")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stillpoint_core::{BackupRequest, OnDeadline, Schedule, ScheduleRecord};

    use super::*;

    #[test]
    fn a_schedule_that_is_saved_unaltered_stays_as_it_was_to_the_second() {
        let workspace: WorkspaceId = "ada".parse().unwrap();
        let mut schedule = Schedule::new(Cadence::every(Duration::from_secs(90 * 60)).unwrap());
        schedule.jitter = Duration::from_secs(90);
        schedule.grace = Duration::from_secs(200);
        schedule.alarm_after = Some(Duration::from_secs(5400));
        let mut request = BackupRequest::new("template".parse().unwrap(), workspace.clone());
        request.retain = Some(Duration::from_secs(12 * HOUR));
        request.timeout = Some(Duration::from_secs(61));
        request.on_deadline = OnDeadline::Cancel;
        request.waivers = vec!["clock".into()];
        let record =
            ScheduleRecord::new("nightly".parse().unwrap(), schedule, request, Timestamp::from_millis(0));
        let stored = StoredSchedule::new(record, Revision(1));

        let form = read(&stored);
        let mut order = order(&workspace, &form).unwrap();
        leave_untouched(&mut order, &form, &stored);
        assert_eq!(order.every_seconds, Some(5400));
        assert_eq!((order.jitter_seconds, order.grace_seconds), (90, Some(200)));
        assert_eq!((order.alarm_after_seconds, order.backup.retain_seconds), (Some(5400), Some(12 * HOUR)));
        assert_eq!(
            (order.backup.timeout_seconds, order.backup.on_deadline),
            (Some(61), Some(OnDeadline::Cancel))
        );
        assert_eq!(order.backup.waivers, ["clock"]);

        let altered = Form { keep_days: "2".into(), ..form };
        let mut order = super::order(&workspace, &altered).unwrap();
        leave_untouched(&mut order, &altered, &stored);
        assert_eq!(order.backup.retain_seconds, Some(2 * DAY));
    }
}
