//! Submitting an operation and following it to its end, with progress and with an orderly way to be interrupted.

use std::time::Duration;

use futures::future::FutureExt;
use stillpoint_core::{
    LocalOrchestrator, OperationId, OperationState, OperationStatus, Orchestrator, Request,
};
use tokio::sync::watch;

use crate::exit::{Exit, Failure};
use crate::output::{Output, progress};
use crate::signals::Interrupts;

/// How often an operation is looked at whose jobs run on without us.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How an operation ended, and whether the person asked for it.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) status: OperationStatus,
    interrupted: bool,
}

impl Driven {
    /// How the run ends.
    pub(super) fn exit(&self) -> Exit {
        let operation = &self.status.operation;
        match Exit::of_operation(operation.state, operation.error.as_ref()) {
            Exit::Cancelled if self.interrupted => Exit::Interrupted,
            exit => exit,
        }
    }

    /// The failure of an operation that ended without a result; the operation otherwise.
    pub(super) fn with_result(self) -> Result<Self, Failure> {
        let operation = &self.status.operation;
        let fruitless = matches!(operation.state, OperationState::Failed | OperationState::Cancelled);
        match &operation.error {
            Some(error) if fruitless => {
                let failure = Failure::of_operation(error.clone(), operation.id.clone());
                Err(failure.with_exit(self.exit()))
            }
            _ => Ok(self),
        }
    }
}

/// Follows an operation to its end, also where it is past its deadline and its jobs still run.
///
/// # Errors
/// Whatever following it can meet.
pub(super) async fn to_its_end(
    orchestrator: &LocalOrchestrator,
    id: &OperationId,
) -> stillpoint_core::Result<OperationStatus> {
    loop {
        let status = orchestrator.wait(id).await?;
        if status.operation.state.is_terminal() {
            return Ok(status);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Submits `request` and follows it, or the interrupted operation that answers it, to its end.
///
/// The first interrupt asks the operation to stop and waits until it is in order; the second ends the process at once
/// and leaves an operation that can be resumed.
pub(super) async fn drive(
    output: &Output,
    orchestrator: &LocalOrchestrator,
    request: Request,
) -> Result<Driven, Failure> {
    let what = request.kind();
    let wanted = request.id().clone();
    let (known, mut driven_id) = watch::channel(None::<OperationId>);
    let ended = async {
        let submitted = orchestrator.submit(request).await?;
        let id = submitted.operation.id;
        if id != wanted {
            let since = submitted.operation.started_at;
            output.note(format_args!("going on with the interrupted {what} {id}, begun at {since}"));
        }
        known.send_replace(Some(id.clone()));
        orchestrator.wait(&id).await
    };
    let mut ended = Box::pin(ended.fuse());
    let mut shown = Box::pin(progress::follow(output, what, orchestrator.events()).fuse());
    let mut interrupts = Interrupts::listen();
    let mut interrupted = false;
    loop {
        tokio::select! {
            biased;
            status = &mut ended => return Ok(Driven { status: status?, interrupted }),
            () = interrupts.next() => {
                let id = driven_id.borrow_and_update().clone();
                let Some(id) = id.filter(|_| !interrupted) else { interrupts.end_at_once(output) };
                output.note("stopping in an orderly way; interrupt again to stop at once");
                interrupted = true;
                tokio::select! {
                    asked = orchestrator.cancel(&id) => asked?,
                    () = interrupts.next() => interrupts.end_at_once(output),
                }
            }
            () = &mut shown => {}
        }
    }
}
