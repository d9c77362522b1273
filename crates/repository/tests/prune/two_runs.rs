//! Prunes with a grace, beside backups.

use std::time::Duration;

use stillpoint_repository::{ErrorKind, LockMode, PruneOptions, PruneState};

use crate::support::{House, backup, open, store_at};

/// Short enough to wait for, long enough for a run not to see its own list as due.
const GRACE: Duration = Duration::from_millis(400);

async fn after_grace(house: &House) -> stillpoint_repository::PruneReport {
    tokio::time::sleep(GRACE + Duration::from_millis(50)).await;
    house.prune(GRACE).await
}

#[tokio::test]
async fn the_first_run_deletes_nothing_and_the_second_only_after_the_grace() {
    let house = House::on_disk().await;
    house.write("old", 1, 200_000);
    let first = house.backup().await;
    house.write("old", 2, 200_000);
    let second = house.backup().await;
    house.repository.delete_snapshot(&first).await.unwrap();
    let packs = house.repository.list_packs().await.unwrap().len();

    let condemned = house.prune(Duration::from_secs(3600)).await;
    assert_eq!(condemned.state, PruneState::Condemned);
    assert!(condemned.condemned_packs >= 2 && condemned.due.is_some(), "{condemned:?}");
    let waiting = house.prune(Duration::from_secs(3600)).await;
    assert_eq!((waiting.state, waiting.due), (PruneState::Condemned, condemned.due));
    assert_eq!(house.repository.list_packs().await.unwrap().len(), packs);

    let freed = after_grace(&house).await;
    assert_eq!(freed.state, PruneState::Freed);
    assert!(freed.deleted_bytes > 200_000, "{freed:?}");
    house.assert_sound(1).await;
    assert_eq!(house.content(&second).await.len(), 1);
}

#[tokio::test]
async fn a_backup_made_meanwhile_keeps_what_it_shares_with_the_condemned() {
    let house = House::on_disk().await;
    house.write("file", 1, 200_000);
    let first = house.backup().await;
    house.repository.delete_snapshot(&first).await.unwrap();
    assert_eq!(house.prune(GRACE).await.state, PruneState::Condemned);
    // The same content again: nothing of it is stored anew, since the index still lists it.
    let again = house.backup().await;
    let report = after_grace(&house).await;
    assert_ne!(report.state, PruneState::Freed, "{report:?}");
    house.assert_sound(1).await;
    assert_eq!(house.content(&again).await["file"].len(), 200_000);
}

#[tokio::test]
async fn packs_that_no_index_names_go_only_after_two_runs() {
    let house = House::on_disk().await;
    house.write("file", 1, 100_000);
    house.backup().await;
    let index = house.folder.path().join("repository/index");
    for file in std::fs::read_dir(&index).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    for snapshot in house.repository.snapshots().await.unwrap().readable {
        house.repository.delete_snapshot(&snapshot.id).await.unwrap();
    }
    assert_eq!(house.prune(GRACE).await.condemned_packs, 2);
    assert_eq!(after_grace(&house).await.deleted_packs, 2);
    house.assert_sound(0).await;
}

#[tokio::test]
async fn the_second_run_waits_for_whoever_ran_during_the_first() {
    let house = House::on_disk().await;
    house.write("file", 1, 1000);
    let first = house.backup().await;
    house.repository.delete_snapshot(&first).await.unwrap();
    let before = house.repository.lock(LockMode::Shared).await.unwrap();
    assert_eq!(house.prune(GRACE).await.state, PruneState::Condemned);
    tokio::time::sleep(GRACE * 2).await;
    let refused = house.repository.prune(&PruneOptions::with_grace(GRACE)).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{refused}");
    before.release().await.unwrap();
    // One that came later does not matter.
    let later = house.repository.lock(LockMode::Shared).await.unwrap();
    assert_eq!(after_grace(&house).await.state, PruneState::Freed);
    later.release().await.unwrap();
    house.assert_sound(0).await;
}

#[tokio::test]
async fn a_sweep_shuts_other_programs_out_and_lets_our_own_backups_in() {
    let house = House::on_disk().await;
    house.write("file", 1, 1000);
    let sweep = house.repository.lock(LockMode::Sweep).await.unwrap();
    let ours = house.repository.lock(LockMode::Shared).await.unwrap();
    let other_sweep = house.repository.lock(LockMode::Sweep).await.unwrap_err();
    assert!(matches!(other_sweep.kind(), ErrorKind::Locked { .. }));
    ours.release().await.unwrap();
    if let Some(restic) = stillpoint_testkit::oracle::restic() {
        let judge = restic.repository(house.location(), crate::support::PASSWORD);
        let refused = judge.command(&["backup", house.source().to_str().unwrap()]).output().unwrap();
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stderr).contains("locked exclusively"));
    }
    sweep.release().await.unwrap();
}

#[tokio::test]
async fn a_foreign_lock_lets_packs_be_condemned_but_not_deleted() {
    let house = House::on_disk().await;
    house.write("file", 1, 1000);
    let first = house.backup().await;
    house.repository.delete_snapshot(&first).await.unwrap();
    let Some(foreign) = foreign_lock(&house).await else { return };
    assert_eq!(house.prune(GRACE).await.state, PruneState::Condemned);
    tokio::time::sleep(GRACE).await;
    let refused = house.repository.prune(&PruneOptions::with_grace(GRACE)).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Locked { .. }), "{refused}");
    foreign.end();
    let refused = house.repository.prune(&PruneOptions::with_grace(GRACE)).await.unwrap_err();
    assert!(refused.to_string().contains("restic unlock"), "nothing proves that it is dead: {refused}");
    let restic = stillpoint_testkit::oracle::restic().unwrap();
    restic.repository(house.location(), crate::support::PASSWORD).run(&["unlock"]);
    assert_eq!(after_grace(&house).await.state, PruneState::Freed);
}

/// A running restic that holds a lock.
struct Foreign {
    child: std::process::Child,
}

impl Foreign {
    fn end(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A shared lock as restic writes it, taken during a backup from a pipe that never ends.
async fn foreign_lock(house: &House) -> Option<Foreign> {
    let locks = house.folder.path().join("repository/locks");
    let restic = stillpoint_testkit::oracle::restic()?;
    let judge = restic.repository(house.location(), crate::support::PASSWORD);
    let child = judge
        .command(&["backup", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while std::fs::read_dir(&locks).into_iter().flatten().next().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(Foreign { child })
}

#[tokio::test]
async fn an_ordinary_backup_pays_two_listings_for_its_safety() {
    let house = House::in_memory().await;
    house.write("file", 1, 1000);
    house.backup().await;
    let before = house.repository.store().counters();
    house.repository.rounds().await.unwrap();
    let after = house.repository.store().counters();
    assert_eq!((after.lists - before.lists, after.gets - before.gets), (1, 0));
}

#[tokio::test]
async fn two_processes_share_one_repository() {
    let house = House::on_disk().await;
    house.write("file", 1, 100_000);
    let other = open(store_at(&house.folder.path().join("repository"))).await;
    let first = backup(&other, &house.source()).await;
    other.delete_snapshot(&first).await.unwrap();
    assert_eq!(house.prune(GRACE).await.state, PruneState::Condemned);
    house.write("file", 2, 100_000);
    let second = backup(&other, &house.source()).await;
    assert_eq!(after_grace(&house).await.state, PruneState::Freed);
    assert_eq!(house.content(&second).await["file"].len(), 100_000);
    house.assert_sound(1).await;
}
