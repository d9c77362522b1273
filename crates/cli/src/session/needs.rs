//! Which providers a run needs: none is made for the others, so that nobody has to configure what he does not use.

use std::collections::BTreeSet;

use stillpoint_core::decide::Machine;
use stillpoint_core::{
    BackupRecord, Catalog, Component, OperationRecord, Protection, ProviderId, Request, Result, WorkspaceId,
    WorkspaceRecord,
};

use crate::engine;
use crate::managed::{AWS, AZURE, is_aws};
use crate::settings::{ConfigFile, ConfiguredWorkspace, Kind, ManagedConfig};

/// The providers that a run needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The file data plane.
    pub(crate) files: bool,
    /// AWS.
    pub(crate) aws: bool,
    /// Azure.
    pub(crate) azure: bool,
    /// A region where AWS is needed, for when nothing else names one.
    pub(crate) region: Option<String>,
}

impl Needs {
    /// What works on directories.
    pub(crate) fn files() -> Self {
        Self { files: true, ..Self::default() }
    }

    /// What backs up a managed workspace.
    pub(crate) fn of_managed(config: &ManagedConfig) -> Self {
        let region = Some(config.region.to_string());
        let uses = |cloud: &str| config.uses_the_cloud() && config.provider == cloud;
        Self { files: config.uses_files(), aws: uses(AWS), azure: uses(AZURE), region }
    }

    /// What opens, restores and deletes the snapshots of `backup`.
    pub(crate) fn of_backup(backup: &BackupRecord) -> Self {
        let snapshots = backup.components.iter().filter_map(|record| record.snapshot.as_ref());
        let mut needs = Self::of_providers(snapshots.map(|snapshot| &snapshot.provider));
        needs.region.clone_from(&backup.definition.region);
        needs
    }

    /// What restores `backup` as `target`: beside what keeps it, the cloud in which empty shares are made for its files.
    pub(crate) fn of_restore(config: &ConfigFile, backup: &BackupRecord, target: &WorkspaceId) -> Self {
        let fills = |kind: &str| [Kind::FileShare, Kind::NetappVolume].iter().any(|one| one.as_str() == kind);
        let recorded = backup.components.iter().any(|record| fills(&record.component.kind));
        let named = config.managed(target.as_str());
        let wanted = named.is_some_and(|target| target.components.iter().any(|one| one.kind.is_filled()));
        let elsewhere = named.is_some_and(|target| target.provider != AZURE);
        let mut needs = Self::of_backup(backup);
        needs.azure |= wanted || (recorded && !elsewhere);
        needs
    }

    /// What goes on with an operation that some process began.
    ///
    /// # Errors
    /// Whatever reading the catalog can meet.
    pub(crate) async fn of_operation(
        config: &ConfigFile,
        catalog: &dyn Catalog,
        operation: &OperationRecord,
    ) -> Result<Self> {
        let backup = match (&operation.request, &operation.machine) {
            (Request::Backup(request), machine) => {
                let mut needs = match config.workspace(request.workspace.as_str()) {
                    Some(ConfiguredWorkspace::Managed(managed)) => Self::of_managed(managed),
                    Some(_) => Self::files(),
                    None => Self::default(),
                };
                if let Machine::Backup(machine) = machine {
                    let planned = machine.plan.iter().flat_map(|plan| &plan.components);
                    needs = needs.and(Self::of_components(planned.map(|planned| &planned.component)));
                }
                if needs == Self::default() {
                    let known = catalog.workspace(&request.workspace).await?;
                    let seen = known.filter(WorkspaceRecord::was_seen);
                    needs =
                        seen.map_or_else(Self::files, |known| Self::of_components(known.components.iter()));
                }
                return Ok(needs);
            }
            (Request::Restore(request), Machine::Restore(machine)) => match &machine.backup {
                Some(backup) => return Ok(Self::of_restore(config, backup, &request.target)),
                None => &request.backup,
            },
            (Request::Restore(request), _) => &request.backup,
            (Request::Delete(request), _) => &request.backup,
            (Request::Verify(request), _) => &request.backup,
            (Request::Copy(request), _) => &request.backup,
            _ => return Ok(Self::files()),
        };
        let stored = catalog.backup(backup).await?;
        let needs = stored.map(|stored| match &operation.request {
            Request::Restore(request) => Self::of_restore(config, &stored.backup, &request.target),
            _ => Self::of_backup(&stored.backup),
        });
        let needs = needs.unwrap_or_default();
        Ok(match &operation.request {
            Request::Copy(request) => needs.and(Self::of_providers(request.provider.iter())),
            _ => needs,
        })
    }

    /// Whether every provider of `other` is one of these.
    pub(crate) fn cover(&self, other: &Self) -> bool {
        (self.files || !other.files) && (self.aws || !other.aws) && (self.azure || !other.azure)
    }

    /// Both together.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            files: self.files || other.files,
            aws: self.aws || other.aws,
            azure: self.azure || other.azure,
            region: self.region.or(other.region),
        }
    }

    fn of_components<'a>(components: impl Iterator<Item = &'a Component>) -> Self {
        let protected = components.filter(|component| component.protection == Protection::Protected);
        Self::of_providers(protected.map(|component| &component.provider))
    }

    /// What makes the providers of these ids.
    pub(crate) fn of_providers<'a>(providers: impl Iterator<Item = &'a ProviderId>) -> Self {
        let ids: BTreeSet<_> = providers.collect();
        Self {
            files: ids.iter().any(|id| engine::keeps_files(id)),
            aws: ids.iter().any(|id| is_aws(id)),
            azure: ids.iter().any(|id| id.as_str() == AZURE),
            region: None,
        }
    }
}
