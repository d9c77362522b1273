//! Prunes that die at each of their changes, and the runs that follow.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{Id, PruneOptions, PruneState, Repository};

use crate::mortal::{Mortal, Sleep};
use crate::support::{House, open};

/// More changes than any prune here makes.
const LONG: i64 = 1_000;

/// A repository with one snapshot to keep, waste to copy around, and packs to delete.
async fn littered() -> (Arc<InMemory>, Id) {
    let objects = Arc::new(InMemory::new());
    let house = House::on(Mortal::store(&objects, LONG, true)).await;
    let mut gone = Vec::new();
    for seed in 0..3 {
        house.write("changing", seed, 30_000);
        house.write("large", seed + 10, 60_000);
        gone.push(house.backup().await);
    }
    house.remove("large");
    house.write("small", 20, 5_000);
    let kept = house.backup().await;
    for snapshot in gone {
        house.repository.delete_snapshot(&snapshot).await.unwrap();
    }
    (objects, kept)
}

async fn assert_whole(repository: &Repository, kept: &Id, context: &str) {
    let mut options = CheckOptions::new(CheckDepth::ReadAll);
    options.lock = false;
    let report = repository.with_fresh_index().check(&options).await.unwrap();
    assert!(report.is_sound() && report.snapshots == 1, "{context}: {report:?}");
    repository.load_snapshot(kept).await.unwrap();
}

/// Opening derives a key; the same open repository serves each death with another store.
async fn die_and_go_on(grace: Duration) -> u32 {
    let mut deaths = 0;
    for changes in 0.. {
        for last_arrives in [false, true] {
            let (objects, kept) = littered().await;
            let options = PruneOptions::with_grace(grace);
            let doomed = open(Mortal::store(&objects, LONG, true)).await;
            if !grace.is_zero() {
                assert_eq!(doomed.prune(&options).await.unwrap().state, PruneState::Condemned);
                tokio::time::sleep(grace).await;
            }
            drop(doomed);
            let doomed = open(Mortal::store(&objects, changes, last_arrives)).await;
            let died = doomed.prune(&options).await;
            let next = open(Mortal::store(&objects, LONG, true)).await;
            let context = format!("died after {changes} changes, the last one arrived: {last_arrives}");
            assert_whole(&next, &kept, &context).await;
            forget_locks(&objects).await;
            let mut state = next.prune(&options).await.unwrap().state;
            if state == PruneState::Condemned {
                tokio::time::sleep(grace).await;
                state = next.prune(&options).await.unwrap().state;
            }
            assert_ne!(state, PruneState::Condemned, "{context}");
            assert_whole(&next, &kept, &context).await;
            if let Ok(report) = died {
                assert_eq!(report.state, PruneState::Freed, "{context}");
                return deaths;
            }
            deaths += 1;
            let left = next.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap();
            assert_eq!(left.state, PruneState::Clean, "{context}: {left:?}");
        }
    }
    deaths
}

/// The dead process was of this host, and so its lock counts for nothing; here it is the test's own process.
pub(crate) async fn forget_locks(objects: &Arc<InMemory>) {
    use futures::TryStreamExt;
    use object_store::{ObjectStore, ObjectStoreExt};
    let locks: Vec<_> = objects.list(Some(&"locks".into())).try_collect().await.unwrap();
    for lock in locks {
        objects.delete(&lock.location).await.unwrap();
    }
}

#[tokio::test]
async fn a_prune_without_grace_may_die_at_any_change() {
    let deaths = die_and_go_on(Duration::ZERO).await;
    assert!(deaths > 20, "{deaths}");
}

#[tokio::test]
async fn a_sweep_may_die_at_any_change() {
    let deaths = die_and_go_on(Duration::from_millis(1)).await;
    assert!(deaths > 20, "{deaths}");
}

/// A backup stores its snapshot and then looks for prunes. Where it died in between, whoever finds the snapshot looks:
/// here while a prune sleeps before any one of its changes.
#[tokio::test]
async fn a_snapshot_that_nobody_confirmed_counts_only_where_no_sweep_takes_what_it_needs() {
    let (mut counted, mut refused) = (0, 0);
    for changes in 0..LONG {
        let objects = Arc::new(InMemory::new());
        let house = House::on(Mortal::store(&objects, LONG, true)).await;
        house.write("changing", 1, 30_000);
        let first = house.backup().await;
        let unconfirmed = house.repository.load_snapshot(&first).await.unwrap();
        house.write("changing", 2, 30_000);
        house.backup().await;
        house.repository.delete_snapshot(&first).await.unwrap();

        let sleep = Arc::new(Sleep::default());
        let pruning = open(Mortal::sleeping(&objects, changes, &sleep)).await;
        let at_once = PruneOptions::with_grace(Duration::ZERO);
        let mut prune = tokio::spawn(async move { pruning.prune(&at_once).await });
        tokio::select! {
            () = sleep.begins.notified() => {}
            ended = &mut prune => {
                ended.unwrap().unwrap();
                break;
            }
        }
        let stored = house.repository.save_snapshot(&unconfirmed).await.unwrap();
        let counts = house.repository.confirm_snapshot(&unconfirmed).await.unwrap();
        if !counts {
            house.repository.delete_snapshot(&stored).await.unwrap();
        }
        sleep.ends.notify_one();
        prune.await.unwrap().unwrap();
        let mut options = CheckOptions::new(CheckDepth::ReadAll);
        options.lock = false;
        let report = house.repository.with_fresh_index().check(&options).await.unwrap();
        assert!(report.is_sound(), "asleep after {changes} changes, and it counts: {counts}: {report:?}");
        (counted, refused) = if counts { (counted + 1, refused) } else { (counted, refused + 1) };
    }
    assert!(counted > 0 && refused > 2, "{counted} counted, {refused} refused");
}

/// Whose lock was taken from it may index packs that a prune has deleted before.
#[tokio::test]
async fn a_snapshot_counts_only_where_the_packs_are_there_that_the_index_names() {
    let house = House::on_disk().await;
    house.write("file", 1, 30_000);
    let stored = house.backup().await;
    let snapshot = house.repository.load_snapshot(&stored).await.unwrap();
    assert!(house.repository.confirm_snapshot(&snapshot).await.unwrap());
    let folders = std::fs::read_dir(house.folder.path().join("repository/data")).unwrap();
    let mut packs = folders.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let content = packs.find(|pack| pack.as_ref().unwrap().metadata().unwrap().len() > 30_000);
    std::fs::remove_file(content.unwrap().unwrap().path()).unwrap();
    assert!(!house.repository.confirm_snapshot(&snapshot).await.unwrap());
}
