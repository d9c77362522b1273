//! Prunes without a grace.

use std::time::Duration;

use stillpoint_repository::{ErrorKind, LockMode, PruneOptions, PruneState, Timestamp};

use crate::support::{House, backup, noise, open, store_at};

#[tokio::test]
async fn what_only_a_deleted_snapshot_needed_is_freed_and_the_rest_stays() {
    let house = House::in_memory().await;
    house.write("old", 1, 400_000);
    let first = house.backup().await;
    house.remove("old");
    house.write("new", 2, 300_000);
    let second = house.backup().await;
    let kept = house.content(&second).await;
    house.repository.delete_snapshot(&first).await.unwrap();

    let report = house.prune(Duration::ZERO).await;
    assert_eq!((report.state, report.snapshots), (PruneState::Freed, 1));
    assert!(report.deleted_bytes > 400_000 && report.retained.is_empty() && !report.versioned, "{report:?}");
    house.assert_sound(1).await;
    assert_eq!(house.content(&second).await, kept);
    assert_eq!(house.prune(Duration::ZERO).await.state, PruneState::Clean);
}

#[tokio::test]
async fn used_content_is_copied_out_of_a_pack_that_is_mostly_waste() {
    let house = House::in_memory().await;
    house.write("big", 1, 900_000);
    house.write("small", 2, 50_000);
    let first = house.backup().await;
    house.remove("big");
    let second = house.backup().await;
    let kept = house.content(&second).await;
    house.repository.delete_snapshot(&first).await.unwrap();

    let report = house.prune(Duration::ZERO).await;
    assert!(report.wasteful_packs >= 1 && report.copied_blobs >= 1, "{report:?}");
    assert!(report.copied_bytes < 100_000 && report.deleted_bytes > 900_000, "{report:?}");
    house.assert_sound(1).await;
    assert_eq!(house.content(&second).await, kept);
    assert_eq!(house.prune(Duration::ZERO).await.state, PruneState::Clean, "copies are not copied again");
}

/// Moves every file below `from` to the same path below `to`.
fn merge(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&there).unwrap();
            merge(&entry.path(), &there);
        } else {
            std::fs::rename(entry.path(), there).unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_pack_that_is_gone_had_as_well_is_copied_before_the_other_pack_goes() {
    // Which of the two an index tells first follows from its random name.
    for seed in 1..7 {
        with_a_pack_gone(seed).await;
    }
}

async fn with_a_pack_gone(seed: u64) {
    let house = House::on_disk().await;
    house.write("big", 100 + seed, 900_000);
    house.write("small", seed, 50_000);
    let first = house.backup().await;
    house.remove("big");
    // A backup that sees neither stores once more what is stored.
    let (place, aside) = (house.folder.path().join("repository"), house.folder.path().join("aside"));
    std::fs::create_dir(&aside).unwrap();
    for folder in ["index", "data"] {
        std::fs::rename(place.join(folder), aside.join(folder)).unwrap();
        std::fs::create_dir(place.join(folder)).unwrap();
    }
    let twin = open(store_at(&place)).await;
    let second = backup(&twin, &house.source()).await;
    let again = twin.list_packs().await.unwrap().into_iter().find(|pack| pack.1 > 50_000).unwrap().0.to_hex();
    std::fs::remove_file(place.join("data").join(&again[..2]).join(&again)).unwrap();
    merge(&aside, &place);
    house.repository.delete_snapshot(&first).await.unwrap();

    let repository = open(store_at(&place)).await;
    let report = repository.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap();
    assert!(report.deleted_bytes > 900_000 && report.copied_blobs >= 1, "{report:?}");
    house.assert_sound(1).await;
    assert_eq!(house.content(&second).await["small"], noise(seed, 50_000));
}

#[tokio::test]
async fn nothing_is_freed_while_anything_else_uses_the_repository() {
    let house = House::in_memory().await;
    house.write("file", 1, 1000);
    let snapshot = house.backup().await;
    house.repository.delete_snapshot(&snapshot).await.unwrap();
    let lock = house.repository.lock(LockMode::Shared).await.unwrap();
    let refused = house.repository.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{refused}");
    lock.release().await.unwrap();
    assert_eq!(house.prune(Duration::ZERO).await.state, PruneState::Freed);
    house.assert_sound(0).await;
}

#[tokio::test]
async fn a_trial_run_says_what_would_go_and_changes_nothing() {
    let house = House::on_disk().await;
    house.write("file", 1, 100_000);
    let snapshot = house.backup().await;
    house.repository.delete_snapshot(&snapshot).await.unwrap();
    let before = house.repository.list_packs().await.unwrap().len();
    let mut options = PruneOptions::with_grace(Duration::ZERO);
    options.dry_run = true;
    let report = house.repository.prune(&options).await.unwrap();
    let locks = std::fs::read_dir(house.folder.path().join("repository/locks")).unwrap();
    assert_eq!(locks.count(), 0, "whoever ends now leaves no lock behind");
    assert_eq!((report.state, report.deleted_packs), (PruneState::Planned, 0));
    assert!(report.unused_packs == 2 && report.unused_bytes > 100_000, "{report:?}");
    assert_eq!(house.repository.list_packs().await.unwrap().len(), before);
    assert_eq!(house.repository.rounds().await.unwrap(), Default::default());
}

#[tokio::test]
async fn a_clock_that_is_six_minutes_off_stops_everything() {
    let house = House::in_memory().await;
    house.write("file", 1, 1000);
    let snapshot = house.backup().await;
    house.repository.delete_snapshot(&snapshot).await.unwrap();
    let packs = house.repository.list_packs().await.unwrap().len();
    for off in [-360, 360] {
        let now = house.repository.load_snapshot(&snapshot).await.err().map(|_| now()).unwrap();
        let wrong = Timestamp::new(now.seconds + off, 0);
        let options = PruneOptions::with_grace(Duration::ZERO).with_local_time(move || wrong);
        let refused = house.repository.prune(&options).await.unwrap_err();
        assert!(refused.to_string().contains("nothing is deleted until they agree"), "{refused}");
    }
    assert_eq!(house.repository.list_packs().await.unwrap().len(), packs);
}

#[expect(clippy::disallowed_methods, reason = "the store's clock is this machine's")]
fn now() -> Timestamp {
    std::time::SystemTime::now().into()
}

#[tokio::test]
async fn one_run_deletes_no_more_than_the_share_it_may() {
    let house = House::in_memory().await;
    let mut snapshots = Vec::new();
    for seed in 0..10 {
        house.write("file", seed, 100_000);
        snapshots.push(house.backup().await);
    }
    for snapshot in &snapshots[..9] {
        house.repository.delete_snapshot(snapshot).await.unwrap();
    }
    let mut options = PruneOptions::with_grace(Duration::ZERO);
    options.delete_percent = 20;
    let report = house.repository.prune(&options).await.unwrap();
    assert!(report.deleted_packs > 0 && report.deleted_bytes * 5 <= report.bytes, "{report:?}");
    assert_eq!(house.prune(Duration::ZERO).await.state, PruneState::Freed);
    house.assert_sound(1).await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_whole_stops_everything() {
    let house = House::on_disk().await;
    house.write("one", 1, 50_000);
    let first = house.backup().await;
    house.write("two", 2, 50_000);
    house.backup().await;
    house.repository.delete_snapshot(&first).await.unwrap();
    let index = house.folder.path().join("repository/index");
    let lost = std::fs::read_dir(&index).unwrap().next().unwrap().unwrap().path();
    std::fs::rename(&lost, house.folder.path().join("lost")).unwrap();
    let refused = house.repository.prune(&PruneOptions::with_grace(Duration::ZERO)).await.unwrap_err();
    assert!(refused.to_string().contains("nothing is deleted"), "{refused}");
    std::fs::rename(house.folder.path().join("lost"), &lost).unwrap();
    house.prune(Duration::ZERO).await;
    house.assert_sound(1).await;
}
