//! Checks of creating operations.

use std::sync::Arc;

use stillpoint_core::{Creation, OperationQuery, OperationState, Result};
use tokio::task::JoinSet;

use super::harness::Harness;
use super::sample::{TTL, create, create_in, created, holder, operation, stored};

/// A new operation is stored as it was given, under a live lease of its creator.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_new_operation_is_stored_with_its_lease(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let lease = created(catalog.create_operation(&record, &holder("worker"), TTL).await?)?;
    assert_eq!(lease.operation, record.id);
    let found = stored(&*catalog, &record.id).await?;
    assert_eq!(found.operation, record);
    assert_eq!(found.lease.holder, Some(holder("worker")));
    assert_eq!((found.lease.epoch, found.lease.expires_at), (lease.epoch, lease.expires_at));
    assert!(found.lease.live, "a new lease runs");
    assert!(!found.cancel_requested, "nobody asked it to stop");
    assert!(catalog.ledger(&record.id).await?.is_empty(), "nothing was called yet");
    assert_eq!(catalog.operation(&"op-2".parse()?).await?, None, "another id is another operation");
    Ok(())
}

/// Creating an operation whose id is taken answers the stored one and changes nothing, whoever asks.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn the_same_operation_again_is_the_one_that_exists(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let lease = create(&*catalog, &record).await?;
    for again in [record.clone(), operation("op-1", "grace", 99)?] {
        let answer = catalog.create_operation(&again, &holder("another"), TTL * 9).await?;
        assert!(
            matches!(&answer, Creation::Exists(found)
                if found.operation == record && found.lease.holder == Some(holder("worker"))),
            "the stored operation is due, not {answer:?}"
        );
    }
    let found = stored(&*catalog, &record.id).await?;
    assert_eq!((found.lease.epoch, found.lease.expires_at), (lease.epoch, lease.expires_at));
    assert_eq!(found.operation, record);
    Ok(())
}

/// An operation that ended is still the one with its id.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn an_operation_that_ended_still_exists(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let ended = create_in(&*catalog, operation("op-1", "ada", 0)?, OperationState::Completed).await?;
    let again = operation("op-1", "ada", 50)?;
    let answer = catalog.create_operation(&again, &holder("another"), TTL).await?;
    assert!(matches!(&answer, Creation::Exists(found) if found.operation == ended), "not {answer:?}");
    Ok(())
}

/// A second operation on a workspace is told which one is there and who runs it, and leaves no trace.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_workspace_has_one_active_operation(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let first = operation("op-1", "ada", 0)?;
    create(&*catalog, &first).await?;
    let second = operation("op-2", "ada", 1)?;
    let answer = catalog.create_operation(&second, &holder("another"), TTL).await?;
    assert!(
        matches!(&answer, Creation::Busy(running) if running.operation == first
            && running.lease.holder == Some(holder("worker")) && running.lease.live),
        "the running operation is due, not {answer:?}"
    );
    assert_eq!(catalog.operation(&second.id).await?, None, "a refused operation is not stored");
    Ok(())
}

/// An operation that is asked to stop still has its workspace; one that ended, or whose jobs merely run on, does not.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_workspace_is_free_once_its_operation_is_not_active(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let states = [
        OperationState::Cancelling,
        OperationState::Detached,
        OperationState::Completed,
        OperationState::Partial,
        OperationState::Failed,
        OperationState::Cancelled,
    ];
    for state in states {
        let workspace = format!("w-{}", state.as_str());
        let first = operation(&format!("first-{workspace}"), &workspace, 0)?;
        create_in(&*catalog, first, state).await?;
        let second = operation(&format!("second-{workspace}"), &workspace, 1)?;
        let answer = catalog.create_operation(&second, &holder("another"), TTL).await?;
        assert_eq!(matches!(answer, Creation::Busy(_)), state.is_active(), "{state:?} answered {answer:?}");
        assert_eq!(
            matches!(answer, Creation::Created(_)),
            !state.is_active(),
            "{state:?} answered {answer:?}"
        );
    }
    Ok(())
}

/// An operation whose process died keeps its workspace until somebody ends it.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn an_expired_lease_does_not_free_the_workspace(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    create(&*catalog, &operation("op-1", "ada", 0)?).await?;
    harness.pass(TTL * 2).await;
    let answer = catalog.create_operation(&operation("op-2", "ada", 1)?, &holder("another"), TTL).await?;
    assert!(matches!(&answer, Creation::Busy(running) if !running.lease.live), "not {answer:?}");
    Ok(())
}

/// Operations on different workspaces do not meet, however similar the names are.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn other_workspaces_are_not_busy(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    for (number, workspace) in ["ada", "Ada", "ada ", "ada/", "ada%", "ädä"].into_iter().enumerate() {
        create(&*catalog, &operation(&format!("op-{number}"), workspace, 0)?).await?;
    }
    Ok(())
}

/// Many creators at once, from two processes, on one workspace: exactly one operation comes to be.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn of_many_operations_on_one_workspace_one_is_created(harness: &dyn Harness) -> Result<()> {
    let handles = [harness.catalog().await?, harness.catalog().await?];
    let mut racers = JoinSet::new();
    for number in 0..48 {
        let catalog = Arc::clone(&handles[number % 2]);
        let record = operation(&format!("op-{number:02}"), "ada", 0)?;
        racers
            .spawn(async move { catalog.create_operation(&record, &holder(&number.to_string()), TTL).await });
    }
    let answers = racers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let winners: Vec<_> = answers
        .iter()
        .filter_map(|answer| match answer {
            Creation::Created(lease) => Some(lease.operation.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(winners.len(), 1, "one workspace, one operation: {winners:?}");
    for answer in &answers {
        let right = match answer {
            Creation::Created(_) => true,
            Creation::Busy(running) => running.operation.id == winners[0],
            _ => false,
        };
        assert!(right, "{answer:?} although {winners:?} won");
    }
    let stored = handles[0].operations(&OperationQuery::all()).await?.items;
    assert_eq!(stored.len(), 1, "the refused ones left no trace");
    Ok(())
}

/// Many creators at once of one and the same operation: exactly one creates it, the others find it.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn of_many_creations_of_one_operation_one_creates_it(harness: &dyn Harness) -> Result<()> {
    let handles = [harness.catalog().await?, harness.catalog().await?];
    let record = operation("op-1", "ada", 0)?;
    let mut racers = JoinSet::new();
    for number in 0..24 {
        let (catalog, record) = (Arc::clone(&handles[number % 2]), record.clone());
        racers
            .spawn(async move { catalog.create_operation(&record, &holder(&number.to_string()), TTL).await });
    }
    let answers = racers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let count = |wanted: fn(&Creation) -> bool| answers.iter().filter(|answer| wanted(answer)).count();
    assert_eq!(count(|answer| matches!(answer, Creation::Created(_))), 1);
    assert_eq!(count(|answer| matches!(answer, Creation::Exists(_))), 23);
    Ok(())
}
