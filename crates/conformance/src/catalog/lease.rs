//! Checks of claiming, renewing and releasing operations, and of the request to stop.

use std::sync::Arc;

use stillpoint_core::{Claim, ErrorKind, OperationChange, Result};
use tokio::task::JoinSet;

use super::harness::Harness;
use super::sample::{TTL, claimed, create, holder, operation, refusal, stored};

/// A lease that was given up can be claimed at once, under a higher epoch.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_released_operation_can_be_claimed(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let first = create(&*catalog, &record).await?;
    catalog.release_lease(&first).await?;
    let free = stored(&*catalog, &record.id).await?.lease;
    assert_eq!((free.holder, free.live), (None, false), "nobody holds it");
    let second = claimed(catalog.claim_operation(&record.id, &holder("second"), TTL, None).await?)?;
    assert!(second.epoch > first.epoch, "the epoch grows with each claim");
    let found = stored(&*catalog, &record.id).await?;
    assert_eq!(found.lease.holder, Some(holder("second")));
    assert_eq!((found.lease.epoch, found.lease.expires_at), (second.epoch, second.expires_at));
    assert!(found.lease.live);
    assert_eq!(found.operation, record, "a claim does not change the operation");
    Ok(())
}

/// A lease runs out by the catalog's clock, and not a moment before.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn an_expired_lease_can_be_claimed(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let first = create(&*catalog, &record).await?;
    harness.pass(TTL / 2).await;
    let early = catalog.claim_operation(&record.id, &holder("second"), TTL, None).await?;
    assert!(matches!(early, Claim::Held(_)), "half its time is left: {early:?}");
    harness.pass(TTL / 2).await;
    assert!(!stored(&*catalog, &record.id).await?.lease.live, "its time is up");
    let second = claimed(catalog.claim_operation(&record.id, &holder("second"), TTL, None).await?)?;
    assert!(second.epoch > first.epoch && second.expires_at > first.expires_at);
    Ok(())
}

/// A running lease is answered with who holds it, also to its own holder.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_live_lease_is_held(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let lease = create(&*catalog, &record).await?;
    for claimant in ["second", "worker"] {
        let answer = catalog.claim_operation(&record.id, &holder(claimant), TTL, None).await?;
        assert!(
            matches!(&answer, Claim::Held(info) if info.holder == Some(holder("worker"))
                && info.epoch == lease.epoch && info.expires_at == lease.expires_at && info.live),
            "{claimant} was answered {answer:?}"
        );
    }
    Ok(())
}

/// Whoever knows that a holder is dead names its epoch and takes over before the lease runs out; a wrong epoch does
/// not.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_dead_holder_is_taken_over_by_its_epoch(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let first = create(&*catalog, &record).await?;
    let second = holder("second");
    let claim = |epoch| catalog.claim_operation(&record.id, &second, TTL, epoch);
    for wrong in [first.epoch + 1, first.epoch - 1, u64::MAX] {
        let answer = claim(Some(wrong)).await?;
        assert!(matches!(answer, Claim::Held(_)), "epoch {wrong} is not the current one: {answer:?}");
    }
    let taken = claimed(claim(Some(first.epoch)).await?)?;
    assert!(taken.epoch > first.epoch);
    let late = claim(Some(first.epoch)).await?;
    assert!(matches!(late, Claim::Held(_)), "an epoch is taken over once: {late:?}");
    Ok(())
}

/// Renewing gives a lease its full time again.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn renewing_extends_a_lease(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let mut lease = create(&*catalog, &record).await?;
    for _ in 0..3 {
        harness.pass(TTL * 3 / 4).await;
        let renewal = catalog.renew_lease(&lease, TTL).await?;
        assert_eq!((&renewal.lease.operation, renewal.lease.epoch), (&record.id, lease.epoch));
        assert!(renewal.lease.expires_at > lease.expires_at, "a renewed lease ends later");
        assert!(!renewal.cancel_requested);
        lease = renewal.lease;
    }
    let info = stored(&*catalog, &record.id).await?.lease;
    assert!(info.live, "it was renewed in time");
    assert_eq!(info.expires_at, lease.expires_at);
    Ok(())
}

/// A lease that ran out goes on working as long as nobody else took the operation.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_lease_that_ran_out_works_until_somebody_takes_over(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut record = operation("op-1", "ada", 0)?;
    let lease = create(&*catalog, &record).await?;
    harness.pass(TTL * 3).await;
    record.step = "after a long pause".into();
    catalog.commit(&lease, &OperationChange::new(&record)).await?;
    catalog.renew_lease(&lease, TTL).await?;
    let found = stored(&*catalog, &record.id).await?;
    assert_eq!(found.operation, record);
    assert!(found.lease.live, "renewed, it runs again");
    Ok(())
}

/// After a takeover the old lease renews and commits nothing; the new one does.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_lease_that_was_taken_over_is_refused(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let mut record = operation("op-1", "ada", 0)?;
    let first = create(&*catalog, &record).await?;
    harness.pass(TTL).await;
    let second = claimed(catalog.claim_operation(&record.id, &holder("second"), TTL, None).await?)?;
    let before = stored(&*catalog, &record.id).await?;
    record.step = "written by a ghost".into();
    assert_eq!(refusal(catalog.renew_lease(&first, TTL * 5).await), Some(ErrorKind::Conflict));
    let ghost = catalog.commit(&first, &OperationChange::new(&record)).await;
    assert_eq!(refusal(ghost), Some(ErrorKind::Conflict));
    assert_eq!(stored(&*catalog, &record.id).await?, before, "a stale lease changes nothing");
    record.step = "written by its holder".into();
    catalog.commit(&second, &OperationChange::new(&record)).await?;
    catalog.renew_lease(&second, TTL).await?;
    assert_eq!(stored(&*catalog, &record.id).await?.operation, record);
    Ok(())
}

/// Giving up a lease that somebody took over is a success and leaves the new holder alone.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn releasing_a_stale_lease_changes_nothing(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let first = create(&*catalog, &record).await?;
    claimed(catalog.claim_operation(&record.id, &holder("second"), TTL, Some(first.epoch)).await?)?;
    let before = stored(&*catalog, &record.id).await?;
    catalog.release_lease(&first).await?;
    assert_eq!(stored(&*catalog, &record.id).await?, before);
    assert!(before.lease.live);
    Ok(())
}

/// Many claimants at once, from two processes, of one free operation: exactly one gets it.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn of_many_claimants_one_wins(harness: &dyn Harness) -> Result<()> {
    let handles = [harness.catalog().await?, harness.catalog().await?];
    let record = operation("op-1", "ada", 0)?;
    let lease = create(&*handles[0], &record).await?;
    handles[0].release_lease(&lease).await?;
    let mut racers = JoinSet::new();
    for number in 0..32 {
        let (catalog, id) = (Arc::clone(&handles[number % 2]), record.id.clone());
        racers.spawn(
            async move { catalog.claim_operation(&id, &holder(&number.to_string()), TTL, None).await },
        );
    }
    let answers = racers.join_all().await.into_iter().collect::<Result<Vec<_>>>()?;
    let won: Vec<_> = answers
        .iter()
        .filter_map(|answer| match answer {
            Claim::Claimed(lease) => Some(lease.epoch),
            _ => None,
        })
        .collect();
    assert_eq!(won.len(), 1, "one lease, one holder");
    assert_eq!(stored(&*handles[1], &record.id).await?.lease.epoch, won[0]);
    Ok(())
}

/// A request to stop needs no lease, may be repeated, is told at each renewal, and outlives takeovers and commits.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_request_to_cancel_reaches_the_holder(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let record = operation("op-1", "ada", 0)?;
    let first = create(&*catalog, &record).await?;
    catalog.request_cancel(&record.id).await?;
    catalog.request_cancel(&record.id).await?;
    assert!(catalog.renew_lease(&first, TTL).await?.cancel_requested);
    let asked = stored(&*catalog, &record.id).await?;
    assert!(asked.cancel_requested && asked.lease.live, "asking takes nobody's lease");
    catalog.commit(&first, &OperationChange::new(&record)).await?;
    let second = catalog.claim_operation(&record.id, &holder("second"), TTL, Some(first.epoch)).await?;
    assert!(catalog.renew_lease(&claimed(second)?, TTL).await?.cancel_requested);
    Ok(())
}

/// Claiming or cancelling what is not there says so.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn an_unknown_operation_cannot_be_claimed_or_cancelled(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    create(&*catalog, &operation("op-1", "ada", 0)?).await?;
    let unknown = "op-2".parse()?;
    let claim = catalog.claim_operation(&unknown, &holder("worker"), TTL, None).await;
    assert_eq!(refusal(claim), Some(ErrorKind::NotFound));
    assert_eq!(refusal(catalog.request_cancel(&unknown).await), Some(ErrorKind::NotFound));
    assert_eq!(catalog.operation(&unknown).await?, None);
    assert!(catalog.ledger(&unknown).await?.is_empty());
    Ok(())
}
