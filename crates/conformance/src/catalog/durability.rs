//! Checks that what is stored comes back whole, also to another process and after a restart.

use stillpoint_core::{Catalog, LedgerEntry, OperationChange, OperationState, Result, Revision, Timestamp};

use super::harness::Harness;
use super::sample::{
    TTL, at, backup, claimed, create, full_backup, full_operations, full_workspace, holder, intent,
    operation, stored,
};

/// Records with every field set, with awkward text and extreme numbers, come back as they were.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn every_record_comes_back_as_it_was(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let workspace = full_workspace("ada/'; DROP TABLE workspaces; --")?;
    catalog.put_workspace(&workspace).await?;
    assert_eq!(catalog.workspace(&workspace.definition.id).await?, Some(workspace));

    let point = full_backup("b ✓ \"quoted\" 'single'", "ada/ü", 1)?;
    catalog.put_backup(&point, None).await?;
    assert_eq!(catalog.backup(&point.id).await?.map(|stored| stored.backup), Some(point));

    for mut record in full_operations()? {
        let lease = create(&*catalog, &record).await?;
        assert_eq!(stored(&*catalog, &record.id).await?.operation, record);
        record.state = OperationState::Partial;
        record.finished_at = Some(at(12));
        let mut failed =
            LedgerEntry::outcome(at(3), u64::MAX, "cancel", "a b\n", u32::MAX, "throttled: \u{0}'\"");
        failed.params_hash = "00ff".into();
        let lines = [intent(1, &lease), failed];
        let mut change = OperationChange::new(&record);
        change.ledger = &lines;
        catalog.commit(&lease, &change).await?;
        assert_eq!(stored(&*catalog, &record.id).await?.operation, record);
        assert_eq!(catalog.ledger(&record.id).await?, lines);
    }
    let border = backup("border", "ada", 0)?;
    for millis in [i64::MIN, i64::MAX, -1, 999] {
        let mut record = border.clone();
        record.id = format!("border{millis}").parse()?;
        record.created_at = Timestamp::from_millis(millis);
        catalog.put_backup(&record, None).await?;
        assert_eq!(catalog.backup(&record.id).await?.map(|stored| stored.backup), Some(record));
    }
    Ok(())
}

/// Everything that was acknowledged is there after a restart: operations, leases, requests to stop, ledgers, backups,
/// revisions and workspaces.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn everything_survives_a_restart(harness: &dyn Harness) -> Result<()> {
    let first = harness.catalog().await?;
    let mut record = operation("op-1", "ada", 0)?;
    let lease = create(&*first, &record).await?;
    record.step = "half way".into();
    let (point, lines) = (full_backup("b-1", "ada", 0)?, [intent(1, &lease), intent(2, &lease)]);
    let mut change = OperationChange::new(&record);
    change.ledger = &lines;
    change.put_backup = Some(&point);
    first.commit(&lease, &change).await?;
    first.put_backup(&point, Some(Revision(1))).await?;
    first.request_cancel(&record.id).await?;
    let workspace = full_workspace("ada")?;
    first.put_workspace(&workspace).await?;
    let before = stored(&*first, &record.id).await?;
    drop(first);

    let second = harness.catalog().await?;
    assert_eq!(stored(&*second, &record.id).await?, before);
    assert_eq!(second.ledger(&record.id).await?, lines);
    assert_eq!(
        second.backup(&point.id).await?.map(|found| (found.backup, found.revision)),
        Some((point, Revision(2)))
    );
    assert_eq!(second.workspace(&workspace.definition.id).await?, Some(workspace));
    // The lease of the process that is gone still fences, and can be taken over.
    let next = second.claim_operation(&record.id, &holder("next"), TTL, Some(before.lease.epoch)).await?;
    assert!(claimed(next)?.epoch > lease.epoch);
    Ok(())
}

/// What one process wrote, another that opened the catalog earlier sees with its next call.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_second_process_sees_what_the_first_wrote(harness: &dyn Harness) -> Result<()> {
    let (first, second) = (harness.catalog().await?, harness.catalog().await?);
    let mut record = operation("op-1", "ada", 0)?;
    let lease = create(&*first, &record).await?;
    for step in 1..=5u32 {
        record.step = format!("step {step}");
        let (writer, reader): (&dyn Catalog, &dyn Catalog) =
            if step % 2 == 0 { (&*first, &*second) } else { (&*second, &*first) };
        let lines = [intent(step, &lease)];
        let mut change = OperationChange::new(&record);
        change.ledger = &lines;
        writer.commit(&lease, &change).await?;
        assert_eq!(stored(reader, &record.id).await?.operation.step, record.step);
        assert_eq!(reader.ledger(&record.id).await?.len(), step as usize);
    }
    Ok(())
}
