//! The agent's loop: asks what is next, does it, notes how it went.

use std::fmt::Display;
use std::time::Duration;

use futures::FutureExt;
use stillpoint_core::{Clock, Error, ErrorKind, OperationState, Result, Retry, Timestamp, WorkspaceId};
use stillpoint_provider_s3sync::agent::{AgentAction, AgentState, next};

use super::document::{AgentDocument, RestoreItem};
use super::{Agent, lease, once};
use crate::args::BackupArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::run::backup;
use crate::signals::Interrupts;

/// The longest sleep at a stretch.
const NAP_MAX: Duration = Duration::from_secs(60);

/// Whether the loop goes on.
enum Turn {
    GoOn,
    Interrupted,
}

/// What the run has done so far.
#[derive(Default)]
struct Progress {
    document: AgentDocument,
    /// How the last thing that was done ended.
    exit: Option<Exit>,
    /// When it was last told that no backup has been good for too long.
    overdue_told: Option<Timestamp>,
}

/// How long to sleep before the clock is looked at again. The timer of a sleep stands still while the machine is suspended,
/// and knows nothing of a clock that is set.
fn nap(until: Timestamp, now: Timestamp) -> Duration {
    until.since(now).min(NAP_MAX)
}

pub(super) async fn run(mut agent: Agent<'_>) -> Outcome {
    // Listened to from the start to the end: what is sent between two waits must not be lost.
    let mut interrupts = Interrupts::listen();
    let started = agent.now();
    let mut progress = Progress::default();
    let mut state = AgentState::started(started, last_good(&agent).await, agent.wanted.is_some());
    progress.document.workspace = Some(agent.workspace());
    loop {
        if agent.args.once && state.is_start_over() {
            break;
        }
        let now = agent.now();
        if progress.overdue_told.is_none_or(|told| now.since(told) >= lease::ALARM_EVERY)
            && agent.tell_overdue(&state)
        {
            progress.overdue_told = Some(now);
        }
        let turn = match next(&agent.policy, &mut state, now) {
            AgentAction::Wait { until } => {
                tokio::select! {
                    () = agent.clock.sleep(nap(until, now)) => Turn::GoOn,
                    () = interrupts.next() => Turn::Interrupted,
                }
            }
            action => alone(&mut agent, action, &mut state, &mut progress, &mut interrupts).await,
        };
        if matches!(turn, Turn::Interrupted) || interrupts.next().now_or_never().is_some() {
            agent.tell("ends on request");
            progress.exit = Some(if agent.args.once { Exit::Interrupted } else { Exit::Done });
            break;
        }
    }
    if agent.session.output.is_json() {
        agent.session.output.document(&progress.document)?;
    }
    Ok(progress.exit.unwrap_or(Exit::Done))
}

/// Does one thing while no other agent works on the same workspace.
async fn alone(
    agent: &mut Agent<'_>,
    action: AgentAction,
    state: &mut AgentState,
    progress: &mut Progress,
    interrupts: &mut Interrupts,
) -> Turn {
    let kept = match lease::hold(agent, state, interrupts).await {
        Ok(Some(kept)) => kept,
        Ok(None) => return Turn::Interrupted,
        Err(error) => {
            let exit = Failure::from(error);
            agent.tell(format_args!("ALARM: the lease cannot be taken: {exit}"));
            return match action {
                AgentAction::Restore if !agent.args.once => {
                    state.restore_failed(agent.now());
                    Turn::GoOn
                }
                AgentAction::Restore => {
                    state.restore_given_up();
                    failed(agent, state, progress, exit.exit())
                }
                _ => failed(agent, state, progress, exit.exit()),
            };
        }
    };
    let turn = match action {
        // What is being opened is not waited for; an operation hears of an interrupt itself, and ends in order.
        AgentAction::Restore => tokio::select! {
            biased;
            turn = restore(agent, state, progress) => turn,
            () = interrupts.next_alone() => Turn::Interrupted,
        },
        AgentAction::BackUp => tokio::select! {
            biased;
            turn = back_up(agent, state, progress) => turn,
            () = interrupts.next_alone() => Turn::Interrupted,
        },
        _ => Turn::GoOn,
    };
    kept.release(agent).await;
    turn
}

/// When the newest good backup of this space was begun; unknown while the catalog cannot say.
async fn last_good(agent: &Agent<'_>) -> Option<Timestamp> {
    let read = async {
        let catalog = agent.session.catalog().await?;
        let workspace = Some(WorkspaceId::new(agent.workspace())?);
        let found = agent.session.newest_here(catalog.as_ref(), workspace, agent.now()).await?;
        Result::Ok(found.map(|backup| backup.created_at))
    };
    read.await.unwrap_or_else(|error: Error| {
        agent.tell(format_args!(
            "the catalog cannot say when the last backup was: {}",
            error.to_string_chain()
        ));
        None
    })
}

async fn restore(agent: &mut Agent<'_>, state: &mut AgentState, progress: &mut Progress) -> Turn {
    let Some(wanted) = agent.wanted.clone() else {
        state.restored();
        return Turn::GoOn;
    };
    // Another space's points are looked for only here, and only where the command line names one.
    let own = agent.session.settings.only.clone();
    if agent.args.restore_from.is_some() {
        agent.session.settings.only = wanted.space();
    }
    let settled = once::settle(&agent.session, &wanted, &agent.home, agent.args, agent.now()).await;
    agent.session.settings.only = own;
    match settled {
        Ok(item) => {
            tell_settled(agent, &item);
            progress.exit =
                Some(if item.state == OperationState::Partial { Exit::Partial } else { Exit::Done });
            if item.made_now && item.lost > 0 {
                state.restore_given_up();
            } else {
                state.restored();
            }
            // Whoever asked for what stays, or did not come, should find the request where it was left.
            if !item.is_in_part() {
                remove_tag(agent, &wanted).await;
            }
            progress.document.restore = Some(item);
        }
        Err(failure) if failure.exit() == Exit::Interrupted => return Turn::Interrupted,
        Err(failure) => {
            agent.tell(format_args!("ALARM: the restore of {} failed: {failure}", wanted.point()));
            progress.exit = Some(failure.exit());
            progress.document.restore = Some(RestoreItem {
                timestamp: wanted.point(),
                state: OperationState::Failed,
                made_now: false,
                expired: false,
                expired_now: false,
                kept: 0,
                lost: 0,
                operation_id: None,
                message: Some(failure.to_string()),
            });
            if once::asks_for_nothing(&failure) {
                state.restored();
            } else if may_pass(&failure) && !agent.args.once {
                state.restore_failed(agent.now());
            } else {
                state.restore_given_up();
            }
        }
    }
    Turn::GoOn
}

fn tell_settled(agent: &Agent<'_>, item: &RestoreItem) {
    let point = &item.timestamp;
    match (item.expired, item.message.as_deref().unwrap_or_default()) {
        // Whoever asked for it should hear of it, but not at every start.
        (true, why) if item.expired_now => {
            agent.tell(format_args!("ALARM: {point} is not restored: {why}; ask again with a later end"));
        }
        (true, why) => agent.tell(format_args!("{point} is not restored: {why}, as was said before")),
        (false, why) if item.is_in_part() && item.made_now => {
            agent.tell(format_args!("ALARM: {point} is restored in part: {why}"));
        }
        (false, why) if item.is_in_part() => {
            agent.tell(format_args!("{point} was restored in part: {why}"));
        }
        (false, why) if item.made_now && !why.is_empty() => {
            agent.tell(format_args!("{point} restored; {why}"));
        }
        (false, _) if item.made_now => agent.tell(format_args!("{point} restored")),
        (false, _) => agent.tell(format_args!("{point} was restored before and is left as it is")),
    }
}

/// Takes the tag of a request that is settled off the user profile, where that is asked for.
async fn remove_tag(agent: &Agent<'_>, wanted: &once::Wanted) {
    let (Some(studio), true) = (&agent.studio, agent.args.remove_tag) else { return };
    match studio.remove_tag(wanted.time(), wanted.until()).await {
        Ok(true) => agent.tell("the tag was removed from the user profile"),
        Ok(false) => agent.tell("the tag asks for something else by now and stays"),
        Err(error) => agent.tell(format_args!("the tag stays: {}", error.to_string_chain())),
    }
}

async fn back_up(agent: &Agent<'_>, state: &mut AgentState, progress: &mut Progress) -> Turn {
    let args = BackupArgs {
        directory: Some(agent.home.clone()),
        preset: agent.args.preset.clone(),
        exclude: agent.args.exclude.clone(),
        exclude_file: agent.args.exclude_file.clone(),
        lacks: agent.wanted.as_ref().filter(|_| state.lacks_restore()).map(|wanted| {
            format!(
                "the restore of {} failed or brought a part, so what else it would have brought is missing",
                wanted.point()
            )
        }),
        ..BackupArgs::default()
    };
    let began = agent.now();
    let driven = match backup::back_up(&agent.session, &args).await {
        Ok(driven) => driven,
        Err(failure) if failure.exit() == Exit::Interrupted => return Turn::Interrupted,
        Err(failure) => {
            agent.tell(format_args!("ALARM: the backup failed: {failure}"));
            return failed(agent, state, progress, failure.exit());
        }
    };
    let operation = &driven.status.operation;
    let named = operation.backup.as_ref().map(|id| id as &dyn Display);
    let named = named.map(ToString::to_string).unwrap_or_default();
    match operation.state {
        OperationState::Completed => {
            agent.tell(format_args!("backup {named} completed"));
            progress.document.completed += 1;
            state.backed_up(began);
        }
        OperationState::Partial => {
            agent.tell(format_args!("backup {named} is partial: {} issues", operation.issues.len()));
            progress.document.partial += 1;
            state.backed_up_partly(began);
        }
        other => {
            agent.tell(format_args!("the backup is {}", other.as_str()));
            return failed(agent, state, progress, driven.exit());
        }
    }
    progress.document.last_backup.clone_from(&operation.backup);
    // What a restore did not bring stays the news of a single run.
    let lacks = |restore: &RestoreItem| {
        restore.state == OperationState::Failed || (restore.made_now && restore.is_in_part())
    };
    if !(agent.args.once && progress.document.restore.as_ref().is_some_and(lacks)) {
        progress.exit = Some(driven.exit());
    }
    Turn::GoOn
}

fn failed(agent: &Agent<'_>, state: &mut AgentState, progress: &mut Progress, exit: Exit) -> Turn {
    progress.document.failed += 1;
    progress.exit = Some(exit);
    state.backup_failed(agent.now());
    Turn::GoOn
}

/// Whether the same restore may succeed later. Before it is begun, a store that is not mounted yet looks as one without a
/// repository, and one without its bucket as a wrong address; what an operation met is known better.
fn may_pass(failure: &Failure) -> bool {
    let error = failure.error();
    let comes_later = matches!(error.kind, ErrorKind::NotFound | ErrorKind::InvalidInput);
    matches!(error.retry, Retry::After { .. } | Retry::Exhausted)
        || matches!(error.kind, ErrorKind::Busy | ErrorKind::Unauthenticated | ErrorKind::DeadlineExceeded)
        || (comes_later && failure.operation().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_of_hours_looks_at_the_clock_every_minute() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        assert_eq!(nap(at(12 * 3600), at(0)), Duration::from_secs(60));
        assert_eq!(nap(at(40), at(0)), Duration::from_secs(40));
        // It slept while the machine was suspended.
        assert_eq!(nap(at(40), at(36_000)), Duration::ZERO);
    }
}
