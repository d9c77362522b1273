//! The file that tells hooks of a restore what there is to know (`STILLPOINT_PLAN`).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use stillpoint_core::{
    BackupId, BackupRecord, ComponentId, Definition, Error, ErrorKind, OperationId, Protection, Result,
    Settings, Tags, WorkspaceId,
};
use tempfile::NamedTempFile;

use super::hook::file_error;

/// What a hook of a restore is told. Keys are added, never renamed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct HookPlan {
    /// The restore.
    pub(super) operation_id: Option<OperationId>,
    /// What it restores.
    pub(super) backup_id: Option<BackupId>,
    /// The workspace that the backup is of.
    pub(super) workspace: Option<WorkspaceId>,
    /// The new workspace.
    pub(super) target: Option<WorkspaceId>,
    /// The environment that it is to belong to.
    pub(super) environment: Option<String>,
    /// The software version that it is to run.
    pub(super) software_version: Option<String>,
    /// The workspace as it was when it was backed up.
    pub(super) definition: Option<Definition>,
    /// What was backed up.
    pub(super) components: Vec<PlannedComponent>,
    /// Per component, where and how its new resource is made.
    pub(super) destinations: BTreeMap<ComponentId, Settings>,
    /// Written on the new resources.
    pub(super) tags: Tags,
    /// The new resources; empty until they are there.
    pub(super) resources: Vec<RestoredItem>,
}

/// One component of the backup.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PlannedComponent {
    id: ComponentId,
    kind: String,
    provider: String,
    resource: String,
    snapshot_id: Option<String>,
    excluded_reason: Option<String>,
    settings: Settings,
}

/// One new resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct RestoredItem {
    /// The component it stands for.
    pub(super) component: ComponentId,
    /// The component's kind.
    pub(super) kind: Option<String>,
    /// Who made it.
    pub(super) provider: String,
    /// The provider's name of it.
    pub(super) resource: String,
}

impl HookPlan {
    /// The same with everything that `backup` says.
    #[must_use]
    pub(super) fn of_backup(mut self, backup: &BackupRecord) -> Self {
        self.backup_id = Some(backup.id.clone());
        self.workspace = Some(backup.workspace.clone());
        self.definition = Some(backup.definition.clone());
        self.components = backup
            .components
            .iter()
            .map(|record| PlannedComponent {
                id: record.component.id.clone(),
                kind: record.component.kind.clone(),
                provider: record.component.provider.to_string(),
                resource: record.component.resource.clone(),
                snapshot_id: record.snapshot.as_ref().map(|snapshot| snapshot.id.to_string()),
                excluded_reason: match &record.component.protection {
                    Protection::Excluded { reason } => Some(reason.clone()),
                    _ => None,
                },
                settings: record.component.settings.clone(),
            })
            .collect();
        self
    }

    /// Writes the plan into `folder`, for this user only, until the answer is dropped.
    ///
    /// # Errors
    /// Whatever writing can meet.
    pub(super) fn write(&self, folder: &Path) -> Result<NamedTempFile> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| {
            Error::new(ErrorKind::Unexpected, "a plan cannot be written as JSON").with_source(error)
        })?;
        let write = || {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::Builder::new().prefix("plan-").suffix(".json").tempfile_in(folder)?;
            file.write_all(&text)?;
            file.flush().map(|()| file)
        };
        write().map_err(|error| file_error(folder, error))
    }
}
