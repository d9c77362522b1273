//! Host code that knows the contract only: backs many workspaces up and says which ones need a person.
//!
//! `tests/mocked_host.rs` tests it with a mocked orchestrator, without any cloud, catalog or clock.

use stillpoint_core::{
    BackupRequest, ErrorKind, OperationId, OperationState, Orchestrator, Request, Result, WorkspaceId,
};

/// What came of one night.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Backed up whole.
    pub completed: Vec<WorkspaceId>,
    /// Somebody else backs it up right now, so the next night will do.
    pub busy: Vec<WorkspaceId>,
    /// Incomplete or failed, with the reason: a person should look.
    pub attention: Vec<(WorkspaceId, String)>,
}

/// Backs each workspace up, one after the other. The id of an operation follows from night and workspace, so that
/// a host that was restarted in the same night asks for the same operations and none runs twice.
///
/// # Errors
/// Whatever keeps the orchestrator from taking requests at all.
pub async fn back_up_all(
    orchestrator: &dyn Orchestrator,
    night: &str,
    workspaces: &[WorkspaceId],
) -> Result<Report> {
    let mut report = Report::default();
    for workspace in workspaces {
        let id = OperationId::new(format!("{night}/{workspace}"))?;
        let request = BackupRequest::new(id.clone(), workspace.clone());
        match orchestrator.submit(Request::Backup(request)).await {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Busy => {
                report.busy.push(workspace.clone());
                continue;
            }
            Err(error) => return Err(error),
        }
        let ended = orchestrator.wait(&id).await?.operation;
        match ended.state {
            OperationState::Completed => report.completed.push(workspace.clone()),
            state => {
                let why = ended.error.map_or_else(|| state.as_str().to_owned(), |error| error.message);
                report.attention.push((workspace.clone(), why));
            }
        }
    }
    Ok(report)
}
