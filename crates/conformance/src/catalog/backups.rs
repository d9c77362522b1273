//! Checks of writing backups outside an operation.

use std::sync::Arc;

use stillpoint_core::{ErrorKind, Result, Revision};
use tokio::task::JoinSet;

use super::harness::Harness;
use super::sample::{backup, refusal};

/// A backup that should be new and is not is refused, and stays as it is.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_new_backup_must_be_new(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let first = backup("b-1", "ada", 0)?;
    let revision = catalog.put_backup(&first, None).await?;
    let again = catalog.put_backup(&backup("b-1", "grace", 7)?, None).await;
    assert_eq!(refusal(again), Some(ErrorKind::AlreadyExists));
    let found = catalog.backup(&first.id).await?;
    assert_eq!(found.map(|stored| (stored.backup, stored.revision)), Some((first, revision)));
    Ok(())
}

/// Of several backups those are added that are not there; what is there stays as it is.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn several_backups_are_added_where_they_are_not_there(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let (mut there, new) = (backup("b-1", "ada", 0)?, backup("b-2", "ada", 1)?);
    let revision = catalog.put_backup(&there, None).await?;
    assert_eq!(catalog.add_backups(&[]).await?, [false; 0]);
    let other = backup("b-1", "grace", 7)?;
    let twice = backup("b-2", "grace", 8)?;
    assert_eq!(catalog.add_backups(&[other, new.clone(), twice]).await?, [false, true, false]);
    let found = catalog.backup(&there.id).await?;
    assert_eq!(found.map(|stored| (stored.backup, stored.revision)), Some((there.clone(), revision)));
    let found = catalog.backup(&new.id).await?;
    let revision = found.as_ref().map(|stored| stored.revision);
    assert_eq!(found.map(|stored| stored.backup).as_ref(), Some(&new));
    (there.id, there.name) = (new.id.clone(), Some("renamed".into()));
    catalog.put_backup(&there, revision).await?;
    Ok(())
}

/// A backup is overwritten by whoever read it last, and every column that it is found by follows.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_backup_is_overwritten_at_its_revision_only(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut record = backup("b-1", "ada", 0)?;
    let first = catalog.put_backup(&record, None).await?;
    record.name = Some("renamed".into());
    let second = catalog.put_backup(&record, Some(first)).await?;
    assert!(second > first, "each write counts");
    record.held = true;
    for wrong in [first, Revision(second.0 + 1), Revision(u64::MAX)] {
        let stale = catalog.put_backup(&record, Some(wrong)).await;
        assert_eq!(refusal(stale), Some(ErrorKind::Conflict), "{wrong:?} is not the current revision");
    }
    let absent = catalog.put_backup(&backup("b-2", "ada", 0)?, Some(first)).await;
    assert_eq!(refusal(absent), Some(ErrorKind::Conflict), "what is not there has no revision");
    assert_eq!(catalog.backup(&"b-2".parse()?).await?, None);

    let found = catalog.backup(&record.id).await?;
    assert_eq!(found.as_ref().map(|stored| (stored.revision, stored.backup.held)), Some((second, false)));
    let mut query = stillpoint_core::BackupQuery::all();
    query.name = Some("renamed".into());
    assert_eq!(catalog.backups(&query).await?.items, Vec::from_iter(found));
    Ok(())
}

/// Many writers at once, from two processes, at one revision: exactly one write is accepted.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn of_many_writers_at_one_revision_one_wins(harness: &dyn Harness) -> Result<()> {
    let handles = [harness.catalog().await?, harness.catalog().await?];
    let record = backup("b-1", "ada", 0)?;
    for expected in [None, Some(Revision(1)), Some(Revision(2))] {
        let mut writers = JoinSet::new();
        for number in 0..16 {
            let catalog = Arc::clone(&handles[number % 2]);
            let mut record = record.clone();
            record.creator = Some(number.to_string());
            writers.spawn(async move {
                (
                    number.to_string(),
                    catalog.put_backup(&record, expected).await.map_err(|error| error.kind()),
                )
            });
        }
        let (won, lost): (Vec<_>, Vec<_>) =
            writers.join_all().await.into_iter().partition(|(_, answer)| answer.is_ok());
        assert_eq!(won.len(), 1, "{expected:?} is current for one writer");
        let refused = if expected.is_none() { ErrorKind::AlreadyExists } else { ErrorKind::Conflict };
        assert!(lost.iter().all(|(_, answer)| *answer == Err(refused)), "{lost:?}");
        let found = handles[0].backup(&record.id).await?;
        assert_eq!(found.and_then(|stored| stored.backup.creator).as_ref(), Some(&won[0].0));
    }
    Ok(())
}

/// What was never written is not there.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn an_unknown_backup_is_none(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    catalog.put_backup(&backup("b-1", "ada", 0)?, None).await?;
    for unknown in ["b-2", "b", "b-11", "B-1", "b-1 "] {
        assert_eq!(catalog.backup(&unknown.parse()?).await?, None, "{unknown:?}");
    }
    Ok(())
}
