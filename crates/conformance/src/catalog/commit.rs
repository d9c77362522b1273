//! Checks of durable steps: record, ledger and backups change together or not at all.

use std::sync::Arc;

use stillpoint_core::{
    BackupRecord, Catalog, Claim, Definition, ErrorKind, Lease, LedgerEntry, OperationChange, OperationId,
    OperationRecord, OperationState, Result, Revision, WorkspaceRecord,
};
use tokio::task::JoinSet;

use super::harness::Harness;
use super::sample::{
    TTL, at, backup, claimed, create, full_workspace, holder, intent, operation, origin, refusal, stored,
};

/// One step writes the operation, lines of its ledger and a backup.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_commit_changes_everything_together(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut record = operation("op-1", "ada", 0)?;
    let lease = create(&*catalog, &record).await?;
    let lines = [intent(1, &lease), LedgerEntry::outcome(at(2), lease.epoch, "start", "home", 1, "ok")];
    let point = backup("b-1", "ada", 0)?;
    record.state = OperationState::Completed;
    record.finished_at = Some(at(9));
    record.backup = Some(point.id.clone());
    let mut change = OperationChange::new(&record);
    change.ledger = &lines;
    change.put_backup = Some(&point);
    catalog.commit(&lease, &change).await?;
    assert_eq!(stored(&*catalog, &record.id).await?.operation, record);
    assert_eq!(catalog.ledger(&record.id).await?, lines);
    let written = catalog.backup(&point.id).await?;
    assert_eq!(written.map(|stored| (stored.backup, stored.revision)), Some((point, Revision(1))));
    Ok(())
}

/// A step catalogues the workspace that it restored; of one that is known already it writes the origin alone. The same step
/// again changes nothing.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_commit_catalogues_a_restored_workspace(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "new", 0)?;
    let lease = create(&*catalog, &record).await?;
    let mut restored = WorkspaceRecord::new(Definition::new("new".parse()?), Vec::new(), at(9));
    restored.origin = Some(origin()?);
    let mut change = OperationChange::new(&record);
    change.restored = Some(&restored);
    for _ in 0..2 {
        catalog.commit(&lease, &change).await?;
        assert_eq!(catalog.workspace(&restored.definition.id).await?.as_ref(), Some(&restored));
    }
    let mut known = full_workspace("known")?;
    known.origin = None;
    catalog.put_workspace(&known).await?;
    restored.definition.id = "known".parse()?;
    let mut change = OperationChange::new(&record);
    change.restored = Some(&restored);
    catalog.commit(&lease, &change).await?;
    known.origin.clone_from(&restored.origin);
    assert_eq!(catalog.workspace(&known.definition.id).await?, Some(known));
    Ok(())
}

/// A step under a lease that was taken over leaves operation, ledger and backups as they are.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_stale_commit_changes_nothing(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let stale = create(&*catalog, &record).await?;
    let (kept, new) = (backup("kept", "ada", 0)?, backup("new", "ada", 1)?);
    catalog.put_backup(&kept, None).await?;
    claimed(catalog.claim_operation(&record.id, &holder("second"), TTL, Some(stale.epoch)).await?)?;
    let before = stored(&*catalog, &record.id).await?;

    let mut ghost = record.clone();
    ghost.state = OperationState::Failed;
    let lines = [intent(1, &stale)];
    let mut change = OperationChange::new(&ghost);
    change.ledger = &lines;
    change.put_backup = Some(&new);
    change.remove_backup = Some(&kept.id);
    let restored = full_workspace("ghostly")?;
    change.restored = Some(&restored);
    assert_eq!(refusal(catalog.commit(&stale, &change).await), Some(ErrorKind::Conflict));

    assert_eq!(stored(&*catalog, &record.id).await?, before);
    assert!(catalog.ledger(&record.id).await?.is_empty(), "the ledger has no line of the ghost");
    assert_eq!(catalog.backup(&new.id).await?, None);
    assert_eq!(catalog.workspace(&restored.definition.id).await?, None);
    assert_eq!(catalog.backup(&kept.id).await?.map(|stored| stored.revision), Some(Revision(1)));
    Ok(())
}

/// The ledger is in the order in which it was written, whatever times its lines carry, and is the operation's own.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_ledger_keeps_its_order(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let (one, two) = (operation("op-1", "ada", 0)?, operation("op-2", "grace", 0)?);
    let (mine, other) = (create(&*catalog, &one).await?, create(&*catalog, &two).await?);
    let mut expected = Vec::new();
    for step in 0..7u32 {
        // Later lines carry earlier times, and equal lines stand side by side.
        let lines: Vec<_> = (0..step).map(|line| intent(1000 - 10 * step - line / 2, &mine)).collect();
        append(&*catalog, &one, &mine, &lines).await?;
        append(&*catalog, &two, &other, &[intent(step, &other)]).await?;
        expected.extend(lines);
    }
    assert_eq!(catalog.ledger(&one.id).await?, expected);
    assert_eq!(catalog.ledger(&two.id).await?.len(), 7);
    Ok(())
}

async fn append(
    catalog: &dyn Catalog,
    record: &OperationRecord,
    lease: &Lease,
    lines: &[LedgerEntry],
) -> Result<()> {
    let mut change = OperationChange::new(record);
    change.ledger = lines;
    catalog.commit(lease, &change).await
}

/// A step overwrites a backup and counts the write, removes a backup, and may do both; removing what is gone is a
/// success.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_commit_overwrites_and_removes_backups(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let lease = create(&*catalog, &record).await?;
    let (mut kept, gone) = (backup("kept", "ada", 0)?, backup("gone", "ada", 1)?);
    catalog.put_backup(&kept, None).await?;
    catalog.put_backup(&gone, None).await?;
    kept.held = true;
    for revision in [2, 3] {
        let mut change = OperationChange::new(&record);
        change.put_backup = Some(&kept);
        change.remove_backup = Some(&gone.id);
        catalog.commit(&lease, &change).await?;
        let written = catalog.backup(&kept.id).await?;
        assert_eq!(
            written.map(|stored| (stored.backup, stored.revision)),
            Some((kept.clone(), Revision(revision)))
        );
        assert_eq!(catalog.backup(&gone.id).await?, None);
    }
    Ok(())
}

/// Two processes take an operation from each other while both commit. Afterwards the number in its record, the lines
/// of its ledger and the revision of its backup agree: every accepted step is there whole, every refused one not at
/// all.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn commits_and_takeovers_at_once_leave_no_half_change(harness: &dyn Harness) -> Result<()> {
    let handles = [harness.catalog().await?, harness.catalog().await?];
    let record = operation("op-1", "ada", 0)?;
    create(&*handles[0], &record).await?;
    let point = backup("b-1", "ada", 0)?;
    let mut rivals = JoinSet::new();
    for (number, catalog) in handles.iter().enumerate() {
        rivals.spawn(rival(Arc::clone(catalog), record.id.clone(), point.clone(), number));
    }
    let steps: u64 = rivals.join_all().await.into_iter().sum::<Result<u64>>()?;
    assert!(steps > 0, "somebody got something done");
    let end = stored(&*handles[0], &record.id).await?;
    assert_eq!(end.operation.progress.files_done, steps, "the record counts every accepted step");
    assert_eq!(handles[0].ledger(&record.id).await?.len() as u64, steps);
    assert_eq!(handles[0].backup(&point.id).await?.map(|stored| stored.revision), Some(Revision(steps)));
    Ok(())
}

/// Takes the operation over again and again, and counts the steps that were accepted.
async fn rival(
    catalog: Arc<dyn Catalog>,
    id: OperationId,
    point: BackupRecord,
    number: usize,
) -> Result<u64> {
    let mut accepted = 0;
    for _ in 0..10 {
        let epoch = stored(&*catalog, &id).await?.lease.epoch;
        let answer = catalog.claim_operation(&id, &holder(&number.to_string()), TTL, Some(epoch)).await?;
        let Claim::Claimed(lease) = answer else { continue };
        for _ in 0..3 {
            let mut record = stored(&*catalog, &id).await?.operation;
            record.progress.files_done += 1;
            let lines = [intent(1, &lease)];
            let mut change = OperationChange::new(&record);
            change.ledger = &lines;
            change.put_backup = Some(&point);
            match catalog.commit(&lease, &change).await {
                Ok(()) => accepted += 1,
                Err(error) if error.kind() == ErrorKind::Conflict => break,
                Err(error) => return Err(error),
            }
            tokio::task::yield_now().await;
        }
    }
    Ok(accepted)
}
