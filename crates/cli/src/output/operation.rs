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

#[cfg(test)]
mod tests {
    use stillpoint_core::{
        DeleteRequest, OperationRecord, OperationState, OperationStatus, Request, Timestamp,
    };

    use super::*;

    fn deletion(warnings: &[&str]) -> OperationRecord {
        let id = "op-1".parse().unwrap();
        let request = DeleteRequest::new(id, "b-1".parse().unwrap(), "ada".parse().unwrap());
        let mut deletion = OperationRecord::submitted(Request::Delete(request), Timestamp::from_millis(0));
        deletion.warnings = warnings.iter().map(|warning| (*warning).to_owned()).collect();
        deletion
    }

    fn told(operation: OperationRecord) -> String {
        line(&OperationItem::of_status(&OperationStatus::new(operation, None, None)))
    }

    #[test]
    fn the_list_of_operations_tells_what_keeps_one_from_its_end() {
        let troubled = deletion(&["an older one", "deleting the snapshot of home has failed"]);
        let line = told(troubled.clone());
        assert!(line.ends_with("goes on with it; deleting the snapshot of home has failed"), "{line}");
        let mut ended = troubled;
        ended.state = OperationState::Completed;
        assert!(told(ended).ends_with("ended"), "what has ended has no trouble any more");
    }
}
