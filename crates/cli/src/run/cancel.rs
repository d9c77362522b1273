//! `stillpoint cancel`.

use serde_json::json;
use stillpoint_core::{Error, ErrorKind, OperationId, OperationState, Orchestrator};
use stillpoint_server::document::OperationItem;

use super::drive::{leave, part, to_its_end};
use crate::args::CancelArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::operation;
use crate::session::{Files, Needs, Session};
use crate::signals::Interrupts;

/// Asks an operation to stop and waits until it has. The process that drives it sees the request when it renews its
/// lease; an interrupted operation is taken over in order to stop it.
pub(super) async fn run(session: &Session, args: &CancelArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let stored = session.operation(catalog.as_ref(), &args.operation).await?;
    let id = stored.operation.id.clone();
    if stored.operation.state.is_terminal() {
        let message = format!(
            "operation {id} has ended already ({}); nothing to cancel",
            stored.operation.state.as_str()
        );
        return Err(Failure::of_operation(Error::new(ErrorKind::InvalidInput, message).record(), id));
    }
    let needs = Needs::of_operation(&session.settings.config, catalog.as_ref(), &stored.operation).await?;
    let orchestrator = session.orchestrator(&catalog, &needs, Files::MadeWhenMissing, None).await?;
    let mut interrupts = Interrupts::listen();
    let ended = async {
        orchestrator.cancel(&id).await?;
        // Submitting it again takes it over where nobody drives it; the second request then reaches it at once.
        orchestrator.submit(stored.operation.request).await?;
        orchestrator.cancel(&id).await?;
        to_its_end(&orchestrator, &id).await
    };
    let ended = tokio::select! {
        ended = ended => ended,
        () = interrupts.next() => leave(&session.output, &orchestrator, &mut interrupts, true).await,
    };
    // From here on an interrupt ends the process at once.
    drop(interrupts);
    part(&session.output, &orchestrator).await;
    let status = ended?;
    let state = status.operation.state;
    if state != OperationState::Cancelled {
        return Err(not_stopped(&id, state));
    }
    let item = OperationItem::of_status(&status);
    if session.output.is_json() {
        session.output.document(&json!({ "operations": [item] }))?;
    } else {
        session.output.line(operation::line(&item))?;
    }
    Ok(Exit::Done)
}

/// The failure of an operation that ended in another way before it could be stopped.
pub(crate) fn not_stopped(id: &OperationId, state: OperationState) -> Failure {
    let message = format!("operation {id} ended before it could be stopped ({})", state.as_str());
    Failure::of_operation(Error::new(ErrorKind::Conflict, message).record(), id.clone())
}
