//! `stillpoint serve`.

mod demo;
mod route;
mod workspaces;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stillpoint_core::{
    Cancellation, Catalog, Error, ErrorKind, INTERVAL_MIN, LocalOrchestrator, OperationQuery, Orchestrator,
    Result, StoredOperation, SystemClock, SystemEntropy,
};
use stillpoint_server::access::{AccessStore, NewToken, Role};
use stillpoint_server::{Bound, ControlPlane, keep_going, serve};

use super::drive::say_still_held;
use crate::args::ServeArgs;
use crate::exit::{Exit, Outcome};
use crate::output::Output;
use crate::session::Session;
use crate::settings::Serving;
use crate::signals::Interrupts;

/// The id of the token that the first start makes: two servers that start at once make one.
const FIRST_TOKEN: &str = "first";
/// How often a shutdown looks whether operations have ended.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often the notes of what is held still are looked at.
const NOTES_EVERY: Duration = Duration::from_secs(60);

pub(super) async fn run(session: Session, args: &ServeArgs) -> Outcome {
    // Nothing is opened for a server that may not listen.
    let serving = Serving::resolve(args, &session.settings.config.serve)?;
    if args.demo {
        return Box::pin(demo::run(&session.output, &serving)).await;
    }
    answer(&session, &serving).await
}

async fn answer(session: &Session, serving: &Serving) -> Outcome {
    let (catalog, access) = session.catalog_and_access().await?;
    let orchestrator = Arc::new(Box::pin(workspaces::orchestrator(session, &catalog)).await?);
    let providers = Box::pin(workspaces::providers(session)).await?;
    let routes = route::Routes::new(&session.settings, serving.restore_root.as_deref())?;
    let bound = serving.listen.clone().bind().await?;
    // The token is shown once, so only by a server that has all that it needs.
    first_token(&session.output, access.as_ref()).await?;
    let served: Arc<dyn Orchestrator> = Arc::clone(&orchestrator) as _;
    let notes = Arc::clone(&catalog);
    let plane = ControlPlane::new(catalog, served, access)
        .with_providers(providers)
        .with_restores(Arc::new(routes))
        .with_hold_notes(Arc::new(session.hold_notes(&notes)))
        .with_calls_per_second(serving.calls_per_second)
        .with_history(session.settings.config.history.kept())
        .with_interval_min(session.settings.config.limits.interval_min.unwrap_or(INTERVAL_MIN));
    tokio::select! {
        ended = stand(&session.output, serving, bound, plane, orchestrator.as_ref()) => ended,
        never = look_after_notes(session, &notes) => match never {},
    }
}

/// Lets go, at once and again and again, what this host has a note of and whose operation has ended, on another host for
/// example.
async fn look_after_notes(session: &Session, catalog: &Arc<dyn Catalog>) -> Infallible {
    loop {
        if let Err(error) = session.let_go_of_what_is_left(catalog).await {
            tracing::warn!(%error, "cannot let go of what an ended operation left held still; the next look tries again");
        }
        tokio::time::sleep(NOTES_EVERY).await;
    }
}

/// Answers until it is told to stop, then hands over what is under way.
async fn stand(
    output: &Output,
    serving: &Serving,
    bound: Bound,
    plane: ControlPlane,
    orchestrator: &LocalOrchestrator,
) -> Outcome {
    let catalog = Arc::clone(plane.catalog());
    // Who reads where it serves may tell it to stop in the same moment.
    let mut interrupts = Interrupts::listen();
    output.note(format_args!("serving at {}", bound.url()));
    let stop = Cancellation::new();
    let (address, url) = (bound.address(), bound.url());
    let mut background = tokio::spawn(keep_going(plane.clone(), stop.clone()));
    let mut answering = tokio::spawn(serve(plane, bound, stop.clone()));
    let ended = tokio::select! {
        ended = &mut answering => Some(settled(ended)),
        // A server that takes nothing over and begins no scheduled run is not to look as if it did.
        ended = &mut background => Some(settled(ended.map(|()| Err(gone())))),
        () = interrupts.next() => None,
    };
    output.note("stopping; operations under way are handed over, and what is held still is let go");
    stop.cancel();
    let ended = match ended {
        Some(ended) => ended,
        None => tokio::select! {
            ended = answering => settled(ended),
            () = interrupts.next() => Ok(()),
        },
    };
    tokio::select! {
        () = quiet(orchestrator, catalog.as_ref(), serving.shutdown_grace) => {}
        () = interrupts.next() => {}
    }
    let left = tokio::select! {
        left = orchestrator.hand_over() => left?,
        () = interrupts.next() => interrupts.end_at_once(output, false),
    };
    background.abort();
    say_still_held(output, &left);
    if output.is_json() {
        let (handed, held) = (left.operations, left.still_held);
        output.document(
            &json!({ "listened": address, "url": url, "handed_over": handed, "still_held": held }),
        )?;
    }
    ended?;
    Ok(Exit::Done)
}

/// How a task ended, where it may have panicked.
fn settled(ended: std::result::Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.unwrap_or_else(|defect| Err(gone().with_source(defect)))
}

fn gone() -> Error {
    Error::new(ErrorKind::Unexpected, "a task of the server ended unexpectedly; start it again")
}

/// Waits until this process has nothing under way, for `grace` at the most. What other servers of the catalog drive is
/// theirs.
async fn quiet(orchestrator: &LocalOrchestrator, catalog: &dyn Catalog, grace: Duration) {
    let own = orchestrator.holder();
    let is_own = |stored: &StoredOperation| {
        stored.operation.state.is_active() && stored.lease.live && stored.lease.holder.as_ref() == Some(own)
    };
    let quiet = async {
        loop {
            match catalog.operations(&OperationQuery::unfinished()).await {
                Ok(page) if !page.items.iter().any(is_own) => return,
                Ok(_) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    };
    let _in_time = tokio::time::timeout(grace, quiet).await.is_ok();
}

/// Makes the first token, where there is none yet, and tells it to the person at the terminal.
pub(super) async fn first_token(output: &Output, access: &dyn AccessStore) -> Result<()> {
    if !access.tokens().await?.is_empty() {
        return Ok(());
    }
    let made = NewToken::new("first administrator", Role::Administrator);
    let (secret, mut record) = made.make(&SystemClock::default(), &SystemEntropy::default())?;
    record.id = FIRST_TOKEN.to_owned();
    if access.put_token(&record).await? {
        output.note(format_args!(
            "the administrator's token, shown this once: {}\nmake others with `stillpoint token create`, then \
             revoke this one with `stillpoint token revoke {FIRST_TOKEN}`",
            secret.expose()
        ));
    }
    Ok(())
}
