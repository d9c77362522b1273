//! Rebuilding a catalog from the records beside the data, or, where there are none, from what snapshots say of themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalog::{
    BackupQuery, BackupRecord, BackupState, Catalog, ComponentRecord, ComponentState, DamagedRow,
    OperationQuery, WorkspaceRecord,
};
use crate::error::{ErrorKind, Result};
use crate::id::{BackupId, ProviderId, WorkspaceId};
use crate::operation::{OperationState, Request};
use crate::provider::Issue;
use crate::records::DamagedRecord;
use crate::snapshot::SnapshotInfo;
use crate::workspace::{Component, Definition};

/// How many backups are written at once.
const BATCH: usize = 500;

/// What a rebuild found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rebuilt {
    /// Backups that only the store knew and that are catalogued now.
    pub added: Vec<BackupId>,
    /// Backups that were deleted, as the catalog knows, and whose records were read before or are still shown.
    #[serde(default)]
    pub deleted: Vec<BackupId>,
    /// Backups that the store and the catalog describe alike.
    pub same: u64,
    /// Backups that the two describe differently; the catalog is left as it is.
    pub differing: Vec<BackupId>,
    /// Backups that only the catalog knows.
    pub missing_in_store: Vec<BackupId>,
    /// Backups whose row in the catalog cannot be read. They are left as they are.
    #[serde(default)]
    pub damaged: Vec<DamagedRow>,
    /// Records in the store that cannot be read. What they describe is not catalogued.
    #[serde(default)]
    pub damaged_records: Vec<DamagedRecord>,
}

impl Rebuilt {
    /// The same, where the store also holds records that cannot be read: their backups are not missing in it.
    #[must_use]
    pub fn with_damaged_records(mut self, damaged: Vec<DamagedRecord>) -> Self {
        let there: BTreeSet<_> = damaged.iter().filter_map(|record| record.backup.as_ref()).collect();
        self.missing_in_store.retain(|id| !there.contains(id));
        self.damaged_records.extend(damaged);
        self
    }
}

/// Catalogues each of the `records` that the catalog lacks, and compares the others. Nothing is removed. What is missing
/// in the store is judged for the backups that `kept_by` keeps, where it is given.
///
/// ```
/// use stillpoint_core::memory::MemoryCatalog;
/// use stillpoint_core::*;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let (catalog, definition) = (MemoryCatalog::new(), Definition::new("ada".parse()?));
/// let record = BackupRecord::new("b-1".parse()?, "op-1".parse()?, definition, "2026-03-01T10:00:00Z".parse()?);
/// let rebuilt = rebuild(&catalog, std::slice::from_ref(&record), None).await?;
/// assert_eq!(rebuilt.added, [record.id.clone()]);
/// assert_eq!(catalog.resolve("latest").await?, record);
/// # Ok(()) }
/// ```
///
/// # Errors
/// Whatever reading or writing the catalog can meet. What was added stays added, and a repeat goes on.
pub async fn rebuild(
    catalog: &dyn Catalog,
    records: &[BackupRecord],
    kept_by: Option<&ProviderId>,
) -> Result<Rebuilt> {
    let mut rebuilt = Rebuilt::default();
    for record in newest_of_each_workspace(records) {
        describe_workspace(catalog, record).await?;
    }
    for batch in records.chunks(BATCH) {
        let mut unknown = Vec::new();
        for record in batch {
            match catalog.backup(&record.id).await {
                Ok(Some(stored)) if stored.backup == *record => rebuilt.same += 1,
                Ok(Some(_)) => rebuilt.differing.push(record.id.clone()),
                Ok(None) => unknown.push(record.clone()),
                Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::InvalidConfig) => {
                    rebuilt.damaged.push(DamagedRow::new(record.id.as_str(), error.record()));
                }
                Err(error) => return Err(error),
            }
        }
        let unknown = undeleted(catalog, unknown, &mut rebuilt.deleted).await?;
        catalog.add_backups(&unknown).await?;
        rebuilt.added.extend(unknown.into_iter().map(|record| record.id));
    }
    let Some(provider) = kept_by else { return Ok(rebuilt) };
    let in_store: BTreeSet<_> = records.iter().map(|record| &record.id).collect();
    let mut query = BackupQuery::all();
    loop {
        let page = catalog.backups(&query).await?;
        let missing = page.items.into_iter().map(|stored| stored.backup);
        let missing = missing.filter(|backup| !in_store.contains(&backup.id) && is_kept_by(backup, provider));
        rebuilt.missing_in_store.extend(missing.map(|backup| backup.id));
        let told: BTreeSet<_> = rebuilt.damaged.iter().map(|row| row.id.clone()).collect();
        rebuilt.damaged.extend(page.damaged.into_iter().filter(|row| !told.contains(&row.id)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(rebuilt),
        }
    }
}

/// Those of `records` that no deletion has ended, as far as the catalog remembers; the others are named. Asked after the catalog
/// was found to lack them.
async fn undeleted(
    catalog: &dyn Catalog,
    records: Vec<BackupRecord>,
    deleted: &mut Vec<BackupId>,
) -> Result<Vec<BackupRecord>> {
    let mut ended: BTreeMap<WorkspaceId, BTreeSet<BackupId>> = BTreeMap::new();
    let mut there = Vec::with_capacity(records.len());
    for record in records {
        if !ended.contains_key(&record.workspace) {
            ended.insert(record.workspace.clone(), ended_deletions(catalog, &record.workspace).await?);
        }
        match ended.get(&record.workspace) {
            Some(ended) if ended.contains(&record.id) => deleted.push(record.id),
            _ => there.push(record),
        }
    }
    Ok(there)
}

async fn ended_deletions(catalog: &dyn Catalog, workspace: &WorkspaceId) -> Result<BTreeSet<BackupId>> {
    let mut query = OperationQuery {
        workspace: Some(workspace.clone()),
        state: Some(OperationState::Completed),
        ..OperationQuery::all()
    };
    let mut deleted = BTreeSet::new();
    loop {
        let page = catalog.operations(&query).await?;
        deleted.extend(page.items.into_iter().filter_map(|stored| match stored.operation.request {
            Request::Delete(delete) => Some(delete.backup),
            _ => None,
        }));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return Ok(deleted),
        }
    }
}

fn newest_of_each_workspace(records: &[BackupRecord]) -> impl Iterator<Item = &BackupRecord> {
    let mut newest: BTreeMap<&WorkspaceId, &BackupRecord> = BTreeMap::new();
    for record in records {
        let known = newest.entry(&record.workspace).or_insert(record);
        if known.created_at < record.created_at {
            *known = record;
        }
    }
    newest.into_values()
}

/// Catalogues a backup that the catalog does not know, after its workspace; answers whether it was new.
pub(super) async fn catalogue(catalog: &dyn Catalog, record: &BackupRecord) -> Result<bool> {
    if ended_deletions(catalog, &record.workspace).await?.contains(&record.id) {
        return Ok(false);
    }
    // First, because a repeat passes over what is catalogued.
    describe_workspace(catalog, record).await?;
    Ok(catalog.add_backups(std::slice::from_ref(record)).await?.contains(&true))
}

/// Describes the workspace of a backup, unless a newer description of it is there.
async fn describe_workspace(catalog: &dyn Catalog, record: &BackupRecord) -> Result<()> {
    let known = catalog.workspace(&record.workspace).await?;
    if known.as_ref().is_some_and(|known| known.was_seen() && known.seen_at >= record.created_at) {
        return Ok(());
    }
    let components = record.components.iter().map(|component| component.component.clone()).collect();
    let mut described = WorkspaceRecord::new(record.definition.clone(), components, record.created_at);
    // What the backup says of it is as old as the backup, and nothing else knows it.
    let origins = [known.and_then(|known| known.origin), record.restored_from.clone()];
    described.origin = origins.into_iter().flatten().max_by_key(|origin| origin.restored_at);
    catalog.put_workspace(&described).await
}

/// Whether the provider should know of the backup: one that another provider keeps is none of its business.
fn is_kept_by(backup: &BackupRecord, provider: &ProviderId) -> bool {
    let mut snapshots =
        backup.components.iter().filter_map(|component| component.snapshot.as_ref()).peekable();
    snapshots.peek().is_none() || snapshots.any(|snapshot| snapshot.provider == *provider)
}

/// The backups that the marks on snapshots tell of: the second witness, where no record is left. Each is a partial one,
/// because nothing says what else belonged to it, what its workspace was, or how it was captured. A snapshot without the
/// marks of a workspace, a component, a backup and an operation tells of none.
pub fn from_snapshots(snapshots: &[SnapshotInfo]) -> Vec<BackupRecord> {
    let mut backups: BTreeMap<BackupId, BackupRecord> = BTreeMap::new();
    for info in snapshots {
        let marks = (&info.workspace, &info.component, &info.backup, &info.operation);
        let (Some(workspace), Some(component), Some(id), Some(operation)) = marks else { continue };
        let backup = backups.entry(id.clone()).or_insert_with(|| {
            let definition = Definition::new(workspace.clone());
            let mut record = BackupRecord::new(id.clone(), operation.clone(), definition, info.created_at);
            record.state = BackupState::Partial;
            record
        });
        let resource = info.snapshot.id.as_str();
        let known = Component::new(component.clone(), "unknown", info.snapshot.provider.clone(), resource);
        let mut found = ComponentRecord::new(known, ComponentState::Partial);
        found.snapshot = Some(info.snapshot.clone());
        found.issues.push(Issue::new(
            "rebuilt",
            component.as_str(),
            "rebuilt from the marks on its snapshot; its kind, its source and its neighbours are not known",
        ));
        backup.components.push(found);
    }
    backups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::OperationId;
    use crate::memory::MemoryCatalog;

    fn record(operation: &str) -> BackupRecord {
        let operation: OperationId = operation.parse().unwrap();
        let definition = Definition::new("ada".parse().unwrap());
        BackupRecord::new(BackupId::of(&operation), operation, definition, Timestamp::from_millis(0))
    }

    #[tokio::test]
    async fn a_lost_catalog_comes_back_and_disagreement_is_reported() {
        let catalog = MemoryCatalog::new();
        let store = "s3sync".parse().unwrap();
        let records = [record("op-1"), record("op-2")];
        let rebuilt = rebuild(&catalog, &records, Some(&store)).await.unwrap();
        assert_eq!((rebuilt.added.len(), rebuilt.same), (2, 0));
        assert!(catalog.workspace(&"ada".parse().unwrap()).await.unwrap().is_some());

        let mut renamed = records[0].clone();
        renamed.name = Some("renamed".into());
        let rebuilt = rebuild(&catalog, &[renamed], Some(&store)).await.unwrap();
        assert_eq!(
            (&rebuilt.differing[..], &rebuilt.missing_in_store[..]),
            (&[records[0].id.clone()][..], &[records[1].id.clone()][..])
        );
        let kept = catalog.backup(&records[0].id).await.unwrap().unwrap();
        assert_eq!(kept.backup, records[0]);
    }
}
