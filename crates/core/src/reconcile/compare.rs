//! The comparison: providers are asked first and the catalog after them, so that whatever is sealed in between is
//! known to the catalog by the time it is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{FINDINGS_MAX, LostSnapshot, Maker, Orphan, Reconciliation, guards};
use crate::catalog::{BackupQuery, BackupRecord, BackupState, Catalog, OperationQuery};
use crate::context::OpContext;
use crate::error::{ErrorKind, Result};
use crate::id::{BackupId, ProviderId};
use crate::operation::Request;
use crate::orchestrator::kept::reaches;
use crate::provider::{Provider, SnapshotQuery};
use crate::records::Records;
use crate::snapshot::{SnapshotInfo, SnapshotRef};
use crate::workspace::Definition;

/// What providers answered.
#[derive(Default)]
struct Outside {
    snapshots: BTreeMap<SnapshotRef, SnapshotInfo>,
    records: BTreeMap<BackupId, BackupRecord>,
    /// Backups whose record a newer version wrote.
    newer: BTreeSet<BackupId>,
    /// Those that answered, and whether they keep records.
    asked: BTreeMap<ProviderId, bool>,
}

/// Compares what `providers` hold with what `catalog` says. Changes nothing.
///
/// - A snapshot is an orphan where no backup names it and its operation is not under way.
/// - A snapshot is lost where a backup names it, its provider does not list it, and cannot open it either.
/// - A guard is a stray where it stands on a source of a catalogued workspace and its operation is not under way.
/// - An operation whose row cannot be read counts as under way, and the snapshots of a backup whose row cannot be read
///   are no orphans.
///
/// ```
/// use std::sync::Arc;
/// use stillpoint_core::memory::{MemoryCatalog, MemoryProvider};
/// use stillpoint_core::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// # let cx = OpContext::background();
/// let provider = Arc::new(MemoryProvider::new("memory".parse()?));
/// provider.write("/home/ada", "notes.txt", b"first");
/// // A snapshot that no catalog knows of.
/// let home = Component::new("home".parse()?, "directory", "memory".parse()?, "/home/ada");
/// let operation: OperationId = "op-1".parse()?;
/// let key = JobKey::new(operation.clone(), home.id.clone(), 1);
/// let job = BackupJob::new(key, "ada".parse()?, BackupId::of(&operation), home, cx.clock().now());
/// provider.start(&cx, &JobRequest::Backup(job)).await?;
///
/// let catalog = MemoryCatalog::new();
/// let report = reconcile(&cx, &catalog, &[provider as Arc<dyn Provider>]).await?;
/// assert_eq!(report.orphans[0].made_by, Maker::Unknown(operation));
/// # Ok(()) }
/// ```
///
/// # Errors
/// Whatever reading the catalog can meet; what asking a provider meets is in the report.
pub async fn reconcile(
    cx: &OpContext,
    catalog: &dyn Catalog,
    providers: &[Arc<dyn Provider>],
) -> Result<Reconciliation> {
    let mut report = Reconciliation::new(cx.clock().now());
    let outside = ask(cx, providers, &mut report).await;
    let (under_way, leaving) = under_way(catalog).await?;
    guards::find(cx, catalog, providers, &under_way, &mut report).await?;
    let mut named = BTreeSet::new();
    let mut query = BackupQuery::all();
    let (mut known, mut unreadable) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let page = catalog.backups(&query).await?;
        for stored in page.items {
            if stored.backup.state == BackupState::Deleting && !leaving.contains(&stored.backup.id) {
                note(&mut report.half_deleted, stored.backup.id.clone(), &mut report.left_out);
            }
            compare_backup(cx, &stored.backup, &outside, providers, &mut report).await;
            let snapshots =
                stored.backup.components.iter().filter_map(|component| component.snapshot.clone());
            named.extend(snapshots);
            known.insert(stored.backup.id.to_string());
        }
        for row in page.damaged {
            known.insert(row.id.clone());
            unreadable.insert(row.id.clone());
            note(&mut report.damaged, row, &mut report.left_out);
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    report.half_deleted = still_half_deleted(catalog, std::mem::take(&mut report.half_deleted)).await?;
    for id in outside.records.keys().filter(|id| !known.contains(id.as_str())) {
        note(&mut report.unknown, id.clone(), &mut report.left_out);
    }
    for (reference, info) in outside.snapshots {
        let of_unreadable = info.backup.as_ref().is_some_and(|backup| unreadable.contains(backup.as_str()));
        if named.contains(&reference) || of_unreadable {
            continue;
        }
        let Some(operation) = &info.operation else {
            let orphan = Orphan { snapshot: info, made_by: Maker::Unmarked };
            note(&mut report.orphans, orphan, &mut report.left_out);
            continue;
        };
        if under_way.contains(operation.as_str()) {
            report.in_use += 1;
            continue;
        }
        let made_by = match catalog.operation(operation).await? {
            Some(stored) if stored.operation.state.is_terminal() => Maker::Ended(operation.clone()),
            // It was begun after the list of those under way was read.
            Some(_) => {
                report.in_use += 1;
                continue;
            }
            None => Maker::Unknown(operation.clone()),
        };
        note(&mut report.orphans, Orphan { snapshot: info, made_by }, &mut report.left_out);
    }
    Ok(report)
}

async fn ask(cx: &OpContext, providers: &[Arc<dyn Provider>], report: &mut Reconciliation) -> Outside {
    let mut outside = Outside::default();
    for provider in providers {
        let keeps = provider.capabilities().holds_records;
        let asked = async {
            let snapshots = provider.snapshots(cx, &SnapshotQuery::all()).await?;
            let records = if keeps { provider.records(cx).await? } else { Records::default() };
            Ok::<_, crate::error::Error>((snapshots, records))
        };
        match asked.await {
            Ok((snapshots, records)) => {
                outside.snapshots.extend(snapshots.into_iter().map(|info| (info.snapshot.clone(), info)));
                outside
                    .records
                    .extend(records.readable.into_iter().map(|record| (record.id.clone(), record)));
                for damaged in records.damaged {
                    if damaged.error.kind == ErrorKind::Unsupported {
                        outside.newer.extend(damaged.backup.clone());
                    }
                    note(&mut report.damaged_records, damaged, &mut report.left_out);
                }
                outside.asked.insert(provider.id().clone(), keeps);
            }
            Err(error) => report.unreachable.push((provider.id().clone(), error.record())),
        }
    }
    outside
}

/// The ids of the operations that may still make or need something, and the backups that are being deleted.
async fn under_way(catalog: &dyn Catalog) -> Result<(BTreeSet<String>, BTreeSet<BackupId>)> {
    let (mut ids, mut leaving) = (BTreeSet::new(), BTreeSet::new());
    let mut query = OperationQuery::unfinished();
    loop {
        let page = catalog.operations(&query).await?;
        ids.extend(page.items.iter().map(|stored| stored.operation.id.to_string()));
        ids.extend(page.damaged.into_iter().map(|row| row.id));
        leaving.extend(page.items.into_iter().filter_map(|stored| match stored.operation.request {
            Request::Delete(request) => Some(request.backup),
            _ => None,
        }));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok((ids, leaving)),
        }
    }
}

/// Those of `found` that nobody deletes, and that are still there: a deletion may have begun, or have come to its end,
/// since the operations were read.
async fn still_half_deleted(catalog: &dyn Catalog, found: Vec<BackupId>) -> Result<Vec<BackupId>> {
    if found.is_empty() {
        return Ok(found);
    }
    let (_, leaving) = under_way(catalog).await?;
    let mut left = Vec::new();
    for id in found.into_iter().filter(|id| !leaving.contains(id)) {
        let stored = catalog.backup(&id).await?;
        if stored.is_some_and(|stored| stored.backup.state == BackupState::Deleting) {
            left.push(id);
        }
    }
    Ok(left)
}

async fn compare_backup(
    cx: &OpContext,
    backup: &BackupRecord,
    outside: &Outside,
    providers: &[Arc<dyn Provider>],
    report: &mut Reconciliation,
) {
    if backup.state == BackupState::Deleting {
        return;
    }
    let mut keepers = false;
    for component in &backup.components {
        let Some(snapshot) = &component.snapshot else { continue };
        let Some(keeps) = outside.asked.get(&snapshot.provider) else { continue };
        let listed = outside.snapshots.contains_key(snapshot);
        if !listed && is_elsewhere(cx, &backup.definition, snapshot, providers).await {
            continue;
        }
        keepers |= keeps;
        if !listed && is_gone(cx, snapshot, providers).await {
            let lost = LostSnapshot {
                backup: backup.id.clone(),
                component: component.component.id.clone(),
                snapshot: snapshot.clone(),
            };
            note(&mut report.lost, lost, &mut report.left_out);
        }
    }
    match outside.records.get(&backup.id) {
        Some(record) if record != backup => {
            note(&mut report.differing, backup.id.clone(), &mut report.left_out);
        }
        None if keepers && !outside.newer.contains(&backup.id) => {
            note(&mut report.unrecorded, backup.id.clone(), &mut report.left_out);
        }
        _ => {}
    }
}

/// Whether the snapshot lies in another store than its provider is pointed at, where nothing is known of it.
async fn is_elsewhere(
    cx: &OpContext,
    definition: &Definition,
    snapshot: &SnapshotRef,
    providers: &[Arc<dyn Provider>],
) -> bool {
    let Some(provider) = providers.iter().find(|provider| *provider.id() == snapshot.provider) else {
        return false;
    };
    let reached = reaches(cx, provider.as_ref(), definition, snapshot).await;
    reached.is_err_and(|error| error.kind() == ErrorKind::InvalidInput)
}

/// Whether the provider itself says that the snapshot does not exist; a list may lag behind.
async fn is_gone(cx: &OpContext, snapshot: &SnapshotRef, providers: &[Arc<dyn Provider>]) -> bool {
    let Some(provider) = providers.iter().find(|provider| *provider.id() == snapshot.provider) else {
        return false;
    };
    let looked = match provider.open(cx, snapshot).await {
        Ok(opened) => opened.describe(cx).await.map(drop),
        Err(error) => Err(error),
    };
    looked.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

pub(super) fn note<T>(list: &mut Vec<T>, finding: T, left_out: &mut u64) {
    if list.len() < FINDINGS_MAX {
        list.push(finding);
    } else {
        *left_out += 1;
    }
}
