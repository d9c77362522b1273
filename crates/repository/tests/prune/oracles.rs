//! Stock restic and rustic judge what a prune leaves, and take turns with us.

use std::time::Duration;

use stillpoint_repository::{Id, PruneOptions, PruneState};
use stillpoint_testkit::oracle;

use crate::support::{House, PASSWORD, files_in};

/// Backups with waste, of which only the last stays.
async fn littered(house: &House) -> Id {
    let mut gone = Vec::new();
    for seed in 0..3 {
        house.write("changing", seed, 200_000);
        house.write("large", seed + 10, 700_000);
        gone.push(house.backup().await);
    }
    house.remove("large");
    house.write("small", 20, 40_000);
    let kept = house.backup().await;
    for snapshot in gone {
        house.repository.delete_snapshot(&snapshot).await.unwrap();
    }
    kept
}

#[tokio::test]
async fn restic_finds_nothing_wrong_after_each_kind_of_prune() {
    let Some(restic) = oracle::restic() else { return };
    let house = House::on_disk().await;
    let kept = littered(&house).await;
    let judge = restic.repository(house.location(), PASSWORD);
    let grace = Duration::from_millis(1);
    assert_eq!(house.prune(grace).await.state, PruneState::Condemned);
    judge.check_read_data();
    tokio::time::sleep(grace).await;
    assert_eq!(house.prune(grace).await.state, PruneState::Freed);
    judge.check_read_data();
    littered(&house).await;
    assert_eq!(house.prune(Duration::ZERO).await.state, PruneState::Freed);
    judge.check_read_data();
    let out = house.folder.path().join("out");
    judge.restore(&kept.to_hex(), &out);
    let restored = out.join(house.source().strip_prefix("/").unwrap());
    assert_eq!(files_in(&restored), house.content(&kept).await);
}

#[tokio::test]
async fn restic_and_we_prune_in_turn() {
    let Some(restic) = oracle::restic() else { return };
    let house = House::on_disk().await;
    littered(&house).await;
    let judge = restic.repository(house.location(), PASSWORD);
    let source = house.source();
    let source = source.to_str().unwrap();
    judge.run(&["backup", source]);
    house.write("by-restic", 40, 300_000);
    judge.run(&["backup", source]);
    house.prune(Duration::ZERO).await;
    judge.check_read_data();
    judge.run(&["forget", "--keep-last", "1", "--prune"]);
    let ours = house.backup().await;
    house.assert_sound(house.repository.snapshots().await.unwrap().readable.len() as u64).await;
    judge.check_read_data();
    for snapshot in house.repository.snapshots().await.unwrap().readable {
        if snapshot.id != ours {
            house.repository.delete_snapshot(&snapshot.id).await.unwrap();
        }
    }
    house.prune(Duration::ZERO).await;
    judge.check_read_data();
    judge.run(&["backup", source]);
    judge.check_read_data();
    house.assert_sound(2).await;
    assert_eq!(house.content(&ours).await["by-restic"].len(), 300_000);
}

#[tokio::test]
async fn restic_waits_while_a_condemned_list_stands_for_nothing() {
    let Some(restic) = oracle::restic() else { return };
    let house = House::on_disk().await;
    littered(&house).await;
    let judge = restic.repository(house.location(), PASSWORD);
    let grace = Duration::from_millis(1);
    assert_eq!(house.prune(grace).await.state, PruneState::Condemned);
    // Restic knows nothing of our list: it prunes, and backs the same content up.
    judge.run(&["prune"]);
    judge.run(&["backup", house.source().to_str().unwrap()]);
    tokio::time::sleep(grace).await;
    let report = house.repository.prune(&PruneOptions::with_grace(grace)).await.unwrap();
    assert!(report.retained.is_empty());
    judge.check_read_data();
    house.assert_sound(2).await;
}

#[tokio::test]
async fn rustic_finds_nothing_wrong_after_a_prune() {
    let Some(rustic) = oracle::rustic() else { return };
    let house = House::on_disk().await;
    let kept = littered(&house).await;
    assert_eq!(house.prune(Duration::ZERO).await.state, PruneState::Freed);
    let repository = house.folder.path().join("repository");
    rustic.check_read_data(&repository, PASSWORD);
    rustic.backup(&repository, PASSWORD, &house.source());
    house.prune(Duration::ZERO).await;
    rustic.check_read_data(&repository, PASSWORD);
    assert!(!house.content(&kept).await.is_empty());
}
