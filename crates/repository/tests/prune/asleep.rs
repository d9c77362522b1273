//! Backups that fall asleep while they look around.

use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use stillpoint_repository::check::{CheckDepth, CheckOptions};
use stillpoint_repository::{CacheFolder, PruneOptions, PruneState};

use crate::mortal::{Mortal, Sleep};
use crate::support::{House, backup, open};

const GRACE: Duration = Duration::from_millis(1);
/// More than a backup ever asks for.
const LISTINGS: i64 = 80;

/// The index files that a backup remembers name packs of content which no snapshot needs any more. While it sleeps before
/// any one of its listings, a prune takes that content; the backup then needs it again.
#[tokio::test]
async fn a_backup_that_sleeps_over_a_sweep_relies_on_nothing_that_was_swept() {
    let mut slept = 0;
    for listings in 0..LISTINGS {
        let objects = Arc::new(InMemory::new());
        let cache = tempfile::tempdir().unwrap();
        let cached = |store: stillpoint_repository::Store| store.with_cache(&CacheFolder::new(cache.path()));
        let house = House::on(cached(Mortal::store(&objects, i64::MAX, true))).await;
        house.write("kept", 1, 3000);
        house.write("comes and goes", 2, 30_000);
        let mut old = vec![house.backup().await];
        house.write("kept", 3, 3000);
        old.push(house.backup().await);
        house.remove("comes and goes");
        house.backup().await;
        for snapshot in &old {
            house.repository.delete_snapshot(snapshot).await.unwrap();
        }
        house.write("comes and goes", 2, 30_000);
        assert_eq!(house.prune(GRACE).await.state, PruneState::Condemned);
        tokio::time::sleep(GRACE * 3).await;

        let sleep = Arc::new(Sleep::default());
        let sleepy = cached(Mortal::sleeping_over_listings(&objects, listings, &sleep));
        let source = house.source();
        let mut backing_up = tokio::spawn(async move { backup(&open(sleepy).await, &source).await });
        tokio::select! {
            () = sleep.begins.notified() => {}
            ended = &mut backing_up => {
                ended.unwrap();
                break;
            }
        }
        slept += 1;
        // The repository may be locked by the sleeper, which does not keep a sweep out.
        let swept = house.repository.prune(&PruneOptions::with_grace(GRACE)).await.unwrap();
        assert_eq!(swept.state, PruneState::Freed, "asleep after {listings} listings");
        sleep.ends.notify_one();
        backing_up.await.unwrap();
        let options = CheckOptions::new(CheckDepth::ReadAll);
        let report = house.repository.with_fresh_index().check(&options).await.unwrap();
        assert!(report.is_sound(), "asleep after {listings} listings: {report:?}");
    }
    assert!(slept > 5 && slept < LISTINGS, "{slept}");
}
