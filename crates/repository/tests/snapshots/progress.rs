//! What a restore tells while it runs.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stillpoint_localfs::{ExtractOptions, Landing};
use stillpoint_repository::{Cancellation, Progress, RestoreOptions};
use stillpoint_testkit::tree::TreeSpec;

use crate::support::House;

/// Files and bytes: found, and done.
#[derive(Debug, Default)]
struct Told {
    found: [AtomicU64; 2],
    done: [AtomicU64; 2],
}

impl Told {
    fn read(counters: &[AtomicU64; 2]) -> [u64; 2] {
        counters.each_ref().map(|counter| counter.load(Ordering::Relaxed))
    }

    fn done_is_found(&self) -> bool {
        let (found, done) = (Self::read(&self.found), Self::read(&self.done));
        done[0] <= found[0] && done[1] <= found[1]
    }
}

impl Progress for Told {
    fn found(&self, files: u64, bytes: u64) {
        self.found[0].fetch_add(files, Ordering::Relaxed);
        self.found[1].fetch_add(bytes, Ordering::Relaxed);
    }

    fn advanced(&self, bytes: u64) {
        self.done[1].fetch_add(bytes, Ordering::Relaxed);
        assert!(self.done_is_found(), "{self:?}");
    }

    fn finished(&self, files: u64) {
        self.done[0].fetch_add(files, Ordering::Relaxed);
        assert!(self.done_is_found(), "{self:?}");
    }
}

async fn told_by(house: &House, snapshot: &stillpoint_repository::Id, landing: Landing) -> Told {
    let (told, target) = (Arc::new(Told::default()), house.path("target"));
    let mut options = RestoreOptions::new("op");
    options.extract = ExtractOptions::landing(landing);
    let progress: Arc<dyn Progress> = told.clone();
    house.repository.restore(snapshot, &target, options, progress, &Cancellation::new()).await.unwrap();
    Arc::into_inner(told).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_ends_as_what_was_found_and_is_never_more() {
    let house = House::new().await;
    let made = TreeSpec::small(31).generate(&house.source()).unwrap();
    assert!(made.hard_links > 0);
    let backup = house.backup().await;
    let stored = house.repository.load_snapshot(&backup.snapshot).await.unwrap().summary.unwrap();
    let due = [stored.total_files_processed, stored.total_bytes_processed];
    for landing in [Landing::EmptyTarget, Landing::Merge, Landing::Replace] {
        let told = told_by(&house, &backup.snapshot, landing).await;
        assert_eq!((Told::read(&told.done), Told::read(&told.found)), (due, due), "{landing:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_restored_are_done_too() {
    let house = House::new().await;
    TreeSpec::small(32).plain().generate(&house.source()).unwrap();
    let backup = house.backup().await;
    let stored = house.repository.load_snapshot(&backup.snapshot).await.unwrap().summary.unwrap();
    let due = [stored.total_files_processed, stored.total_bytes_processed];
    // Packs of content are larger than those of listings.
    let packs = house.repository.list_packs().await.unwrap();
    let (pack, _) = packs.iter().max_by_key(|(_, length)| *length).unwrap();
    let path = house.path("repository/data").join(&pack.to_hex()[..2]).join(pack.to_hex());
    let mut bytes = fs::read(&path).unwrap();
    for place in (0..bytes.len()).step_by(1 << 14) {
        bytes[place] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    let told = told_by(&house, &backup.snapshot, Landing::EmptyTarget).await;
    assert_eq!((Told::read(&told.done), Told::read(&told.found)), (due, due));
}
