//! A whole scene: a cloud, a workspace on it, a control plane, a catalog, and the orchestrators that come and go.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stillpoint_core::memory::MemoryCatalog;
use stillpoint_core::{
    BackupRequest, Catalog, Clock, Component, CopyRequest, Definition, DeleteRequest, Depth, Error,
    ErrorKind, Holder, LocalOrchestrator, OperationId, OperationStatus, Orchestrator, Provider, ProviderId,
    Provisioner, Request, RestoreRequest, Result, RoleGrant, Settings, Timestamp, VerifyRequest,
    VirtualClock, Workspace, WorkspaceId,
};

use super::cloud::SimCloud;
use super::config::SimConfig;
use super::provisioner::SimProvisioner;
use super::resource::SimKind;
use super::workspace::SimWorkspace;

/// How long the leases of a world's orchestrators last.
pub const LEASE_TTL: Duration = Duration::from_secs(180);

/// No operation may take longer from its submission to its end, whatever goes wrong.
pub const END_WITHIN: Duration = Duration::from_secs(3 * 24 * 3600);

/// Everything that outlives a process. Needs a tokio runtime whose time is paused.
#[derive(Debug)]
#[non_exhaustive]
pub struct SimWorld {
    /// The virtual clock of everything here.
    pub clock: Arc<dyn Clock>,
    /// The cloud.
    pub cloud: Arc<SimCloud>,
    /// The workspace `ws`.
    pub workspace: Arc<SimWorkspace>,
    /// The control plane, registered as `sim`.
    pub provisioner: Arc<SimProvisioner>,
    /// The catalog.
    pub catalog: Arc<MemoryCatalog>,
    processes: AtomicU32,
}

impl SimWorld {
    /// A workspace with these components, each given as name, kind, size and bytes changed per second, and an
    /// external share that is left out.
    ///
    /// # Errors
    /// `InvalidInput` for a name that cannot be an id.
    pub fn new(config: SimConfig, components: &[(&str, SimKind, u64, u64)]) -> Result<Self> {
        let clock: Arc<dyn Clock> =
            Arc::new(VirtualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)));
        let cloud = SimCloud::new(Arc::clone(&clock), config);
        let provider: ProviderId = "sim".parse()?;
        let mut inventory = Vec::new();
        for (name, kind, size, change) in components {
            let resource = format!("arn-{name}");
            cloud.add_resource(&resource, *kind, *size, *change);
            cloud.write(&resource, "notes.txt", name.as_bytes());
            inventory.push(Component::new(name.parse()?, kind.as_str(), provider.clone(), resource));
        }
        inventory.push(
            Component::new("shared".parse()?, "nfs", provider, "nfs-1")
                .excluded("an external share has its own backup"),
        );
        let mut definition = Definition::new("ws".parse()?);
        definition.software_version = Some("2026.1".into());
        definition.roles.push(RoleGrant::new("ada", "admin"));
        let workspace = SimWorkspace::new(Arc::clone(&cloud), definition, inventory);
        let catalog = Arc::new(MemoryCatalog::with_clock(Arc::clone(&clock)));
        let provisioner = SimProvisioner::new();
        Ok(Self { clock, cloud, workspace, provisioner, catalog, processes: AtomicU32::new(0) })
    }

    /// A newly started process with handles of its own on everything.
    ///
    /// # Errors
    /// None that a caller could meet.
    pub fn orchestrator(&self) -> Result<LocalOrchestrator> {
        self.orchestrator_on(
            Arc::clone(&self.catalog) as Arc<dyn Catalog>,
            Arc::new(self.cloud.provider("sim".parse()?)),
            Arc::clone(&self.workspace) as Arc<dyn Workspace>,
            Arc::clone(&self.provisioner) as Arc<dyn Provisioner>,
        )
    }

    /// A newly started process with these handles, which may be wrapped ones.
    ///
    /// # Errors
    /// None that a caller could meet.
    pub fn orchestrator_on(
        &self,
        catalog: Arc<dyn Catalog>,
        provider: Arc<dyn Provider>,
        workspace: Arc<dyn Workspace>,
        provisioner: Arc<dyn Provisioner>,
    ) -> Result<LocalOrchestrator> {
        self.orchestrator_under(Arc::clone(&self.clock), catalog, provider, workspace, provisioner)
    }

    /// The same process with a clock of its own, which may be off.
    ///
    /// # Errors
    /// None that a caller could meet.
    pub fn orchestrator_under(
        &self,
        clock: Arc<dyn Clock>,
        catalog: Arc<dyn Catalog>,
        provider: Arc<dyn Provider>,
        workspace: Arc<dyn Workspace>,
        provisioner: Arc<dyn Provisioner>,
    ) -> Result<LocalOrchestrator> {
        let process = self.processes.fetch_add(1, Ordering::Relaxed);
        Ok(LocalOrchestrator::builder(catalog)
            .clock(clock)
            .holder(Holder::new("sim-host", format!("process {process}")))
            .lease_ttl(LEASE_TTL)
            .provider(provider)
            .workspace(workspace)
            .provisioner("sim", provisioner)
            .build())
    }

    /// A request for a backup of the workspace.
    ///
    /// # Errors
    /// `InvalidInput` for a name that cannot be an id.
    pub fn backup(&self, id: &str) -> Result<BackupRequest> {
        Ok(BackupRequest::new(id.parse()?, "ws".parse()?))
    }

    /// A request to restore the backup that operation `of` made into the new workspace `target`.
    ///
    /// # Errors
    /// `InvalidInput` for a name that cannot be an id.
    pub fn restore(&self, id: &str, of: &str, target: &str) -> Result<RestoreRequest> {
        let backup = stillpoint_core::BackupId::of(&of.parse()?);
        Ok(RestoreRequest::new(id.parse()?, backup, target.parse()?, "sim", Settings::new()))
    }

    /// A request to delete the backup that operation `of` made.
    ///
    /// # Errors
    /// `InvalidInput` for a name that cannot be an id.
    pub fn delete(&self, id: &str, of: &str) -> Result<DeleteRequest> {
        let backup = stillpoint_core::BackupId::of(&of.parse()?);
        Ok(DeleteRequest::new(id.parse()?, backup, "ws".parse()?))
    }

    /// A request to verify the backup that operation `of` made, to the depth `Decrypted`.
    ///
    /// # Errors
    /// `InvalidInput` for a name that cannot be an id.
    pub fn verify(&self, id: &str, of: &str) -> Result<VerifyRequest> {
        let backup = stillpoint_core::BackupId::of(&of.parse()?);
        Ok(VerifyRequest::new(id.parse()?, backup, "ws".parse()?, Depth::Decrypted))
    }

    /// A request to copy the backup that operation `of` made to another vault.
    ///
    /// # Errors
    /// `InvalidInput` for a name that cannot be an id.
    pub fn copy(&self, id: &str, of: &str) -> Result<CopyRequest> {
        let backup = stillpoint_core::BackupId::of(&of.parse()?);
        let destination = Settings::from([("vault".to_owned(), "elsewhere".into())]);
        Ok(CopyRequest::new(id.parse()?, backup, "ws".parse()?, destination))
    }

    /// Lets virtual time pass while everything that runs goes on.
    pub async fn pass(&self, time: Duration) {
        self.clock.sleep(time).await;
    }

    /// Submits a request and follows it to its very end, past a detachment.
    ///
    /// # Errors
    /// Whatever the orchestrator answers; `DeadlineExceeded` where it does not end within [`END_WITHIN`].
    pub async fn run(&self, orchestrator: &dyn Orchestrator, request: Request) -> Result<OperationStatus> {
        let id = request.id().clone();
        orchestrator.submit(request).await?;
        self.finish(orchestrator, &id).await
    }

    /// Follows an operation to its very end, past a detachment.
    ///
    /// # Errors
    /// Whatever the orchestrator answers; `DeadlineExceeded` where it does not end within [`END_WITHIN`].
    pub async fn finish(&self, orchestrator: &dyn Orchestrator, id: &OperationId) -> Result<OperationStatus> {
        let ended = tokio::time::timeout(END_WITHIN, async {
            loop {
                let status = orchestrator.wait(id).await?;
                if status.operation.state.is_terminal() {
                    return Ok(status);
                }
                self.pass(Duration::from_secs(60)).await;
            }
        });
        ended.await.unwrap_or_else(|_elapsed| {
            Err(Error::new(
                ErrorKind::DeadlineExceeded,
                format!("operation {id} did not end in {END_WITHIN:?}"),
            ))
        })
    }

    /// The id of the workspace.
    pub fn workspace_id(&self) -> WorkspaceId {
        self.workspace.id().clone()
    }
}
