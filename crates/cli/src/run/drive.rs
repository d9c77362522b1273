//! Submitting an operation and following it to its end, with progress and with an orderly way to be interrupted.

use std::time::Duration;

use futures::future::FutureExt;
use stillpoint_core::{
    HandedOver, LocalOrchestrator, OperationId, OperationState, OperationStatus, Orchestrator, Request,
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
    /// An interrupted operation answered, which somebody had asked for before.
    pub(super) resumed: bool,
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

/// Leaves what is still under way to whoever goes on with it, so that nothing stays frozen when this process ends, and
/// says what could not be let go. An interrupt that nobody listens for ends the process at once.
pub(super) async fn part(output: &Output, orchestrator: &LocalOrchestrator) {
    match orchestrator.hand_over().await {
        Ok(left) => say_still_held(output, &left),
        Err(error) => output.note(format_args!("warning: {}", error.to_string_chain())),
    }
}

/// Says which workspaces could not be let go.
pub(super) fn say_still_held(output: &Output, left: &HandedOver) {
    for workspace in &left.still_held {
        output.note(format_args!(
            "ALARM: workspace {workspace} is still held still and could not be let go; `stillpoint resume` tries again"
        ));
    }
}

/// Ends the process without waiting for its operation, but not with anything held still; a further interrupt ends it at
/// once. One that was `stopping` is stopped by whoever goes on with it.
pub(super) async fn leave(
    output: &Output,
    orchestrator: &LocalOrchestrator,
    interrupts: &mut Interrupts,
    stopping: bool,
) -> ! {
    tokio::select! {
        biased;
        () = interrupts.next() => {}
        () = part(output, orchestrator) => {}
    }
    interrupts.end_at_once(output, stopping)
}

/// Submits `request` and follows it, or the interrupted operation that answers it, to its end.
///
/// The first interrupt asks the operation to stop and waits until it is in order; the second lets go what is held still,
/// ends the process, and leaves an operation that is still to be stopped: the same command again does that first, and then
/// what it says.
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
            status = &mut ended => {
                let status = status?;
                let resumed = status.operation.id != wanted;
                return Ok(Driven { status, interrupted, resumed });
            }
            () = interrupts.next() => {
                let id = driven_id.borrow_and_update().clone();
                let Some(id) = id.filter(|_| !interrupted) else {
                    leave(output, orchestrator, &mut interrupts, interrupted).await
                };
                output.note("stopping in an orderly way; interrupt again to stop at once");
                interrupted = true;
                tokio::select! {
                    asked = orchestrator.cancel(&id) => asked?,
                    () = interrupts.next() => leave(output, orchestrator, &mut interrupts, true).await,
                }
            }
            () = &mut shown => {}
        }
    }
}
