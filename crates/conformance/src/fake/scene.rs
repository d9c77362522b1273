//! A workspace over a fake cloud, with everything that backs it up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stillpoint_core::memory::{MemoryCatalog, MemoryWorkspace};
use stillpoint_core::{
    BackupRecord, BackupRequest, Catalog, Clock, Component, Definition, Error, ErrorKind, Finding, Holder,
    LocalOrchestrator, OpContext, OperationId, OperationStatus, Orchestrator, Provider, ProvisionRequest,
    Provisioned, Provisioner, Request, RestoredResource, Result, Tags, Workspace,
};

use super::Fake;
use super::pace::PacedClock;
use super::under_way::Death;
use crate::crash::{CrashPoint, Fuse, FusedCatalog, FusedProvisioner, FusedWorkspace};

/// The workspace of every scene.
pub const WORKSPACE: &str = "team/ml-1";
/// The name of its only provisioner.
pub const NEW_STORAGE: &str = "new-storage";
/// How long a process holds an operation without renewing it.
pub(super) const LEASE: Duration = Duration::from_secs(600);
/// Looks at an operation until it counts as stuck, in half minutes of the fake's clock.
const LOOKS_MAX: usize = 2000;

/// Makes nothing, and asks for storage with a protective tag (`keep`) where the old one was.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NewStorage;

#[async_trait]
impl Provisioner for NewStorage {
    async fn preflight(&self, _cx: &OpContext, _request: &ProvisionRequest) -> Result<Vec<Finding>> {
        Ok(Vec::new())
    }

    async fn provision(&self, _cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        let mut made = Provisioned::new(request.restore.target.clone());
        made.tags = [("keep".to_owned(), "yes".to_owned())].into();
        for record in &request.backup.components {
            made = made.with_destination(record.component.id.clone(), record.component.settings.clone());
        }
        Ok(made)
    }

    async fn attach(&self, _: &OpContext, _: &Provisioned, _: &[RestoredResource]) -> Result<()> {
        Ok(())
    }

    async fn activate(&self, _: &OpContext, _: &Provisioned) -> Result<()> {
        Ok(())
    }

    async fn discard(&self, _: &OpContext, _: &Provisioned) -> Result<()> {
        Ok(())
    }
}

/// A workspace, its catalog in memory, the fake's clock, and the provider as each newly started process builds it.
#[non_exhaustive]
pub struct Scene {
    /// The cloud.
    pub fake: Arc<dyn Fake>,
    /// Its clock.
    pub clock: Arc<PacedClock>,
    /// The catalog.
    pub catalog: Arc<MemoryCatalog>,
    /// The workspace [`WORKSPACE`].
    pub workspace: Arc<MemoryWorkspace>,
    provider: Box<dyn Fn() -> Arc<dyn Provider> + Send + Sync>,
}

/// What a process dies of.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fuses {
    /// At calls of the workspace and of the provisioner.
    pub outside: Arc<Fuse>,
    /// At writes to the catalog.
    pub catalog: Arc<Fuse>,
    /// Of an answer of the cloud that is lost.
    pub death: Death,
}

impl Fuses {
    /// Fuses that blow at these points, or never.
    pub fn new(outside: Option<CrashPoint>, catalog: Option<CrashPoint>) -> Self {
        let fuse = |point| Arc::new(Fuse::new(point));
        Self { outside: fuse(outside), catalog: fuse(catalog), death: Death::default() }
    }

    /// Returns when the process is dead.
    pub async fn blow(&self) {
        tokio::select! {
            () = self.outside.blows() => {}
            () = self.catalog.blows() => {}
            () = self.death.comes() => {}
        }
    }

    /// Whether it is.
    pub fn are_blown(&self) -> bool {
        self.outside.is_blown() || self.catalog.is_blown() || self.death.is_here()
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene").field("fake", &self.fake).finish_non_exhaustive()
    }
}

impl Scene {
    /// A workspace of `components` in `fake`, whose processes make their provider by `provider`. Its clock needs a runtime.
    ///
    /// # Errors
    /// None for the names that stand here.
    pub fn new(
        fake: Arc<dyn Fake>,
        components: Vec<Component>,
        provider: impl Fn() -> Arc<dyn Provider> + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::guarded(fake, components, Tags::new(), provider)
    }

    /// The same whose sources are guarded with `tags`.
    ///
    /// # Errors
    /// None for the names that stand here.
    pub fn guarded(
        fake: Arc<dyn Fake>,
        components: Vec<Component>,
        tags: Tags,
        provider: impl Fn() -> Arc<dyn Provider> + Send + Sync + 'static,
    ) -> Result<Self> {
        let clock = PacedClock::of(Arc::clone(&fake));
        let catalog = Arc::new(MemoryCatalog::with_clock(Arc::clone(&clock) as Arc<dyn Clock>));
        let mut definition = Definition::new(WORKSPACE.parse()?);
        definition.source_tags = tags;
        let workspace = Arc::new(MemoryWorkspace::new(definition, components));
        Ok(Self { fake, clock, catalog, workspace, provider: Box::new(provider) })
    }

    /// An orchestrator as a newly started process has it.
    pub fn orchestrator(&self, holder: &str) -> LocalOrchestrator {
        let catalog = Arc::clone(&self.catalog) as Arc<dyn Catalog>;
        let workspace = Arc::clone(&self.workspace) as Arc<dyn Workspace>;
        let provider = self.clock.waits_for((self.provider)());
        self.process(holder, catalog, workspace, provider, Arc::new(NewStorage))
    }

    /// The same of a process that dies by `fuses`.
    pub fn mortal(&self, holder: &str, fuses: &Fuses) -> LocalOrchestrator {
        let outside = || Arc::clone(&fuses.outside);
        let catalog = FusedCatalog::new(Arc::clone(&self.catalog) as Arc<_>, Arc::clone(&fuses.catalog));
        let workspace = FusedWorkspace::new(Arc::clone(&self.workspace) as Arc<_>, outside());
        let provider = self.clock.waits_for_mortal((self.provider)(), &fuses.death);
        let provisioner = FusedProvisioner::new(Arc::new(NewStorage), outside());
        self.process(holder, Arc::new(catalog), Arc::new(workspace), provider, Arc::new(provisioner))
    }

    fn process(
        &self,
        holder: &str,
        catalog: Arc<dyn Catalog>,
        workspace: Arc<dyn Workspace>,
        provider: Arc<dyn Provider>,
        provisioner: Arc<dyn Provisioner>,
    ) -> LocalOrchestrator {
        LocalOrchestrator::builder(catalog)
            .clock(Arc::clone(&self.clock) as Arc<dyn Clock>)
            .holder(Holder::new(holder, "process"))
            .lease_ttl(LEASE)
            .provider(provider)
            .workspace(workspace)
            .provisioner(NEW_STORAGE, provisioner)
            .build()
    }

    /// A backup of the workspace.
    ///
    /// # Errors
    /// `InvalidInput` for what cannot be an operation's id.
    pub fn backup(&self, id: &str) -> Result<BackupRequest> {
        Ok(BackupRequest::new(id.parse()?, WORKSPACE.parse()?))
    }

    /// Submits `request` to a process and waits for the operation's end.
    ///
    /// # Errors
    /// Whatever submitting and waiting can meet; how the operation ended is no error.
    pub async fn ends(&self, request: Request) -> Result<OperationStatus> {
        let (orchestrator, id) = (self.orchestrator("one"), request.id().clone());
        orchestrator.submit(request).await?;
        orchestrator.wait(&id).await
    }

    /// The same of a backup, with what was catalogued.
    ///
    /// # Errors
    /// `NotFound` where nothing was; whatever submitting and waiting can meet.
    pub async fn run(&self, request: BackupRequest) -> Result<(OperationStatus, BackupRecord)> {
        let status = self.ends(Request::Backup(request)).await?;
        let nothing = || Error::new(ErrorKind::NotFound, format!("no backup: {status:?}"));
        let backup = status.backup.clone().ok_or_else(nothing)?;
        Ok((status, backup))
    }

    /// Follows an operation that another process began to its end.
    ///
    /// # Errors
    /// `DeadlineExceeded` where it does not come; whatever recovering can meet.
    pub async fn follow(&self, process: &LocalOrchestrator, id: &OperationId) -> Result<OperationStatus> {
        for _ in 0..LOOKS_MAX {
            process.recover().await?;
            let status = process.status(id).await?;
            if status.operation.state.is_terminal() {
                return Ok(status);
            }
            self.clock.sleep(Duration::from_secs(30)).await;
        }
        Err(Error::new(ErrorKind::Unexpected, format!("the operation {id} does not end")))
    }
}
