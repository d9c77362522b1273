//! A managed workspace as the contract has it: described by the configuration, held still by hooks.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use stillpoint_core::{
    BackupId, Catalog, Component, Consistency, Definition, Error, ErrorKind, HoldInfo, OpContext, ProviderId,
    QuiesceId, QuiesceOptions, Result, Settings, Watchdog, Watched, Workspace, WorkspaceId,
};

use super::Places;
use super::hold::{Held, HoldFile};
use super::hook::{Hook, HookCall, Hooks};
use super::inventory::{self, Cloud};
use crate::settings::ManagedConfig;

/// The time that a quiesce hook has in any case, however short the hold is meant to be.
const QUIESCE_LEAST: Duration = Duration::from_secs(30);
/// The longest time that letting go may take: as long as the orchestrator waits for it.
const RESUME_MAX: Duration = Duration::from_secs(600);

/// A workspace whose storage lies in a cloud account.
///
/// Its hold is a file of this host, so that any later process of it can let the workspace go. A process that finds no such
/// file asks the `resume` hook all the same, which succeeds where there is nothing to bring back. Without a `quiesce` hook
/// nothing is stopped, and no more than each provider's own word is claimed of what was captured.
#[derive(Debug)]
pub(crate) struct ManagedWorkspace {
    config: ManagedConfig,
    files: ProviderId,
    cloud: Option<Arc<dyn Cloud>>,
    hooks: Hooks,
    hold: HoldFile,
}

impl ManagedWorkspace {
    /// The configured workspace, whose mounted files the provider `files` protects.
    pub(crate) fn new(config: ManagedConfig, files: ProviderId, places: &Places) -> Self {
        let hold = HoldFile::of(&places.holds, &config.id);
        Self { config, files, cloud: None, hooks: Hooks::new(places.hooks.clone()), hold }
    }

    /// The same with what its cloud knows of it.
    #[must_use]
    pub(crate) fn with_cloud(mut self, cloud: Arc<dyn Cloud>) -> Self {
        self.cloud = Some(cloud);
        self
    }

    /// Lets go of a hold whose operation has ended in `catalog`, or that has outlasted its budget: nobody else will. While
    /// another operation is under way on the workspace, which may hold it still from another host, what has ended waits.
    /// Answers whether it did.
    ///
    /// # Errors
    /// Whatever looking and letting go can meet.
    pub(crate) async fn let_go_if_left(&self, cx: &OpContext, catalog: &Arc<dyn Catalog>) -> Result<bool> {
        let watchdog = Watchdog::new(Arc::clone(cx.clock())).with_catalog(Arc::clone(catalog));
        Ok(matches!(watchdog.look(self).await?, Watched::Released(_)))
    }

    fn level(&self) -> Consistency {
        self.config.hooks.consistency.unwrap_or(Consistency::Application)
    }
}

/// The definition that a backup records: enough to find its vault when the configuration has forgotten the workspace.
pub(super) fn definition(config: &ManagedConfig) -> Definition {
    let mut definition = Definition::new(config.id.clone());
    definition.account = Some(config.owner().to_owned());
    definition.region = Some(config.region.to_string());
    definition.environment.clone_from(&config.environment);
    definition.software_version.clone_from(&config.software_version);
    definition.roles.clone_from(&config.roles);
    let mut settings = Settings::from([("provider".to_owned(), json!(config.provider))]);
    let role = config.role_arn.as_ref().map(|role| role.get_ref());
    settings.extend(config.vault.as_ref().map(|vault| ("vault".to_owned(), json!(vault))));
    settings.extend(role.map(|role| ("role_arn".to_owned(), json!(role))));
    for (name, tags) in [("protect_tags", &config.protect_tags), ("discover_tags", &config.discover_tags)] {
        if !tags.is_empty() {
            settings.insert(name.to_owned(), json!(tags));
        }
    }
    if !config.settings.is_empty() {
        settings.insert("settings".to_owned(), json!(config.settings));
    }
    definition.settings = settings;
    definition.snapshot_tags.clone_from(&config.protect_tags);
    if config.protect_sources {
        definition.source_tags.clone_from(&config.protect_tags);
    }
    definition
}

#[async_trait]
impl Workspace for ManagedWorkspace {
    fn id(&self) -> &WorkspaceId {
        &self.config.id
    }

    async fn definition(&self, _cx: &OpContext) -> Result<Definition> {
        Ok(definition(&self.config))
    }

    async fn inventory(&self, cx: &OpContext) -> Result<Vec<Component>> {
        inventory::read(cx, &self.config, &self.files, self.cloud.as_deref()).await
    }

    async fn quiesce(&self, cx: &OpContext, id: &QuiesceId, options: &QuiesceOptions) -> Result<Consistency> {
        let Some(line) = &self.config.hooks.quiesce else { return Ok(Consistency::Fuzzy) };
        let turn = self.hooks.turn(cx, self.id()).await?;
        let mut held = match self.hold.read()? {
            Some(held) if held.hold.id != *id => {
                let (whose, since) = (held.hold.id, held.hold.since);
                let message = format!("{whose} holds the workspace {} still since {since}", self.id());
                return Err(Error::new(ErrorKind::Busy, message));
            }
            Some(held) if held.still => return Ok(self.level()),
            Some(held) => held,
            None => Held {
                hold: HoldInfo::new(id.clone(), cx.clock().now(), options.budget),
                workspace: self.id().clone(),
                operation: cx.operation().cloned(),
                backup: cx.operation().map(BackupId::of),
                still: false,
            },
        };
        self.hold.write(&held)?;
        let left = cx.deadline().map(|deadline| deadline.since(cx.clock().now()));
        let limit = left.map_or(options.budget, |left| left.min(options.budget)).max(QUIESCE_LEAST);
        let call = HookCall::new(Hook::Quiesce, line, self.id())
            .for_operation(held.operation.as_ref())
            .about(held.backup.as_ref())
            .with("STILLPOINT_HOLD_ID", id.as_str())
            .with("STILLPOINT_HOLD_SECONDS", options.budget.as_secs().to_string())
            .within(Some(limit));
        turn.run(cx, call).await?;
        held.still = true;
        self.hold.write(&held)?;
        Ok(self.level())
    }

    async fn resume(&self, cx: &OpContext, id: &QuiesceId) -> Result<()> {
        let never_stops = self.config.hooks.resume.is_none();
        if self.hold.read()?.map_or(never_stops, |held| held.hold.id != *id) {
            return Ok(());
        }
        let turn = self.hooks.turn(cx, self.id()).await?;
        // A hold that is noted nowhere here may have been taken on another host, which is gone: the hook can tell.
        let (operation, backup) = match self.hold.read()? {
            Some(held) if held.hold.id != *id => return Ok(()),
            Some(held) => (held.operation, held.backup),
            None => (cx.operation().cloned(), cx.operation().map(BackupId::of)),
        };
        let Some(line) = &self.config.hooks.resume else {
            let message = format!("workspace {} is held still and has no resume hook any more", self.id());
            return Err(Error::new(ErrorKind::NeedsAttention, message));
        };
        let call = HookCall::new(Hook::Resume, line, self.id())
            .for_operation(operation.as_ref())
            .about(backup.as_ref())
            .with("STILLPOINT_HOLD_ID", id.as_str())
            .within(Some(RESUME_MAX));
        turn.run(cx, call).await?;
        self.hold.remove()
    }

    async fn hold(&self, _cx: &OpContext) -> Result<Option<HoldInfo>> {
        Ok(self.hold.read()?.map(|held| held.hold.taken_by(held.operation)))
    }
}
