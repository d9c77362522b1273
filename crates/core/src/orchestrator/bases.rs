//! What a new backup builds on.

use crate::catalog::{BackupQuery, BackupRecord, BackupState, CatalogExt};
use crate::error::Result;
use crate::id::WorkspaceId;
use crate::orchestrator::builder::Parts;
use crate::provider::{Finding, Severity};
use crate::snapshot::SnapshotRef;
use crate::workspace::Component;

/// How many of the newest backups are looked at for bases, before the newest completed one.
const LOOKED_AT: usize = 8;

/// The backups of `workspace` on which a new one may build, newest first. A partial one is among them: what it
/// captured late or beside a failed component is no good set, but each verified snapshot is a good base.
pub(super) async fn parents(parts: &Parts, workspace: &WorkspaceId) -> Result<Vec<BackupRecord>> {
    let query = BackupQuery { limit: LOOKED_AT, ..BackupQuery::of_workspace(workspace.clone()) };
    let newest = parts.catalog.backups(&query).await?;
    newest.warn_of_damage("backup");
    let more = newest.next.is_some();
    let mut found: Vec<_> = newest.items.into_iter().map(|stored| stored.backup).collect();
    if more && !found.iter().any(|backup| backup.state == BackupState::Completed) {
        found.extend(parts.catalog.latest_good(Some(workspace)).await?);
    }
    // A copy lies elsewhere; nothing is built on one.
    found.retain(|backup| backup.state != BackupState::Deleting && backup.copy_of.is_none());
    Ok(found)
}

/// The newest verified snapshot of `component` at its provider, with the backup that made it.
pub(super) fn base<'a>(
    parents: &'a [BackupRecord],
    component: &Component,
) -> Option<(&'a BackupRecord, SnapshotRef)> {
    let mut earlier = snapshots(parents, component);
    let (backup, snapshot, _) =
        earlier.find(|(_, snapshot, verified)| *verified && snapshot.provider == component.provider)?;
    Some((backup, snapshot.clone()))
}

/// Why nothing is a base of `component` although an earlier backup holds it, by the newest one.
pub(super) fn why_none(parents: &[BackupRecord], component: &Component) -> Option<String> {
    let (backup, snapshot, _) = snapshots(parents, component).next()?;
    let id = &backup.id;
    Some(if snapshot.provider == component.provider {
        format!("no earlier snapshot of it was found good; the newest is that of backup {id}")
    } else {
        format!("its newest snapshot, of backup {id}, is at provider {}", snapshot.provider)
    })
}

/// Tells of each component that the newest backup has captured and the workspace does not have any more: a volume that was
/// detached, or lost the tag that it was found by, is missed by nobody until it is to be restored.
pub(super) fn gone<'a>(
    parents: &[BackupRecord],
    components: impl Iterator<Item = &'a Component> + Clone,
) -> Vec<Finding> {
    let Some(newest) = parents.first() else { return Vec::new() };
    let captured = newest.components.iter().filter(|made| made.snapshot.is_some());
    captured
        .map(|made| &made.component)
        .filter(|captured| components.clone().all(|component| component.id != captured.id))
        .map(|component| {
            let message = format!(
                "{} ({} {}) is in backup {} and not in the workspace any more; this backup will not hold it",
                component.id, component.kind, component.resource, newest.id
            );
            Finding::new("component-gone", Severity::Warning, message)
        })
        .collect()
}

/// The earlier snapshots of `component`, and whether each was found good.
fn snapshots<'a>(
    parents: &'a [BackupRecord],
    component: &Component,
) -> impl Iterator<Item = (&'a BackupRecord, &'a SnapshotRef, bool)> {
    parents.iter().filter_map(|backup| {
        let same = backup.components.iter().find(|made| made.component.id == component.id)?;
        Some((backup, same.snapshot.as_ref()?, same.verified.is_some()))
    })
}
