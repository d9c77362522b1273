//! `stillpoint resume`.

use std::sync::Arc;

use serde_json::json;
use stillpoint_core::{OperationId, OperationQuery, OperationStatus, Orchestrator};

use crate::args::ResumeArgs;
use crate::exit::{Exit, Outcome};
use crate::output::operation::OperationItem;
use crate::output::progress;
use crate::session::Session;
use crate::signals::Interrupts;

/// Takes interrupted operations over and follows them to their end. An interrupt leaves them as they are.
pub(super) async fn run(session: &Session, args: &ResumeArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let wanted = match &args.operation {
        Some(text) => Some(session.operation(catalog.as_ref(), text).await?),
        None => None,
    };
    if wanted.is_none() && catalog.operations(&OperationQuery::unfinished()).await?.items.is_empty() {
        return report(session, &[]);
    }
    let orchestrator = session.orchestrator_to_resume(Arc::clone(&catalog)).await?;
    let mut interrupts = Interrupts::listen()?;
    let ended = async {
        let ids: Vec<OperationId> = match wanted {
            Some(stored) => vec![orchestrator.submit(stored.operation.request).await?.operation.id],
            None => orchestrator.recover().await?,
        };
        let mut ended = Vec::with_capacity(ids.len());
        for id in ids {
            ended.push(orchestrator.wait(&id).await?);
        }
        Ok::<Vec<OperationStatus>, stillpoint_core::Error>(ended)
    };
    let shown = async {
        progress::follow(&session.output, "resume", orchestrator.events()).await;
        std::future::pending::<()>().await;
    };
    let statuses = tokio::select! {
        ended = ended => ended?,
        () = shown => return Ok(Exit::Failed),
        () = interrupts.next() => interrupts.end_at_once(&session.output),
    };
    report(session, &statuses)
}

fn report(session: &Session, statuses: &[OperationStatus]) -> Outcome {
    if session.output.is_json() {
        let items: Vec<_> = statuses.iter().map(OperationItem::of_status).collect();
        session.output.document(&json!({ "operations": items }))?;
    } else if statuses.is_empty() {
        session.output.line("no operation was interrupted")?;
    } else {
        for status in statuses {
            session.output.line(OperationItem::of_status(status).line())?;
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
fn worst(exits: impl Iterator<Item = Exit>) -> Exit {
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
