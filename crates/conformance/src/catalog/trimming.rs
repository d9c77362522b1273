//! Checks of the removal of operations that have ended.

use std::sync::Arc;

use stillpoint_core::{
    BackupId, Catalog, Extent, OperationChange, OperationId, OperationQuery, OperationState, Result,
};

use super::harness::Harness;
use super::sample::{backup, create, create_in, intent, operation, stored};

/// The operations that are there, newest first.
async fn left(catalog: &dyn Catalog) -> Result<Vec<OperationId>> {
    let page = catalog.operations(&OperationQuery::all()).await?;
    Ok(page.items.into_iter().map(|stored| stored.operation.id).collect())
}

/// What was asked for and has ended is gone with its ledger and for good, in each list, also after a restart; nothing else is.
/// Its id is free again.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn operations_that_ended_are_removed_with_their_ledgers(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for (id, workspace) in [("op-1", "ada"), ("op-2", "ada"), ("op-3", "bob")] {
        let mut record = operation(id, workspace, 0)?;
        let lease = create(&*catalog, &record).await?;
        catalog.reserve(&lease, &[Extent::resource("disks", format!("disk-{id}"))]).await?;
        record.state = OperationState::Completed;
        let lines = [intent(1, &lease), intent(2, &lease)];
        let mut change = OperationChange::new(&record);
        change.ledger = &lines;
        catalog.commit(&lease, &change).await?;
    }
    let (first, second, third) = ("op-1".parse()?, "op-2".parse()?, "op-3".parse()?);
    assert_eq!(catalog.remove_operations(&[]).await?, []);
    let asked = [first, "op-9".parse()?, third];
    let mut removed = catalog.remove_operations(&asked).await?;
    removed.sort();
    assert_eq!(removed, [asked[0].clone(), asked[2].clone()]);
    assert_eq!(catalog.remove_operations(&asked).await?, [], "they are gone");
    drop(catalog);

    let catalog = harness.catalog().await?;
    assert_eq!(left(&*catalog).await?, [second]);
    for id in &asked {
        assert_eq!(catalog.operation(id).await?, None);
        assert_eq!(catalog.ledger(id).await?, []);
    }
    assert_eq!(catalog.ledger(&"op-2".parse()?).await?.len(), 2);
    let again = operation("op-1", "ada", 7)?;
    let lease = create(&*catalog, &again).await?;
    assert_eq!(lease.epoch, 1, "it is another operation");
    assert_eq!(catalog.ledger(&again.id).await?, []);
    Ok(())
}

/// An operation that is under way or detached stays, and one whose own backup is catalogued, until it no longer is.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn what_is_unfinished_or_made_a_catalogued_backup_is_not_removed(
    harness: &dyn Harness,
) -> Result<()> {
    let catalog = harness.catalog().await?;
    let running = operation("running", "ada", 0)?;
    create(&*catalog, &running).await?;
    let detached = create_in(&*catalog, operation("detached", "bob", 1)?, OperationState::Detached).await?;
    let mut made = operation("made", "eve", 2)?;
    let lease = create(&*catalog, &made).await?;
    made.state = OperationState::Completed;
    let mut point = backup("b", "eve", 2)?;
    point.id = BackupId::of(&made.id);
    let mut change = OperationChange::new(&made);
    change.put_backup = Some(&point);
    catalog.commit(&lease, &change).await?;

    let asked = [running.id, detached.id, made.id.clone()];
    assert_eq!(catalog.remove_operations(&asked).await?, []);
    assert_eq!(left(&*catalog).await?.len(), 3);
    let mut change = OperationChange::new(&made);
    change.remove_backup = Some(&point.id);
    catalog.commit(&lease, &change).await?;
    assert_eq!(catalog.remove_operations(&asked).await?, [made.id]);
    Ok(())
}

/// Several processes remove the same operations at once: each operation is in the answer of one of them.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn of_many_removals_at_once_each_operation_is_in_one(harness: &dyn Harness) -> Result<()> {
    let mut ids = Vec::new();
    let catalog = harness.catalog().await?;
    for number in 0..20 {
        let record = operation(&format!("op-{number}"), "ada", number)?;
        ids.push(create_in(&*catalog, record, OperationState::Failed).await?.id);
    }
    let mut tasks = Vec::new();
    for turn in 0..4 {
        let catalog: Arc<dyn Catalog> = harness.catalog().await?;
        let mut asked = ids.clone();
        asked.rotate_left(turn * 5);
        tasks.push(tokio::spawn(async move { catalog.remove_operations(&asked).await }));
    }
    let mut removed = Vec::new();
    for task in tasks {
        #[expect(clippy::expect_used, reason = "a panic in a task fails the check")]
        removed.extend(task.await.expect("no removal panics")?);
    }
    removed.sort();
    ids.sort();
    assert_eq!(removed, ids);
    assert!(left(&*catalog).await?.is_empty());
    assert!(stored(&*catalog, &ids[0]).await.is_err());
    Ok(())
}
