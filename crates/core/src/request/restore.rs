//! A request for a restore.

use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::TIMEOUT_DEFAULT;
use crate::catalog::BackupRecord;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{BackupId, ComponentId, OperationId, WorkspaceId};
use crate::provider::Landing;
use crate::workspace::Settings;

/// A request to restore one backup into a new workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RestoreRequest {
    /// Made by the submitter; the same id twice is one operation.
    pub id: OperationId,
    /// What to restore.
    pub backup: BackupId,
    /// The new workspace.
    pub target: WorkspaceId,
    /// The registered provisioner that makes it.
    pub provisioner: String,
    /// What the provisioner needs to know (a path, subnets, sizes).
    pub settings: Settings,
    /// Who asked for it.
    pub creator: Option<String>,
    /// Restrict to these paths; empty for all.
    pub include: Vec<String>,
    /// How files meet what already stands at the target.
    pub landing: Landing,
    /// The software version to run; `None` for the newest.
    pub software_version: Option<String>,
    /// The time from submission to the deadline; `None` for one that follows from the size of the backup
    /// ([`forecast_restore`](crate::forecast_restore)), never shorter than [`TIMEOUT_DEFAULT`].
    #[serde(default)]
    pub timeout: Option<Duration>,
    /// The longest time without progress while components are filled; `None` for no such limit.
    #[serde(default)]
    pub stall_timeout: Option<Duration>,
    /// What happens to what was made when the restore fails.
    pub on_failure: OnFailure,
    /// Preflight checks to waive, by name; recorded with the operation.
    pub waivers: Vec<String>,
    /// Accept a backup that is not `Completed`.
    pub allow_partial: bool,
    /// Restrict to these components; empty for all. What a cloud keeps stays where it is, and the files beside it can be
    /// restored anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<ComponentId>,
}

impl RestoreRequest {
    /// `backup` with nothing but the components that are to be restored.
    ///
    /// # Errors
    /// `InvalidInput` where it lacks one of them.
    pub fn narrowed(&self, mut backup: BackupRecord) -> Result<BackupRecord> {
        if self.components.is_empty() {
            return Ok(backup);
        }
        let known = |id: &ComponentId| backup.components.iter().any(|record| record.component.id == *id);
        if let Some(unknown) = self.components.iter().find(|id| !known(id)) {
            let ids: Vec<_> = backup.components.iter().map(|record| record.component.id.as_str()).collect();
            let message =
                format!("backup {} has no component {unknown}; it has {}", backup.id, ids.join(", "));
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        backup.components.retain(|record| self.components.contains(&record.component.id));
        Ok(backup)
    }

    /// Whether both end with the same workspace: who asked, how long it may take and what a failure leaves may differ.
    pub(super) fn makes_the_same(&self, other: &Self) -> bool {
        (&self.backup, &self.target, &self.provisioner, &self.settings)
            == (&other.backup, &other.target, &other.provisioner, &other.settings)
            && (&self.include, &self.components, self.landing)
                == (&other.include, &other.components, other.landing)
            && (&self.software_version, self.allow_partial) == (&other.software_version, other.allow_partial)
    }

    /// A full restore of `backup` into the new workspace `target` by the provisioner of that name.
    pub fn new(
        id: OperationId,
        backup: BackupId,
        target: WorkspaceId,
        provisioner: impl Into<String>,
        settings: Settings,
    ) -> Self {
        Self {
            id,
            backup,
            target,
            provisioner: provisioner.into(),
            settings,
            creator: None,
            include: Vec::new(),
            landing: Landing::default(),
            software_version: None,
            timeout: None,
            stall_timeout: None,
            on_failure: OnFailure::default(),
            waivers: Vec::new(),
            allow_partial: true,
            components: Vec::new(),
        }
    }
}

/// What happens to what a failed restore made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFailure {
    /// Discard it, newest first, as far as it carries this restore's mark.
    #[default]
    Discard,
    /// Keep it, so that the same restore can go on from there.
    Keep,
}
