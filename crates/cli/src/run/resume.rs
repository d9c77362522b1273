//! `stillpoint resume`.

use std::sync::Arc;

use serde_json::json;
use stillpoint_core::decide::Machine;
use stillpoint_core::{
    Catalog, Error, ErrorKind, HOST, LocalOrchestrator, OperationId, OperationQuery, OperationRecord,
    OperationStatus, Orchestrator, Request, StoredOperation,
};
use stillpoint_server::document::OperationItem;

use super::drive::{leave, part, to_its_end};
use crate::args::ResumeArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Output, operation, progress};
use crate::session::{Answering, Files, Needs, STORE, Session};
use crate::signals::Interrupts;

/// An interrupted operation, and the providers without which nobody can go on with it.
struct Interrupted {
    id: OperationId,
    request: Request,
    needs: Needs,
}

/// What came of several operations, of which none keeps the others from their ends.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) statuses: Vec<OperationStatus>,
    /// The first thing that could not be done.
    pub(super) failure: Option<Failure>,
}

impl Ended {
    /// Says what could not be done, and that the run does not end well.
    pub(super) fn fail(&mut self, output: &Output, failure: impl Into<Failure>) {
        let failure = failure.into();
        output.note(format_args!("error: {failure}"));
        self.failure.get_or_insert(failure);
    }

    /// Follows operations to their ends, one after the other.
    pub(super) async fn follow(
        &mut self,
        output: &Output,
        orchestrator: &LocalOrchestrator,
        ids: impl IntoIterator<Item = &OperationId>,
    ) {
        for id in ids {
            match to_its_end(orchestrator, id).await {
                Ok(status) => self.statuses.push(status),
                Err(error) => self.fail(output, Failure::of_operation(error.record(), id.clone())),
            }
        }
    }
}

/// Takes interrupted operations over and follows them to their end. An interrupt leaves them as they are, with nothing
/// held still.
pub(super) async fn run(session: &Session, args: &ResumeArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let mut ended = Ended::default();
    if let Some(workspace) = &args.held {
        let told = session.let_go_of_held(catalog.as_ref(), workspace).await?;
        return report(session, &ended, &told);
    }
    if let Err(error) = session.let_go_of_what_is_left(&catalog).await {
        ended.fail(&session.output, error);
    }
    let (orchestrator, wanted) = match &args.operation {
        Some(text) => named(session, &catalog, text).await?,
        None => {
            let found = all(session, catalog.as_ref(), &mut ended).await?;
            if found.is_empty() {
                return report(session, &ended, "no operation was interrupted");
            }
            of_all(session, &catalog, found, &mut ended).await?
        }
    };
    let mut interrupts = Interrupts::listen();
    let work = async {
        let mut taken = Vec::with_capacity(wanted.len());
        for one in wanted {
            match take(&orchestrator, catalog.as_ref(), one.request).await {
                Ok(()) => taken.push(one.id),
                Err(error) => ended.fail(&session.output, Failure::of_operation(error.record(), one.id)),
            }
        }
        ended.follow(&session.output, &orchestrator, &taken).await;
    };
    let shown = async {
        progress::follow(&session.output, "resume", orchestrator.events()).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = work => {}
        () = shown => return Ok(Exit::Failed),
        () = interrupts.next() => leave(&session.output, &orchestrator, &mut interrupts, false).await,
    }
    // From here on an interrupt ends the process at once.
    drop(interrupts);
    part(&session.output, &orchestrator).await;
    report(session, &ended, "nothing was resumed")
}

/// The operation of this name, also one that somebody drives.
async fn named(
    session: &Session,
    catalog: &Arc<dyn Catalog>,
    text: &str,
) -> Result<(LocalOrchestrator, Vec<Interrupted>), Failure> {
    let operation = session.operation(catalog.as_ref(), text).await?.operation;
    begun_here(session, &operation)?;
    let needs = Needs::of_operation(&session.settings.config, catalog.as_ref(), &operation).await?;
    let orchestrator = session.orchestrator(catalog, &needs, Files::MadeWhenMissing, None).await?;
    Ok((orchestrator, vec![Interrupted { id: operation.id, request: operation.request, needs }]))
}

/// Every unfinished operation that nobody drives. What was begun into another store is for whoever names that; it is told.
async fn all(
    session: &Session,
    catalog: &dyn Catalog,
    ended: &mut Ended,
) -> stillpoint_core::Result<Vec<Interrupted>> {
    let (mut found, mut query) = (Vec::new(), OperationQuery::unfinished());
    loop {
        let page = catalog.operations(&query).await?;
        session.output.note_damaged("operation", &page.damaged);
        if !page.damaged.is_empty() {
            let message = "an operation cannot be read, and whether it was interrupted is unknown; what is said of it above \
                           tells why";
            ended.fail(&session.output, Error::new(ErrorKind::Corrupt, message));
        }
        for stored in page.items {
            if OperationItem::stored(&stored).is_driven() {
                continue;
            }
            let operation = stored.operation;
            if let Err(elsewhere) = begun_here(session, &operation) {
                session.output.note(format_args!("warning: {elsewhere}"));
                continue;
            }
            match Needs::of_operation(&session.settings.config, catalog, &operation).await {
                Ok(needs) => found.push(Interrupted { id: operation.id, request: operation.request, needs }),
                Err(error) => {
                    ended.fail(&session.output, Failure::of_operation(error.record(), operation.id));
                }
            }
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(found),
        }
    }
}

/// An orchestrator for those of them whose providers answer now, and these. The others are told.
async fn of_all(
    session: &Session,
    catalog: &Arc<dyn Catalog>,
    found: Vec<Interrupted>,
    ended: &mut Ended,
) -> Result<(LocalOrchestrator, Vec<Interrupted>), Failure> {
    let needs = found.iter().map(|one| one.needs.clone()).fold(Needs::default(), Needs::and);
    let made = session.orchestrator_of_what_answers(catalog, &needs, Files::MadeWhenMissing, None).await?;
    let Answering { orchestrator, has, lacking } = made;
    lacking.into_iter().for_each(|error| ended.fail(&session.output, error));
    let (going_on, left): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| has.cover(&one.needs));
    for one in left {
        session.output.note(format_args!("operation {} needs that and is left as it is", one.id));
    }
    Ok((orchestrator, going_on))
}

/// Takes an operation over, where nobody drives it.
///
/// # Errors
/// `InvalidConfig` where it is left to others, and none of them drives it: whoever waited for it would wait in vain.
async fn take(
    orchestrator: &LocalOrchestrator,
    catalog: &dyn Catalog,
    request: Request,
) -> stillpoint_core::Result<()> {
    let submitted = orchestrator.submit(request).await?.operation;
    let stored = catalog.operation(&submitted.id).await?;
    let left = |stored: StoredOperation| {
        !stored.operation.state.is_terminal() && !OperationItem::stored(&stored).is_driven()
    };
    if stored.is_some_and(left) {
        let message = format!(
            "operation {} needs a workspace or a provider that is not configured here; resume it where they are, or \
             cancel it",
            submitted.id
        );
        return Err(Error::new(ErrorKind::InvalidConfig, message));
    }
    Ok(())
}

/// Refuses what only another host has, and a backup that was begun into another store than the one at hand: it would be
/// finished in the wrong one.
///
/// # Errors
/// `InvalidInput` that names the host, or the store.
pub(super) fn begun_here(session: &Session, operation: &OperationRecord) -> stillpoint_core::Result<()> {
    let settings = &session.settings;
    let other = |host: &&String| settings.catalog.is_of_a_fleet() && **host != settings.host;
    if let Some(host) = operation.noted.get(HOST).filter(other) {
        let message = format!(
            "operation {} works on a directory of the host {host}, and this one is {}; resume it there, name this host \
             with --host {host} where it is the same under another name, or cancel it",
            operation.id, settings.host
        );
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
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

/// Shows how operations ended, or `nothing`, and ends as the worst of them did.
pub(super) fn report(session: &Session, ended: &Ended, nothing: &str) -> Outcome {
    let Ended { statuses, failure } = ended;
    if session.output.is_json() {
        let items: Vec<_> = statuses.iter().map(OperationItem::of_status).collect();
        let mut document = json!({ "operations": items });
        if let Some(failure) = failure {
            document["error"] = json!(failure.document().error);
        }
        session.output.document(&document)?;
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
    Ok(worst(exits.chain(failure.as_ref().map(Failure::exit))))
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
