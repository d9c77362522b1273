//! One orchestrator process.

use std::sync::Arc;

use stillpoint_catalog_sql::{SqlCatalog, SqlOptions};
use stillpoint_core::memory::{MemoryProvider, MemoryWorkspace};
use stillpoint_core::{
    BackupRequest, Catalog, Component, Definition, LocalOrchestrator, OpContext, OperationId, OperationState,
    Orchestrator, Provider, Request, SnapshotQuery,
};
use tokio::task::JoinSet;

use super::{COMPONENTS, Fleet, Outcome};

/// What stands before the number of jobs that a process started.
const STARTED: &str = "jobs started: ";

/// Backs up a share of the workspaces and a few of the neighbour's.
pub(crate) async fn run(fleet: &Fleet, worker: usize, url: &str) -> Outcome {
    let options = SqlOptions::default().with_connections(fleet.connections);
    let catalog: Arc<dyn Catalog> = Arc::new(SqlCatalog::open(url, options).await?);
    let provider = Arc::new(MemoryProvider::new("memory".parse()?));
    let mut builder =
        LocalOrchestrator::builder(catalog).provider(Arc::clone(&provider) as Arc<dyn Provider>);
    let share = fleet.workspaces.div_ceil(fleet.processes);
    let mine = worker * share..(worker * share + share + share * fleet.overlap / 100);
    let mine: Vec<usize> =
        mine.filter(|number| number - worker * share < share || fleet.processes > 1).collect();
    let mine: Vec<usize> = mine.into_iter().map(|number| number % fleet.workspaces).collect();
    for number in &mine {
        builder = builder.workspace(Arc::new(workspace(&provider, *number)?));
    }
    let orchestrator = Arc::new(builder.build());
    for night in 1..=fleet.nights {
        let mut backups = JoinSet::new();
        for number in &mine {
            if backups.len() >= fleet.at_once {
                backups.join_next().await.ok_or("nothing to wait for")???;
            }
            backups.spawn(back_up(Arc::clone(&orchestrator), night, *number));
        }
        while let Some(ended) = backups.join_next().await {
            ended??;
        }
    }
    let jobs = provider.snapshots(&OpContext::background(), &SnapshotQuery::all()).await?.len();
    println!("{STARTED}{jobs}");
    Ok(())
}

async fn back_up(orchestrator: Arc<LocalOrchestrator>, night: usize, number: usize) -> Outcome {
    let id: OperationId = format!("night-{night}-{number:06}").parse()?;
    let request = BackupRequest::new(id.clone(), name(number).parse()?);
    orchestrator.submit(Request::Backup(request)).await?;
    let ended = orchestrator.wait(&id).await?.operation.state;
    if ended == OperationState::Completed { Ok(()) } else { Err(format!("{id} is {ended:?}").into()) }
}

fn workspace(provider: &MemoryProvider, number: usize) -> Outcome<MemoryWorkspace> {
    let mut components = Vec::new();
    for component in 0..COMPONENTS {
        let resource = format!("/{}/{component}", name(number));
        provider.write(&resource, "file", b"content");
        components.push(Component::new(
            format!("c-{component}").parse()?,
            "directory",
            "memory".parse()?,
            resource,
        ));
    }
    Ok(MemoryWorkspace::new(Definition::new(name(number).parse()?), components))
}

fn name(number: usize) -> String {
    format!("workspace-{number:06}")
}

/// The number of jobs that a process says it started.
pub(crate) fn started(stdout: &[u8]) -> usize {
    let said = String::from_utf8_lossy(stdout);
    said.lines().find_map(|line| line.strip_prefix(STARTED)?.parse().ok()).unwrap_or(0)
}
