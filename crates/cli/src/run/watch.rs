//! `stillpoint watch`.

use std::time::Duration;

use serde_json::json;
use stillpoint_core::{OperationState, StoredOperation};
use stillpoint_server::document::OperationItem;

use crate::args::WatchArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::operation;
use crate::output::progress::Shown;
use crate::session::Session;
use crate::signals::Interrupts;

/// How often the catalog is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Follows an operation as the catalog shows it. It only looks: an interrupted operation is left as it is.
pub(super) async fn run(session: &Session, args: &WatchArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let mut stored = session.operation(catalog.as_ref(), &args.operation).await?;
    let mut interrupts = Interrupts::listen();
    let mut shown = Shown::new(&session.output, stored.operation.request.kind());
    while !is_over(&stored) {
        shown.step(&stored.operation.step);
        shown.progress(&stored.operation.progress, stored.operation.last_advance);
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = interrupts.next() => return Err(Failure::interrupted()),
        }
        stored = session.operation(catalog.as_ref(), stored.operation.id.as_str()).await?;
    }
    drop(shown);
    let item = OperationItem::stored(&stored);
    if session.output.is_json() {
        session.output.document(&json!({ "operations": [item] }))?;
    } else {
        session.output.line(operation::line(&item))?;
    }
    Ok(Exit::of_operation(stored.operation.state, stored.operation.error.as_ref()))
}

/// Whether there is nothing more to see: it ended, or nobody drives it.
fn is_over(stored: &StoredOperation) -> bool {
    let state = stored.operation.state;
    state.is_terminal() || state == OperationState::Detached || !OperationItem::stored(stored).is_driven()
}
