//! Checks of what operations keep to themselves.

use std::sync::Arc;

use stillpoint_core::{Catalog, ErrorKind, Extent, Lease, OperationId, OperationState, Result};
use tokio::task::JoinSet;

use super::harness::Harness;
use super::sample::{TTL, claimed, create, holder, operation, refusal};

fn directory(path: &str) -> Vec<Extent> {
    vec![Extent::directory("host-1", path)]
}

fn ids(texts: &[&str]) -> Result<Vec<OperationId>> {
    texts.iter().map(|text| text.parse()).collect()
}

/// The leases of `op-1` to `op-4`, each of a workspace of its own.
async fn leases(catalog: &dyn Catalog) -> Result<[Lease; 4]> {
    let lease = async |number: u32| {
        create(catalog, &operation(&format!("op-{number}"), &format!("w-{number}"), 0)?).await
    };
    Ok([lease(1).await?, lease(2).await?, lease(3).await?, lease(4).await?])
}

/// Two operations whose extents overlap are never both told that nothing stands in their way; others do not meet.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn what_overlaps_is_reserved_once(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let [first, second, third, fourth] = leases(&*catalog).await?;
    let long = format!("/home/ada/{}", "deep/".repeat(800));
    assert_eq!(catalog.reserve(&first, &directory("/home/ada")).await?, []);
    assert_eq!(catalog.reserve(&first, &directory("/home/ada")).await?, [], "again is no obstacle to itself");
    for within in ["/home/ada", "/home", "/", "/home/ada/work", long.as_str()] {
        assert_eq!(catalog.reserve(&second, &directory(within)).await?, ids(&["op-1"])?, "{within}");
    }
    for beside in ["/home/adam", "/srv/home/ada", "/home/ad"] {
        assert_eq!(catalog.reserve(&second, &directory(beside)).await?, [], "{beside}");
    }
    let elsewhere = vec![Extent::directory("host-2", "/home/ada"), Extent::resource("cloud", "vol-1")];
    assert_eq!(catalog.reserve(&third, &elsewhere).await?, []);
    let both = vec![Extent::resource("cloud", "vol-1"), Extent::directory("host-1", "/home")];
    assert_eq!(catalog.reserve(&fourth, &both).await?, ids(&["op-1", "op-2", "op-3"])?);
    Ok(())
}

/// Whoever was refused has reserved nothing, not even what was its own before.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_refused_reservation_keeps_nobody_waiting(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let [first, second, third, _] = leases(&*catalog).await?;
    assert_eq!(catalog.reserve(&first, &directory("/a")).await?, []);
    assert_eq!(catalog.reserve(&second, &directory("/b")).await?, []);
    let more = [directory("/a"), directory("/b")].concat();
    assert_eq!(catalog.reserve(&second, &more).await?, ids(&["op-1"])?);
    assert_eq!(catalog.reserve(&third, &directory("/b")).await?, [], "what was refused is free");
    assert_eq!(catalog.reserve(&first, &directory("/c")).await?, []);
    assert_eq!(catalog.reserve(&third, &[]).await?, []);
    assert_eq!(
        catalog.reserve(&second, &directory("/a")).await?,
        [],
        "what is reserved anew is no longer so before"
    );
    Ok(())
}

/// What was reserved is free as soon as its operation is not active, and not when its lease runs out or is taken over.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn a_reservation_lasts_as_long_as_its_operation_is_active(harness: &dyn Harness) -> Result<()> {
    let catalog = harness.catalog().await?;
    let waiting = create(&*catalog, &operation("waiting", "w-waiting", 0)?).await?;
    let ends = [OperationState::Detached, OperationState::Completed, OperationState::Cancelled];
    for state in [OperationState::Running, OperationState::Cancelling].into_iter().chain(ends) {
        let id = format!("op-{}", state.as_str());
        let place = directory(&format!("/{id}"));
        let record = operation(&id, &id, 0)?;
        let stale = create(&*catalog, &record).await?;
        assert_eq!(catalog.reserve(&stale, &place).await?, []);
        harness.pass(TTL * 2).await;
        let lease = claimed(catalog.claim_operation(&record.id, &holder("another"), TTL, None).await?)?;
        assert_eq!(catalog.reserve(&waiting, &place).await?, ids(&[id.as_str()])?);
        for late in [Vec::new(), directory("/elsewhere")] {
            assert_eq!(refusal(catalog.reserve(&stale, &late).await), Some(ErrorKind::Conflict));
        }
        assert_eq!(
            catalog.reserve(&waiting, &place).await?,
            ids(&[id.as_str()])?,
            "an old owner frees nothing"
        );
        let mut next = record.clone();
        next.state = state;
        catalog.commit(&lease, &stillpoint_core::OperationChange::new(&next)).await?;
        let others = if state.is_active() { ids(&[id.as_str()])? } else { Vec::new() };
        assert_eq!(catalog.reserve(&waiting, &place).await?, others, "{state:?}");
        if !state.is_active() {
            assert_eq!(catalog.reserve(&lease, &directory("/late")).await?, [], "{state:?}");
            assert_eq!(catalog.reserve(&waiting, &directory("/late")).await?, [], "{state:?} keeps nothing");
        }
    }
    Ok(())
}

/// Many operations at once, from two processes, on parts of each other: those that are told that nothing stands in their
/// way do not overlap, and one of them at least is.
///
/// # Errors
/// Whatever the catalog answers against the contract.
pub async fn of_many_overlapping_reservations_one_is_made(harness: &dyn Harness) -> Result<()> {
    const ROUNDS: usize = 4;
    const RACERS: usize = 24;
    let handles = [harness.catalog().await?, harness.catalog().await?];
    for round in 0..ROUNDS {
        let mut racers = JoinSet::new();
        for number in 0..RACERS {
            let id = format!("op-{round}-{number:02}");
            let lease = create(&*handles[0], &operation(&id, &id, 0)?).await?;
            let catalog: Arc<dyn Catalog> = Arc::clone(&handles[number % 2]);
            let place = Extent::directory("host-1", format!("/{round}/{}", "part/".repeat(number % 6)));
            racers.spawn(async move {
                let others = catalog.reserve(&lease, &[place]).await?;
                Ok::<_, stillpoint_core::Error>(others.is_empty())
            });
        }
        let answers = racers.join_all().await.into_iter().collect::<Result<Vec<bool>>>()?;
        assert_eq!(
            answers.iter().filter(|free| **free).count(),
            1,
            "of {RACERS} that overlap one has its way"
        );
    }
    Ok(())
}
