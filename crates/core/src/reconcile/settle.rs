//! What a caller may have done about a report.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{LostSnapshot, Maker, Orphan, Reconciliation, StrayGuard, guards, rebuild};
use crate::catalog::{BackupState, Catalog, ComponentState};
use crate::context::OpContext;
use crate::decide::DAMAGED;
use crate::error::{Error, ErrorKind, ErrorRecord, Result};
use crate::holding::{record_keepers, write_record};
use crate::id::BackupId;
use crate::provider::{DeleteState, Issue, Provider};
use crate::snapshot::SnapshotRef;

/// What to do about a report. Nothing, unless it is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Settlement {
    /// Delete the orphans that this earlier report lists as well and that an ended operation of this catalog made.
    pub delete_orphans_since: Option<Reconciliation>,
    /// Remove the guards that this earlier report lists as well. Those of operations that this catalog does not know go too, so
    /// leave it out where another catalog may back the same sources up.
    pub remove_guards_since: Option<Reconciliation>,
    /// Catalogue the backups that only their records know of.
    pub catalogue_unknown: bool,
    /// Write the records that are missing beside the data, and overwrite those that differ, as the catalog has them.
    pub write_records: bool,
    /// Mark backups whose snapshot is gone as damaged.
    pub mark_damaged: bool,
}

/// What was done about a report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Settled {
    /// Orphans that were deleted and read back as gone.
    pub deleted: Vec<SnapshotRef>,
    /// Orphans that are on their way out, or were refused to be deleted.
    pub remaining: Vec<(SnapshotRef, String)>,
    /// Guards that are removed now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unguarded: Vec<StrayGuard>,
    /// Backups that are catalogued now.
    pub catalogued: Vec<BackupId>,
    /// Backups whose record lies beside the data now.
    pub recorded: Vec<BackupId>,
    /// Backups that are marked as damaged now.
    pub damaged: Vec<BackupId>,
    /// What could not be done.
    pub failed: Vec<(String, ErrorRecord)>,
}

/// Does about `report` what `settlement` asks for. Each thing is looked at again right before it is done; what fails is
/// in the answer and keeps nothing else from being done.
///
/// # Errors
/// Whatever asking every provider for its records meets, where backups are to be catalogued.
pub async fn settle(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
    report: &Reconciliation,
    settlement: &Settlement,
) -> Result<Settled> {
    let mut settled = Settled::default();
    if settlement.mark_damaged {
        for lost in &report.lost {
            match mark(catalog, lost).await {
                Ok(true) if !settled.damaged.contains(&lost.backup) => {
                    settled.damaged.push(lost.backup.clone());
                }
                Ok(_) => {}
                Err(error) => settled.failed.push((lost.backup.to_string(), error.record())),
            }
        }
    }
    if settlement.catalogue_unknown && !report.unknown.is_empty() {
        for provider in providers.iter().filter(|provider| provider.capabilities().holds_records) {
            let records = provider.records(cx).await?;
            for record in records.readable.iter().filter(|record| report.unknown.contains(&record.id)) {
                match rebuild::catalogue(catalog, record).await {
                    Ok(true) => settled.catalogued.push(record.id.clone()),
                    Ok(false) => {}
                    Err(error) => settled.failed.push((record.id.to_string(), error.record())),
                }
            }
        }
    }
    if settlement.write_records {
        for id in report.unrecorded.iter().chain(&report.differing) {
            match write(cx, catalog, providers, id).await {
                Ok(true) => settled.recorded.push(id.clone()),
                Ok(false) => {}
                Err(error) => settled.failed.push((id.to_string(), error.record())),
            }
        }
    }
    if let Some(earlier) = &settlement.delete_orphans_since {
        for orphan in report.orphans.iter().filter(|orphan| earlier.orphans.contains(orphan)) {
            let reference = orphan.snapshot.snapshot.clone();
            match delete(cx, catalog, providers, orphan).await {
                Ok(Some(DeleteState::Gone)) => settled.deleted.push(reference),
                Ok(Some(state)) => settled.remaining.push((reference, said(&state))),
                Ok(None) => {}
                Err(error) => settled.failed.push((reference.id.to_string(), error.record())),
            }
        }
    }
    if let Some(earlier) = &settlement.remove_guards_since {
        for stray in report.guards.iter().filter(|stray| earlier.guards.contains(stray)) {
            match guards::remove(cx, catalog, providers, stray).await {
                Ok(true) => settled.unguarded.push(stray.clone()),
                Ok(false) => {}
                Err(error) => settled.failed.push((stray.resource.clone(), error.record())),
            }
        }
    }
    Ok(settled)
}

fn said(state: &DeleteState) -> String {
    match state {
        DeleteState::Gone => "gone".into(),
        DeleteState::Pending => "on its way out".into(),
        DeleteState::Stuck { reason } | DeleteState::Locked { reason, .. } => reason.clone(),
    }
}

/// Deletes an orphan, if it still is one; `None` where it is left alone.
async fn delete(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
    orphan: &Orphan,
) -> Result<Option<DeleteState>> {
    let Maker::Ended(operation) = &orphan.made_by else { return Ok(None) };
    let ended = catalog.operation(operation).await?;
    if !ended.is_some_and(|stored| stored.operation.state.is_terminal()) {
        return Ok(None);
    }
    let reference = &orphan.snapshot.snapshot;
    for id in [Some(BackupId::of(operation)), orphan.snapshot.backup.clone()].into_iter().flatten() {
        let named = catalog.backup(&id).await?.is_some_and(|stored| {
            stored.backup.components.iter().any(|component| component.snapshot.as_ref() == Some(reference))
        });
        if named {
            return Ok(None);
        }
    }
    let provider = find(providers, reference)?;
    let info = match provider.open(cx, reference).await {
        Ok(opened) => opened.describe(cx).await?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(DeleteState::Gone)),
        Err(error) => return Err(error),
    };
    if info.operation.as_ref() != Some(operation) {
        return Ok(None);
    }
    provider.delete(cx, reference).await.map(Some)
}

fn find<'a>(providers: &'a [Arc<dyn Provider>], snapshot: &SnapshotRef) -> Result<&'a Arc<dyn Provider>> {
    let found = providers.iter().find(|provider| *provider.id() == snapshot.provider);
    found.ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, format!("no provider {} is at hand", snapshot.provider))
    })
}

/// Marks a backup as damaged, if it is as it was and still names the snapshot.
async fn mark(catalog: &dyn Catalog, lost: &LostSnapshot) -> Result<bool> {
    let Some(stored) = catalog.backup(&lost.backup).await? else { return Ok(false) };
    let mut backup = stored.backup;
    let of = |component: &&mut crate::catalog::ComponentRecord| {
        component.snapshot.as_ref() == Some(&lost.snapshot)
    };
    let Some(component) = backup.components.iter_mut().find(of) else { return Ok(false) };
    let item = lost.snapshot.id.as_str();
    if backup.state == BackupState::Deleting
        || component.issues.iter().any(|issue| issue.item == item && issue.kind == DAMAGED)
    {
        return Ok(false);
    }
    component.issues.push(Issue::new(DAMAGED, item, "missing: the snapshot no longer exists"));
    component.verified = None;
    if component.state == ComponentState::Completed {
        component.state = ComponentState::Damaged;
    }
    backup.state = BackupState::Damaged;
    catalog.put_backup(&backup, Some(stored.revision)).await?;
    Ok(true)
}

/// Writes the catalog's record of a backup beside its data, unless it is being deleted.
async fn write(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
    id: &BackupId,
) -> Result<bool> {
    let Some(stored) = catalog.backup(id).await? else { return Ok(false) };
    if stored.backup.state == BackupState::Deleting {
        return Ok(false);
    }
    let written = write_record(cx, catalog, providers, &stored.backup).await?;
    Ok(written && !record_keepers(providers, &stored.backup).is_empty())
}
