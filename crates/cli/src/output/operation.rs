//! Operations as text.

use stillpoint_server::document::OperationItem;

/// The operation as one line for people.
pub(crate) fn line(item: &OperationItem) -> String {
    let whose = match (&item.holder, item.state.is_terminal()) {
        (_, true) => item.error.as_ref().map_or_else(|| "ended".to_owned(), |error| error.message.clone()),
        (Some(holder), false) => format!("run by {holder}"),
        (None, false) => "interrupted; `stillpoint resume` goes on with it".to_owned(),
    };
    let trouble = item.warnings.last().filter(|_| !item.state.is_terminal());
    let trouble = trouble.map(|warning| format!("; {warning}")).unwrap_or_default();
    format!(
        "{}  {:<7}  {:<10}  {:<12}  since {}  {}  {whose}{trouble}",
        item.id,
        item.kind,
        item.state.as_str(),
        item.step,
        item.started_at,
        item.workspace
    )
}
