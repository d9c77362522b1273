//! Backups as documents: the items of the list, one backup in full, a plan.

use serde::Serialize;
use stillpoint_core::{
    BackupId, BackupRecord, BackupState, Component, ComponentRecord, ComponentState, Consistency, Finding,
    Issue, Outlook, Plan, Protection, Timestamp, WorkspaceId,
};

use super::word;

/// One backup in the list.
#[derive(Debug, Serialize)]
pub(crate) struct BackupItem<'a> {
    id: &'a BackupId,
    name: Option<&'a str>,
    workspace: &'a WorkspaceId,
    created_at: Timestamp,
    creator: Option<&'a str>,
    state: BackupState,
    software_version: Option<&'a str>,
    size_bytes: u64,
    added_bytes: u64,
    parent_id: Option<&'a BackupId>,
    held: bool,
    expires_at: Option<Timestamp>,
}

impl<'a> BackupItem<'a> {
    pub(crate) fn new(backup: &'a BackupRecord) -> Self {
        Self {
            id: &backup.id,
            name: backup.name.as_deref(),
            workspace: &backup.workspace,
            created_at: backup.created_at,
            creator: backup.creator.as_deref(),
            state: backup.state,
            software_version: backup.definition.software_version.as_deref(),
            size_bytes: backup.size_bytes,
            added_bytes: backup.added_bytes,
            parent_id: backup.parent.as_ref(),
            held: backup.held,
            expires_at: backup.expires_at,
        }
    }
}

/// One backup in full: the keys of the list and everything else that is recorded.
#[derive(Debug, Serialize)]
pub(crate) struct BackupDetail<'a> {
    #[serde(flatten)]
    item: BackupItem<'a>,
    operation_id: &'a str,
    finished_at: Timestamp,
    consistency: Consistency,
    downtime_ms: u128,
    components: Vec<ComponentItem<'a>>,
    definition: &'a stillpoint_core::Definition,
    waivers: &'a [String],
    issues: Vec<&'a Issue>,
    written_by: &'a str,
}

impl<'a> BackupDetail<'a> {
    pub(crate) fn new(backup: &'a BackupRecord) -> Self {
        Self {
            item: BackupItem::new(backup),
            operation_id: backup.operation.as_str(),
            finished_at: backup.finished_at,
            consistency: backup.consistency,
            downtime_ms: backup.downtime.as_millis(),
            components: backup.components.iter().map(ComponentItem::new).collect(),
            definition: &backup.definition,
            waivers: &backup.waivers,
            issues: backup.issues().collect(),
            written_by: &backup.written_by,
        }
    }
}

/// One component of a backup.
#[derive(Debug, Serialize)]
pub(crate) struct ComponentItem<'a> {
    id: &'a str,
    kind: &'a str,
    provider: &'a str,
    resource: &'a str,
    state: ComponentState,
    snapshot_id: Option<&'a str>,
    captured_from: Option<Timestamp>,
    captured_to: Option<Timestamp>,
    verified: Option<stillpoint_core::Depth>,
    excluded_reason: Option<&'a str>,
}

impl<'a> ComponentItem<'a> {
    pub(crate) fn new(record: &'a ComponentRecord) -> Self {
        Self {
            id: record.component.id.as_str(),
            kind: &record.component.kind,
            provider: record.component.provider.as_str(),
            resource: &record.component.resource,
            state: record.state,
            snapshot_id: record.snapshot.as_ref().map(|snapshot| snapshot.id.as_str()),
            captured_from: record.captured.map(|window| window.from),
            captured_to: record.captured.map(|window| window.to),
            verified: record.verified,
            excluded_reason: excluded_reason(&record.component),
        }
    }

    /// The component as one line for people.
    pub(super) fn line(&self) -> String {
        let snapshot = self.snapshot_id.map(|id| format!("  {id}")).unwrap_or_default();
        format!("{:<7} {}  {}{snapshot}", self.id, self.kind, word(&self.state))
    }

    /// The component's id.
    pub(super) fn name(&self) -> &str {
        self.id
    }

    /// Why it is left out, where it is.
    pub(super) fn reason(&self) -> Option<&str> {
        self.excluded_reason
    }
}

/// Why backups leave a component out; `None` for one that they hold.
pub(crate) fn excluded_reason(component: &Component) -> Option<&str> {
    match &component.protection {
        Protection::Excluded { reason } => Some(reason),
        _ => None,
    }
}

/// What a backup would do.
#[derive(Debug, Serialize)]
pub(crate) struct PlanDocument<'a> {
    workspace: &'a WorkspaceId,
    parent_id: Option<&'a BackupId>,
    components: Vec<PlannedItem<'a>>,
    outlook: Option<&'a Outlook>,
}

#[derive(Debug, Serialize)]
struct PlannedItem<'a> {
    id: &'a str,
    kind: &'a str,
    provider: &'a str,
    resource: &'a str,
    excluded_reason: Option<&'a str>,
    base_snapshot_id: Option<&'a str>,
    findings: &'a [Finding],
}

impl<'a> PlanDocument<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let item = |planned: &'a stillpoint_core::PlannedComponent| PlannedItem {
            id: planned.component.id.as_str(),
            kind: &planned.component.kind,
            provider: planned.component.provider.as_str(),
            resource: &planned.component.resource,
            excluded_reason: excluded_reason(&planned.component),
            base_snapshot_id: planned.base.as_ref().map(|base| base.id.as_str()),
            findings: &planned.findings,
        };
        Self {
            workspace: &plan.definition.id,
            parent_id: plan.parent.as_ref(),
            components: plan.components.iter().map(item).collect(),
            outlook: plan.outlook.as_ref(),
        }
    }
}
