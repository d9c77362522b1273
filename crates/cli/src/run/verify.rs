//! `stillpoint verify`.

use serde_json::json;
use stillpoint_core::decide::Machine;
use stillpoint_core::{Depth, Issue, OperationRecord, Request, VerifyRequest};

use super::drive::drive;
use crate::args::{VerifyArgs, VerifyDepth};
use crate::exit::{Exit, Outcome};
use crate::output::word;
use crate::session::{Files, Needs, Session};

/// Verifies a backup as an operation, so that the catalog and the record beside the data learn the verdict.
pub(super) async fn run(session: &Session, args: &VerifyArgs) -> Outcome {
    let catalog = session.catalog().await?;
    let backup = session.resolve(catalog.as_ref(), &args.backup).await?;
    let depth = match args.depth {
        VerifyDepth::Listed => Depth::Listed,
        VerifyDepth::Sized => Depth::Sized,
        VerifyDepth::Decrypted => Depth::Decrypted,
    };
    let (id, workspace) = (backup.id.clone(), backup.workspace.clone());
    let mut request = VerifyRequest::new(session.new_operation(), id, workspace, depth);
    request.creator = Some(session.creator());
    let orchestrator =
        session.orchestrator(&catalog, &Needs::of_backup(&backup), Files::Stored, None).await?;
    let driven = drive(&session.output, &orchestrator, Request::Verify(request)).await?.with_result()?;
    let found = Found::of(&driven.status.operation, depth);
    if session.output.is_json() {
        session.output.document(&json!({
            "backup_id": backup.id,
            "depth": found.depth,
            "snapshots": found.snapshots,
            "problems": found.problems,
        }))?;
    } else {
        for problem in &found.problems {
            session.output.line(format_args!("{}: {}: {}", problem.kind, problem.item, problem.message))?;
        }
        let verdict = if found.problems.is_empty() { "is good" } else { "is damaged" };
        let (snapshots, depth) = (found.snapshots, word(&found.depth));
        let id = &backup.id;
        session
            .output
            .line(format_args!("backup {id} {verdict}: {snapshots} snapshots verified ({depth})"))?;
    }
    Ok(if found.problems.is_empty() { driven.exit() } else { Exit::Failed })
}

/// What a verification found of all snapshots together.
struct Found {
    depth: Depth,
    snapshots: usize,
    problems: Vec<Issue>,
}

impl Found {
    fn of(operation: &OperationRecord, wanted: Depth) -> Self {
        let mut all = Self { depth: wanted, snapshots: 0, problems: Vec::new() };
        let Machine::Verify(machine) = &operation.machine else { return all };
        for found in machine.members.iter().filter_map(|member| member.found.as_ref()) {
            all.depth = all.depth.min(found.depth);
            all.snapshots += 1;
            all.problems.extend(found.problems.iter().cloned());
        }
        all
    }
}
