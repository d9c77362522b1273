//! A demonstration: invented workspaces with about sixty backups in every state, and jobs that take a minute and move
//! nothing.

mod history;
mod jobs;
mod places;
mod provider;
mod snapshot;

use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::memory::{MemoryProvisioner, MemoryWorkspace};
use stillpoint_core::{
    BackupQuery, BackupRequest, Cadence, Catalog, Clock, Creation, Holder, LocalOrchestrator,
    OperationChange, OperationId, OperationRecord, Orchestrator, Provider, Request, Result, Schedule,
    ScheduleId, ScheduleRecord, SystemClock, SystemEntropy, Timestamp, Workspace, WorkspaceId,
    WorkspaceRecord,
};

use crate::access::{AccessStore, NewToken, Role, Secret};
use crate::{ControlPlane, SameProvisioner};
use places::{PLACES, Place};
use provider::DemoProvider;

/// The provisioner that makes invented workspaces.
const PROVISIONER: &str = "demonstration";
/// How long the lease of an invented operation is; it ends before anybody looks.
const LEASE: Duration = Duration::from_secs(60);

/// What a demonstration consists of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Demo {
    /// What is served.
    pub plane: ControlPlane,
    /// What drives its operations; to be told when the process ends.
    pub orchestrator: Arc<LocalOrchestrator>,
    /// One token for each role, made by this start; none where the store has tokens already.
    pub tokens: Vec<(Role, Secret)>,
}

/// How a demonstration is to be.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DemoOptions {
    /// How long a job takes, about.
    pub pace: Duration,
    /// Whether there is a past; else the workspaces are there and nothing was ever backed up.
    pub history: bool,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { pace: Duration::from_secs(75), history: true }
    }
}

/// Fills `catalog`, where it is empty, with an invented past, and composes what serves it. Nothing outside is touched.
///
/// ```
/// use std::sync::Arc;
/// use stillpoint_core::memory::MemoryCatalog;
/// use stillpoint_core::*;
/// use stillpoint_server::access::MemoryAccess;
/// use stillpoint_server::demo::{DemoOptions, demo};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let catalog = Arc::new(MemoryCatalog::new());
/// let made = demo(catalog.clone(), Arc::new(MemoryAccess::default()), DemoOptions::default()).await?;
/// assert_eq!(made.tokens.len(), 3);
/// assert!(catalog.backups(&BackupQuery::all()).await?.items.len() > 50);
/// # Ok(()) }
/// ```
///
/// # Errors
/// Whatever storing can meet.
pub async fn demo(
    catalog: Arc<dyn Catalog>,
    access: Arc<dyn AccessStore>,
    options: DemoOptions,
) -> Result<Demo> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let new = catalog.workspaces(None, 1).await?.items.is_empty();
    if new {
        fill(catalog.as_ref(), clock.now(), options.history).await?;
    }
    let providers = providers(catalog.as_ref(), options.pace).await?;
    let orchestrator = Arc::new(orchestrator(&catalog, &providers)?);
    if new && options.history {
        begin(orchestrator.as_ref()).await?;
    }
    let tokens = tokens(access.as_ref(), clock.as_ref()).await?;
    let plane = ControlPlane::new(catalog, Arc::clone(&orchestrator) as Arc<dyn Orchestrator>, access)
        .with_providers(providers)
        .with_restores(Arc::new(SameProvisioner::new(PROVISIONER)))
        .with_demo(true);
    Ok(Demo { plane, orchestrator, tokens })
}

/// Writes the invented past.
async fn fill(catalog: &dyn Catalog, now: Timestamp, history: bool) -> Result<()> {
    let mut made = Vec::new();
    for place in &PLACES {
        catalog.put_workspace(&place.record(now)?).await?;
        if history {
            made.extend(history::of(place, now)?);
            schedule(catalog, place, now).await?;
        }
    }
    made.sort_by_key(|(backup, _)| backup.created_at);
    for (backup, operation) in &made {
        past(catalog, operation).await?;
        catalog.put_backup(backup, None).await?;
    }
    Ok(())
}

/// Writes an operation that has ended.
async fn past(catalog: &dyn Catalog, operation: &OperationRecord) -> Result<()> {
    let nobody = Holder::new("demonstration", "past");
    if let Creation::Created(lease) = catalog.create_operation(operation, &nobody, LEASE).await? {
        catalog.commit(&lease, &OperationChange::new(operation)).await?;
        catalog.release_lease(&lease).await?;
    }
    Ok(())
}

/// The schedule of a workspace whose backups come by themselves. One was paused and forgotten.
async fn schedule(catalog: &dyn Catalog, place: &Place, now: Timestamp) -> Result<()> {
    if !place.exists || place.backups == 0 {
        return Ok(());
    }
    let workspace: WorkspaceId = place.id.parse()?;
    let id = ScheduleId::new(place.id.replace('/', "-"))?;
    let mut schedule = Schedule::new(Cadence::every(place.every)?);
    schedule.alarm_after = Some(place.every + place.every / 4);
    let request = BackupRequest::new(OperationId::new(id.as_str())?, workspace);
    let mut record = ScheduleRecord::new(id, schedule, request, now);
    let age = i64::try_from(place.age.as_millis()).unwrap_or(0);
    record.anchor = Timestamp::from_millis(now.as_millis() - age);
    if place.age > place.every {
        record.schedule.paused = true;
        record.stale_since = Some(record.anchor.after(place.every + place.every / 4));
    }
    catalog.put_schedule(&record, None).await?;
    Ok(())
}

async fn providers(catalog: &dyn Catalog, pace: Duration) -> Result<Vec<Arc<dyn Provider>>> {
    let mut query = BackupQuery::all();
    let mut known = Vec::new();
    loop {
        let page = catalog.backups(&query).await?;
        known.extend(page.items.into_iter().map(|stored| stored.backup));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    let provider = |id: &str| Ok(Arc::new(DemoProvider::new(id.parse()?, pace, &known)) as Arc<dyn Provider>);
    ["aws", "azure", "s3sync"].into_iter().map(provider).collect()
}

fn orchestrator(catalog: &Arc<dyn Catalog>, providers: &[Arc<dyn Provider>]) -> Result<LocalOrchestrator> {
    let mut builder = LocalOrchestrator::builder(Arc::clone(catalog))
        .provisioner(PROVISIONER, Arc::new(MemoryProvisioner::default()))
        .workspaces(Arc::new(|_: &WorkspaceId, record: Option<&WorkspaceRecord>| {
            let known = record?.clone();
            Some(Arc::new(MemoryWorkspace::new(known.definition, known.components)) as Arc<dyn Workspace>)
        }));
    for provider in providers {
        builder = builder.provider(Arc::clone(provider));
    }
    for place in PLACES.iter().filter(|place| place.exists) {
        let workspace = MemoryWorkspace::new(place.definition(0)?, place.components()?);
        builder = builder.workspace(Arc::new(workspace));
    }
    Ok(builder.build())
}

/// Something is under way as soon as one looks.
async fn begin(orchestrator: &dyn Orchestrator) -> Result<()> {
    let entropy = SystemEntropy::default();
    for (workspace, who) in [("ml-prod", "ada"), ("lin/vision-lab", "lin")] {
        let mut request = BackupRequest::new(OperationId::generate(&entropy), workspace.parse()?);
        request.creator = Some(who.to_owned());
        orchestrator.submit(Request::Backup(request)).await?;
    }
    Ok(())
}

async fn tokens(access: &dyn AccessStore, clock: &dyn Clock) -> Result<Vec<(Role, Secret)>> {
    let mut made = Vec::new();
    if access.tokens().await?.is_empty() {
        for (name, role) in [("ada", Role::Administrator), ("oscar", Role::Operator), ("vera", Role::Viewer)]
        {
            let (secret, record) = NewToken::new(name, role).make(clock, &SystemEntropy::default())?;
            access.put_token(&record).await?;
            made.push((role, secret));
        }
    }
    Ok(made)
}
