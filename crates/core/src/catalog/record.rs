//! What the catalog stores of workspaces and backups.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{BackupId, OperationId, WorkspaceId};
use crate::provider::{CaptureWindow, Issue};
use crate::snapshot::{Depth, SnapshotRef};
use crate::workspace::{Component, Consistency, Definition, Settings};

/// The version of the record's form. A reader refuses a newer one.
pub const RECORD_FORMAT: u32 = 1;

/// Counts the writes of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it is a plain number and will stay one")]
pub struct Revision(pub u64);

/// What is known of a workspace, kept also when the workspace is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkspaceRecord {
    /// Its definition when it was last seen.
    pub definition: Definition,
    /// Its components when it was last seen.
    pub components: Vec<Component>,
    /// When that was.
    pub seen_at: Timestamp,
    /// Where it comes from, if a restore made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl WorkspaceRecord {
    /// A workspace as seen at `seen_at`.
    pub fn new(definition: Definition, components: Vec<Component>, seen_at: Timestamp) -> Self {
        Self { definition, components, seen_at, origin: None }
    }

    /// Whether somebody looked at it, so that more is known than that a restore made it.
    pub fn was_seen(&self) -> bool {
        !self.components.is_empty()
    }
}

/// Where a workspace comes from that a restore made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// The workspace that was backed up.
    pub workspace: WorkspaceId,
    /// The environment that it belonged to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The backup that was restored.
    pub backup: BackupId,
    /// The restore.
    pub operation: OperationId,
    /// When it ended.
    pub restored_at: Timestamp,
    /// The software version of the workspace that was backed up.
    pub software_version_at_backup: Option<String>,
    /// The software version that the new workspace was made with.
    pub software_version: Option<String>,
}

impl Origin {
    /// Restored from `backup` by `operation`, which ended at `restored_at`.
    pub fn new(backup: &BackupRecord, operation: OperationId, restored_at: Timestamp) -> Self {
        Self {
            workspace: backup.workspace.clone(),
            environment: backup.definition.environment.clone(),
            backup: backup.id.clone(),
            operation,
            restored_at,
            software_version_at_backup: backup.definition.software_version.clone(),
            software_version: None,
        }
    }
}

/// Where a catalogued backup stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BackupState {
    /// Every planned component has a usable, verified snapshot and the record is in all its places.
    Completed,
    /// Something was skipped, torn, late or failed: see the issues. Never the latest good one.
    Partial,
    /// Being deleted; no longer offered for restore.
    Deleting,
    /// A later verification found that a snapshot is not whole any more: see the issues. Never the latest good one.
    Damaged,
}

impl BackupState {
    /// The word used in storage and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Deleting => "deleting",
            Self::Damaged => "damaged",
        }
    }
}

/// What became of one component in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ComponentState {
    /// Captured whole and verified.
    Completed,
    /// Captured, with issues.
    Partial,
    /// Captured after the workspace was let go: a base for the next backup, not a member of this set.
    Late,
    /// Not captured.
    Failed,
    /// Left out on purpose.
    Excluded,
    /// Stopped before it was captured.
    Cancelled,
    /// Captured whole, and found damaged by a later verification.
    Damaged,
}

/// One component in a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ComponentRecord {
    /// The component as it was.
    pub component: Component,
    /// What became of it.
    pub state: ComponentState,
    /// Its snapshot.
    pub snapshot: Option<SnapshotRef>,
    /// When its content was read.
    pub captured: Option<CaptureWindow>,
    /// How deep its snapshot was verified when it was last found good: before the backup was sealed, or later.
    pub verified: Option<Depth>,
    /// How long its job took, where it was watched; measured for forecasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
    /// When a verification after the sealing last looked at its snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
    /// Why it was not built on the snapshot of the earlier backup that it was to be built on: that was gone, damaged or
    /// somewhere else. Nothing is missing because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_lost: Option<String>,
    /// What did not go as planned; a bounded list.
    pub issues: Vec<Issue>,
    /// The provider's own counts.
    pub counts: BTreeMap<String, u64>,
}

impl ComponentRecord {
    /// `component` in `state`, with nothing else known.
    pub fn new(component: Component, state: ComponentState) -> Self {
        Self {
            component,
            state,
            snapshot: None,
            captured: None,
            verified: None,
            took: None,
            verified_at: None,
            base_lost: None,
            issues: Vec::new(),
            counts: BTreeMap::new(),
        }
    }
}

/// One catalogued backup: everything needed to restore it with no live source and no other record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackupRecord {
    /// The version of this form, [`RECORD_FORMAT`].
    pub format: u32,
    /// The backup.
    pub id: BackupId,
    /// The operation that made it.
    pub operation: OperationId,
    /// A name for people.
    pub name: Option<String>,
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The workspace's definition at that time.
    pub definition: Definition,
    /// Where the workspace came from, if a restore had made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_from: Option<Origin>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was sealed.
    pub finished_at: Timestamp,
    /// Who asked for it.
    pub creator: Option<String>,
    /// Where it stands.
    pub state: BackupState,
    /// What the whole set can be trusted to be.
    pub consistency: Consistency,
    /// Its components, the excluded ones too.
    pub components: Vec<ComponentRecord>,
    /// The backup it builds on.
    pub parent: Option<BackupId>,
    /// The backup it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<BackupId>,
    /// Where a copy was made, as its request said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub copied_to: Settings,
    /// How long services were held still for it.
    pub downtime: Duration,
    /// From when to when services were held still for it, at the most; `None` where they never were, or where
    /// nobody knows any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiesced: Option<CaptureWindow>,
    /// Bytes of content it holds, where its providers say so.
    pub size_bytes: u64,
    /// Bytes it added to storage, where its providers say so.
    pub added_bytes: u64,
    /// Preflight checks that were waived by name.
    pub waivers: Vec<String>,
    /// Kept whatever the retention says. [`hold`](crate::hold()) sets it, so that the providers learn of it too.
    pub held: bool,
    /// The state that it had before a deletion marked it; it comes back where nothing of it could be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_deletion: Option<BackupState>,
    /// When its retention ends; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// The version of Stillpoint that wrote it.
    pub written_by: String,
}

impl BackupRecord {
    /// What a list is searched in, in small letters: id, name, workspace, creator and software version, a line each.
    pub fn searched(&self) -> String {
        let texts = [
            Some(self.id.as_str()),
            self.name.as_deref(),
            Some(self.workspace.as_str()),
            self.creator.as_deref(),
            self.definition.software_version.as_deref(),
        ];
        texts.into_iter().flatten().collect::<Vec<_>>().join("\n").to_lowercase()
    }

    /// A completed backup of `definition` without components, begun and sealed at `created_at`.
    pub fn new(id: BackupId, operation: OperationId, definition: Definition, created_at: Timestamp) -> Self {
        Self {
            format: RECORD_FORMAT,
            id,
            operation,
            name: None,
            workspace: definition.id.clone(),
            definition,
            restored_from: None,
            created_at,
            finished_at: created_at,
            creator: None,
            state: BackupState::Completed,
            consistency: Consistency::Fuzzy,
            components: Vec::new(),
            parent: None,
            copy_of: None,
            copied_to: Settings::new(),
            downtime: Duration::ZERO,
            quiesced: None,
            size_bytes: 0,
            added_bytes: 0,
            waivers: Vec::new(),
            held: false,
            before_deletion: None,
            expires_at: None,
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The host whose directory it holds, where the workspace is known by its path alone: the same path on two hosts is one
    /// id and two directories. Older versions noted none; there the creator tells it, `USER@HOST`. `None` where somebody
    /// chose the name, which is one workspace wherever it is backed up.
    pub fn host(&self) -> Option<&str> {
        let by_path =
            || self.components.iter().any(|part| part.component.resource == self.workspace.as_str());
        let creator = || self.creator.as_deref()?.rsplit_once('@').map(|(_user, host)| host);
        self.definition.host.as_deref().or_else(|| creator().filter(|_| by_path()))
    }

    /// What did not go as planned, over all components.
    pub fn issues(&self) -> impl Iterator<Item = &Issue> {
        self.components.iter().flat_map(|component| &component.issues)
    }
}

/// A backup with its revision, as read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredBackup {
    /// The backup.
    pub backup: BackupRecord,
    /// Counts its writes.
    pub revision: Revision,
}

impl StoredBackup {
    /// A backup as read.
    pub fn new(backup: BackupRecord, revision: Revision) -> Self {
        Self { backup, revision }
    }
}
