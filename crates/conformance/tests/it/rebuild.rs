//! A large catalog is lost and comes back from the records beside the data, row by row the same.
#![expect(clippy::unwrap_used, reason = "a broken scene fails its test")]

use std::collections::BTreeMap;
use std::sync::Arc;

use stillpoint_conformance::crash::{Case, CrashPoint, Fuse, FusedCatalog, Moment};
use stillpoint_core::memory::{MemoryCatalog, MemoryProvider};
use stillpoint_core::*;

/// The `nth` backup: of one of 500 workspaces, with three components, one in seven not whole.
fn backup(nth: u64) -> BackupRecord {
    let workspace: WorkspaceId = format!("ws-{}", nth % 500).parse().unwrap();
    let operation: OperationId = format!("op-{nth}").parse().unwrap();
    let created = Timestamp::from_millis(1_790_000_000_000 + i64::try_from(nth).unwrap() * 60_000);
    let definition = Definition::new(workspace);
    let mut record = BackupRecord::new(BackupId::of(&operation), operation, definition, created);
    for name in ["data", "home", "models"] {
        let component = Component::new(name.parse().unwrap(), "disk", "store".parse().unwrap(), name);
        let mut captured = ComponentRecord::new(component, ComponentState::Completed);
        let snapshot = SnapshotId::new(format!("snap-{nth}-{name}")).unwrap();
        captured.snapshot = Some(SnapshotRef::new("store".parse().unwrap(), snapshot));
        captured.captured = Some(CaptureWindow::new(created, created));
        captured.counts.insert("bytes_stored".into(), nth * 1000);
        captured.verified = Some(Depth::Sized);
        record.components.push(captured);
    }
    record.state = if nth.is_multiple_of(7) { BackupState::Partial } else { BackupState::Completed };
    record.name = nth.is_multiple_of(11).then(|| format!("release {nth}"));
    record.size_bytes = nth * 3000;
    record
}

async fn rows(catalog: &MemoryCatalog) -> BTreeMap<BackupId, BackupRecord> {
    let mut query = BackupQuery::all();
    query.limit = PAGE_LIMIT_MAX;
    let mut rows = BTreeMap::new();
    loop {
        let page = catalog.backups(&query).await.unwrap();
        rows.extend(page.items.into_iter().map(|stored| (stored.backup.id.clone(), stored.backup)));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return rows,
        }
    }
}

#[tokio::test]
async fn a_large_catalog_comes_back_row_by_row_and_each_difference_is_told() {
    let (count, cx) = (Case::seeds(3_000), OpContext::background());
    let (lost, store) = (MemoryCatalog::new(), MemoryProvider::new("store".parse().unwrap()));
    for nth in 0..count {
        let record = backup(nth);
        store.put_record(&cx, &record).await.unwrap();
        lost.put_backup(&record, None).await.unwrap();
    }
    let before = rows(&lost).await;
    drop(lost);

    let (catalog, keeper) = (MemoryCatalog::new(), "store".parse().unwrap());
    let records = store.records(&cx).await.unwrap().readable;
    let rebuilt = rebuild(&catalog, &records, Some(&keeper)).await.unwrap();
    assert_eq!((rebuilt.added.len() as u64, rebuilt.same), (count, 0));
    assert!(rows(&catalog).await == before, "the catalog is not as it was");
    for nth in [0, count / 2, count - 1] {
        let workspace = backup(nth).workspace;
        assert!(catalog.workspace(&workspace).await.unwrap().is_some(), "{workspace}");
    }

    // One record is gone, one is another, one is new: each is told, and nothing else.
    let mut records: Vec<_> = records.into_iter().filter(|record| record.id != backup(3).id).collect();
    let altered = records.iter_mut().find(|record| record.id == backup(5).id).unwrap();
    altered.size_bytes += 1;
    records.push(backup(count));
    let again = rebuild(&catalog, &records, Some(&keeper)).await.unwrap();
    assert_eq!(again.added, [backup(count).id]);
    assert_eq!((again.differing, again.missing_in_store), (vec![backup(5).id], vec![backup(3).id]));
    assert_eq!(again.same, count - 2);
}

/// All backups and workspaces of a catalog.
async fn everything(catalog: &MemoryCatalog) -> (BTreeMap<BackupId, BackupRecord>, Vec<WorkspaceRecord>) {
    (rows(catalog).await, catalog.workspaces(None, PAGE_LIMIT_MAX).await.unwrap().items)
}

#[tokio::test]
async fn a_rebuild_that_is_killed_anywhere_is_finished_by_the_next_one() {
    let records: Vec<_> = (0..4).map(backup).collect();
    let whole = MemoryCatalog::new();
    rebuild(&whole, &records, None).await.unwrap();
    let mut kills = 0;
    for at in 0.. {
        let mut survived = true;
        for moment in [Moment::Before, Moment::After] {
            let catalog = Arc::new(MemoryCatalog::new());
            let fuse = Arc::new(Fuse::new(Some(CrashPoint::new(at, moment))));
            let mortal = FusedCatalog::new(catalog.clone(), Arc::clone(&fuse));
            tokio::select! {
                biased;
                () = fuse.blows() => survived = false,
                done = rebuild(&mortal, &records, None) => drop(done.unwrap()),
            }
            kills += u32::from(!survived);
            rebuild(catalog.as_ref(), &records, None).await.unwrap();
            assert!(everything(&catalog).await == everything(&whole).await, "killed {moment:?} {at}");
        }
        if survived {
            break;
        }
    }
    assert_eq!(kills, 10, "four workspaces are described, and then the backups added");
}

#[tokio::test]
async fn a_backup_that_was_deleted_since_its_record_was_read_stays_deleted() {
    let catalog = MemoryCatalog::new();
    let (kept, gone) = (backup(1), backup(2));
    let delete = DeleteRequest::new("delete".parse().unwrap(), gone.id.clone(), gone.workspace.clone());
    let mut operation = OperationRecord::submitted(Request::Delete(delete), Timestamp::from_millis(0));
    let holder = Holder::new("host", "process");
    let created = catalog.create_operation(&operation, &holder, LEASE_TTL_DEFAULT).await.unwrap();
    let Creation::Created(lease) = created else { panic!("nothing stands in its way") };
    operation.state = OperationState::Completed;
    catalog.commit(&lease, &OperationChange::new(&operation)).await.unwrap();
    let rebuilt = rebuild(&catalog, &[kept.clone(), gone.clone()], None).await.unwrap();
    assert_eq!((rebuilt.added, rebuilt.deleted), (vec![kept.id.clone()], vec![gone.id]));
    assert_eq!(rows(&catalog).await.into_keys().collect::<Vec<_>>(), [kept.id]);
}
