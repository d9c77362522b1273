//! `stillpoint resume`.

use serde_json::json;
use stillpoint_core::decide::Machine;
use stillpoint_core::{
    Catalog, Error, ErrorKind, OperationId, OperationQuery, OperationRecord, OperationStatus, Orchestrator,
};
use stillpoint_server::document::OperationItem;

use super::drive::{leave, part, to_its_end};
use crate::args::ResumeArgs;
use crate::exit::{Exit, Outcome};
use crate::output::{operation, progress};
use crate::session::{Files, Needs, STORE, Session};
use crate::signals::Interrupts;

const NOTHING: &str = "no operation was interrupted";

/// Takes interrupted operations over and follows them to their end. An interrupt leaves them as they are, with nothing
/// held still.
pub(super) async fn run(session: &Session, args: &ResumeArgs) -> Outcome {
    let catalog = session.catalog().await?;
    session.let_go_of_what_is_left(catalog.as_ref()).await?;
    let wanted = match &args.operation {
        Some(text) => Some(session.operation(catalog.as_ref(), text).await?),
        None => None,
    };
    if wanted.is_none() && catalog.operations(&OperationQuery::unfinished()).await?.items.is_empty() {
        return report(session, &[], NOTHING);
    }
    let needs = match &wanted {
        Some(stored) => {
            begun_here(session, &stored.operation)?;
            Needs::of_operation(&session.settings.config, catalog.as_ref(), &stored.operation).await?
        }
        None => all_needs(session, catalog.as_ref()).await?,
    };
    let orchestrator = session.orchestrator(&catalog, &needs, Files::MadeWhenMissing, None).await?;
    let mut interrupts = Interrupts::listen();
    let ended = async {
        let ids: Vec<OperationId> = match wanted {
            Some(stored) => vec![orchestrator.submit(stored.operation.request).await?.operation.id],
            None => orchestrator.recover().await?,
        };
        let mut ended = Vec::with_capacity(ids.len());
        for id in ids {
            ended.push(to_its_end(&orchestrator, &id).await?);
        }
        Ok::<Vec<OperationStatus>, Error>(ended)
    };
    let shown = async {
        progress::follow(&session.output, "resume", orchestrator.events()).await;
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = ended => ended,
        () = shown => return Ok(Exit::Failed),
        () = interrupts.next() => leave(&session.output, &orchestrator, &mut interrupts).await,
    };
    part(&session.output, &orchestrator).await;
    report(session, &ended?, NOTHING)
}

/// Refuses a backup that was begun into another store than the one at hand: it would be finished in the wrong one.
///
/// # Errors
/// `InvalidInput` that names the store.
fn begun_here(session: &Session, operation: &OperationRecord) -> stillpoint_core::Result<()> {
    let Machine::Backup(machine) = &operation.machine else { return Ok(()) };
    let planned = machine.plan.iter().flat_map(|plan| &plan.components);
    let unplanned = operation.noted.get(STORE).filter(|_| machine.plan.is_none());
    for begun in planned.filter_map(|planned| planned.place.get("store")).chain(unplanned) {
        let here = session.store()?;
        if here.description() != begun {
            let message = format!(
                "operation {} was begun into the store {begun}, and not into {}; name its store with --store, or \
                 cancel it",
                operation.id,
                here.description()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
    }
    Ok(())
}

/// What all unfinished operations need together.
async fn all_needs(session: &Session, catalog: &dyn Catalog) -> stillpoint_core::Result<Needs> {
    let (mut needs, mut query) = (Needs::default(), OperationQuery::unfinished());
    loop {
        let page = catalog.operations(&query).await?;
        for stored in &page.items {
            begun_here(session, &stored.operation)?;
            let config = &session.settings.config;
            needs = needs.and(Needs::of_operation(config, catalog, &stored.operation).await?);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(needs),
        }
    }
}

/// Shows how operations ended, or `nothing`.
pub(super) fn report(session: &Session, statuses: &[OperationStatus], nothing: &str) -> Outcome {
    if session.output.is_json() {
        let items: Vec<_> = statuses.iter().map(OperationItem::of_status).collect();
        session.output.document(&json!({ "operations": items }))?;
    } else if statuses.is_empty() {
        session.output.line(nothing)?;
    } else {
        for status in statuses {
            session.output.line(operation::line(&OperationItem::of_status(status)))?;
        }
    }
    let exits = statuses.iter().map(|status| {
        let operation = &status.operation;
        // An operation that somebody had asked to stop was resumed in order to stop it.
        match Exit::of_operation(operation.state, operation.error.as_ref()) {
            Exit::Cancelled => Exit::Done,
            exit => exit,
        }
    });
    Ok(worst(exits))
}

/// The exit that says most about what went wrong: a failure before a partial result before success.
pub(crate) fn worst(exits: impl Iterator<Item = Exit>) -> Exit {
    let rank = |exit: &Exit| match exit {
        Exit::Done => 0,
        Exit::Partial => 1,
        Exit::Detached => 2,
        _ => 3,
    };
    exits.max_by_key(rank).unwrap_or(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_end_decides_how_a_resume_ends() {
        assert_eq!(worst(std::iter::empty()), Exit::Done);
        assert_eq!(worst([Exit::Done, Exit::Partial, Exit::Done].into_iter()), Exit::Partial);
        assert_eq!(worst([Exit::Failed, Exit::Partial].into_iter()), Exit::Failed);
    }
}
