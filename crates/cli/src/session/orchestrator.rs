//! The orchestrator of a run, with the providers that the run needs and the workspaces of the configuration.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use stillpoint_core::layer::CallLimits;
use stillpoint_core::{
    Builder, Catalog, Error, ErrorKind, LocalOrchestrator, OpContext, OperationLimits, Provider, ProviderId,
    Result, SystemClock, Trimming, Workspace,
};
use stillpoint_provider_azure::managed::AzureProvider;
use stillpoint_provider_s3sync::S3SyncProvider;
use stillpoint_server::document::LeftHold;

use super::{Needs, Session};
use crate::engine;
use crate::managed::{self, Aws, Clouds, HookProvisioner, HostNotes, ManagedWorkspace, Places};
use crate::settings::ManagedConfig;

/// How long a lease lasts. It is renewed every third of it, and each renewal notices a request to stop.
const LEASE_TTL: Duration = Duration::from_secs(15);

/// Whether the store of files must hold a repository already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// It must.
    Stored,
    /// The first backup makes it, and its key.
    MadeWhenMissing,
    /// Nothing is made, whether it is there or not.
    LookedAt,
}

/// An orchestrator with the providers that could be made.
#[derive(Debug)]
pub(crate) struct Answering {
    pub(crate) orchestrator: LocalOrchestrator,
    /// Which providers it has.
    pub(crate) has: Needs,
    /// Why it lacks the others.
    pub(crate) lacking: Vec<Error>,
}

/// Under this name an operation notes the store that it was submitted for.
pub(crate) const STORE: &str = "store";

impl Session {
    /// The providers that a run needs, by their ids.
    ///
    /// # Errors
    /// As [`Session::repository`] for the file data plane; `InvalidConfig` for a cloud that the environment lets nobody
    /// reach.
    pub(crate) async fn providers(
        &self,
        needs: &Needs,
        files: Files,
    ) -> Result<BTreeMap<ProviderId, Arc<dyn Provider>>> {
        let files = Box::pin(self.files(needs, files)).await?.map(|provider| provider as Arc<dyn Provider>);
        let clouds = Box::pin(self.clouds(needs)).await?;
        Ok(files
            .into_iter()
            .chain(clouds.providers())
            .map(|provider| (provider.id().clone(), provider))
            .collect())
    }

    /// An orchestrator with the providers of `needs`, the configured managed workspaces, and `workspaces`.
    ///
    /// # Errors
    /// As [`Session::providers`].
    pub(crate) async fn orchestrator(
        &self,
        catalog: &Arc<dyn Catalog>,
        needs: &Needs,
        files: Files,
        workspaces: impl IntoIterator<Item = Arc<dyn Workspace>>,
    ) -> Result<LocalOrchestrator> {
        let files = Box::pin(self.files(needs, files)).await?;
        let clouds = Box::pin(self.clouds(needs)).await?;
        self.orchestrator_with(catalog, files, clouds, workspaces)
    }

    /// An orchestrator with those providers of `needs` that can be made now: one store that does not answer keeps nobody from
    /// what lies elsewhere.
    ///
    /// # Errors
    /// None that a checked configuration can cause; why a provider is missing is in the answer.
    pub(crate) async fn orchestrator_of_what_answers(
        &self,
        catalog: &Arc<dyn Catalog>,
        needs: &Needs,
        files: Files,
        workspaces: impl IntoIterator<Item = Arc<dyn Workspace>>,
    ) -> Result<Answering> {
        let (mut lacking, mut clouds) = (Vec::new(), Clouds::default());
        let files = Box::pin(self.files(needs, files)).await.unwrap_or_else(|error| {
            lacking.push(error);
            None
        });
        match Box::pin(self.aws(needs)).await {
            Ok(aws) => clouds.aws = aws,
            Err(error) => lacking.push(error),
        }
        match self.azure(needs) {
            Ok(azure) => clouds.azure = azure,
            Err(error) => lacking.push(error),
        }
        let has = Needs {
            files: files.is_some(),
            aws: clouds.aws.is_some(),
            azure: clouds.azure.is_some(),
            region: needs.region.clone(),
        };
        let orchestrator = self.orchestrator_with(catalog, files, clouds, workspaces)?;
        Ok(Answering { orchestrator, has, lacking })
    }

    fn orchestrator_with(
        &self,
        catalog: &Arc<dyn Catalog>,
        files: Option<Arc<S3SyncProvider>>,
        clouds: Clouds,
        workspaces: impl IntoIterator<Item = Arc<dyn Workspace>>,
    ) -> Result<LocalOrchestrator> {
        let configured: Vec<_> = self.settings.config.all_managed().cloned().collect();
        let limits = self.settings.config.limits;
        let mut builder = LocalOrchestrator::builder(Arc::clone(catalog))
            .lease_ttl(LEASE_TTL)
            .operation_limits(OperationLimits::new(
                limits.operations.map(NonZero::get),
                limits.operations_per_provider.map(NonZero::get),
            ))
            .call_limits(CallLimits::new(
                limits.calls_at_once.map(NonZero::get),
                limits.calls_per_second.map(NonZero::get),
            ))
            .provisioner(engine::PROVISIONER, engine::provisioner())
            .workspaces(engine::resolver(self.settings.host.clone()));
        if self.settings.catalog.is_of_a_fleet() {
            builder = builder.host(&self.settings.host);
        }
        for config in &configured {
            builder = builder.workspace(self.managed_workspace(config, &clouds)?);
        }
        if !configured.is_empty() || clouds.aws.is_some() || clouds.azure.is_some() {
            let provisioner = HookProvisioner::new(configured, Arc::clone(catalog), &self.places())
                .with_azure(clouds.azure.clone())
                .with_aws(clouds.aws.as_ref().map(|aws| Arc::clone(&aws.own)));
            builder = builder.provisioner(managed::PROVISIONER, Arc::new(provisioner));
        }
        if let Some(files) = files {
            builder = builder.provider(files).note(STORE, self.store()?.description());
        }
        builder = clouds.providers().fold(builder, Builder::provider);
        Ok(workspaces.into_iter().fold(builder, Builder::workspace).build())
    }

    async fn files(&self, needs: &Needs, files: Files) -> Result<Option<Arc<S3SyncProvider>>> {
        Ok(match files {
            _ if !needs.files => None,
            Files::Stored => Some(self.provider().await?),
            Files::MadeWhenMissing => Some(self.provider_or_new().await?),
            Files::LookedAt => Some(self.provider_for_plan().await?),
        })
    }

    /// The clouds that are needed.
    ///
    /// # Errors
    /// As [`Session::providers`].
    pub(crate) async fn clouds(&self, needs: &Needs) -> Result<Clouds> {
        Ok(Clouds { aws: Box::pin(self.aws(needs)).await?, azure: self.azure(needs)? })
    }

    async fn aws(&self, needs: &Needs) -> Result<Option<Aws>> {
        if !needs.aws {
            return Ok(None);
        }
        managed::aws(&self.settings.config, needs.region.as_deref()).await.map(Some)
    }

    fn azure(&self, needs: &Needs) -> Result<Option<Arc<AzureProvider>>> {
        needs.azure.then(|| managed::azure(self.settings.config.all_managed())).transpose()
    }

    /// A configured managed workspace; with its cloud it also finds components by their tags.
    ///
    /// # Errors
    /// None that a checked configuration can cause.
    pub(crate) fn managed_workspace(
        &self,
        config: &ManagedConfig,
        clouds: &Clouds,
    ) -> Result<Arc<dyn Workspace>> {
        let files = engine::provider_id(self.settings.layout)?;
        let workspace = ManagedWorkspace::new(config.clone(), files, &self.places());
        Ok(match clouds.of(config) {
            Some(cloud) => Arc::new(workspace.with_cloud(cloud)),
            None => Arc::new(workspace),
        })
    }

    /// Lets the configured workspaces go that nothing under way holds still any more.
    ///
    /// # Errors
    /// The first failure; the others were tried all the same.
    pub(crate) async fn let_go_of_what_is_left(&self, catalog: &Arc<dyn Catalog>) -> Result<()> {
        let (cx, files) = (OpContext::background(), engine::provider_id(self.settings.layout)?);
        let mut failed = None;
        for config in self.settings.config.all_managed() {
            let workspace = ManagedWorkspace::new(config.clone(), files.clone(), &self.places());
            match workspace.let_go_if_left(&cx, catalog).await {
                Ok(true) => {
                    self.output.note(format_args!("workspace {} was held still and is let go", config.id))
                }
                Ok(false) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Lets a workspace go that is held still by an operation which is not under way in the catalog, on the word of whoever
    /// asks: it may be lost with its catalog. Answers what came of it, in words.
    ///
    /// # Errors
    /// `InvalidInput` where the workspace is not configured, `Busy` where its operation is under way, whatever letting go can
    /// meet.
    pub(crate) async fn let_go_of_held(&self, catalog: &dyn Catalog, workspace: &str) -> Result<String> {
        let Some(config) = self.settings.config.managed(workspace) else {
            let message = format!(
                "{workspace} is no managed workspace of this configuration; configure it again, with the hook that lets it go"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        };
        let (cx, held) = (OpContext::background(), self.managed_workspace(config, &Clouds::default())?);
        let Some(hold) = held.hold(&cx).await? else {
            return Ok(format!("workspace {workspace} is not held still from this host"));
        };
        let stored = match &hold.operation {
            Some(id) => catalog.operation(id).await?,
            None => None,
        };
        if let Some(stored) = stored.filter(|stored| !stored.operation.state.is_terminal()) {
            let id = stored.operation.id;
            let message = format!(
                "operation {id}, which holds workspace {workspace} still, is not at its end; `stillpoint resume {id}` brings it there, \
                 and `stillpoint cancel {id}` ends it"
            );
            return Err(Error::new(ErrorKind::Busy, message));
        }
        held.resume(&cx, &hold.id).await?;
        Ok(format!("workspace {workspace} was held still since {} and is let go", hold.since))
    }

    /// What removes operations that ended long ago, as the configuration says.
    pub(crate) fn trimming(&self, catalog: &Arc<dyn Catalog>) -> Trimming {
        let clock = Arc::new(SystemClock::default());
        Trimming::new(Arc::clone(catalog), clock, self.settings.config.history.kept())
    }

    /// Removes all of them. What that meets is noted, and keeps nothing else from being done.
    pub(crate) async fn trim(&self, catalog: &Arc<dyn Catalog>) {
        match self.trimming(catalog).all().await {
            Ok(0) => {}
            Ok(count) => {
                self.output.note(format_args!("{count} operations that ended long ago left the catalog"));
            }
            Err(error) => {
                self.output.note(format_args!("operations that ended long ago stay in the catalog: {error}"));
            }
        }
    }

    /// The workspaces that an ended operation left held still on this host. What cannot be told is noted, and keeps nothing
    /// from being listed.
    pub(crate) async fn left_holds(&self, catalog: &Arc<dyn Catalog>) -> Vec<LeftHold> {
        let left = self.hold_notes(catalog).all().await;
        let (left, untold) = left.unwrap_or_else(|error| (Vec::new(), vec![error]));
        for error in untold {
            self.output.note(format_args!("whether a workspace was left held still cannot be told: {error}"));
        }
        left
    }

    /// What this host notes of them, for a server of `catalog`.
    pub(crate) fn hold_notes(&self, catalog: &Arc<dyn Catalog>) -> HostNotes {
        let configured = self.settings.config.all_managed().map(|managed| managed.id.clone()).collect();
        HostNotes { holds: self.places().holds, catalog: Arc::clone(catalog), configured }
    }

    /// What this host keeps of managed workspaces.
    fn places(&self) -> Places {
        Places { holds: self.settings.data_dir.holds(), hooks: self.settings.data_dir.hooks() }
    }
}
