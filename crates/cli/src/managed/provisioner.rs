//! New workspaces for restores, made and started by hooks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use stillpoint_core::decide::Machine;
use stillpoint_core::{
    BackupRecord, Catalog, ComponentId, ComponentRecord, Error, ErrorKind, Finding, OpContext, Provider,
    ProvisionRequest, Provisioned, Provisioner, Request, RestoreJob, RestoredResource, Result, Settings,
    Severity, Tags, WorkspaceId,
};
use stillpoint_provider_aws::managed::AwsProvider;
use stillpoint_provider_azure::managed::{AzureProvider, RESOURCE};
use stillpoint_provider_s3sync::DirectoryProvisioner;

use super::Places;
use super::empty;
use super::hook::{Hook, HookCall, Hooks};
use super::inventory::MOUNT;
use super::plan_file::{HookPlan, RestoredItem};
use super::target_findings::{ENVIRONMENT, environment_findings, place_findings, region_findings};
use crate::engine;
use crate::settings::{HookLines, Kind, ManagedConfig};

/// Where a restore of files goes, for their provider.
pub(super) const PATH: &str = "path";
/// Who moves the files of a file system to its root, for its provider to say.
const MOVED_BY: &str = "moved_by";
/// The time that attaching and activating have whatever the deadline, as the orchestrator has it.
const STEP_LEAST: Duration = Duration::from_secs(3600);

/// Makes, starts and discards new workspaces by the hooks of the configuration.
///
/// The target's own hooks and settings count where it stands in the configuration, else those of the workspace that was
/// backed up. Without a `provision` hook the new workspace is a name, and its storage is all that is made.
#[derive(Debug)]
pub(crate) struct HookProvisioner {
    configured: Vec<ManagedConfig>,
    catalog: Arc<dyn Catalog>,
    hooks: Hooks,
    places: Places,
    /// Where empty shares are made for files.
    azure: Option<Arc<AzureProvider>>,
    /// Where it is noted that the hook moved the files of a file system.
    aws: Option<Arc<AwsProvider>>,
}

/// What `provision` prints.
#[derive(Debug, Deserialize)]
struct Answer {
    workspace: WorkspaceId,
    #[serde(default)]
    software_version: Option<String>,
    #[serde(default)]
    destinations: BTreeMap<ComponentId, Settings>,
    #[serde(default)]
    tags: Tags,
}

/// What is known of a restore that has begun.
#[derive(Debug, Default)]
struct Known {
    /// The target's name in the configuration, which need not be the one that it got.
    target: Option<WorkspaceId>,
    source: Option<WorkspaceId>,
    backup: Option<BackupRecord>,
    environment: Option<String>,
    resources: Vec<RestoredResource>,
    request: Option<ProvisionRequest>,
}

impl Known {
    /// What the component of this id was when it was backed up.
    fn kind(&self, id: &ComponentId) -> Option<&str> {
        let components = self.backup.iter().flat_map(|backup| &backup.components);
        let mut components = components.map(|record| &record.component);
        Some(components.find(|component| component.id == *id)?.kind.as_str())
    }
}

impl HookProvisioner {
    /// A provisioner for these workspaces; what an interrupted restore has made is read from `catalog`.
    pub(crate) fn new(configured: Vec<ManagedConfig>, catalog: Arc<dyn Catalog>, places: &Places) -> Self {
        let hooks = Hooks::new(places.hooks.clone());
        Self { configured, catalog, hooks, places: places.clone(), azure: None, aws: None }
    }

    /// The same, which makes empty shares and volumes of Azure for what is restored as files.
    #[must_use]
    pub(crate) fn with_azure(mut self, azure: Option<Arc<AzureProvider>>) -> Self {
        self.azure = azure;
        self
    }

    /// The same, which notes on file systems of AWS that their files were moved.
    #[must_use]
    pub(crate) fn with_aws(mut self, aws: Option<Arc<AwsProvider>>) -> Self {
        self.aws = aws;
        self
    }

    /// Notes on each of these that nothing is left to be moved.
    async fn moved(&self, cx: &OpContext, resources: &[RestoredResource]) -> Result<()> {
        let Some(aws) = &self.aws else { return Ok(()) };
        for resource in resources.iter().filter(|resource| resource.provider == *aws.id()) {
            aws.moved(cx, &resource.resource).await?;
        }
        Ok(())
    }

    fn configured(&self, id: &WorkspaceId) -> Option<&ManagedConfig> {
        self.configured.iter().find(|config| config.id == *id)
    }

    /// The target's hooks, or the source's where it has none of its own.
    fn lines(&self, target: &WorkspaceId, source: Option<&WorkspaceId>) -> HookLines {
        let own = self.configured(target).map(|config| &config.hooks);
        let own = own.filter(|hooks| hooks.provision.is_some() || hooks.activate.is_some());
        let inherited = || source.and_then(|source| self.configured(source)).map(|config| &config.hooks);
        own.or_else(inherited).cloned().unwrap_or_default()
    }

    /// Where and how each component's new resource is made: what was recorded, then what the source's configuration says
    /// now, then the target's; the more special counts more.
    fn destinations(&self, request: &ProvisionRequest) -> BTreeMap<ComponentId, Settings> {
        let backup = &request.backup;
        let configs = [self.configured(&backup.workspace), self.configured(&request.restore.target)];
        let mut destinations = BTreeMap::new();
        for record in backup.components.iter().filter(|record| record.snapshot.is_some()) {
            let id = &record.component.id;
            let mut destination = record.component.settings.clone();
            // Where the old workspace's files are seen is not where the new one's will be.
            destination.remove(MOUNT);
            for config in configs.into_iter().flatten() {
                destination.extend(config.destination.clone());
            }
            for component in configs.into_iter().flatten().filter_map(|config| config.component(id)) {
                destination.extend(component.settings.clone());
            }
            let target = configs[1].and_then(|config| config.component(id));
            let mount = target.and_then(|component| component.mount.as_ref()?.to_str());
            if let Some(mount) = mount {
                destination.insert(if of_files(record) { PATH } else { MOUNT }.to_owned(), mount.into());
            }
            let named = target.filter(|component| component.kind.is_filled() && of_files(record));
            if let Some(resource) = named.and_then(|component| component.resource()) {
                destination.insert(RESOURCE.to_owned(), resource.into());
            }
            let hook = self.lines(&request.restore.target, Some(&backup.workspace)).reroot;
            if hook.is_some() && mount.is_none() && record.component.kind == Kind::Efs.as_str() {
                destination.insert(MOVED_BY.to_owned(), "the reroot hook".into());
            }
            destinations.insert(id.clone(), destination);
        }
        destinations
    }

    /// The empty shares and volumes that a restore fills.
    fn empties(&self, request: &ProvisionRequest) -> Result<Vec<RestoreJob>> {
        let target = self.configured(&request.restore.target);
        empty::jobs(request, target, &self.destinations(request), &self.tags(request))
    }

    /// What stands against the new shares and volumes; `hooked` where a provision hook may mount them.
    fn empties_findings(&self, request: &ProvisionRequest, hooked: bool) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for job in self.empties(request)? {
            let lost =
                self.azure.as_ref().map(|azure| azure.tags_left_out(&job)).transpose()?.unwrap_or_default();
            if !lost.is_empty() {
                let message = format!(
                    "a share has metadata and no tags, and metadata cannot hold {}; the new share of component {} goes \
                     without",
                    lost.join(", "),
                    job.component.id
                );
                findings.push(Finding::new("target-tags", Severity::Warning, message));
            }
            if let Some(message) = empty::never_mounted(&job).filter(|_| !hooked) {
                findings.push(Finding::new("target-mounted", Severity::Blocker, message));
            }
            if !job.destination.contains_key(RESOURCE) && !hooked {
                let message = format!(
                    "a new one is made of component {} and nothing mounts it: name it in workspace {} by the key \
                     resource, or mount what the provision hook is told of",
                    job.component.id, request.restore.target
                );
                findings.push(Finding::new("target-share", Severity::Blocker, message));
            }
        }
        Ok(findings)
    }

    fn tags(&self, request: &ProvisionRequest) -> Tags {
        let recorded = request.backup.definition.settings.get("protect_tags");
        let recorded = recorded.and_then(|tags| serde_json::from_value::<Tags>(tags.clone()).ok());
        let now = self.configured(&request.backup.workspace).map(|config| config.protect_tags.clone());
        let mut tags = now.or(recorded).unwrap_or_default();
        tags.extend(
            self.configured(&request.restore.target).into_iter().flat_map(|c| c.protect_tags.clone()),
        );
        tags
    }

    /// The newest version that the configuration knows, unless the restore names one.
    fn software_version(&self, request: &ProvisionRequest) -> Option<String> {
        let of = |id: &WorkspaceId| self.configured(id)?.software_version.clone();
        let pinned = request.restore.software_version.clone();
        pinned.or_else(|| of(&request.restore.target)).or_else(|| of(&request.backup.workspace))
    }

    /// The environment that was asked for, the target's own, or that of the backup.
    fn environment(
        &self,
        settings: &Settings,
        target: &WorkspaceId,
        backup: &BackupRecord,
    ) -> Option<String> {
        let asked = settings.get(ENVIRONMENT).and_then(|name| name.as_str()).map(str::to_owned);
        let own = || self.configured(target)?.environment.clone();
        asked.or_else(own).or_else(|| backup.definition.environment.clone())
    }

    /// What the catalog knows of the restore that `cx` serves.
    async fn known(&self, cx: &OpContext) -> Result<Known> {
        let Some(id) = cx.operation() else { return Ok(Known::default()) };
        let Some(stored) = self.catalog.operation(id).await? else { return Ok(Known::default()) };
        let (Request::Restore(restore), Machine::Restore(machine)) =
            (&stored.operation.request, &stored.operation.machine)
        else {
            return Ok(Known::default());
        };
        let statuses = machine.members.iter().filter_map(|member| member.run.status.as_ref());
        let resources = statuses.filter_map(|status| status.restored.clone()).collect();
        let backup = match &machine.backup {
            Some(backup) => Some(backup.clone()),
            None => self.catalog.backup(&restore.backup).await?.map(|stored| stored.backup),
        };
        let environment =
            backup.as_ref().and_then(|backup| self.environment(&restore.settings, &restore.target, backup));
        let source = backup.as_ref().map(|backup| backup.workspace.clone());
        let request = backup.clone().map(|backup| ProvisionRequest::new(restore.clone(), backup));
        Ok(Known { target: Some(restore.target.clone()), source, backup, environment, resources, request })
    }

    /// The hooks of a restore whose workspace was made.
    fn lines_of(&self, made: &Provisioned, known: &Known) -> HookLines {
        self.lines(known.target.as_ref().unwrap_or(&made.workspace), known.source.as_ref())
    }

    /// Runs a hook of a restore whose workspace was made.
    async fn call(
        &self,
        cx: &OpContext,
        hook: Hook,
        line: &str,
        made: &Provisioned,
        known: &Known,
    ) -> Result<()> {
        let mut plan = HookPlan {
            operation_id: cx.operation().cloned(),
            target: Some(made.workspace.clone()),
            environment: known.environment.clone(),
            software_version: made.software_version.clone(),
            destinations: made.destinations.clone(),
            tags: made.tags.clone(),
            ..HookPlan::default()
        };
        if let Some(backup) = &known.backup {
            plan = plan.of_backup(backup);
        }
        plan.resources = known
            .resources
            .iter()
            .map(|resource| RestoredItem {
                component: resource.component.clone(),
                kind: known.kind(&resource.component).map(str::to_owned),
                provider: resource.provider.to_string(),
                resource: resource.resource.clone(),
            })
            .collect();
        self.run(cx, hook, line, &plan).await.map(drop)
    }

    async fn run(&self, cx: &OpContext, hook: Hook, line: &str, plan: &HookPlan) -> Result<Vec<u8>> {
        let target =
            plan.target.as_ref().ok_or_else(|| Error::new(ErrorKind::Unexpected, "a plan has no target"))?;
        let file = plan.write(&self.places.hooks)?;
        let left = cx.deadline().map(|deadline| deadline.since(cx.clock().now()));
        let limit = match hook {
            // What undoes has its own time: the deadline may be what it undoes for.
            Hook::Discard => None,
            Hook::Provision => left.filter(|left| !left.is_zero()),
            // By then everything is restored.
            _ => left.map(|left| left.max(STEP_LEAST)),
        };
        let call = HookCall::new(hook, line, plan.workspace.as_ref().unwrap_or(target))
            .for_operation(plan.operation_id.as_ref())
            .about(plan.backup_id.as_ref())
            .with("STILLPOINT_TARGET_WORKSPACE_ID", target.as_str())
            .with("STILLPOINT_PLAN", file.path())
            .within(limit);
        let turn = self.hooks.turn(cx, target).await?;
        turn.run(cx, call).await
    }
}

/// Whether the data plane of files keeps a component.
pub(super) fn of_files(record: &ComponentRecord) -> bool {
    record.snapshot.as_ref().is_some_and(|snapshot| engine::keeps_files(&snapshot.provider))
}

#[async_trait]
impl Provisioner for HookProvisioner {
    async fn preflight(&self, _cx: &OpContext, request: &ProvisionRequest) -> Result<Vec<Finding>> {
        let (target, backup) = (&request.restore.target, &request.backup);
        let mut findings = Vec::new();
        if *target == backup.workspace {
            let message = format!("{target} is the workspace that was backed up; a restore makes a new one");
            findings.push(Finding::new("target-new", Severity::Blocker, message));
        }
        findings
            .extend(self.configured(target).into_iter().flat_map(|config| place_findings(config, backup)));
        findings.extend(environment_findings(&self.configured, request, self.configured(target)));
        let source = self.configured(&backup.workspace);
        let lines = self.lines(target, Some(&backup.workspace));
        let hooked = lines.provision.is_some();
        findings.extend(region_findings(source, self.configured(target), request, hooked));
        if lines.provision.is_none() {
            let message = "no provision hook is configured; only the storage of the new workspace is made";
            findings.push(Finding::new("provision-hook", Severity::Warning, message));
        }
        let destinations = self.destinations(request);
        for record in &backup.components {
            let (id, destination) = (&record.component.id, destinations.get(&record.component.id));
            let Some(destination) = destination else { continue };
            if of_files(record) && !destination.contains_key(PATH) {
                // The hook may answer where they go.
                let (severity, unless) = match &lines.provision {
                    Some(_) => (Severity::Warning, ", unless the provision hook answers its path"),
                    None => (Severity::Blocker, ""),
                };
                let message = format!(
                    "component {id} is restored as files; configure workspace {target} with a mount for it{unless}"
                );
                findings.push(Finding::new("target-mount", severity, message));
            }
        }
        findings.extend(self.empties_findings(request, lines.provision.is_some())?);
        Ok(findings)
    }

    async fn provision(&self, cx: &OpContext, request: &ProvisionRequest) -> Result<Provisioned> {
        let (restore, backup) = (&request.restore, &request.backup);
        let blocked =
            self.configured(&restore.target).and_then(|config| place_findings(config, backup).pop());
        if let Some(finding) = blocked {
            return Err(Error::new(ErrorKind::InvalidInput, finding.message).with("check", finding.check));
        }
        let mut made = Provisioned::new(restore.target.clone());
        made.software_version = self.software_version(request);
        made.environment = self.environment(&restore.settings, &restore.target, &request.backup);
        made.destinations = self.destinations(request);
        made.tags = self.tags(request);
        let azure = self.azure.as_deref();
        empty::make(azure, cx, self.empties(request)?, &mut made).await?;
        let lines = self.lines(&restore.target, Some(&backup.workspace));
        let empties = self.empties(request)?;
        let Some(line) = &lines.provision else { return empty::mounted(azure, cx, empties, made).await };
        let plan = HookPlan {
            operation_id: Some(restore.id.clone()),
            target: Some(restore.target.clone()),
            environment: self.environment(&restore.settings, &restore.target, backup),
            software_version: made.software_version.clone(),
            destinations: made.destinations.clone(),
            tags: made.tags.clone(),
            ..HookPlan::default()
        };
        let printed = self.run(cx, Hook::Provision, line, &plan.of_backup(backup)).await?;
        let answer = answer(&printed)?;
        if answer.workspace != restore.target && self.configured(&answer.workspace).is_some() {
            let (asked, named) = (&restore.target, &answer.workspace);
            let message = format!(
                "the hook provision answered {named}, which stands in the configuration, where {asked} was asked for; let it \
                 answer the workspace that it made"
            );
            return Err(Error::new(ErrorKind::AlreadyExists, message).maybe_applied());
        }
        made.workspace = answer.workspace;
        made.software_version = answer.software_version.or(made.software_version);
        made.tags.extend(answer.tags);
        for (id, settings) in answer.destinations {
            made.destinations.entry(id).or_default().extend(settings);
        }
        empty::mounted(azure, cx, empties, made).await
    }

    async fn attach(&self, cx: &OpContext, made: &Provisioned, resources: &[RestoredResource]) -> Result<()> {
        let (files, others): (Vec<_>, Vec<_>) =
            resources.iter().cloned().partition(|resource| engine::keeps_files(&resource.provider));
        if !files.is_empty() {
            DirectoryProvisioner::default().attach(cx, made, &files).await?;
        }
        let mut known = self.known(cx).await?;
        let lines = self.lines_of(made, &known);
        // Where this host sees the new file system, its provider has moved the files already.
        let mounted = |id: &ComponentId| made.destinations.get(id).is_some_and(|to| to.contains_key(MOUNT));
        let to_move = |resource: &RestoredResource| {
            known.kind(&resource.component).is_none_or(|kind| kind == Kind::Efs.as_str())
                && !mounted(&resource.component)
        };
        let Some(line) = lines.reroot.filter(|_| others.iter().any(to_move)) else { return Ok(()) };
        let moved: Vec<_> = others.iter().filter(|resource| to_move(resource)).cloned().collect();
        known.resources = resources.to_vec();
        self.call(cx, Hook::Reroot, &line, made, &known).await?;
        self.moved(cx, &moved).await
    }

    async fn activate(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        let known = self.known(cx).await?;
        match self.lines_of(made, &known).activate {
            Some(line) => self.call(cx, Hook::Activate, &line, made, &known).await,
            None => Ok(()),
        }
    }

    async fn discard(&self, cx: &OpContext, made: &Provisioned) -> Result<()> {
        let known = self.known(cx).await?;
        if let Some(request) = &known.request {
            empty::discard(self.azure.as_deref(), cx, self.empties(request)?).await?;
        }
        let lines = self.lines_of(made, &known);
        match (&lines.provision, &lines.discard) {
            (None, _) => Ok(()),
            (Some(_), Some(line)) => self.call(cx, Hook::Discard, line, made, &known).await,
            (Some(_), None) => {
                let operation = cx.operation().map(|id| format!(" for restore {id}")).unwrap_or_default();
                let message = format!(
                    "the provision hook may have made workspace {}{operation}; remove it by hand, or configure a \
                     discard hook",
                    made.workspace
                );
                Err(Error::new(ErrorKind::NeedsAttention, message))
            }
        }
    }
}

/// Reads what `provision` printed: one JSON document, or one in its last line.
fn answer(printed: &[u8]) -> Result<Answer> {
    let whole = serde_json::from_slice(printed);
    let last = || printed.split(|byte| *byte == b'\n').rfind(|line| !line.trim_ascii().is_empty());
    whole.or_else(|error| last().map_or(Err(error), serde_json::from_slice)).map_err(|error| {
        let message = "the hook provision did not print the new workspace as {\"workspace\": ID}";
        Error::new(ErrorKind::InvalidConfig, message).with_source(error).maybe_applied()
    })
}
